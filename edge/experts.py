"""Weigh the experts: forecasts of the same sample, of which the better one so far counts more.

Theory of operation. Which of several forecasts is the best differs from sensor to sensor and from horizon to horizon,
and does not stay: a model ages, a house changes hands. So the weights follow the truths. Each expert's squared misses
are summed with a forgetting factor, and its weight falls exponentially with what it lost more than the best. What one
truth can cost is bounded: an outage of an hour, which nobody foresaw, must not decide the rest of the week.

Nothing is solved and no history is kept: an expert costs two numbers for each sensor and horizon.
"""

from dataclasses import dataclass
from functools import reduce
from math import exp

import numpy as np

from edge.rows import At, Bools, Doubles, Rows, all_of, any_of, grow, keep

# What each of them forecasts: the last value; a robust line through the sensor's own past; the linear highway through
# all sensors' past; the highway with the recurrent correction.
EXPERTS = ("persistence", "own", "highway", "network")
HALF_LIFE = 200.0  # truths after which a loss counts half; 100 and 400 were within .003 of its skill
SHARPNESS = 0.1  # of a unit likelihood: misses follow on each other, so each tells less than an independent one
REACHED = 0.9  # quantile of the misses that is followed, and
BOUND = 3.0  # times it is the most that one truth can cost; rain and light come in bursts, so the median is no measure
PACE = 0.05  # by which the quantile moves, on a logarithmic scale
EARLY = 30.0  # truths of which the largest miss stands for the quantile: rain may begin with a dry fortnight
UP, DOWN = exp(2.0 * PACE * REACHED), exp(-2.0 * PACE * (1.0 - REACHED))
FADING = 0.5 ** (1.0 / HALF_LIFE)
LEAST = 1e-6  # spreads; a sensor that stands still is forecast without any miss
FARTHEST = 60.0  # beyond it a weight is zero in any arithmetic
# Where what is kept of a stream lies in one array.
_LOSS, _REACH, _HEARD = slice(0, len(EXPERTS)), slice(len(EXPERTS), 2 * len(EXPERTS)), 2 * len(EXPERTS)


@dataclass(frozen=True, slots=True)
class Experience:
    """Hold what is known of the experts of a stream; unit: spreads.

    Attributes:
        loss: shape (experts, horizons, sensors), discounted sum of the bounded squared misses.
        reach: shape (experts, horizons, sensors), a high quantile of the misses.
        heard: shape (horizons, sensors), discounted number of truths.
    """

    loss: Doubles
    reach: Doubles
    heard: Doubles


def inexperienced(horizons: int, sensors: int) -> Experience:
    """Return the experience of a stream that has seen no truth: all experts count the same.

    >>> inexperienced(3, 2).loss.shape
    (4, 3, 2)
    """
    nothing = np.zeros((len(EXPERTS), horizons, sensors))
    return Experience(nothing, nothing, nothing[0])


def weigh(experience: Experience) -> Doubles:
    """Weigh the experts; the shapes may have further axes in front.

    Returns:
        Shape (experts, horizons, sensors), sums to 1 over the experts.

    Source: the exponentially weighted average forecaster, Cesa-Bianchi & Lugosi (2006), Prediction, Learning, and
    Games, ch. 2; the loss is counted in variances of the best expert, as a Gaussian likelihood would.
    """
    return _weights(experience.loss, experience.heard)


def _weights(loss: Doubles, heard: Doubles) -> Doubles:
    best = _over_experts(np.minimum, loss)
    variance = best / np.maximum(heard, 1.0) + LEAST**2
    weight: Doubles = SHARPNESS * (loss - best[..., None, :, :])
    weight /= variance[..., None, :, :]
    np.minimum(weight, FARTHEST, out=weight)
    np.exp(np.negative(weight, out=weight), out=weight)
    weight /= _over_experts(np.add, weight)[..., None, :, :]
    return weight


def _over_experts(join: np.ufunc, values: Doubles) -> Doubles:
    """Reduce (…, experts, horizons, sensors) to (…, horizons, sensors), one by one: ufunc.reduce is slow on so few."""
    return reduce(join, (values[..., expert, :, :] for expert in range(len(EXPERTS))))


class Experts:
    """Follow the experience of every stream of a cohort.

    State kept for each stream: one `Experience`, as one array of loss, reach and heard.
    """

    def __init__(self, prior: Experience) -> None:
        """Start with no stream; each that comes starts from the prior."""
        self._prior: Doubles = np.concatenate((prior.loss, prior.reach, prior.heard[None]))
        self._kept: Doubles = np.zeros((0, *self._prior.shape))

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their experience."""
        held = len(self._kept)
        self._kept = grow(self._kept, capacity, 0.0)
        self._kept[held:] = self._prior

    def weights(self, rows: At) -> Doubles:
        """Return the weights of some streams' experts, shape (wave, experts, horizons, sensors)."""
        kept = self._kept[rows]
        return _weights(kept[:, _LOSS], kept[:, _HEARD])

    def experience(self, rows: Rows) -> Experience:
        """Return the mean experience of some streams."""
        mean = self._kept[rows].mean(axis=0)
        return Experience(mean[_LOSS], mean[_REACH], mean[_HEARD])

    def learn(self, rows: At, missed: Doubles, known: Bools) -> None:
        """Learn from the truths of one wave.

        Args:
            rows: which streams; each at most once.
            missed: shape (wave, experts, horizons, sensors), what each expert missed, spreads; ignored where unknown.
            known: shape (wave, horizons, sensors), where there was a forecast and then a truth.
        """
        if not any_of(known):
            return
        kept = self._kept[rows]
        loss, reach, heard = kept[:, _LOSS], kept[:, _REACH], kept[:, _HEARD]
        size = np.abs(missed)
        if all_of(known):
            heard *= FADING
            heard += 1.0
            loss *= FADING
            reach[:] = _followed(reach, size, heard[:, None])
        else:
            where = known[:, None]
            size[~np.broadcast_to(where, size.shape)] = 0.0
            fading = np.where(known, FADING, 1.0)
            heard *= fading
            heard += known
            loss *= fading[:, None]
            reach[:] = np.where(where, _followed(reach, size, heard[:, None]), reach)
        bound = np.minimum.reduce(reach, axis=1, keepdims=True)
        bound *= BOUND
        np.minimum(size, bound, out=size)
        size *= size
        loss += size
        keep(self._kept, rows, kept)


def _followed(reach: Doubles, size: Doubles, heard: Doubles) -> Doubles:
    """Move the followed quantiles by one truth each."""
    moved = reach * np.where(size > reach, UP, DOWN)
    early = heard <= EARLY
    if any_of(early):
        moved = np.where(early, np.maximum(reach, size), moved)
    followed: Doubles = np.maximum(moved, LEAST, out=moved)
    return followed
