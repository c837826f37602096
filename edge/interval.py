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

from edge.rows import At, Bools, Doubles, Floats, Rows, all_of, any_of, grow_planes, keep, pick

PACE = 0.06  # by which a crossed bound one step ahead moves out, as a share of the largest recent miss
# Power of the horizon by which its bounds are slower, for its truths come late and overlap. With one pace for all, 24
# steps ahead were covered 81 to 86 % on recordings that 1 step ahead were covered 91 %; .25 and .5 differ by .02.
SLOWER = 0.4
HALF_LIFE = 200.0  # steps after which a miss counts half
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

    State kept for each stream: one `Leeway`, as planes of extra and reach, each below and above, in single precision.
    """

    def __init__(self, coverage: float, horizons: Sequence[int], paces: Sequence[int], prior: Leeway) -> None:
        """Start with no stream; each that comes starts from the prior.

        Args:
            coverage: probability that the truth lies between the bounds.
            horizons: steps ahead.
            paces: for each horizon, every how many steps a truth of it is heard; it counts as so many.
            prior: what the calibration ended with.
        """
        self._crossed = max((1.0 - coverage) / 2.0 - LATE, 0.0)
        steps = np.repeat(np.array(paces, dtype=np.float64)[:, None], prior.extra.shape[-1], axis=1)
        pace = PACE / np.array(horizons, dtype=np.float64) ** SLOWER
        self._pace: Floats = (pace[:, None] * steps).astype(np.float32)
        self._lost: Floats = (1.0 - FADING**steps).astype(np.float32)  # share of the measure, with every truth
        self._prior = np.concatenate((prior.extra, prior.reach)).astype(np.float32)
        self._kept: Floats = np.zeros((4, 0, *self._pace.shape), dtype=np.float32)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their leeway."""
        held = self._kept.shape[1]
        self._kept = grow_planes(self._kept, capacity, 0.0)
        self._kept[:, held:] = self._prior[:, None]

    def leeway(self, rows: Rows) -> Leeway:
        """Return the mean leeway of some streams."""
        mean = self._kept[:, rows].mean(axis=1, dtype=np.float64)
        return Leeway(mean[:2], mean[2:])

    def widen(self, rows: At, half_widths: Floats) -> Floats:
        """Return the half-widths that are honest now, >= 0; both (2, wave, horizons, sensors), spreads."""
        widened: Floats = half_widths + pick(self._kept[:2], rows)
        return np.maximum(widened, 0.0, out=widened)

    def learn(self, rows: At, residual: Floats, half_widths: Floats, known: Bools) -> None:
        """Learn from the truths of one wave.

        Args:
            rows: which streams; each at most once.
            residual: shape (wave, horizons, sensors), spreads; ignored where unknown.
            half_widths: shape (2, wave, horizons, sensors), spreads: below and above, as training gave them.
            known: shape (wave, horizons, sensors), where there was a forecast and then a truth.
        """
        if not any_of(known):
            return
        kept = pick(self._kept, rows)
        extra, reach = kept[:2], kept[2:]
        if not all_of(known):
            nothing = np.float32(0.0)
            residual, half_widths = np.where(known, residual, nothing), np.where(known, half_widths, nothing)
        told = known.astype(np.float32)
        width = half_widths + extra
        beyond = np.stack((-residual, residual))
        beyond -= width
        most = np.maximum(reach, half_widths)
        most *= GROWTH
        np.minimum(np.abs(beyond), most, out=most)
        most *= told
        reach *= 1.0 - told * self._lost
        moved = np.maximum(reach, most, out=reach)
        np.maximum(width, 0.0, out=width)
        width *= NEAR
        inwards = np.minimum(moved, width, out=width)
        inwards *= -self._crossed
        # What is crossed moves out, the rest inwards: a choice by `where` took seven times as long.
        outwards = np.multiply(moved, 1.0 - self._crossed, out=most)
        outwards -= inwards
        outwards *= beyond > 0.0
        inwards += outwards
        inwards *= told * self._pace
        extra += inwards
        keep(self._kept, rows, kept)
