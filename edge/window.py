"""Keep the newest samples of every stream of a cohort: the rolling window."""

import numpy as np
from numpy.typing import NDArray


class Windows:
    """Hold a rolling window for each stream, as one array.

    State kept: `(streams, steps, sensors)` scaled values with their mask, and how many steps of each window are
    filled. An unfilled step repeats the oldest sample, so a window has no made-up jump at its beginning.
    """

    def __init__(self, steps: int, sensors: int) -> None:
        """Start with no stream; `admit` adds them."""
        self.steps = steps
        self._values = np.zeros((0, steps, sensors), dtype=np.float32)
        self._measured = np.zeros((0, steps, sensors), dtype=np.bool_)
        self._newest = np.zeros(0, dtype=np.intp)
        self.filled = np.zeros(0, dtype=np.intp)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their windows."""
        more = capacity - len(self.filled)
        self._values = np.pad(self._values, ((0, more), (0, 0), (0, 0)))
        self._measured = np.pad(self._measured, ((0, more), (0, 0), (0, 0)))
        self._newest = np.pad(self._newest, (0, more))
        self.filled = np.pad(self.filled, (0, more))

    def forget(self, rows: NDArray[np.intp]) -> None:
        """Empty the windows of some streams."""
        self.filled[rows] = 0

    def push(self, rows: NDArray[np.intp], scaled: NDArray[np.float32], measured: NDArray[np.bool_]) -> None:
        """Append one sample to each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            scaled: shape (wave, sensors).
            measured: shape (wave, sensors).
        """
        newest = (self._newest[rows] + 1) % self.steps
        empty = self.filled[rows] == 0
        if empty.any():
            self._values[rows[empty]] = scaled[empty][:, None, :]
            self._measured[rows[empty]] = False
        self._values[rows, newest] = scaled
        self._measured[rows, newest] = measured
        self._newest[rows] = newest
        self.filled[rows] = np.minimum(self.filled[rows] + 1, self.steps)

    def newest(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the newest sample of some streams, shape (wave, sensors), scaled; zeros where none was pushed."""
        return self._values[rows, self._newest[rows]]

    def lags(self, rows: NDArray[np.intp], count: int) -> NDArray[np.float32]:
        """Return the newest samples of some streams, oldest first.

        Returns:
            Shape (wave, count * sensors), scaled; `count` is at most the window's steps.
        """
        steps = (self._newest[rows][:, None] + np.arange(1 - count, 1)) % self.steps
        return self._values[rows[:, None], steps].reshape(len(rows), -1)

    def full(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which windows are full, shape (wave,)."""
        full: NDArray[np.bool_] = self.filled[rows] == self.steps
        return full
