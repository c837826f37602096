"""Fit the linear parts of a forecast, and say of every sample what lines that never saw it would have said.

The *highway* maps the past of all sensors to the change ahead. It is a mixture of three ridge regressions: one reads
every lag of every sensor, one the newest lags of every sensor, one the sensor's own past alone; which of them
generalises differs from sensor to sensor, and a mixture of linear maps is a linear map. The *own line* reads the
sensor's own past and is fitted so that wild samples hardly count: where least squares bends to an outage, it does not.

Everything is cross-fitted: the recording is cut into blocks, and each is forecast by lines that were fitted on the
others. On these forecasts the strengths of the penalties and the mixture are chosen, and the network learns what they
left, so that nothing downstream is tuned to residuals that are smaller than the device will see. What is served is
fitted on everything.

Disliked: strengths, mixture, and how much a wild sample counts in the own line, are found once with all blocks in
view, so a block's own truths have a small say in how it is forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.blocks import CONSTANT, Blocks, cut_blocks
from training.robust import robust_weights
from training.windows import Steps

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = NDArray[np.intp]

STRENGTHS = tuple(10.0 ** np.arange(-5.0, 2.5, 0.5))  # of the penalty, as a share of the samples
NEWEST = 6  # lags of the line that reads the newest of every sensor
WILD = 10.0  # spreads: what moved further says no more than this, or a broken hour would decide the whole map
PRIOR = 50.0  # samples that an equal mixture is worth


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a linear map of the newest samples and of what the network reads.

    Attributes:
        lags: shape (lags * sensors, horizons * sensors), of scaled samples, oldest first.
        x: shape (inputs, horizons * sensors).
        bias: shape (horizons * sensors,).
    """

    lags: Floats
    x: Floats
    bias: Floats

    def forecast(self, steps: Steps) -> Floats:
        """Return the scaled change to each horizon, shape (samples, horizons, sensors)."""
        flat = steps.lags.reshape(len(steps), -1) @ self.lags + steps.x @ self.x + self.bias
        return flat.reshape(steps.target.shape)


@dataclass(frozen=True, slots=True)
class Lines:
    """Hold the linear parts.

    Attributes:
        highway, own: what is served.
        unseen: for each stream, shape (samples, 2, horizons, sensors): what highway and own line, fitted without the
            sample's block, forecast; scaled change.
    """

    highway: Line
    own: Line
    unseen: tuple[Floats, ...]


