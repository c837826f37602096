"""Bear more of a sensor that was told of too often: what its alarm budget does for findings that have no score.

Theory of operation. Every finding that is told adds one to what its sensor is ahead of its budget, and time takes that
off at the rate that the user allows. For each that it is ahead, twice as much is borne: what happens every night is
told on the first nights, and then borne.
"""

import numpy as np

from edge.alarm import WEEK
from edge.rows import At, Doubles, grow


class Patience:
    """Say how much more than usual is borne of each sensor of each stream.

    State kept: how far each is ahead of its budget, and when that was.
    """

    def __init__(self, sensors: int) -> None:
        """Start with no stream."""
        self._rate: Doubles = np.zeros((0, sensors))  # findings a second that are allowed
        self._ahead: Doubles = np.zeros((0, sensors))
        self._since: Doubles = np.zeros((0, sensors))

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their account."""
        self._rate = grow(self._rate, capacity, 0.0)
        self._ahead = grow(self._ahead, capacity, 0.0)
        self._since = grow(self._since, capacity, 0.0)

    def allow(self, row: int, per_week: Doubles) -> None:
        """Set the alarm budget of a stream's sensors, shape (sensors,)."""
        self._rate[row] = per_week / WEEK

    def times(self, rows: At, now: Doubles) -> Doubles:
        """Return how many times the usual is borne, >= 1, shape (wave, sensors).

        Args:
            rows: which streams.
            now: shape (wave,), Unix seconds UTC.
        """
        ahead = self._ahead[rows]
        if not np.count_nonzero(ahead):
            return np.ones_like(ahead)
        paid = (now[:, None] - self._since[rows]) * self._rate[rows]
        more: Doubles = np.exp2(np.minimum(np.maximum(ahead - np.maximum(paid, 0.0), 0.0), 30.0))
        return more

    def of(self, row: int, sensor: int, now: float) -> float:
        """Return how many times the usual is borne of one sensor, >= 1."""
        ahead = self._ahead[row, sensor].item()
        paid = (now - self._since[row, sensor].item()) * self._rate[row, sensor].item() if ahead else 0.0
        return float(2.0 ** min(max(ahead - max(paid, 0.0), 0.0), 30.0))

    def tell(self, row: int, sensor: int, now: float) -> None:
        """Count a finding that is told."""
        paid = max(now - self._since[row, sensor], 0.0) * self._rate[row, sensor]
        self._ahead[row, sensor] = max(self._ahead[row, sensor] - paid, 0.0) + 1.0
        self._since[row, sensor] = now


class Streaks:
    """Count what comes in a row of a sensor, and say when it is to be told: sooner or later, as its budget has it.

    State kept: how long each streak is, and which are told.

    Attributes:
        patience: how much is borne of each sensor.
    """

    def __init__(self, sensors: int) -> None:
        """Start with no stream."""
        self.patience = Patience(sensors)
        self._lengths: dict[tuple[int, int], int] = {}
        self._told: set[tuple[int, int]] = set()

    def __contains__(self, who: tuple[int, int]) -> bool:
        """Return whether a sensor, by row and place, is in a streak."""
        return who in self._lengths

    def __len__(self) -> int:
        """Return how many sensors are in a streak."""
        return len(self._lengths)

    def add(self, row: int, sensor: int, now: float) -> bool:
        """Make a streak longer; return whether it is to be told now."""
        who = (row, sensor)
        self._lengths[who] = self._lengths.get(who, 0) + 1
        if who in self._told or self._lengths[who] < self.patience.of(row, sensor, now):
            return False
        self._told.add(who)
        self.patience.tell(row, sensor, now)
        return True

    def end(self, row: int, sensor: int) -> bool:
        """End a streak; return whether it was told."""
        self._lengths.pop((row, sensor), None)
        was_told = (row, sensor) in self._told
        self._told.discard((row, sensor))
        return was_told
