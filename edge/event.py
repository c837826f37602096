"""Turn flags into events: runs of flagged samples with a life.

An event opens at the first flagged sample, is updated when its score rises to a new peak, and closes at the first
sample that is not flagged (`edge.alarm` bridges the calm ones within), when another outgrows it, or when the stream's
memory begins anew. Its id is made of stream and start, so the same readings give the same id wherever and whenever they
are judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from edge.cohort import Verdicts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Phase = Literal["open", "update", "close"]
ACKNOWLEDGED, FALSE_ALARM = "acknowledged", "false_alarm"
RISE = 1.1  # an update is worth a message when the peak rose by a tenth
MOST_CARRIERS, LEAST_SHARE = 5, 0.1  # of the sensors that are named beside the one that carries most


@dataclass(frozen=True, slots=True)
class Carrier:
    """Say how a sensor carries an event.

    Attributes:
        sensor: its name.
        share: how much of the deviation is its, 0..1.
        expected, lower, upper, actual: sensor units; nan where it had no forecast.
    """

    sensor: str
    share: float
    expected: float
    lower: float
    upper: float
    actual: float


@dataclass(frozen=True, slots=True)
class Peak:
    """Explain an event by its strangest sample so far.

    Attributes:
        time: Unix seconds UTC.
        score: above 1.
        carriers: the sensors that carry it, the one that carries most first; at least one.
    """

    time: float
    score: float
    carriers: tuple[Carrier, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Say what is strange about a stream, since when, and which sensors carry it.

    Attributes:
        id: stable: stream, kind and start.
        stream: its name.
        kind: `forecast`: what came was not what was expected; the others are those of `edge.finding`, or `maintenance`.
        phase: what is new: `open`, `update` or `close`.
        start, end: Unix seconds UTC of the first and the newest flagged sample.
        samples: how many samples were flagged; 0 of another kind than `forecast`.
        peak: the strangest of them.
        feedback: what a person said of it: `acknowledged`, `false_alarm` or nothing.
    """

    id: str
    stream: str
    kind: str
    phase: Phase
    start: float
    end: float
    samples: int
    peak: Peak
    feedback: str = ""


@dataclass(slots=True)
class _Open:
    event: Event
    told: float  # the peak score that was last published


class Events:
    """Follow the open events of a cohort.

    State kept: at most one open event a stream.
    """

    def __init__(self, streams: Sequence[str], sensors: Sequence[str]) -> None:
        """Start with no event open.

        Args:
            streams: their names by row; may grow.
            sensors: their names.
        """
        self._streams = streams
        self._sensors = sensors
        self._open: dict[int, _Open] = {}

    def open_id(self, row: int) -> str:
        """Return the id of a stream's open event, or an empty text."""
        found = self._open.get(row)
        return found.event.id if found else ""

    def current(self, row: int) -> list[Event]:
        """Return the open event of a stream, if there is one."""
        found = self._open.get(row)
        return [found.event] if found else []

    def acknowledge(self, row: int) -> list[Event]:
        """Take note that a person knows of a stream's open event; return what is new."""
        found = self._open.get(row)
        if found is None or found.event.feedback:
            return []
        found.event = replace(found.event, phase="update", feedback=ACKNOWLEDGED)
        return [found.event]

    def dismiss(self, row: int) -> list[Event]:
        """Take a stream's open event for a false alarm, which ends it; return what is new."""
        return [replace(self._close(row), feedback=FALSE_ALARM)] if row in self._open else []

    def rows(self) -> set[int]:
        """Return the rows of the streams with an open event."""
        return set(self._open)

    def count(self) -> int:
        """Return how many events are open."""
        return len(self._open)

    def advance(self, verdicts: Verdicts) -> list[Event]:
        """Take the verdicts of a wave and return what is new, in the order of the wave."""
        flagged = verdicts.score > 1.0
        if not self._open and not flagged.any():
            return []
        news: list[Event] = []
        for place, row in enumerate(verdicts.rows.tolist()):
            if flagged[place] or row in self._open:
                news += self._follow(verdicts, place, row)
        return news

    def _follow(self, verdicts: Verdicts, place: int, row: int) -> list[Event]:
        current = self._open.get(row)
        news: list[Event] = []
        if current and (verdicts.restarted[place] or verdicts.begins[place]):
            news.append(self._close(row))
            current = None
        if verdicts.score[place] > 1.0:
            news += self._begin(verdicts, place, row) if current is None else self._grow(current, verdicts, place)
        elif current and not np.isnan(verdicts.score[place]):
            news.append(self._close(row))
        return news

    def _begin(self, verdicts: Verdicts, place: int, row: int) -> list[Event]:
        time = float(verdicts.times[place])
        event = Event(
            id=event_id(self._streams[row], "forecast", time),
            stream=self._streams[row],
            kind="forecast",
            phase="open",
            start=time,
            end=time,
            samples=1,
            peak=self._peak(verdicts, place),
        )
        self._open[row] = _Open(event, told=event.peak.score)
        return [event]

    def _grow(self, current: _Open, verdicts: Verdicts, place: int) -> list[Event]:
        event = replace(
            current.event, phase="update", end=float(verdicts.times[place]), samples=current.event.samples + 1
        )
        if verdicts.score[place] > event.peak.score:
            event = replace(event, peak=self._peak(verdicts, place))
        current.event = event
        if event.peak.score < RISE * current.told:
            return []
        current.told = event.peak.score
        return [event]

    def _close(self, row: int) -> Event:
        return replace(self._open.pop(row).event, phase="close")

    def _peak(self, verdicts: Verdicts, place: int) -> Peak:
        share = verdicts.share[place]
        order = np.argsort(-share, kind="stable")[:MOST_CARRIERS].tolist()
        carrying = order[:1] + [sensor for sensor in order[1:] if share[sensor] >= LEAST_SHARE]
        return Peak(
            time=float(verdicts.times[place]),
            score=float(verdicts.score[place]),
            carriers=tuple(self._carrier(verdicts, place, sensor) for sensor in carrying),
        )

    def _carrier(self, verdicts: Verdicts, place: int, sensor: int) -> Carrier:
        numbers = (verdicts.share, verdicts.expected, verdicts.lower, verdicts.upper, verdicts.values)
        return Carrier(self._sensors[sensor], *(float(array[place, sensor]) for array in numbers))


def event_id(stream: str, kind: str, start: float) -> str:
    """Make an event's id: the same for the same readings, everywhere.

    >>> event_id("boiler", "forecast", 1273374915.0)
    'boiler-forecast-20100509T031515Z'
    """
    moment = EPOCH + timedelta(seconds=start)  # `fromtimestamp` ends in 2038 where time_t has 32 bits
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond >= 1000 else ""
    return f"{stream}-{kind}-{moment:%Y%m%dT%H%M%S}{fraction}Z"
