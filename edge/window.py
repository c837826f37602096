"""Keep the newest samples of every stream of a cohort: the rolling window."""

import numpy as np

from edge.rows import Bools, Floats, Rows, grow


class Windows:
    """Hold a rolling window for each stream, as one array.

    State kept: `(streams, steps, sensors)` scaled values, and how many steps of each window are
    filled. An unfilled step repeats the oldest sample, so a window has no made-up jump at its beginning.
    """

    def __init__(self, steps: int, sensors: int) -> None:
        """Start with no stream; `admit` adds them."""
        self.steps = steps
        self._back = np.arange(1 - steps, 1)
        self._values: Floats = np.zeros((0, steps, sensors), dtype=np.float32)
        self._newest: Rows = np.zeros(0, dtype=np.intp)
        self.filled: Rows = np.zeros(0, dtype=np.intp)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their windows."""
        self._values = grow(self._values, capacity, 0.0)
        self._newest = grow(self._newest, capacity, 0.0)
        self.filled = grow(self.filled, capacity, 0.0)

    def forget(self, rows: Rows) -> None:
        """Empty the windows of some streams."""
        self.filled[rows] = 0

    def push(self, rows: Rows, scaled: Floats) -> Floats:
        """Append one sample to each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            scaled: shape (wave, sensors).

        Returns:
            Shape (wave, sensors): the samples that were the newest before; in an empty window, the new one.
        """
        filled = self.filled[rows]
        if not filled.all():
            empty = filled == 0
            self._values[rows[empty]] = scaled[empty][:, None, :]
        place = self._newest[rows]
        before: Floats = self._values[rows, place]
        place = (place + 1) % self.steps
        self._values[rows, place] = scaled
        self._newest[rows] = place
        self.filled[rows] = np.minimum(filled + 1, self.steps)
        return before

    def lags(self, rows: Rows, count: int) -> Floats:
        """Return the newest samples of some streams, oldest first.

        Returns:
            Shape (wave, count * sensors), scaled; `count` is at most the window's steps.
        """
        steps = (self._newest[rows][:, None] + self._back[-count:]) % self.steps
        newest: Floats = self._values[rows[:, None], steps].reshape(len(rows), -1)
        return newest

    def full(self, rows: Rows) -> Bools:
        """Tell which windows are full, shape (wave,)."""
        full: Bools = self.filled[rows] == self.steps
        return full
