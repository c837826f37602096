"""Keep what was said of samples to come, until they come: the forecasts of every horizon, made 1 to many steps ago.

Of a long horizon not every forecast is kept: those made at neighbouring steps share most of their way, and tell next to
nothing that the others do not. So at most `MOST` wait for each horizon, evenly spaced.
"""

from collections.abc import Sequence

import numpy as np

from edge.rows import At, Floats, Rows, any_of, grow, grow_planes, whole

MOST = 12  # forecasts of one horizon that wait; with 6, a recording of 209 rows was forecast 5 % worse 24 steps ahead


def pace(horizon: int) -> int:
    """Return every how many steps a forecast so many steps ahead is kept: a divisor of the horizon.

    >>> [pace(horizon) for horizon in (1, 6, 7, 12, 24, 288)]
    [1, 1, 1, 1, 2, 24]
    """
    return next(step for step in range(1, horizon + 1) if horizon % step == 0 and horizon <= MOST * step)


class Due:
    """Hold for each stream and horizon what was said at each `pace` of as many steps as the horizon is long.

    State kept: `(kinds, places, sensors)`, a stream's rings one after the other, and in the end one place of nan for
    what is not kept; and how many steps each stream has taken since its memory began.
    """

    def __init__(self, horizons: Sequence[int], kinds: int, sensors: int) -> None:
        """Start with no stream.

        Args:
            horizons: steps ahead.
            kinds: how many numbers are kept for each horizon and sensor.
            sensors: how many there are.
        """
        self._horizons = np.array(horizons, dtype=np.int32)  # divided in a third of the time that intp takes
        self._paces = np.array([pace(horizon) for horizon in horizons], dtype=np.int32)
        self._kept = self._horizons // self._paces
        self._begin = np.concatenate(([0], np.cumsum(self._kept)[:-1])).astype(np.int32)
        self._slots = int(self._kept.sum())
        self._said: Floats = np.full((kinds, 1, sensors), np.nan, dtype=np.float32)
        self._first: Rows = np.zeros((0, 1), dtype=np.intp)  # place of each stream's first ring
        self._steps = np.zeros((0, 1), dtype=np.int32)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep what was said."""
        self._said = grow_planes(self._said[:, :-1], capacity * self._slots + 1, 0.0)
        self._said[:, -1] = np.nan
        self._first = np.arange(0, capacity * self._slots, self._slots)[:, None]
        self._steps = grow(self._steps, capacity, 0.0)

    def forget(self, rows: At) -> None:
        """Forget what was said of some streams."""
        self._steps[rows] = 0

    def places(self, rows: At) -> Rows:
        """Return where lies what is due now, shape (wave, horizons): the same for `take` and for the `put` after it.

        Where nothing is due, and nothing is to be kept, it is the last place.
        """
        turn, off = np.divmod(self._steps[rows], self._paces)
        turn %= self._kept
        turn += self._begin
        place: Rows = self._first[rows] + turn
        if np.count_nonzero(off):
            place[off > 0] = self._said.shape[1] - 1
        return place

    def take(self, rows: At, places: Rows) -> Floats:
        """Return what was said of the sample that comes now.

        Returns:
            Shape (kinds, wave, horizons, sensors): the horizon's number of steps ago; nan where nothing was kept.
        """
        said: Floats = self._said.take(places, axis=1)
        nothing = self._steps[rows] < self._horizons
        if any_of(nothing):
            said[:, nothing] = np.nan
        return said

    def put(self, rows: At, places: Rows, said: Floats) -> None:
        """Keep what is said now, in the place of what was taken, and step on.

        Args:
            rows: which streams; each at most once.
            places: theirs, of `places`.
            said: shape (kinds, wave, horizons, sensors), of the samples that are the horizons ahead.
        """
        whole(self._said, 2)[:, places] = whole(said, 3)
        self._said[:, -1] = np.nan
        self._steps[rows] += 1