def fit_lines(streams: Sequence[Steps], *, clock: int, farthest: int) -> Lines:
    """Fit highway and own line on all samples, and cross-fitted beside it.

    Args:
        streams: all samples.
        clock: how many numbers at the end of the network's inputs are the clock's.
        farthest: the longest horizon, steps.

    Source: Hoerl & Kennard (1970), Technometrics 12, 55-67; all strengths at once from one eigendecomposition. The
    mixture: Breiman (1996), Machine Learning 24, 49-64, stacked regressions.
    """
    problem = _problem(streams, clock, farthest)
    members = [_ridge(problem, columns) for columns in (_every(problem), _newest(problem))]
    members.append(_own(problem))
    share = _mixture([member.unseen for member in members], problem)
    highway = np.sum([part * member.weights for part, member in zip(share, members, strict=True)], axis=0)
    unseen = np.sum([part * member.unseen for part, member in zip(share, members, strict=True)], axis=0)
    own = _robust(problem)
    pieces = np.stack((unseen, own.unseen), axis=1).astype(np.float32)
    shape = streams[0].target.shape[1:]
    ends = np.cumsum([len(steps) for steps in streams])[:-1]
    return Lines(
        _fold(highway, problem),
        _fold(own.weights, problem),
        tuple(np.split(pieces.reshape(len(pieces), 2, *shape), ends)),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """Hold the samples of all streams, one below the other.

    Attributes:
        features: shape (samples, features): lags relative to the last, what the network reads, a constant; of spread 1.
        spread, centre: shape (features,), what was divided by and subtracted.
        target: shape (samples, horizons * sensors), 0 where unknown.
        known: the target's shape.
        blocks: how the samples are cut.
        lags, sensors, inputs, clock: how many there are; `clock` numbers at the end of the inputs are the clock's.
    """

    features: Doubles
    centre: Doubles
    spread: Doubles
    target: Doubles
    known: Bools
    blocks: Blocks
    lags: int
    sensors: int
    inputs: int
    clock: int


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Hold one way to fit: weights (features, outputs), and its cross-fitted forecasts (samples, outputs)."""

    weights: Doubles
    unseen: Doubles


def _problem(streams: Sequence[Steps], clock: int, farthest: int) -> _Problem:
    features = np.concatenate([_features(steps) for steps in streams])
    centre, spread = features.mean(axis=0), features.std(axis=0)
    centre[-1], spread[-1] = 0.0, 1.0
    spread[spread < 1e-6] = np.inf
    _, lags, sensors = streams[0].lags.shape
    outputs = streams[0].target[0].size
    return _Problem(
        features=(features - centre) / spread,
        centre=centre,
        spread=spread,
        target=np.clip(
            np.concatenate([steps.target.reshape(len(steps), outputs) for steps in streams]), -WILD, WILD
        ).astype(np.float64),
        known=np.concatenate([steps.known.reshape(len(steps), outputs) for steps in streams]),
        blocks=cut_blocks([len(steps) for steps in streams], margin=farthest + lags),
        lags=lags,
        sensors=sensors,
        inputs=streams[0].x.shape[1],
        clock=clock,
    )


def _features(steps: Steps) -> Doubles:
    last = steps.lags[:, -1:, :]
    relative = np.clip(steps.lags[:, :-1, :] - last, -WILD, WILD).reshape(len(steps), -1)
    constant = np.full((len(steps), 1), CONSTANT, dtype=np.float32)
    features: Doubles = np.concatenate((relative, steps.x, constant), axis=1).astype(np.float64)
    return features


def _every(problem: _Problem) -> Columns:
    """Choose all columns."""
    return np.arange(problem.features.shape[1])


def _newest(problem: _Problem) -> Columns:
    """Choose the newest lags of every sensor and all that is not a lag."""
    lagged = (problem.lags - 1) * problem.sensors
    return np.arange(max(0, lagged - NEWEST * problem.sensors), problem.features.shape[1])


def _of_sensor(problem: _Problem, sensor: int) -> Columns:
    """Choose what belongs to one sensor, the clock and the constant."""
    lagged = (problem.lags - 1) * problem.sensors
    shared = np.arange(problem.features.shape[1] - 1 - problem.clock, problem.features.shape[1])
    mine = np.arange(sensor, lagged + problem.inputs - problem.clock, problem.sensors)
    return np.concatenate((mine, shared))


def _ridge(problem: _Problem, columns: Columns, outputs: Columns | None = None) -> _Fitted:
    """Fit a ridge regression of some columns to some outputs; the cross-fitted loss chooses each output's strength.

    Where truths are missing the products with them are scaled up to all samples, so that one decomposition serves all
    outputs.
    """
    chosen = slice(None) if outputs is None else outputs
    features, target, known = problem.features[:, columns], problem.target[:, chosen], problem.known[:, chosen]
    gram, product = features.T @ features, features.T @ target
    loss = np.zeros((len(STRENGTHS), target.shape[1]))
    tried = []
    for inside, guarded in problem.blocks:
        kept = len(features) - len(guarded)
        solved = _solve(
            gram - features[guarded].T @ features[guarded],
            product - features[guarded].T @ target[guarded],
            known.sum(axis=0) - known[guarded].sum(axis=0),
            kept,
        )
        said = np.stack([features[inside] @ weights for weights in solved])
        loss += (np.where(known[inside], target[inside] - said, 0.0) ** 2).sum(axis=1)
        tried.append(said)
    best = loss.argmin(axis=0)
    unseen = np.empty_like(target)
    for (inside, _), said in zip(problem.blocks, tried, strict=True):
        unseen[inside] = said[best, :, np.arange(len(best))].T
    solved = _solve(gram, product, known.sum(axis=0), len(features))
    weights = np.zeros((problem.features.shape[1], target.shape[1]))
    weights[columns] = solved[best, :, np.arange(len(best))].T
    return _Fitted(weights, unseen)


def _solve(gram: Doubles, product: Doubles, known: NDArray[np.intp], samples: int) -> Doubles:
    """Solve for all strengths, shape (strengths, columns, outputs)."""
    values, vectors = np.linalg.eigh(gram)
    projected = vectors.T @ (product * (samples / np.maximum(known, 1)))
    penalties = np.array(STRENGTHS)[:, None] * samples
    solved: Doubles = np.stack([
        vectors @ (projected / (np.maximum(values, 0.0) + penalty)[:, None]) for penalty in penalties
    ])  # fmt: skip
    return solved


def _own(problem: _Problem) -> _Fitted:
    """Fit each sensor on its own past alone."""
    weights = np.zeros((problem.features.shape[1], problem.target.shape[1]))
    unseen = np.empty_like(problem.target)
    for sensor in range(problem.sensors):
        outputs = np.arange(sensor, problem.target.shape[1], problem.sensors)
        fitted = _ridge(problem, _of_sensor(problem, sensor), outputs)
        weights[:, outputs], unseen[:, outputs] = fitted.weights, fitted.unseen
    return _Fitted(weights, unseen)


def _robust(problem: _Problem) -> _Fitted:
    """Fit each sensor on its own past alone, wild samples hardly counting."""
    weights = np.zeros((problem.features.shape[1], problem.target.shape[1]))
    unseen = np.empty_like(problem.target)
    for output in range(problem.target.shape[1]):
        columns = _of_sensor(problem, output % problem.sensors)
        features, target, known = problem.features[:, columns], problem.target[:, output], problem.known[:, output]
        weights[columns, output], unseen[:, output] = robust_weights(features, target, known, problem.blocks)
    return _Fitted(weights, unseen)


def _mixture(offers: Sequence[Doubles], problem: _Problem) -> list[Doubles]:
    """Find for each output the mixture that leaves the least squared residual, near an equal one; each (outputs,)."""
    offered = np.stack([np.where(problem.known, offer, 0.0) for offer in offers], axis=-1)
    equal = np.full(len(offers), 1.0 / len(offers))
    left = problem.target - offered @ equal
    gram = np.einsum("nok,nol->okl", offered, offered)
    product = np.einsum("nok,no->ok", offered, left)
    energy = np.trace(gram, axis1=1, axis2=2) / len(offers)
    pull = energy * PRIOR / np.maximum(problem.known.sum(axis=0), 1) + 1e-12
    share = equal + np.linalg.solve(gram + pull[:, None, None] * np.eye(len(offers)), product[..., None])[..., 0]
    return list(share.T)


def _fold(weights: Doubles, problem: _Problem) -> Line:
    """Write a map of relative, standardised samples as one of the samples themselves."""
    plain = weights / problem.spread[:, None]
    bias = CONSTANT * plain[-1] - (problem.centre / problem.spread) @ weights
    cut = (problem.lags - 1) * problem.sensors
    relative = plain[:cut].reshape(problem.lags - 1, problem.sensors, -1)
    last = -relative.sum(axis=0, keepdims=True)
    absolute = np.concatenate((relative, last)).reshape(problem.lags * problem.sensors, -1)
    return Line(absolute.astype(np.float32), plain[cut:-1].astype(np.float32), bias.astype(np.float32))
