"""Fit the tails of the scorer's statistics: how far a value or a mean strays while all is well.

The data of a fit are short beside the alarm budgets that they must serve: 400 samples know nothing of one in a
million. What is beyond them is extrapolated by laws with wide tails, wider the fewer independent values there were,
and counted so: values that follow their predecessors are not independent.
"""

import numpy as np
from numpy.typing import NDArray

from edge.evidence import LEVEL, SHARP, SMOOTHED
from edge.tail import Means, Peaks

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

EXCEEDING = 0.05  # share of the values on each side that the law of the largest is fitted to
FEWEST_EXCEEDING, MOST_EXCEEDING = 10, 400
COMMON_SHAPE, SHAPE_TRUST = 0.15, 10.0  # sensors' tails are a little heavier than exponential; as good as 10 values
HEAVIEST = 0.5  # a heavier tail has no variance to fit it by
FAITHFUL = 50.0  # independent exceedances beyond which the shape needs no allowance
LEAST_SCALE = 0.05  # spreads of the feature
REMEMBERED = 0.05  # correlation below which values count as independent
# Spreads of a feature by which its mean may differ in another season without anything being wrong: a model's bias does
# not average out. All but the level depend on a model.
LEVEL_BIAS, BIAS = 0.25, 0.6
LEAST_SIDE = 0.7  # of the whole spread: what either side has at least


