"""Make intervals and scores honest, on the quantised graph and through the device's own scorer.

Intervals: split conformal prediction. The half-widths that the graph gives are multiplied so that on the calibrate
split each bound was crossed as often as it should be. Scores: what the features of the scorer did over all that was
recorded, with the intervals that the calibrate split made honest; `training.tails` says what that makes improbable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge.daily import HOUR
from edge.due import pace
from edge.evidence import (
    BOUND,
    FEATURES,
    GRADED,
    ODDS_BOUND,
    SHARP,
    SMOOTHED,
    WEIGHT,
    Calibration,
    features,
    smooth,
    standardise,
)
from edge.interval import Leeway, Margins, no_leeway
from edge.learned import Learned
from edge.scale import Scaling
from edge.score import CALM, follow_level
from edge.tail import Means, Peaks
from training.rehearse import Rehearsal
from training.tails import fit_means, fit_others, fit_peaks, memory

Doubles = NDArray[np.float64]

FEWEST = 20  # truths below which an interval keeps the width that training gave it
LEAST_ENERGY = 1e-4  # squared half-widths; a sensor that was forecast without any error still has some noise
LEAST_SPREAD = 0.01  # of a feature, for the same reason
POSITIONS = 2  # values that a sensor may have and be a switch


def factors(rehearsals: Sequence[Rehearsal], horizons: Sequence[int], coverage: float) -> tuple[Doubles, Doubles]:
    """Find by how much the half-widths must be multiplied.

    Args:
        rehearsals: of the calibrate split, with factors of 1.
        horizons: steps ahead.
        coverage: central probability of the interval.

    Returns:
        For below and above: shape (horizons, sensors), > 0.

    Source: Romano, Patterson & Candès (2019), NeurIPS 32, conformalised quantile regression; here a factor instead of
    a sum, so that an interval keeps its shape.
    """
    pieces = [_ratios(rehearsal, horizons) for rehearsal in rehearsals]
    below, above = (np.concatenate([piece[side] for piece in pieces]) for side in range(2))
    return _quantiles(below, (1 + coverage) / 2), _quantiles(above, (1 + coverage) / 2)


def _ratios(rehearsal: Rehearsal, horizons: Sequence[int]) -> tuple[Doubles, Doubles]:
    judged = slice(rehearsal.judged, None)
    missed = (rehearsal.truths(horizons) - rehearsal.forecast)[judged]
    return -missed / rehearsal.below[judged], missed / rehearsal.above[judged]


def _quantiles(ratios: Doubles, level: float) -> Doubles:
    """Return the conformal quantile of each column of (samples, horizons, sensors), nan left out."""
    found = np.ones(ratios.shape[1:])
    for place in np.ndindex(found.shape):
        known = np.sort(ratios[:, *place][~np.isnan(ratios[:, *place])])
        if len(known) >= FEWEST:
            rank = min(ceil((len(known) + 1) * level), len(known))
            found[place] = max(known[rank - 1], 1e-3)
    return found


def leeway(rehearsals: Sequence[Rehearsal], learned: Learned) -> Leeway:
    """Follow the intervals through the calibrate split, as the device will; return what they end with.

    Args:
        rehearsals: of the calibrate split.
        learned: what training learned so far, with the factors of `factors`.
    """
    spread = learned.scaling.spread
    paces = np.array([pace(horizon) for horizon in learned.horizons])
    margins = Margins(learned.coverage, learned.horizons, paces.tolist(), no_leeway(*learned.below.shape))
    margins.admit(len(rehearsals))
    for row, rehearsal in enumerate(rehearsals):
        judged = slice(rehearsal.judged, None)
        missed = ((rehearsal.truths(learned.horizons) - rehearsal.forecast) / spread)[judged].astype(np.float32)
        given = np.stack((learned.below * rehearsal.below, learned.above * rehearsal.above))[:, judged] / spread
        half_widths = given.astype(np.float32)
        for step in range(len(missed)):
            now = slice(step, step + 1)
            told = ~np.isnan(missed[now]) & (step % paces == 0)[:, None]
            margins.learn(np.array([row]), missed[now], half_widths[:, now], told)
    return margins.leeway(np.arange(len(rehearsals)))


def calibrate(
    rehearsals: Sequence[Rehearsal],
    below: Doubles,
    above: Doubles,
    scored: NDArray[np.bool_],
    scaling: Scaling,
    *,
    period: float,
) -> Calibration:
    """Learn what normal samples look like.

    Args:
        rehearsals: of all that was recorded, with factors of 1.
        below, above: shape (sensors,), the factors at the first horizon.
        scored: shape (sensors,), which sensors are to be judged.
        scaling: of the fit split.
        period: seconds a step.
    """
    if not scored.any():
        return replace(unknowing(len(scored)), scored=scored, positions=_positions(rehearsals, scaling))
    seen = [_seen(rehearsal, below, above, scored, scaling) for rehearsal in rehearsals]
    level, quotient, measured = (np.concatenate([getattr(one, name) for one in seen]) for name in _Seen.ARRAYS)
    bounded = np.clip(level, -ODDS_BOUND, ODDS_BOUND)
    others = fit_others(bounded, scored, _memory(seen, [np.clip(one.level, -ODDS_BOUND, ODDS_BOUND) for one in seen]))
    found = features(level, quotient, others).swapaxes(0, 1)
    centre, spread = _moments(found, measured)
    away = found - centre
    small = np.where(measured[:, None, :], np.clip(away / spread, -BOUND, BOUND), 0.0)
    cuts = np.cumsum([len(one.level) for one in seen])[:-1]
    pieces = np.split(small, cuts)
    remembered = _memory(seen, pieces)
    smoothed = np.concatenate([_smoothed(piece, one) for piece, one in zip(pieces, seen, strict=True)])
    return Calibration(
        scored=scored,
        centre=centre,
        spread=spread,
        others=others,
        energy=_energy(quotient, measured),
        peaks=fit_peaks(away, measured, spread, remembered),
        means=fit_means(smoothed, small, measured, remembered, WEIGHT),
        looks=float(max(scored.sum() * _statistics(int(scored.sum()), period), 1)),
        samples=len(level),
        positions=_positions(rehearsals, scaling),
    )


def _statistics(judged: int, period: float) -> int:
    """Return in how many ways a sensor can be strange: there are no odds of one alone, and no hours in long steps."""
    return GRADED - (judged < 2) + (period <= HOUR)


def varied(rehearsals: Sequence[Rehearsal], moved: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which sensors are to be judged by how far they are from what is normal: those that moved, without switches.

    A switch has two values. Neither is strange when it is seen, and when it switches is the choice of somebody: it
    helps to forecast the others and is no evidence itself.
    """
    varies: NDArray[np.bool_] = moved & np.array([len(values) > POSITIONS for values in _values(rehearsals)])
    return varies


