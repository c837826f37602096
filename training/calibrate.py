"""Make intervals and scores honest, on the quantised graph and through the device's own scorer.

Intervals: split conformal prediction. The half-widths that the graph gives are multiplied so that on the calibrate
split each bound was crossed as often as it should be. Scores: the distribution of every statistic of the scorer on
the calibrate split, with an exponential tail beyond what was seen.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edge.cohort import Learned
from edge.interval import Leeway, Margins, no_leeway
from edge.score import CALM, Calibration, Tail, shrinkage, smooth, standardise, statistics
from training.rehearse import Rehearsal

Doubles = NDArray[np.float64]

SPANS = (1.0, 8.0, 48.0)  # steps; spikes, short disturbances and slow drifts
FEWEST = 20  # truths below which an interval keeps the width that training gave it
EXCEEDING = 0.05  # share of the statistics that the exponential tail is fitted to
FEWEST_EXCEEDING, MOST_EXCEEDING = 10, 400
KNOTS = 40
FARTHEST = 60.0  # surprise that the tail reaches beyond its threshold
LEAST_ENERGY = 1e-4  # squared half-widths; a sensor that was forecast without any error still has some noise
LEAST_SLOPE = 0.05  # deviations; the same for the tail


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
    margins = Margins(learned.coverage, no_leeway(*learned.below.shape))
    margins.admit(len(rehearsals))
    for row, rehearsal in enumerate(rehearsals):
        judged = slice(rehearsal.judged, None)
        missed = ((rehearsal.truths(learned.horizons) - rehearsal.forecast) / spread)[judged]
        half_widths = (
            np.stack((learned.below * rehearsal.below, learned.above * rehearsal.above), axis=1)[judged] / spread
        )
        for residual, widths in zip(missed[:, None], half_widths[:, None], strict=True):
            margins.learn(np.array([row]), residual, widths, ~np.isnan(residual))
    return margins.leeway(np.arange(len(rehearsals)))


def calibrate(
    rehearsals: Sequence[Rehearsal], below: Doubles, above: Doubles, scored: NDArray[np.bool_]
) -> Calibration:
    """Learn what normal residuals look like.

    Args:
        rehearsals: of the calibrate split, with factors of 1.
        below, above: shape (sensors,), the factors at the first horizon.
        scored: shape (sensors,), which sensors are to be judged.
    """
    pieces = [_quotients(rehearsal, below, above) for rehearsal in rehearsals]
    quotients, measured = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    energy = _energy(quotients, measured)
    smoothed = np.concatenate([
        _smoothed(quotient, known, _begun(rehearsal))[(known & scored).any(axis=1)]
        for (quotient, known), rehearsal in zip(pieces, rehearsals, strict=True)
    ])  # fmt: skip
    spread = _spread(smoothed, energy)
    found = statistics(smoothed / spread, scored)
    tails = tuple(fit_tail(column) for column in found.T)
    surprises = np.stack([tail.of(column) for tail, column in zip(tails, found.T, strict=True)], axis=1)
    return Calibration(scored, SPANS, spread, energy, tails, fit_tail(surprises.max(axis=1)))


def unknowing(sensors: int) -> Calibration:
    """Return a calibration that knows nothing: for the rehearsal that the real one is learned from."""
    flat = Tail(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
    ones = np.ones((len(SPANS), sensors))
    return Calibration(np.ones(sensors, np.bool_), SPANS, ones, ones[0], (flat,) * (2 * len(SPANS)), flat)


def _quotients(rehearsal: Rehearsal, below: Doubles, above: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    """Return the quotients of one stream's judged samples, and which of them were measured; 0 where not."""
    judged = slice(rehearsal.judged, None)
    expected = rehearsal.expected[judged]
    residual = rehearsal.values[judged] - expected
    # What was expected of a sample was said one step before it.
    half_widths = below * _before(rehearsal.below[:, 0])[judged], above * _before(rehearsal.above[:, 0])[judged]
    measured = rehearsal.measured[judged] & ~np.isnan(residual)
    return np.where(measured, standardise(np.where(measured, residual, 0.0), *half_widths), 0.0), measured


