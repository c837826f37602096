"""Keep intervals honest while the noise changes: one factor for each side, horizon and sensor follows the misses.

An upper bound that is crossed moves out a little, one that is not moves in a little less, so that in the long run
each is crossed as often as it should be, whatever the sensor does.

Source: Gibbs & Candès (2021), NeurIPS 34, adaptive conformal inference; here, as in Angelopoulos, Candès & Tibshirani
(2023), NeurIPS 36, the bound itself is followed, in proportion, so that an interval keeps its shape.
"""

import numpy as np

from edge.rows import Bools, Doubles, Rows, grow

PACE = 0.05  # by which a crossed bound moves out, as a share of itself
LEAST, MOST = 0.02, 50.0  # of the calibrated half-width


class Margins:
    """Follow how wide the intervals of every stream of a cohort must be.

    State kept for each stream: the factor of each half-width.
    """

    def __init__(self, coverage: float, horizons: int, sensors: int) -> None:
        """Start with no stream.

        Args:
            coverage: probability that the truth lies between the bounds.
            horizons, sensors: how many there are.
        """
        self._crossed = (1.0 - coverage) / 2.0
        self._factor: Doubles = np.ones((0, 2, horizons, sensors))

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their factors."""
        self._factor = grow(self._factor, capacity, 1.0)

    def factors(self, rows: Rows) -> Doubles:
        """Return what to multiply the half-widths with, shape (wave, 2, horizons, sensors): below, then above."""
        return self._factor[rows]

    def learn(self, rows: Rows, residual: Doubles, half_widths: Doubles, known: Bools) -> None:
        """Learn from the truths of one wave.

        Args:
            rows: shape (wave,), which streams; each at most once.
            residual: shape (wave, horizons, sensors), any unit; ignored where unknown.
            half_widths: shape (wave, 2, horizons, sensors), the same unit: below and above, without the factors.
            known: shape (wave, horizons, sensors), where there was a forecast and then a truth.
        """
        factor = self._factor[rows]
        reached = np.stack((-residual, residual), axis=1)
        with np.errstate(invalid="ignore"):
            crossed = reached > factor * half_widths
        moved = factor * np.exp(PACE * (crossed - self._crossed))
        self._factor[rows] = np.where(known[:, None], np.minimum(np.maximum(moved, LEAST), MOST), factor)
