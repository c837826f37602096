"""Know which spans of a stream's history are not its normal life: people were at work on it, or confirmed an anomaly.

What is heard in such a span is recorded, and left out where a model is learnt from the history: who learns from the
day of a repair expects the next one. Maintenance is heard where people ask for it, topic `<stream>/feedback`, so that
it is known also while no daemon runs; an anomaly that they acknowledged is told by the daemon, topic `<stream>/event`.
"""

import orjson

from edge import feedback
from edge.clock import MICROSECONDS
from edge.errors import ReadingError, quote
from edge.feedback import FEEDBACK
from edge.history_spans import ACKNOWLEDGED, MAINTENANCE, Span
from edge.mailbox import Message
from edge.reading import parse_time

EVENT = "/event"  # what the topic of a stream's events ends with
QOS = {FEEDBACK: 0, EVENT: 1}  # what people say while we are away is not kept: it would begin when we come back


class Suppressed:
    """Read what is said of the streams of one node."""

    def __init__(self, base: str, *, hears_feedback: bool) -> None:
        """Take what the topics of the node begin with, and whether people may speak of its streams."""
        self._base = base
        self._endings = (FEEDBACK, EVENT) if hears_feedback else ()

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """Pairs of topic filter and QoS."""
        return [(f"{self._base}+{ending}", QOS[ending]) for ending in self._endings]

    def wants(self, topic: str) -> bool:
        """Return whether a topic is one of those."""
        return topic.startswith(self._base) and topic.endswith(self._endings)

    def read(self, message: Message) -> Span | None:
        """Return the span that a message tells, if it tells one.

        Raises:
            ReadingError: feedback, if it is none that could be meant.
        """
        stream, _, ending = message.topic.removeprefix(self._base).rpartition("/")
        if message.retained or not stream:
            return None
        now = round(message.received_at * MICROSECONDS)
        if ending == FEEDBACK[1:]:
            said = feedback.parse(message.payload)
            return Span(stream, MAINTENANCE, now, now + round(said.seconds * MICROSECONDS)) if said.is_work else None
        return _acknowledged(stream, message.payload, now)


def _acknowledged(stream: str, payload: bytes, now: int) -> Span | None:
    """Return the span of an event that a person has confirmed; one that is open lasts until now."""
    try:
        told = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise ReadingError("feedback", f"an event must be JSON, got {quote(payload[:81])}") from None
    if not isinstance(told, dict) or told.get("feedback") != ACKNOWLEDGED:
        return None
    start = _instant(told.get("start"))
    end = now if told.get("end") is None else _instant(told["end"])
    return Span(stream, ACKNOWLEDGED, start, max(start, end))


def _instant(value: object) -> int:
    try:
        return round(parse_time(value) * MICROSECONDS)
    except ReadingError as wrong:
        raise ReadingError("feedback", f"an event's time: {wrong}") from None
