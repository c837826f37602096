"""Forecast with what comes for nothing, fitted on the very rows that Tidegate was fitted on.

These are references of their own: none of Tidegate's parts is asked. Persistence repeats the last value, seasonal
naive the value one season before the truth, and ridge regression maps the last 24 samples of all sensors and the
clock to the change ahead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clock import DAY, WEEK, YEAR, phases
from training.baseline import season

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

LAGS = 24
STRENGTHS = tuple(10.0 ** np.arange(-5.0, 2.5, 0.5))  # of the penalty, as a share of the samples
VALIDATED = 1 / 8  # last share of the fitted samples that chooses the strength
TURNS = 2.0  # of a cycle that the fitted samples must hold before the clock tells it


@dataclass(frozen=True, slots=True)
class Track:
    """Hold one stream on its grid, sample by sample.

    Attributes:
        period: seconds a step.
        times: shape (samples,), Unix seconds UTC.
        values: shape (samples, sensors); where nothing was measured the last value that was, nan before the first.
        measured: shape (samples, sensors).
        starts: shape (samples,), index of the sample with which the memory of each began anew.
        fitted: how many samples a reference may be fitted on.
    """

    period: float
    times: Doubles
    values: Doubles
    measured: Bools
    starts: NDArray[np.intp]
    fitted: int

    def truths(self, horizon: int) -> Doubles:
        """Return what came true of a forecast made at each sample, shape (samples, sensors); nan if unknown."""
        there = np.arange(len(self.times)) + horizon
        inside = np.minimum(there, len(self.times) - 1)
        same = (there < len(self.times)) & (self.starts[inside] == self.starts)
        return np.where(same[:, None] & self.measured[inside], self.values[inside], np.nan)

    def within_fit(self, horizon: int) -> Bools:
        """Tell at which samples a forecast's truth is one of the fitted samples, shape (samples,)."""
        return np.arange(len(self.times)) + horizon < self.fitted


def seasonal_naive(track: Track, horizon: int) -> Doubles | None:
    """Repeat the value one season before the truth, shape (samples, sensors); None where no season fits."""
    steps = season(track.period, track.fitted)
    if steps is None or steps < horizon:
        return None
    index = np.arange(len(track.times)) + horizon - steps
    return np.where(index[:, None] >= 0, track.values[np.maximum(index, 0)], np.nan)


def ridge(track: Track, horizon: int) -> Doubles:
    """Forecast with a ridge regression for each sensor, shape (samples, sensors).

    The last eighth of the fitted samples chooses the strength of each sensor; then all of them fit the map.

    Source: Hoerl & Kennard (1970), Technometrics 12, 55-67; all strengths at once from one eigendecomposition.
    """
    features = _features(track)
    change = track.truths(horizon) - track.values
    known = ~np.isnan(change) & track.within_fit(horizon)[:, None]
    cut = round(track.fitted * (1.0 - VALIDATED))
    early = np.arange(len(features)) + horizon < cut
    late = np.arange(len(features)) >= cut
    ahead = np.zeros_like(change)
    for alike in _alike(known):
        rows = known[:, alike[0]]
        if (rows & early).sum() < 2:
            continue
        maps = _maps(features[rows & early], change[rows & early][:, alike])
        missed = [_missed(one, features[rows & late], change[rows & late][:, alike]) for one in maps]
        best = np.argmin(missed, axis=0)
        whole = _maps(features[rows], change[rows][:, alike])
        for place, sensor in enumerate(alike.tolist()):
            weights, bias = whole[best[place]]
            ahead[:, sensor] = features @ weights[:, place] + bias[place]
    return track.values + ahead


def _features(track: Track) -> Doubles:
    """Lay out the last samples of all sensors and the clock, scaled by the fitted samples; (samples, features)."""
    seen = slice(0, track.fitted)
    centre = np.nan_to_num(np.nanmean(track.values[seen], axis=0))
    spread = np.nan_to_num(np.nanstd(track.values[seen], axis=0))
    scaled = np.nan_to_num((track.values - centre) / np.where(spread > 1e-9 * np.abs(centre), spread, np.inf))
    index = np.arange(len(scaled))[:, None] - np.arange(LAGS)
    lags = scaled[np.maximum(index, track.starts[:, None])].reshape(len(scaled), -1)
    span = float(track.times[track.fitted - 1] - track.times[0])
    cycles = tuple(one for one in (DAY, WEEK, YEAR) if span >= TURNS * one and one >= 4 * track.period)
    clock = phases(track.times, cycles).astype(np.float64)
    return np.concatenate((lags, clock), axis=1)


def _alike(known: Bools) -> list[NDArray[np.intp]]:
    """Group the sensors whose truths are known at the same samples: one decomposition serves a group."""
    _, group = np.unique(known, axis=1, return_inverse=True)
    return [np.flatnonzero(group.ravel() == one) for one in range(int(group.max()) + 1)]


def _maps(features: Doubles, target: Doubles) -> list[tuple[Doubles, Doubles]]:
    """Solve for every strength: weights (features, sensors) and bias (sensors,)."""
    centre, mean = features.mean(axis=0), target.mean(axis=0)
    centred = features - centre
    values, vectors = np.linalg.eigh(centred.T @ centred)
    projected = vectors.T @ (centred.T @ (target - mean))
    maps = []
    for share in STRENGTHS:
        weights = vectors @ (projected / (np.maximum(values, 0.0) + share * len(features))[:, None])
        maps.append((weights, mean - centre @ weights))
    return maps


def _missed(one: tuple[Doubles, Doubles], features: Doubles, target: Doubles) -> Doubles:
    """Return the squared error of each sensor, shape (sensors,)."""
    weights, bias = one
    missed: Doubles = ((target - features @ weights - bias) ** 2).sum(axis=0)
    return missed
