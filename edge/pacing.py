"""Bring sensors of different paces to one sample a cell: what several readings become, and how long a value holds.

Many sensors speak only when something changed: for them silence means that nothing did, for a while. Others speak
often, and the mean of a cell says more than its last word; of a rain gauge the sum counts, of a door how often it did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Literal, NamedTuple

Combine = Literal["last", "mean", "sum", "count"]


class Sample(NamedTuple):
    """A stream's values on one cell of the grid.

    Attributes:
        time: Unix seconds UTC of the newest reading in the cell, or the middle of an empty cell.
        values: one per sensor, sensor units; nan where nothing was measured, and nothing holds.
        restart: whether the stream's memory before this sample must be forgotten.
        heard: one per sensor, whether it spoke in this cell; None where that is so of every value.
    """

    time: float
    values: Sequence[float]
    restart: bool
    heard: tuple[bool, ...] | None = None


@dataclass(frozen=True, slots=True)
class Pacing:
    """Say how the sensors of a bundle are brought to its period.

    Attributes:
        combine: for each sensor what becomes of several readings in a cell: the last of them, their mean, their sum,
            or how many there were.
        hold: for each sensor for how many seconds after a reading it counts as measured though it says nothing: at the
            same value, or at 0 where sum or number count. 0 for sensors that say so when nothing changed.
    """

    combine: tuple[Combine, ...]
    hold: tuple[float, ...]

    @property
    def combines(self) -> bool:
        """Whether any sensor's readings are put together, so that a cell must be waited for."""
        return any(one != "last" for one in self.combine)

    @property
    def holds(self) -> bool:
        """Whether any sensor's value outlasts its cell."""
        return any(one > 0.0 for one in self.hold)


def plain(sensors: int) -> Pacing:
    """Return the pacing of sensors whose last reading in a cell counts, and nothing beyond it."""
    last: Combine = "last"
    return Pacing((last,) * sensors, (0.0,) * sensors)


class Holder:
    """Let the values of one stream hold.

    State kept: each sensor's newest value, and when that was.
    """

    __slots__ = ("_at", "_pacing", "_values")

    def __init__(self, pacing: Pacing) -> None:
        """Start with nothing heard."""
        self._pacing = pacing
        self._values = [nan] * len(pacing.hold)
        self._at = [-inf] * len(pacing.hold)

    def fill(self, sample: Sample) -> Sample:
        """Return a sample with the values that still hold; samples must come in the order of time."""
        if sample.restart:
            self._at = [-inf] * len(self._at)
        values = list(sample.values)
        for sensor, value in enumerate(values):
            if not isnan(value):
                self._values[sensor] = value if self._pacing.combine[sensor] in ("last", "mean") else 0.0
                self._at[sensor] = sample.time
            elif sample.time - self._at[sensor] <= self._pacing.hold[sensor]:
                values[sensor] = self._values[sensor]
        return sample._replace(values=tuple(values), heard=tuple(not isnan(value) for value in sample.values))


class Combined:
    """Put the readings of one sensor in one cell together.

    State kept: how many there were, their sum, and the newest.
    """

    __slots__ = ("_at", "_count", "_how", "_last", "_sum")

    def __init__(self, how: Combine) -> None:
        """Start with an empty cell."""
        self._how = how
        self.clear()

    def clear(self) -> None:
        """Begin a new cell."""
        self._count, self._sum, self._last, self._at = 0, 0.0, nan, -inf

    def add(self, time: float, value: float) -> float:
        """Take one reading, and return the value of the cell so far."""
        self._count += 1
        self._sum += value
        if time >= self._at:
            self._last, self._at = value, time
        match self._how:
            case "mean":
                return self._sum / self._count
            case "sum":
                return self._sum
            case "count":
                return float(self._count)
        return self._last
