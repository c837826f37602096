"""Keep intervals honest while the noise changes: each half-width is lengthened or shortened as the truths come in.

An upper bound that is crossed moves out, one that is not moves in by so much less that in the long run each is
crossed as often as it should be, whatever the sensor does. How far it moves is measured by the largest misses of the
last while, so that a sensor which sleeps for a night is followed when it wakes. One wild truth must not decide how
far: it can only double the measure, and a bound never moves in faster than in proportion to the half-width it has.

Source: Gibbs & Candès (2021), NeurIPS 34, adaptive conformal inference; the bound itself is followed, with a pace in
proportion to the largest recent score, as in Angelopoulos, Candès & Tibshirani (2023), NeurIPS 36, conformal PID.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.rows import At, Bools, Doubles, Rows, all_of, any_of, grow, keep

PACE = 0.06  # by which a crossed bound one step ahead moves out, as a share of the largest recent miss
# Power of the horizon by which its bounds are slower, for its truths come late and overlap. With one pace for all, 24
# steps ahead were covered 81 to 86 % on recordings that 1 step ahead were covered 91 %; .25 and .5 differ by .02.
SLOWER = 0.4
HALF_LIFE = 200.0  # truths after which a miss counts half
FADING = 0.5 ** (1.0 / HALF_LIFE)
GROWTH = 2.0  # times that one truth may raise the measure; 1.2 and 3 gave the same coverage within .015
NEAR = 6.0  # half-widths: the most that the measure counts when a bound moves in
# Share of crossings that is aimed at less than the nominal, on each side: a follower is late, and where the noise keeps
# changing more is crossed than it aims at. Six recordings were covered 87 to 91 % with it, 86 to 91 % without.
LATE = 0.005


@dataclass(frozen=True, slots=True)
class Leeway:
    """Hold what intervals have learned; shape (2, horizons, sensors): below, then above; unit: spreads.

    Attributes:
        extra: what is added to the half-widths that training gave; may be negative.
        reach: the largest recent distance of a truth from the bound, as it was then.
    """

    extra: Doubles
    reach: Doubles


def no_leeway(horizons: int, sensors: int) -> Leeway:
    """Return the leeway of a stream that has seen no truth: the half-widths stay as they are."""
    nothing = np.zeros((2, horizons, sensors))
    return Leeway(nothing, nothing)


class Margins:
    """Follow how wide the intervals of every stream of a cohort must be.

    State kept for each stream: one `Leeway`, as one array of extra and reach.
    """

    def __init__(self, coverage: float, horizons: Sequence[int], prior: Leeway) -> None:
        """Start with no stream; each that comes starts from the prior.

        Args:
            coverage: probability that the truth lies between the bounds.
            horizons: steps ahead.
            prior: what the calibration ended with.
        """
        self._crossed = max((1.0 - coverage) / 2.0 - LATE, 0.0)
        self._pace: Doubles = (PACE / np.array(horizons, dtype=np.float64) ** SLOWER)[:, None]
        self._prior: Doubles = np.stack((prior.extra, prior.reach))
        self._kept: Doubles = np.zeros((0, *self._prior.shape))

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their leeway."""
        held = len(self._kept)
        self._kept = grow(self._kept, capacity, 0.0)
        self._kept[held:] = self._prior

    def leeway(self, rows: Rows) -> Leeway:
        """Return the mean leeway of some streams."""
        return Leeway(*self._kept[rows].mean(axis=0))

    def widen(self, rows: At, half_widths: Doubles) -> Doubles:
        """Return the half-widths that are honest now, >= 0; both (wave, 2, horizons, sensors), spreads."""
        widened: Doubles = half_widths + self._kept[rows, 0]
        return np.maximum(widened, 0.0, out=widened)

    def learn(self, rows: At, residual: Doubles, half_widths: Doubles, known: Bools) -> None:
        """Learn from the truths of one wave.

        Args:
            rows: which streams; each at most once.
            residual: shape (wave, horizons, sensors), spreads; ignored where unknown.
            half_widths: shape (wave, 2, horizons, sensors), spreads: below and above, as training gave them.
            known: shape (wave, horizons, sensors), where there was a forecast and then a truth.
        """
        if not any_of(known):
            return
        whole = all_of(known)
        away = np.empty(half_widths.shape)
        np.negative(residual, out=away[:, 0])
        away[:, 1] = residual
        if not whole:
            away, half_widths = (np.where(known[:, None], each, 0.0) for each in (away, half_widths))
        kept = self._kept[rows]
        extra, reach = kept[:, 0], kept[:, 1]
        beyond = np.subtract(away, half_widths, out=away)
        beyond -= extra
        most = np.maximum(reach, half_widths)
        most *= GROWTH
        moved = np.maximum(reach * FADING, np.minimum(np.abs(beyond), most, out=most))
        near = np.maximum(half_widths + extra, 0.0)
        near *= NEAR
        inwards = np.minimum(moved, near, out=near)
        inwards *= -self._crossed
        followed = self._pace * np.where(beyond > 0.0, (1.0 - self._crossed) * moved, inwards)
        if not whole:
            moved, followed = (np.where(known[:, None], *each) for each in ((moved, reach), (followed, 0.0)))
        reach[:] = moved
        extra += followed
        keep(self._kept, rows, kept)
