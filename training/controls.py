"""Detect with what costs nothing, so that a table shows what is worth nothing.

Every control is causal: what it says of a row depends on no later one, and what it fits it fits on the rows that
Tidegate was fitted on.
"""

import numpy as np
from numpy.typing import NDArray

from training.flags import Flags, from_flags
from training.series import hold

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

CALM = 12  # rows without a flag that end an episode, as in the default recipe
BEAT = 600  # rows between two alarms of the metronome
ORDER = 3  # rows that the autoregression looks back
WEIGHT = 0.1  # of the newest residual in the moving average
SHRINKAGE = 0.01  # share of the covariance that is moved to its diagonal, so that it can be inverted
QUANTILE, MARGIN = 0.995, 1.5  # the threshold is this quantile of the fitting rows, times this
RARE = 0.999  # quantile of the changes of the fitting rows that persistence allows


def controls(values: Doubles, begin: int) -> dict[str, Flags]:
    """Run every control over a recording.

    Args:
        values: shape (rows, sensors), nan where nothing was measured.
        begin: how many rows the controls may fit; nothing is flagged before it.

    Returns:
        What each said, by its name.
    """
    return {
        "AR(3) EWMA Mahalanobis": autoregression(values, begin),
        "persistence": persistence(values, begin),
        "metronome": metronome(len(values), begin),
        "always-on": always_on(len(values), begin),
    }


def always_on(rows: int, begin: int) -> Flags:
    """Flag every row: one endless episode."""
    return from_flags(np.arange(rows) >= begin, calm=CALM)


def metronome(rows: int, begin: int) -> Flags:
    """Flag one row of every `BEAT`, the first so long after the fitting rows; each is an episode of its own."""
    after = np.arange(rows) - begin
    return from_flags((after > 0) & (after % BEAT == 0), calm=CALM)


def persistence(values: Doubles, begin: int) -> Flags:
    """Flag rows at which a sensor changed by more than it did in all but few of the fitting rows."""
    held = _held(values, begin)
    change = np.abs(np.diff(held, axis=0, prepend=held[:1]))
    usual = np.quantile(change[:begin], RARE, axis=0) if begin else np.zeros(change.shape[1])
    flagged = (change > usual)[:, usual > 0.0].any(axis=1)
    return from_flags(flagged & (np.arange(len(values)) >= begin), calm=CALM)


def autoregression(values: Doubles, begin: int) -> Flags:
    """Flag rows at which the smoothed residuals of an autoregression lie far out.

    Each sensor is forecast from its own last three values, the residuals are smoothed by a moving average with
    exponential weights, and their Mahalanobis distance from those of the fitting rows is held against its quantile
    there.

    Source: Lowry, Woodall, Champ & Rigdon (1992), Technometrics 34, 46-53, on residuals of an autoregression.
    """
    smoothed = _smoothed(_residuals(_held(values, begin), begin))
    distance = _distances(smoothed, begin)
    threshold = MARGIN * float(np.quantile(distance[ORDER:begin], QUANTILE)) if begin > ORDER else np.inf
    return from_flags((distance > threshold) & (np.arange(len(values)) >= begin), calm=CALM)


def _held(values: Doubles, begin: int) -> Doubles:
    """Fill gaps with the last value and leave out sensors that stand still in the fitting rows, (rows, moving)."""
    heard = ~np.isnan(values)
    held = hold(values, heard)[:, heard[:begin].any(axis=0)]
    moving: Doubles = held[:, held[:begin].std(axis=0) > 1e-9 * np.abs(held[:begin]).max(axis=0, initial=0.0)]
    return moving


def _residuals(held: Doubles, begin: int) -> Doubles:
    """Return what an autoregression of each sensor missed, in spreads of its fitting rows; 0 for the first rows."""
    scaled = (held - held[:begin].mean(axis=0)) / held[:begin].std(axis=0)
    residuals: Doubles = np.zeros_like(scaled)
    for sensor in range(scaled.shape[1]):
        one = scaled[:, sensor]
        lags = np.stack([one[ORDER - 1 - back : len(one) - 1 - back] for back in range(ORDER)], axis=1)
        lags = np.concatenate((lags, np.ones((len(lags), 1))), axis=1)
        fitted = slice(0, begin - ORDER)
        weights, *_ = np.linalg.lstsq(lags[fitted], one[ORDER:][fitted], rcond=None)
        residuals[ORDER:, sensor] = one[ORDER:] - lags @ weights
    return residuals


def _smoothed(residuals: Doubles) -> Doubles:
    smoothed: Doubles = np.zeros_like(residuals)
    average: Doubles = np.zeros(residuals.shape[1])
    for row, residual in enumerate(residuals):
        average = average + WEIGHT * (residual - average)
        smoothed[row] = average
    return smoothed


def _distances(smoothed: Doubles, begin: int) -> Doubles:
    """Return the Mahalanobis distance of each row from the fitting rows, shape (rows,)."""
    sensors = smoothed.shape[1]
    if not sensors:
        return np.zeros(len(smoothed))
    fitted = smoothed[ORDER:begin]
    covariance = np.atleast_2d(np.cov(fitted, rowvar=False))
    shrunk = (1.0 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / sensors * np.eye(sensors)
    centred = smoothed - fitted.mean(axis=0)
    square = np.einsum("ij,ij->i", centred, np.linalg.solve(shrunk, centred.T).T)
    distance: Doubles = np.sqrt(np.maximum(square, 0.0))
    return distance
