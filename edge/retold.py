"""Say a stream's last state again when Home Assistant has started: it heard what was said before, and has forgotten it.

States and forecasts are not kept by the broker, for whoever kept them would take old values for fresh ones. So they are
kept here, one of each topic, and said again once: a little after the stream's device was described, for Home Assistant
first has to subscribe. What is older than an entity may be is not said again: it would count for fresh.

Disliked: what a worker said before its last snapshot is forgotten when it dies. The next sample brings it back.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edge import message
from edge.config import Config
from edge.entities import exposed, sources
from edge.learned import Learned
from edge.message import Outgoing

# Seconds from a device's description to its state, and more for each that is described together with it. Home Assistant
# subscribes to all of them when it has taken up the last. Measured with 2025.4 on two cores, from the description of
# devices of 10 entities that it did not know to the first state that it heard: 0.6 to 0.9 s for one, 1.8 s for 50 at
# once, 17 s for 500; a Pi is slower. Of those that the broker had kept it hears from its `online` on.
SUBSCRIBED = 3.0
SUBSCRIBED_EACH = 0.1
AT_ONCE = 50  # streams that are told again in one look
PAUSE = 0.25  # seconds between two such looks: brokers drop what a subscriber does not keep up with


class Retold(NamedTuple):
    """Ask for what was last said at a topic, if it is not older than so many seconds."""

    topic: str
    max_age: float


class LastSaid:
    """Know what was last said at the topics that entities of Home Assistant follow.

    Attributes:
        retold: messages that were said again.

    State kept: one message of each of these topics, of which there are as many as streams, or twice as many; 0.95 KB
    for the state of a stream of two sensors, 2.4 KB of eight.
    """

    def __init__(self, base: str, kinds: Iterable[str]) -> None:
        """Begin with nothing said.

        Args:
            base: what our own topics begin with.
            kinds: what the topics end with, without the slash.
        """
        self.retold = 0
        self._base = base
        self._ends = tuple(f"/{kind}" for kind in kinds)
        self._said: dict[str, tuple[Outgoing, float]] = {}

    def keep(self, news: Sequence[Outgoing], at: float) -> None:
        """Keep what may have to be said again of what is said now.

        Args:
            news: what is said.
            at: when the readings behind it came, in seconds of a clock that never jumps.
        """
        for topic, payload, qos, retain, expiry in news:
            if topic.endswith(self._ends) and topic.startswith(self._base):
                # A copy: what orjson wrote keeps the 4 KB that it was written in (orjson 3.13, measured).
                self._said[topic] = (Outgoing(topic, bytes(memoryview(payload)), qos, retain, expiry), at)

    def again(self, asked: Sequence[Retold], now: float) -> list[Outgoing]:
        """Return what is to be said again.

        Args:
            asked: the topics; those where nothing was said are left out.
            now: by the clock of `keep`.
        """
        news = []
        for topic, max_age in asked:
            kept = self._said.get(topic)
            if kept is None or now - kept[1] >= max_age:
                continue
            expiry = kept[0].expiry
            news.append(kept[0]._replace(expiry=None if expiry is None else max(1.0, expiry - (now - kept[1]))))
        self.retold += len(news)
        return news


class Retelling:
    """Know which streams are to be told again, and when.

    State kept: the streams that Home Assistant knows nothing of, and those of them that were described to it, each with
    the time from which on it can hear. Times are seconds of one clock that never jumps.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._asked: set[str] = set()
        self._due: dict[str, float] = {}
        self._next_at = 0.0

    def ask(self, streams: Iterable[str]) -> None:
        """Let streams be told again, each once it was described."""
        self._asked.update(streams)

    def describe(self, stream: str, now: float) -> None:
        """Note that a stream's device is described now."""
        if stream in self._asked:
            self._due.pop(stream, None)  # to the end, where those wait that have just been described
            self._due[stream] = now + SUBSCRIBED + SUBSCRIBED_EACH * (len(self._asked) + len(self._due))
            self._asked.discard(stream)

    def take(self, now: float) -> list[str]:
        """Return the streams whose time has come, some at a time."""
        if not self._due or now < self._next_at:
            return []
        due = [stream for stream in list(self._due)[:AT_ONCE] if self._due[stream] <= now]
        for stream in due:
            del self._due[stream]
        self._next_at = now + PAUSE if due else now
        return due


def last_said_of(config: Config, learned: Mapping[Path, Learned]) -> LastSaid | None:
    """Return who knows what was said last; None where Home Assistant is told nothing.

    Args:
        config: loaded and checked.
        learned: what each bundle learned, by its path.
    """
    if not config.homeassistant.enabled:
        return None
    asked = config.homeassistant.horizons
    kinds: set[str] = set()
    for table in config.streams.values():
        horizons = learned[table.bundle].horizons
        kinds.update(sources(table.publish, horizons, exposed(asked, horizons)))
    return LastSaid(message.root(config.node.prefix, config.node.name), sorted(kinds))