def _positions(rehearsals: Sequence[Rehearsal], scaling: Scaling) -> Doubles:
    """Return the levels, (2, sensors), of the sensors that had one or two values; nan for the others."""
    positions = np.full((POSITIONS, len(scaling.centre)), np.nan)
    for sensor, values in enumerate(_values(rehearsals)):
        if 0 < len(values) <= POSITIONS:
            positions[:, sensor] = (values[[0, -1]] - scaling.centre[sensor]) / scaling.spread[sensor]
    return positions


def _values(rehearsals: Sequence[Rehearsal]) -> list[Doubles]:
    """Return the different values that each sensor had, rising."""
    sensors = range(rehearsals[0].values.shape[1])
    return [
        np.unique(np.concatenate([one.values[one.measured[:, sensor], sensor] for one in rehearsals]))
        for sensor in sensors
    ]


def unknowing(sensors: int) -> Calibration:
    """Return a calibration that knows nothing and judges nothing: for the rehearsal that the real one is learned from.

    Judging is a third of a sample's cost, and nobody asks for these scores.
    """
    nothing, far = np.zeros((2, len(SHARP), sensors)), np.full((2, len(SHARP), sensors), 1e9)
    mean = np.zeros((len(SMOOTHED), sensors))
    return Calibration(
        scored=np.zeros(sensors, np.bool_),
        centre=np.zeros((FEATURES, sensors)),
        spread=np.ones((FEATURES, sensors)),
        others=np.zeros((sensors, sensors)),
        energy=np.ones(sensors),
        peaks=Peaks(far, far, np.ones_like(far), nothing),
        means=Means(mean, mean + 1e9, mean + 1e9, mean + 1.0),
        looks=2.0,
        samples=0,
        positions=np.full((POSITIONS, sensors), np.nan),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """Hold what the scorer sees of one stream, (samples, sensors), and with which samples its memory began anew."""

    level: Doubles
    quotient: Doubles
    measured: NDArray[np.bool_]
    begun: NDArray[np.bool_]

    ARRAYS: ClassVar[tuple[str, ...]] = ("level", "quotient", "measured")


def _seen(rehearsal: Rehearsal, below: Doubles, above: Doubles, scored: NDArray[np.bool_], scaling: Scaling) -> _Seen:
    """Return the samples that the scorer would judge; quotients are 0 where nothing was measured."""
    expected = rehearsal.expected
    residual = rehearsal.values - expected
    # What was expected of a sample was said one step before it.
    half_widths = below * _before(rehearsal.below[:, 0]), above * _before(rehearsal.above[:, 0])
    measured = rehearsal.measured & ~np.isnan(residual)
    with np.errstate(invalid="ignore"):
        quotient = np.where(measured, standardise(residual, *half_widths), 0.0)
    level = _referred((rehearsal.values - scaling.centre) / scaling.spread, measured)
    begun = rehearsal.starts == np.arange(len(rehearsal.starts))
    judged = (measured & scored).any(axis=1)
    # A life that begins anew begins, for the scorer, with the first sample that it judges.
    lives = np.cumsum(begun)[judged]
    return _Seen(level[judged], quotient[judged], measured[judged], np.diff(lives, prepend=-1) > 0)


def _referred(level: Doubles, measured: NDArray[np.bool_]) -> Doubles:
    """Return levels, (samples, sensors), from the reference that follows them as the scorer's does."""
    reference = followed = np.zeros((1, level.shape[1]))
    referred = np.empty_like(level)
    for step in range(len(level)):
        now = level[step : step + 1]
        referred[step] = now[0] - reference[0]
        followed = followed + measured[step]
        reference = follow_level(reference, followed, now, measured[step : step + 1])
    return referred


def _memory(seen: Sequence[_Seen], values: Sequence[Doubles]) -> Doubles:
    """Return over how many steps values (samples, ...) remember, the mean of all streams by their samples."""
    lengths = np.array([len(one.level) for one in seen], dtype=np.float64)
    steps = [_remembered(one) for one in values]
    mean: Doubles = np.average(steps, axis=0, weights=lengths if lengths.any() else None)
    return mean


def _remembered(values: Doubles) -> Doubles:
    steps = np.ones(values.shape[1:])
    if len(values):
        steps = memory(values.reshape(len(values), -1)).reshape(values.shape[1:])
    return steps


def _moments(found: Doubles, measured: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Return centre and spread of the features, (features, sensors)."""
    known = np.where(measured[:, None, :], found, np.nan)
    heard = measured.sum(axis=0) >= 2
    centre, spread = np.zeros(found.shape[1:]), np.ones(found.shape[1:])
    if heard.any():
        centre[:, heard] = np.nanmedian(known[:, :, heard], axis=0)
        spread[:, heard] = np.nanstd(known[:, :, heard], axis=0)
    return centre, np.maximum(spread, LEAST_SPREAD)


def _before(said: Doubles) -> Doubles:
    """Return what was said one sample earlier; of the first, what was said with it."""
    return np.concatenate((said[:1], said[:-1]))


def _energy(quotients: Doubles, measured: NDArray[np.bool_]) -> Doubles:
    """Return the mean square of each sensor's measured quotients, bounded as the scorer bounds them."""
    square = np.where(measured, np.minimum(np.abs(quotients), CALM) ** 2, 0.0).sum(axis=0)
    count = measured.sum(axis=0)
    return np.where(count > 0, np.maximum(square / np.maximum(count, 1), LEAST_ENERGY), 1.0)


def _smoothed(deviation: Doubles, seen: _Seen) -> Doubles:
    """Smooth one stream's features as the scorer does; shape (samples, means, sensors)."""
    now = np.zeros((len(SMOOTHED), 1, deviation.shape[2]))
    smoothed = np.empty((len(deviation), len(now), now.shape[2]))
    for step in range(len(deviation)):
        if seen.begun[step]:
            now = np.zeros_like(now)
        now = smooth(now, deviation[step][:, None], seen.measured[step : step + 1])
        smoothed[step] = now[:, 0]
    return smoothed
