"""Fit a line so that wild samples hardly count."""

import numpy as np
from numpy.typing import NDArray

from training.blocks import CONSTANT, Blocks

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # of the penalty, as a share of the samples' weight
FIRST = 1e-2  # the strength with which the weights of the samples are found
ROUNDS = 4  # the weights hardly move after the third
BEND = 2.5 * 1.4826  # median misses, 2.5 spreads of a Gaussian: beyond it a sample counts in inverse proportion
FLOOR = 0.2  # root mean squares; most misses of a sensor that seldom moves are zero
CLIPPED = 3.0  # median misses that one sample may cost when strengths are compared
MOST = 20_000  # newest samples that are fitted on: more change nothing in some dozen weights


def robust_weights(features: Doubles, target: Doubles, known: Bools, blocks: Blocks) -> tuple[Doubles, Doubles]:
    """Fit a ridge regression in which a wild sample counts in inverse proportion to its residual.

    Args:
        features: shape (samples, features), of spread 1; the last is the constant.
        target, known: shape (samples,).
        blocks: how the samples are cut; the cross-fitted loss chooses the strength.

    Returns:
        Weights of the features, and the cross-fitted forecasts, shape (samples,).

    Source: Huber (1964), Ann. Math. Stat. 35, 73-101, by iteratively reweighted least squares.
    """
    rows = np.flatnonzero(known)[-MOST:]
    if len(rows) == 0:
        return np.zeros(features.shape[1]), np.zeros(len(target))
    weight = np.zeros(len(target))
    weight[rows] = _counted(target[rows])
    for _ in range(ROUNDS):
        solved = _solve(*_products(features, target, weight, rows), FIRST)
        weight[rows] = _counted(target[rows] - features[rows] @ solved)
    gram, product = _products(features, target, weight, rows)
    unseen = np.empty((len(STRENGTHS), len(target)))
    for inside, guarded in blocks:
        less_gram, less_product = _products(features, target, weight, guarded)
        solved_all = [_solve(gram - less_gram, product - less_product, strength) for strength in STRENGTHS]
        unseen[:, inside] = (features[inside] @ np.stack(solved_all, axis=1)).T
    missed = np.abs(target[rows] - unseen[:, rows])
    cost = np.minimum(missed, CLIPPED * np.median(missed, axis=1, keepdims=True) + 1e-9).mean(axis=1)
    best = int(cost.argmin())
    return _solve(gram, product, STRENGTHS[best]), unseen[best]


def _counted(residual: Doubles) -> Doubles:
    """Return how much each sample counts, 0..1."""
    size = np.abs(residual)
    bend = max(BEND * float(np.median(size)), FLOOR * float(np.sqrt(np.mean(size * size))), 1e-6)
    counted: Doubles = np.minimum(1.0, bend / np.maximum(size, 1e-12))
    return counted


def _products(features: Doubles, target: Doubles, weight: Doubles, rows: NDArray[np.intp]) -> tuple[Doubles, Doubles]:
    """Return the weighted products of some samples' features with themselves and with the target."""
    chosen = features[rows]
    weighted = chosen * weight[rows, None]
    return weighted.T @ chosen, weighted.T @ target[rows]


def _solve(gram: Doubles, product: Doubles, strength: float) -> Doubles:
    # The last column is a constant, so its product with itself is in proportion to the weight of all samples.
    penalty = strength * gram[-1, -1] / CONSTANT**2
    solved: Doubles = np.linalg.solve(gram + (penalty + 1e-9) * np.eye(len(gram)), product)
    return solved
