"""What was heard on one topic so far: how often, in which range, how often unchanged. Its size is bounded."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.discover.content import Content

REMEMBERED = 64  # intervals, and offsets of event times, of which the median is taken


@dataclass(slots=True)
class Values:
    """What stood at one path: how many numbers, between which, and how many were the same as the one before."""

    count: int
    low: float
    high: float
    last: float
    repeats: int = 0

    def take(self, value: float) -> None:
        """Add a number."""
        self.count += 1
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.repeats += value == self.last
        self.last = value


@dataclass(slots=True)
class Heard:
    """One topic.

    Attributes:
        live: messages that were sent while we listened.
        tables: how many of them were JSON objects.
        values: the numbers at each path.
        offsets: seconds from arrival to event time at each path that may hold it, the newest.
        texts: the newest text at each path that holds neither.
        cut: the most paths of a message that were not looked at.
    """

    live: int = 0
    tables: int = 0
    values: dict[str, Values] = field(default_factory=dict)
    offsets: dict[str, deque[float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    _intervals: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _last_at: float | None = None

    def take(self, content: Content, received_at: float, room: int) -> int:
        """Add what was sent just now, and return how many paths are new; at most `room` may be."""
        self.live += 1
        self.tables += content.is_table
        if self._last_at is not None:
            self._intervals.append(max(0.0, received_at - self._last_at))
        self._last_at = received_at
        known = (self.values, self.offsets, self.texts)
        fresh = [path for path in _paths(content) if not any(path in one for one in known)]
        refused = set(fresh[room:])
        self.cut = max(self.cut, content.cut + len(refused))
        for path, value in content.numbers:
            if path in self.values:
                self.values[path].take(value)
            elif path not in refused:
                self.values[path] = Values(1, value, value, value)
        for path, time in content.times:
            if path not in refused:
                self.offsets.setdefault(path, deque(maxlen=REMEMBERED)).append(time - received_at)
        self.texts |= {path: text for path, text in content.texts if path not in refused}
        return len(fresh) - len(refused)

    @property
    def paths(self) -> int:
        """Return of how many paths something is kept."""
        return len(self.values) + len(self.offsets) + len(self.texts)

    @property
    def period(self) -> float | None:
        """Return the median of the newest intervals, seconds; None before the second message."""
        return statistics.median(self._intervals) if self._intervals else None


def _paths(content: Content) -> list[str]:
    return [path for pairs in (content.numbers, content.times, content.texts) for path, _ in pairs]


# Where an event time usually stands; where several do, the first of these.
_TIMES = ("time", "timestamp", "ts", "last_seen", "datetime", "date", "at", "t")


def time_path(heard: Sequence[Heard]) -> str | None:
    """Return the path at which all of these topics have their event time; None if there is none."""
    if not heard:
        return None
    shared = [path for path in heard[0].offsets if all(_has_times(one, path) for one in heard)]
    return min(shared, key=_preference, default=None)


def offset(heard: Sequence[Heard], path: str) -> float:
    """Return the median of seconds from arrival to event time at a path."""
    return statistics.median([seconds for one in heard for seconds in one.offsets.get(path, ())] or [0.0])


def _has_times(heard: Heard, path: str) -> bool:
    """Say whether a path held a time in most messages, and never a number that was none."""
    held = heard.offsets.get(path, ())
    return path not in heard.values and 2 * len(held) >= min(heard.live, REMEMBERED)


def _preference(path: str) -> tuple[int, int, str]:
    word = path.rpartition(".")[2].lower()
    return (_TIMES.index(word) if word in _TIMES else len(_TIMES), path.count("."), path)