def memory(values: Doubles) -> Doubles:
    """Return over how many steps values remember: the integrated autocorrelation time of columns, >= 1.

    Args:
        values: shape (samples, columns).

    Source: Sokal (1997), Monte Carlo methods in statistical mechanics, section 2; summed while above
    `REMEMBERED`.
    """
    samples = len(values)
    centred = values - values.mean(axis=0)
    spectrum = np.fft.rfft(centred, 2 * samples, axis=0)
    products = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: max(samples // 2, 1)]
    correlation = products / np.where(products[0] > 0.0, products[0], 1.0)
    going_on = np.logical_and.accumulate(correlation >= REMEMBERED, axis=0)
    steps: Doubles = 2.0 * np.where(going_on, correlation, 0.0).sum(axis=0) - 1.0
    return np.maximum(steps, 1.0)


def fit_peaks(deviation: Doubles, measured: Bools, spread: Doubles, remembered: Doubles) -> Peaks:
    """Fit the tails of single values.

    Args:
        deviation: shape (samples, features, sensors), of the centre.
        measured: shape (samples, sensors).
        spread, remembered: shape (features, sensors).
    """
    sensors = measured.shape[1]
    laws = np.empty((4, 2, len(SHARP), sensors))
    for channel, feature in enumerate(SHARP):
        for sensor in range(sensors):
            values = deviation[measured[:, sensor], feature, sensor]
            for side, sign in enumerate((1.0, -1.0)):
                steps = float(remembered[feature, sensor])
                laws[:, side, channel, sensor] = pareto(sign * values, steps, LEAST_SCALE * spread[feature, sensor])
    return Peaks(*laws)


def pareto(values: Doubles, remembered: float, least: float) -> tuple[float, float, float, float]:
    """Fit the law of the largest values.

    By moments, the shape drawn towards `COMMON_SHAPE`, and both parameters widened by what so few independent values
    leave open.

    Args:
        values: shape (samples,), deviations, larger is stranger; those below 0 are on the other side.
        remembered: over how many steps they remember.
        least: smallest scale.

    Returns:
        Threshold, scale, shape and rarity, see `edge.tail.Peaks`.

    Source: Hosking & Wallis (1987), Technometrics 29, 339-349.
    """
    count = len(values)
    if count < 2 * FEWEST_EXCEEDING:
        return 0.0, max(least, float(np.abs(values).max(initial=0.0))), HEAVIEST, 0.0
    ordered = np.sort(values)
    last = int(np.clip(EXCEEDING * count, FEWEST_EXCEEDING, MOST_EXCEEDING))
    threshold = max(float(ordered[-last - 1]), 0.0)
    excess = ordered[-last:] - threshold
    excess = excess[excess > 0.0]
    rarity = max(-float(np.log(2.0 * (len(excess) + 0.5) / count)), 0.0)
    if not len(excess):
        return threshold, least, HEAVIEST, rarity
    mean, variance = float(excess.mean()), float(excess.var())
    by_moments = float(np.clip(0.5 * (1.0 - mean**2 / max(variance, 1e-12)), -HEAVIEST, HEAVIEST))
    independent = max(len(excess) / remembered, 1.0)
    shape = max((independent * by_moments + SHAPE_TRUST * COMMON_SHAPE) / (independent + SHAPE_TRUST), 1e-3)
    scale = mean * (1.0 - min(shape, HEAVIEST)) * (1.0 + independent**-0.5)
    if independent < FAITHFUL:
        shape = float(np.hypot(shape, 0.5 / independent))
    return threshold, max(scale, least), shape, rarity


def fit_means(smoothed: Doubles, bounded: Doubles, measured: Bools, remembered: Doubles, weight: Doubles) -> Means:
    """Fit the tails of exponential means.

    Args:
        smoothed: shape (samples, means, sensors).
        bounded: shape (samples, features, sensors), what they are means of.
        measured: shape (samples, sensors).
        remembered: shape (features, sensors).
        weight: shape (means, 1), of the newest value.

    Source: the variance of an exponential mean of white noise is a / (2 - a) of the noise's, Brown (1963).
    """
    middle = smoothed.mean(axis=0)
    away = smoothed - middle
    bias = np.array([LEVEL_BIAS if feature == LEVEL else BIAS for feature in SMOOTHED])[:, None]
    white = np.sqrt(weight / (2.0 - weight) * bounded.var(axis=0)[list(SMOOTHED)] + bias**2)
    whole = np.maximum(np.sqrt((away**2).mean(axis=0)), white)
    independent = np.maximum(measured.sum(axis=0) / remembered[list(SMOOTHED)], 1.0)
    freedom = np.maximum(independent - 1.0, 1.0)
    unsure = np.sqrt(1.0 + 1.0 / independent)
    least = np.maximum(white, LEAST_SIDE * whole)
    above, below = (unsure * np.maximum(_one_sided(sign * away), least) for sign in (1.0, -1.0))
    return Means(middle, above, below, freedom)


def _one_sided(away: Doubles) -> Doubles:
    """Return the root mean square of what is above 0, column by column."""
    above = away > 0.0
    square = np.where(above, away, 0.0) ** 2
    spread: Doubles = np.sqrt(square.sum(axis=0) / np.maximum(above.sum(axis=0), 1))
    return spread


def fit_others(level: Doubles, scored: Bools, remembered: Doubles) -> Doubles:
    """Find what of a sensor's level the other sensors do not explain: the regression on them, as a matrix.

    Args:
        level: shape (samples, sensors), bounded.
        scored: shape (sensors,).
        remembered: shape (sensors,).

    Returns:
        Shape (sensors, sensors), 1 on the diagonal of those judged; zeros where there are no two.

    Source: the inverse covariance holds the regressions (Whittaker 1990); shrunk towards the diagonal by as many
    values as there are sensors.
    """
    others = np.zeros((level.shape[1],) * 2)
    places = np.flatnonzero(scored)
    if len(places) < 2 or len(level) < 2:
        return others
    independent = max(len(level) / float(np.median(remembered[places])), 1.0)
    shrunk = len(places) / (len(places) + independent)
    covariance = np.cov(level[:, places].T)
    diagonal = np.diag(np.diag(covariance) + 1e-3)
    precision = np.linalg.inv((1.0 - shrunk) * covariance + shrunk * diagonal)
    others[np.ix_(places, places)] = precision / np.diag(precision)[:, None]
    return others
