"""What a user would get for nothing: persistence, seasonal naive, ridge autoregression. Ridge is the highway too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clock import DAY, WEEK, YEAR
from training.windows import Steps

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
STRENGTHS = tuple(10.0 ** np.arange(-5.0, 2.5, 0.5))  # of the penalty, as a share of the samples


@dataclass(frozen=True, slots=True)
class Highway:
    """Hold a linear map of the newest samples and of what the network reads.

    Attributes:
        lags: shape (lags * sensors, horizons * sensors), of scaled samples, oldest first.
        x: shape (inputs, horizons * sensors).
        bias: shape (horizons * sensors,).
        strength: shape (horizons, sensors), the penalty chosen for each.
    """

    lags: Floats
    x: Floats
    bias: Floats
    strength: Doubles

    def forecast(self, steps: Steps) -> Floats:
        """Return the scaled change to each horizon, shape (samples, horizons, sensors)."""
        flat = steps.lags.reshape(len(steps), -1) @ self.lags + steps.x @ self.x + self.bias
        return flat.reshape(steps.target.shape)


def fit_highway(fit: Sequence[Steps], stop: Sequence[Steps]) -> Highway:
    """Fit a ridge regression for each horizon and sensor; the stop split chooses its strength.

    The map reads the newest samples relative to the last one, so that a level that was never seen before changes
    nothing, and what the network reads.

    Source: Hoerl & Kennard (1970), Technometrics 12, 55-67; all strengths at once from one eigendecomposition.
    """
    features = np.concatenate([_features(steps) for steps in fit])
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-6] = np.inf
    features = (features - centre) / spread
    tried = (np.concatenate([_features(steps) for steps in stop]) - centre) / spread
    weights, bias, strength = _solve(features, tried, fit, stop)
    return _fold(weights / spread[:, None], bias - (centre / spread) @ weights, strength, fit[0])


def _features(steps: Steps) -> Doubles:
    last = steps.lags[:, -1:, :]
    relative = (steps.lags[:, :-1, :] - last).reshape(len(steps), -1)
    features: Doubles = np.concatenate((relative, steps.x), axis=1).astype(np.float64)
    return features


def _solve(
    features: Doubles, tried: Doubles, fit: Sequence[Steps], stop: Sequence[Steps]
) -> tuple[Doubles, Doubles, Doubles]:
    """Solve for every horizon and sensor; return weights, bias and the strengths, (horizons, sensors)."""
    horizons, sensors = fit[0].target.shape[1:]
    weights = np.zeros((features.shape[1], horizons, sensors))
    bias = np.zeros((horizons, sensors))
    strength = np.zeros((horizons, sensors))
    for horizon in range(horizons):
        target, known = (_stacked(fit, name, horizon) for name in ("target", "known"))
        truth, judged = (_stacked(stop, name, horizon) for name in ("target", "known"))
        for alike in _alike(known):
            rows = known[:, alike[0]] > 0
            if rows.any():
                found = _ridge(features[rows], target[rows][:, alike], tried, truth[:, alike], judged[:, alike])
                weights[:, horizon, alike], bias[horizon, alike], strength[horizon, alike] = found
    return weights.reshape(len(weights), -1), bias.ravel(), strength


def _alike(known: Doubles) -> list[NDArray[np.intp]]:
    """Group the sensors whose truths are known at the same samples: one decomposition serves a group."""
    _, group = np.unique(known, axis=1, return_inverse=True)
    return [np.flatnonzero(group.ravel() == one) for one in range(int(group.max()) + 1)]


def _ridge(
    features: Doubles, target: Doubles, tried: Doubles, truth: Doubles, judged: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Solve for all strengths and keep the best of each sensor: weights (features, sensors), mean, strength."""
    mean = target.mean(axis=0)
    values, vectors = np.linalg.eigh(features.T @ features)
    projected = vectors.T @ (features.T @ (target - mean))
    weights, strength = np.zeros(projected.shape), np.zeros(len(mean))
    least: Doubles = np.full(len(mean), np.inf)
    for share in STRENGTHS:
        solved = vectors @ (projected / (np.maximum(values, 0.0) + share * len(features))[:, None])
        loss = (np.where(judged, truth - tried @ solved - mean, 0.0) ** 2).sum(axis=0)
        better = loss < least
        least = np.where(better, loss, least)
        weights[:, better] = solved[:, better]
        strength[better] = share
    return weights, mean, strength


def _stacked(pieces: Sequence[Steps], name: str, horizon: int) -> Doubles:
    stacked: Doubles = np.concatenate([getattr(steps, name)[:, horizon] for steps in pieces]).astype(np.float64)
    return stacked


def _fold(weights: Doubles, bias: Doubles, strength: Doubles, example: Steps) -> Highway:
    """Write a map of relative samples as one of the samples themselves."""
    lags, sensors = example.lags.shape[1:]
    cut = (lags - 1) * sensors
    relative = weights[:cut].reshape(lags - 1, sensors, -1)
    absolute = np.concatenate((relative, -relative.sum(axis=0, keepdims=True))).reshape(lags * sensors, -1)
    return Highway(absolute.astype(np.float32), weights[cut:].astype(np.float32), bias.astype(np.float32), strength)


def season(period: float, samples: int) -> int | None:
    """Choose the seasonal naive's season: the longest of day, week and year that half of the samples holds.

    Returns:
        Steps, or None where not even a day fits.

    >>> season(3600.0, 2000), season(5.0, 1500)
    (168, None)
    """
    fitting = [round(cycle / period) for cycle in (DAY, WEEK, YEAR) if 2 <= cycle / period <= samples / 2]
    return fitting[-1] if fitting else None
