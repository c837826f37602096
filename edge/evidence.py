"""Lay out what is looked at of a sample: the evidence that the scorer weighs.

Theory of operation. Four things are looked at of every sensor, because each kind of trouble shows in another:

- *level*: spreads from where the sensor has been of late. A forecast of the next step soon forgives a new level, the
  level itself does not.
- *residual*: sample less forecast, in half-widths of the interval, so that a nervous hour does not look strange.
- *unrest*: the logarithm of the residual's size: it rises with the noise, and falls when a sensor is stuck.
- *odds*: the level less what the levels of the other sensors let expect: it shows when sensors part that moved
  together.

The first two are judged value by value, for spikes, and all of them as exponential means over `SPANS` steps, of values
bounded so that no single one decides: what is too small to be seen at once is seen when it lasts.

Two more are no features of a training set: what the hour of the day usually brings (`edge.daily`), and whether a
sensor that had one or two values only has a third, which no tail can tell.
"""

from dataclasses import dataclass

import numpy as np

from edge.rows import Bools, Doubles, Floats, Numbers, all_of
from edge.tail import Means, Peaks

LEVEL, RESIDUAL, UNREST, ODDS = range(4)
FEATURES = 4
SHARP = (LEVEL, RESIDUAL)  # the features that are judged value by value
SMOOTHED = (LEVEL, LEVEL, RESIDUAL, UNREST, UNREST, ODDS)  # those judged as means over the spans below
_SMOOTHED = np.array(SMOOTHED)
SPANS = (8.0, 48.0, 8.0, 8.0, 48.0, 8.0)  # steps; short disturbances, and slow drifts
GRADED = len(SHARP) + len(SMOOTHED)  # channels that calibration knows the tails of
DAILY, NOVELTY = GRADED, GRADED + 1  # and the two others
CHANNELS = GRADED + 2

WILDEST = 1e6  # half-widths, and spreads; beyond it a double would lose what it is compared with
BOUND = 3.0  # spreads of a feature: one wild value must not fill the longest span for hours
ODDS_BOUND = 6.0  # spreads of a level: a sensor gone wild must not make all the others look odd
STILL = 0.05  # half-widths: what of a residual is no unrest
CAUTION = 0.999  # of a surprise: what is nearly as large is computed, and not guessed from rounded bounds
SAME = 1e-6  # spreads: levels as near as that are the same value


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold what the calibration data taught about samples that are normal.

    Attributes:
        scored: shape (sensors,), which sensors are judged.
        centre, spread: shape (features, sensors), median and standard deviation of the features.
        others: shape (sensors, sensors), what turns levels into odds.
        energy: shape (sensors,), mean square of the quotients, each bounded as the scorer bounds them.
        peaks: the tails of the single values, `SHARP`.
        means: the tails of the means, `SMOOTHED`.
        looks: in how many ways a sample can be strange.
        positions: shape (2, sensors), the levels of a sensor that had no more than two values, the same twice if it had
            one; nan for the others.
        samples: how many it was learned from.
    """

    scored: Bools
    centre: Doubles
    spread: Doubles
    others: Doubles
    energy: Doubles
    peaks: Peaks
    means: Means
    looks: float
    samples: int
    positions: Doubles

    def ordinary(self) -> tuple[Doubles, Doubles]:
        """Return between which values no statistic is more surprising than the largest of `looks` by chance.

        Returns:
            The lowest and the highest, (GRADED, sensors) each; infinite for sensors that are not judged.
        """
        surprise = CAUTION * float(np.log(self.looks))
        low, high = (
            np.concatenate(side)
            for side in zip(self.peaks.ordinary(surprise), self.means.ordinary(surprise), strict=True)
        )
        return np.where(self.scored, low, -np.inf), np.where(self.scored, high, np.inf)


def standardise(residual: Numbers, below: Numbers, above: Numbers) -> Numbers:
    """Divide residuals by the interval's half-width on their side, bounded to ±`WILDEST`; all (wave, sensors)."""
    quotient = np.maximum(residual, 0.0)
    quotient /= above
    quotient += np.minimum(residual, 0.0) / below
    np.minimum(quotient, WILDEST, out=quotient)
    return np.maximum(quotient, -WILDEST, out=quotient)


def shrinkage(spans: tuple[float, ...]) -> Doubles:
    """Return the weight of the newest value in an exponential mean of each span, shape (spans, 1).

    Source: Brown (1963), Smoothing, Forecasting and Prediction: a = 2 / (span + 1) gives the exponential mean the
    centre of mass of a plain mean over `span` steps.
    """
    weight: Doubles = 2.0 / (np.array(spans, dtype=np.float64)[:, None] + 1.0)
    return weight


WEIGHT = shrinkage(SPANS)
_WEIGHT: Floats = WEIGHT.astype(np.float32)[:, :, None]


def features(level: Numbers, quotient: Numbers, others: Numbers) -> Numbers:
    """Lay out what is looked at.

    Args:
        level: shape (wave, sensors), spreads around where each sensor has been of late.
        quotient: shape (wave, sensors), of `standardise`.
        others: shape (sensors, sensors).

    Returns:
        Shape (features, wave, sensors).
    """
    found = np.empty((FEATURES, *level.shape), dtype=level.dtype)
    found[LEVEL] = level
    found[RESIDUAL] = quotient
    unrest = np.abs(quotient)
    unrest += STILL
    np.log(unrest, out=found[UNREST])
    bounded = np.minimum(level, ODDS_BOUND)
    np.maximum(bounded, -ODDS_BOUND, out=bounded)
    # No matrix product of BLAS: its answer for a row depends on how many rows there are.
    np.einsum("ws,ts->wt", bounded, others, out=found[ODDS])
    return found


def smooth(smoothed: Numbers, deviation: Numbers, measured: Bools) -> Numbers:
    """Advance the exponential means by one step; a sensor that was not measured keeps its own.

    Args:
        smoothed: shape (means, wave, sensors).
        deviation: shape (features, wave, sensors), in spreads of the features.
        measured: shape (wave, sensors).

    Returns:
        Shape (means, wave, sensors).
    """
    bounded = np.minimum(deviation, BOUND)
    np.maximum(bounded, -BOUND, out=bounded)
    moved = np.take(bounded, _SMOOTHED, axis=0)
    moved -= smoothed
    moved *= _WEIGHT
    if not all_of(measured):
        moved *= measured
    moved += smoothed
    return moved


def is_new(level: Numbers, positions: Doubles) -> Bools:
    """Tell which levels, (wave, sensors), a sensor of no more than two values, (2, sensors), never had."""
    one, other = positions
    new: Bools = (np.abs(level - one) > SAME) & (np.abs(level - other) > SAME)  # nan is never new
    return new
