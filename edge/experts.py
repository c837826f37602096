"""Weigh the experts: forecasts of the same sample, of which the better one so far counts more.

Theory of operation. Which of several forecasts is the best differs from sensor to sensor and from horizon to horizon,
and does not stay: a model ages, a house changes hands. So the weights follow the truths. Each expert's squared misses
are summed with a forgetting factor, and its weight falls exponentially with what it lost more than the best. What one
truth can cost is bounded: an outage of an hour, which nobody foresaw, must not decide the rest of the week.

Nothing is solved and no history is kept: an expert costs two numbers for each sensor and horizon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import exp

import numpy as np

from edge.rows import At, Bools, Doubles, Floats, Numbers, Rows, all_of, any_of, grow_planes, keep, pick

# What each of them forecasts: the last value; a robust line through the sensor's own past; the linear highway through
# all sensors' past; the highway with the recurrent correction.
EXPERTS = ("persistence", "own", "highway", "network")
HALF_LIFE = 200.0  # steps after which a loss counts half; 100 and 400 were within .003 of its skill
SHARPNESS = 0.1  # of a unit likelihood: misses follow on each other, so each tells less than an independent one
REACHED = 0.9  # quantile of the misses that is followed, and
BOUND = 3.0  # times it is the most that one truth can cost; rain and light come in bursts, so the median is no measure
PACE = 0.05  # by which the quantile moves, on a logarithmic scale
EARLY = 30.0  # truths of which the largest miss stands for the quantile: rain may begin with a dry fortnight
UP, DOWN = exp(2.0 * PACE * REACHED), exp(-2.0 * PACE * (1.0 - REACHED))
FADING = 0.5 ** (1.0 / HALF_LIFE)
LEAST = 1e-6  # spreads; a sensor that stands still is forecast without any miss
FARTHEST = 60.0  # beyond it a weight is zero in any arithmetic
# Where what is kept of a stream lies among the planes.
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
    """Weigh the experts.

    Returns:
        Shape (experts, horizons, sensors), sums to 1 over the experts.

    Source: the exponentially weighted average forecaster, Cesa-Bianchi & Lugosi (2006), Prediction, Learning, and
    Games, ch. 2; the loss is counted in variances of the best expert, as a Gaussian likelihood would.
    """
    likely = _likelihood(experience.loss, experience.heard)
    weight: Doubles = likely / _sum(likely)
    return weight


def _likelihood(loss: Numbers, heard: Numbers) -> Numbers:
    """Return the weights of the experts, (experts, …), that of the best is 1."""
    best = np.minimum.reduce(loss, axis=0)
    sharpness = best / np.maximum(heard, 1.0)
    sharpness += LEAST**2
    np.divide(-SHARPNESS, sharpness, out=sharpness)
    likely: Numbers = loss - best
    likely *= sharpness
    np.maximum(likely, -FARTHEST, out=likely)
    return np.exp(likely, out=likely)


def _sum(experts: Numbers) -> Numbers:
    """Add up over the experts one by one: a sum of `reduce` may depend on how long the wave is."""
    return reduce(np.add, experts)


class Experts:
    """Follow the experience of every stream of a cohort.

    State kept for each stream: one `Experience`, as planes of loss, reach and heard, in single precision.
    """

    def __init__(self, prior: Experience, paces: Sequence[int]) -> None:
        """Start with no stream.

        Args:
            prior: what each that comes starts from.
            paces: for each horizon, every how many steps a truth of it is heard; it counts as so many.
        """
        self._paces: Floats = np.repeat(np.array(paces)[:, None], prior.heard.shape[1], axis=1).astype(np.float32)
        self._lost: Floats = 1.0 - np.float32(FADING) ** self._paces  # share of what is kept, with every truth
        self._up, self._down = np.float32(UP) ** self._paces, np.float32(DOWN) ** self._paces
        self._prior = np.concatenate((prior.loss, prior.reach, prior.heard[None])).astype(np.float32)
        self._kept: Floats = np.zeros((len(self._prior), 0, *prior.heard.shape), dtype=np.float32)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their experience."""
        held = self._kept.shape[1]
        self._kept = grow_planes(self._kept, capacity, 0.0)
        self._kept[:, held:] = self._prior[:, None]

    def weights(self, rows: At) -> Floats:
        """Return the weights of some streams' experts, shape (experts, wave, horizons, sensors)."""
        kept = pick(self._kept, rows)
        likely = _likelihood(kept[_LOSS], kept[_HEARD])
        weights: Floats = likely / _sum(likely)
        return weights

    def mix(self, rows: At, moves: Floats) -> Floats:
        """Return what the experts forecast together, shape (wave, horizons, sensors).

        Args:
            rows: which streams.
            moves: shape (experts - 1, wave, horizons, sensors), how far each forecast lies from that of persistence.
        """
        kept = pick(self._kept, rows)
        likely = _likelihood(kept[_LOSS], kept[_HEARD])
        total = _sum(likely)
        mixed: Floats = _sum(np.multiply(likely[1:], moves, out=likely[1:]))
        mixed /= total
        return mixed

    def experience(self, rows: Rows) -> Experience:
        """Return the mean experience of some streams."""
        mean = self._kept[:, rows].mean(axis=1, dtype=np.float64)
        return Experience(mean[_LOSS], mean[_REACH], mean[_HEARD])

    def learn(self, rows: At, missed: Floats, known: Bools) -> None:
        """Learn from the truths of one wave.

        Args:
            rows: which streams; each at most once.
            missed: shape (experts, wave, horizons, sensors), what each expert missed, spreads; ignored where unknown.
            known: shape (wave, horizons, sensors), where there was a forecast and then a truth.
        """
        if not any_of(known):
            return
        kept = pick(self._kept, rows)
        loss, reach, heard = kept[_LOSS], kept[_REACH], kept[_HEARD]
        size = np.abs(missed)
        if not all_of(known):
            np.copyto(size, 0.0, where=~known)
        told = known.astype(np.float32)
        fading = 1.0 - told * self._lost
        counted = told * self._paces
        loss *= fading
        heard *= fading
        heard += counted
        self._follow(reach, size, heard, told)
        bound = np.minimum.reduce(reach, axis=0)
        bound *= BOUND
        np.minimum(size, bound, out=size)
        size *= size
        size *= counted
        loss += size
        keep(self._kept, rows, kept)

    def _follow(self, reach: Floats, size: Floats, heard: Floats, told: Floats) -> None:
        """Move the followed quantiles, (experts, …), by the truths that were told; they are changed in place."""
        # A choice by `where` among numbers that are as often larger as smaller took seven times as long.
        factor = np.multiply(size > reach, told * (self._up - self._down))
        factor += 1.0 + told * (self._down - 1.0)
        factor *= reach
        early = heard <= EARLY * self._paces
        if any_of(early):
            factor = np.where(early, np.maximum(reach, size), factor)
        np.maximum(factor, LEAST * told, out=reach)
