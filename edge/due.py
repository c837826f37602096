"""Keep what was said of samples to come, until they come: the forecasts of every horizon, made 1 to many steps ago."""

from collections.abc import Sequence

import numpy as np

from edge.rows import Floats, Rows, grow


class Due:
    """Hold for each stream and horizon what was said at each of as many steps as the horizon is long.

    State kept: `(streams, sum of horizons, kinds, sensors)`, nan where nothing was said, and how many steps each
    stream has taken.
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
        self._said: Floats = np.zeros((0, int(self._horizons.sum()), kinds, sensors), dtype=np.float32)
        self._steps: Rows = np.zeros(0, dtype=np.intp)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep what was said."""
        self._said = grow(self._said, capacity, np.nan)
        self._steps = grow(self._steps, capacity, 0.0)

    def forget(self, rows: Rows) -> None:
        """Forget what was said of some streams."""
        self._said[rows] = np.nan

    def take(self, rows: Rows) -> Floats:
        """Return what was said of the sample that comes now.

        Returns:
            Shape (wave, kinds, horizons, sensors): the horizon's number of steps ago.
        """
        said: Floats = self._said[rows[:, None], self._place(rows)].swapaxes(1, 2)
        return said

    def put(self, rows: Rows, said: Floats) -> None:
        """Keep what is said now, in the place of what was taken, and step on.

        Args:
            rows: shape (wave,), which streams; each at most once.
            said: shape (wave, kinds, horizons, sensors), of the samples that are the horizons ahead.
        """
        self._said[rows[:, None], self._place(rows)] = said.swapaxes(1, 2)
        self._steps[rows] += 1

    def _place(self, rows: Rows) -> Rows:
        place: Rows = self._begin + self._steps[rows][:, None] % self._horizons
        return place
