"""Keep the past of every stream of a cohort: the newest samples as a rolling window, what is older as slow means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.rows import At, Bools, Floats, Rows, all_of, grow, some


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

    State kept: `(streams, lags, sensors)` scaled values, the part of the window that is read, oldest first; how many
    steps of each window are filled; and the slow means `(streams, means, sensors)`. An unfilled step repeats the oldest
    sample, so a window has no made-up jump at its beginning; the means begin there too.

    The values move up by one place at each step: that copies more than a ring would, but in one piece, and the graph
    reads them as they lie. A wave of 512 took a fifth of the ring's time.
    """

    def __init__(self, steps: int, lags: int, sensors: int, means: Sequence[float]) -> None:
        """Start with no stream; `admit` adds them.

        Args:
            steps: how many samples fill a window.
            lags: how many newest of them are kept, at least 1.
            sensors: how many there are.
            means: steps that each slow mean reaches back.
        """
        self.steps = steps
        self._weight = pull(means)
        self._means: Floats = np.zeros((0, len(means), sensors), dtype=np.float32)
        self._values: Floats = np.zeros((0, lags, sensors), dtype=np.float32)
        self.filled: Rows = np.zeros(0, dtype=np.intp)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their windows."""
        self._values = grow(self._values, capacity, 0.0)
        self._means = grow(self._means, capacity, 0.0)
        self.filled = grow(self.filled, capacity, 0.0)

    def forget(self, rows: Rows) -> None:
        """Empty the windows of some streams."""
        self.filled[rows] = 0

    def push(self, rows: At, scaled: Floats) -> Past:
        """Append one sample to each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            scaled: shape (wave, sensors).

        Returns:
            What came before; in an empty window, the new sample itself.
        """
        filled = self.filled[rows]
        if not all_of(filled == self.steps):
            empty = filled == 0
            fresh = some(rows, empty)
            self._values[fresh] = scaled[empty][:, None, :]
            self._means[fresh] = scaled[empty][:, None, :]
            self.filled[rows] = np.minimum(filled + 1, self.steps)
        kept = self._values[rows]
        before = kept[:, -1].copy()
        moved = np.empty_like(kept)
        moved[:, :-1] = kept[:, 1:]
        moved[:, -1] = scaled
        self._values[rows] = moved
        means = follow(self._means[rows], scaled, self._weight)
        self._means[rows] = means
        return Past(before, means)

    def lags(self, rows: At) -> Floats:
        """Return the newest samples of some streams, oldest first.

        Returns:
            Shape (wave, lags * sensors), scaled; a view where the rows are a slice.
        """
        kept = self._values[rows]
        return kept.reshape(len(kept), -1)

    def full(self, rows: At) -> Bools:
        """Tell which windows are full, shape (wave,)."""
        full: Bools = self.filled[rows] == self.steps
        return full