def _before(said: Doubles) -> Doubles:
    """Return what was said one sample earlier; of the first, what was said with it."""
    return np.concatenate((said[:1], said[:-1]))


def _begun(rehearsal: Rehearsal) -> NDArray[np.bool_]:
    """Tell the judged samples with which the stream's memory began anew."""
    begun: NDArray[np.bool_] = (rehearsal.starts == np.arange(len(rehearsal.starts)))[rehearsal.judged :]
    return begun


def _energy(quotients: Doubles, measured: NDArray[np.bool_]) -> Doubles:
    """Return the mean square of each sensor's measured quotients, bounded as the scorer bounds them."""
    square = np.where(measured, np.minimum(np.abs(quotients), CALM) ** 2, 0.0).sum(axis=0)
    count = measured.sum(axis=0)
    return np.where(count > 0, np.maximum(square / np.maximum(count, 1), LEAST_ENERGY), 1.0)


def _smoothed(quotients: Doubles, measured: NDArray[np.bool_], begun: NDArray[np.bool_]) -> Doubles:
    """Smooth one stream's quotients as the scorer does; shape (samples, spans, sensors)."""
    weight = shrinkage(SPANS)
    now = np.zeros((1, len(SPANS), quotients.shape[1]))
    smoothed = np.empty((len(quotients), *now.shape[1:]))
    for step in range(len(quotients)):
        if begun[step]:
            now = np.zeros_like(now)
        now = smooth(now, quotients[step : step + 1], measured[step : step + 1], weight)
        smoothed[step] = now[0]
    return smoothed


def _spread(smoothed: Doubles, energy: Doubles) -> Doubles:
    """Return the spread of the smoothed quotients, (spans, sensors): at least that of white noise of the same energy.

    Source: the variance of an exponential mean of white noise is a / (2 - a) of the noise's, Brown (1963).
    """
    weight = shrinkage(SPANS)
    white = np.sqrt(weight / (2.0 - weight) * energy)
    bulk = np.quantile(np.abs(smoothed), 0.9, axis=0) / 1.645 if len(smoothed) else np.zeros_like(white)
    return np.maximum(bulk, white)


def fit_tail(statistic: Doubles) -> Tail:
    """Fit how surprising each value of a statistic is.

    Within the data by rank; beyond the threshold that a twentieth of it exceeds by an exponential tail whose slope is
    the mean excess, made longer by its own standard error.

    Args:
        statistic: shape (samples,), >= 0, larger is stranger.

    Source: peaks over threshold, Davison & Smith (1990), JRSS B 52, 393-442, with shape 0.
    """
    ordered = np.sort(statistic[~np.isnan(statistic)])
    count = len(ordered)
    if count < 2 * FEWEST_EXCEEDING:
        return Tail(np.array([0.0, 3.0, 3.0 + FARTHEST]), np.array([0.0, 3.0, 3.0 + FARTHEST]))
    exceeding = int(np.clip(EXCEEDING * count, FEWEST_EXCEEDING, MOST_EXCEEDING))
    threshold = ordered[-exceeding - 1]
    excess = float((ordered[-exceeding:] - threshold).mean()) * (1.0 + exceeding**-0.5)
    slope = max(excess, LEAST_SLOPE * max(1.0, threshold))
    ranks = np.unique(np.geomspace(count, exceeding + 1, KNOTS).astype(int))[::-1]
    at = np.concatenate(([0.0], ordered[count - ranks], [threshold + FARTHEST * slope]))
    known = -np.log(ranks / (count + 1.0))
    surprise = np.concatenate(([0.0], known, [known[-1] + FARTHEST]))
    last_of_equals = np.append(np.diff(at) > 1e-12, True)
    return Tail(at[last_of_equals], surprise[last_of_equals])
