"""Keep the past of every stream of a cohort: the newest samples as a rolling window, what is older as slow means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.rows import Bools, Floats, Rows, all_of, at, grow


def pull(means: Sequence[float]) -> Floats:
    """Return the weight of the newest sample in each slow mean, shape (means, 1).

    Source: Brown (1963), Smoothing, Forecasting and Prediction: a = 2 / (n + 1) gives an exponential mean the centre
    of mass of a plain mean over n steps.
    """
    weight: Floats = (2.0 / (np.array(means, dtype=np.float32)[:, None] + 1.0)).astype(np.float32)
    return weight


def follow(means: Floats, scaled: Floats, weight: Floats) -> Floats:
    """Advance slow means by one sample.

    Args:
        means: shape (wave, means, sensors).
        scaled: shape (wave, sensors).
        weight: shape (means, 1), of `pull`.
    """
    return means + weight * (scaled[:, None, :] - means)


@dataclass(frozen=True, slots=True)
class Past:
    """Hold what the network is told of the time before a sample, scaled.

    Attributes:
        before: shape (wave, sensors), the sample before.
        means: shape (wave, means, sensors), the slow means, the newest sample in them.
    """

    before: Floats
    means: Floats


class Windows:
    """Hold a rolling window for each stream, as one array.

    State kept: `(streams, steps, sensors)` scaled values, how many steps of each window are filled, and the slow
    means `(streams, means, sensors)`. An unfilled step repeats the oldest sample, so a window has no made-up jump at
    its beginning; the means begin there too.
    """

    def __init__(self, steps: int, sensors: int, means: Sequence[float]) -> None:
        """Start with no stream; `admit` adds them.

        Args:
            steps: how many newest samples are kept.
            sensors: how many there are.
            means: steps that each slow mean reaches back.
        """
        self.steps = steps
        self._weight = pull(means)
        self._means: Floats = np.zeros((0, len(means), sensors), dtype=np.float32)
        self._back = np.arange(1 - steps, 1)
        self._values: Floats = np.zeros((0, steps, sensors), dtype=np.float32)
        self._newest: Rows = np.zeros(0, dtype=np.intp)
        self.filled: Rows = np.zeros(0, dtype=np.intp)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their windows."""
        self._values = grow(self._values, capacity, 0.0)
        self._means = grow(self._means, capacity, 0.0)
        self._newest = grow(self._newest, capacity, 0.0)
        self.filled = grow(self.filled, capacity, 0.0)

    def forget(self, rows: Rows) -> None:
        """Empty the windows of some streams."""
        self.filled[rows] = 0

    def push(self, rows: Rows, scaled: Floats) -> Past:
        """Append one sample to each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            scaled: shape (wave, sensors).

        Returns:
            What came before; in an empty window, the new sample itself.
        """
        these = at(rows)
        filled = self.filled[these]
        if not all_of(filled == self.steps):
            empty = filled == 0
            self._values[rows[empty]] = scaled[empty][:, None, :]
            self._means[rows[empty]] = scaled[empty][:, None, :]
            self.filled[these] = np.minimum(filled + 1, self.steps)
        place = self._newest[these]
        before: Floats = self._values[rows, place]
        place = (place + 1) % self.steps
        self._values[rows, place] = scaled
        self._newest[these] = place
        means = follow(self._means[these], scaled, self._weight)
        self._means[these] = means
        return Past(before, means)

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
        full: Bools = self.filled[at(rows)] == self.steps
        return full
