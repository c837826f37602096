"""Keep what was said of samples to come, until they come: the forecasts of every horizon, made 1 to many steps ago."""

from collections.abc import Sequence

import numpy as np

from edge.rows import At, Floats, Rows, any_of, grow, grow_planes, whole


class Due:
    """Hold for each stream and horizon what was said at each of as many steps as the horizon is long.

    State kept: `(kinds, streams * sum of horizons, sensors)`, a stream's rings one after the other, and how many
    steps each stream has taken since its memory began.
    """

    def __init__(self, horizons: Sequence[int], kinds: int, sensors: int) -> None:
        """Start with no stream.

        Args:
            horizons: steps ahead.
            kinds: how many numbers are kept for each horizon and sensor.
            sensors: how many there are.
        """
        self._horizons = np.array(horizons, dtype=np.intp)
        self._begin = np.concatenate(([0], np.cumsum(self._horizons)[:-1]))
        self._slots = int(self._horizons.sum())
        self._said: Floats = np.zeros((kinds, 0, sensors), dtype=np.float32)
        self._first: Rows = np.zeros((0, 1), dtype=np.intp)  # place of each stream's first ring
        self._steps: Rows = np.zeros((0, 1), dtype=np.intp)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep what was said."""
        self._said = grow_planes(self._said, capacity * self._slots, 0.0)
        self._first = np.arange(0, capacity * self._slots, self._slots)[:, None]
        self._steps = grow(self._steps, capacity, 0.0)

    def forget(self, rows: At) -> None:
        """Forget what was said of some streams."""
        self._steps[rows] = 0

    def places(self, rows: At) -> Rows:
        """Return where lies what is due now, shape (wave, horizons): the same for `take` and for the `put` after it."""
        place: Rows = self._steps[rows] % self._horizons
        place += self._begin
        place += self._first[rows]
        return place

    def take(self, rows: At, places: Rows) -> Floats:
        """Return what was said of the sample that comes now.

        Returns:
            Shape (kinds, wave, horizons, sensors): the horizon's number of steps ago; nan where nothing was said.
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
        self._steps[rows] += 1
