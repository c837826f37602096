"""Train the recurrent correction on subsequences: sequence to sequence, the loss taken at every step after a burn-in.

So one pass over a subsequence teaches every prefix of it, and the same weights serve the carried state.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.network import Floats, Network, forward, multiples
from training.recipe import Training
from training.tensorflow_quietly import keras, tf

OPTIMISERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}
LEAST_WIDTH = 0.01  # residual scales; a sensor that never moved in the fit part still gets an interval
LOOKS = 20  # at the stop part in a whole budget

Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, bool], tf.Tensor]  # of x, target, weight; whether in training


@dataclass(frozen=True)
class Sequences:
    """Subsequences of a recording.

    Attributes:
        x: the network's inputs, shape (n, steps, inputs).
        target: (truth − last value − highway) / residual scale, shape (n, steps, horizons, sensors); finite.
        weight: 1 where the target is known and counts, 0 in the burn-in and where it is missing; the target's shape.
    """

    x: Floats
    target: Floats
    weight: Floats

    def take(self, rows: NDArray[np.intp] | slice) -> tuple[Floats, Floats, Floats]:
        """Return some of them."""
        return self.x[rows], self.target[rows], self.weight[rows]


@dataclass(frozen=True)
class History:
    """How a training went.

    Attributes:
        losses: mean loss on the stop part at each look; the first is the untrained network's.
        best: which look the weights were restored from.
        updates: steps the optimiser took.
    """

    losses: tuple[float, ...]
    best: int
    updates: int


def fit(network: Network, data: Sequences, stop: Sequences, recipe: Training, *, interval: float, seed: int) -> History:
    """Train the network in place and leave it with the weights that the stop part liked best.

    The loss is the recipe's loss of the correction plus the pinball loss of both bounds around it. The stop part
    is looked at before the first update and after every twentieth of the budget.

    Args:
        network: fresh from `build`; it is changed.
        data: what the weights are fitted on.
        stop: what decides which weights stay; later than `data`.
        recipe: optimiser, loss and budget.
        interval: central probability between the bounds.
        seed: of the order of the subsequences.

    Returns:
        The losses on the stop part.
    """
    tf.config.experimental.enable_op_determinism()
    budget = min(recipe.updates, recipe.epochs * math.ceil(len(data.x) / recipe.batch))
    look_every = max(1, budget // LOOKS)
    loss = _loss(network, recipe.loss, base_widths(data, interval), interval)
    update = _update(network, loss, recipe, budget)
    measure = _measure(network, loss, stop, recipe.batch)
    losses, best, kept, done = [measure()], 0, _values(network), 0
    with tqdm(total=budget, desc="training", unit="update", disable=None) as bar:
        for done, rows in enumerate(_shuffled(len(data.x), recipe.batch, budget, seed), start=1):
            update(*data.take(rows))
            bar.update()
            if done % look_every and done < budget:
                continue
            losses.append(measure())
            bar.set_postfix(stop=f"{losses[-1]:.4f}")
            if losses[-1] < losses[best]:
                best, kept = len(losses) - 1, _values(network)
            elif len(losses) - 1 - best >= recipe.patience:
                break
    for variable, values in zip(network.weights, kept, strict=True):
        variable.assign(values)
    return History(tuple(losses), best, done)


def base_widths(data: Sequences, interval: float) -> Floats:
    """Measure how far the targets reach below and above zero: the widths of an untrained network.

    Returns:
        Shape (2, horizons, sensors), below and above, residual scales, all > 0.
    """
    tails = ((1 - interval) / 2, (1 + interval) / 2)
    outputs = data.target.shape[2:]
    targets, weights = (array.reshape(-1, math.prod(outputs)) for array in (data.target, data.weight))
    counted = [target[weight > 0] for target, weight in zip(targets.T, weights.T, strict=True)]
    reach = np.array([np.quantile(target, tails) if target.size else (-1.0, 1.0) for target in counted])
    return np.maximum(reach.T * ((-1.0,), (1.0,)), LEAST_WIDTH).reshape(2, *outputs).astype(np.float32)


def _values(network: Network) -> list[Floats]:
    """Copy the weights."""
    return [variable.numpy() for variable in network.weights]


def _shuffled(count: int, batch: int, updates: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Draw the rows of each update, pass after pass, each in a new order."""
    random = np.random.default_rng(seed)
    starts = range(0, count, batch)
    for update in range(updates):
        if update % len(starts) == 0:
            order = random.permutation(count)
        start = starts[update % len(starts)]
        yield order[start : start + batch]


def _update(network: Network, loss: Loss, recipe: Training, budget: int) -> Callable[[Floats, Floats, Floats], None]:
    """Make the function that moves the weights by one batch."""
    falling = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, max(budget, 1))
    optimiser = OPTIMISERS[recipe.optimiser](falling, global_clipnorm=recipe.clip_norm)
    optimiser.build(network.weights)

    def update(x: tf.Tensor, target: tf.Tensor, weight: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            mean = tf.math.divide_no_nan(loss(x, target, weight, True), tf.reduce_sum(weight))
        optimiser.apply(tape.gradient(mean, [variable.value for variable in network.weights]), network.weights)

    traced: Callable[[Floats, Floats, Floats], None] = tf.function(update, _signature(network), autograph=False)
    return traced


def _measure(network: Network, loss: Loss, stop: Sequences, batch: int) -> Callable[[], float]:
    """Make the function that measures the mean loss over the stop part, without dropout."""
    traced = tf.function(lambda x, target, weight: loss(x, target, weight, False), _signature(network), autograph=False)
    counted = max(float(stop.weight.sum(dtype=np.float64)), 1.0)
    pieces = [slice(start, start + batch) for start in range(0, len(stop.x), batch)]
    return lambda: sum(float(traced(*stop.take(piece))) for piece in pieces) / counted


def _signature(network: Network) -> list[tf.TensorSpec]:
    """Describe a batch of any size, so that nothing is traced twice."""
    outputs = tf.TensorSpec((None, None, network.horizons, network.sensors), tf.float32)
    return [tf.TensorSpec((None, None, network.inputs), tf.float32), outputs, outputs]


def _loss(network: Network, point_loss: str, base: Floats, interval: float) -> Loss:
    """Make the sum of the weighted losses of a batch: of the correction, and of both bounds around it."""
    tail = (1 - interval) / 2

    def loss(x: tf.Tensor, target: tf.Tensor, weight: tf.Tensor, training: bool) -> tf.Tensor:
        raw, _ = forward(network, x, None, training=training)
        widths = base * multiples(raw[:, :, 1:])
        missed = target - raw[:, :, 0]
        around = tf.stop_gradient(missed)
        bounds = _pinball(around + widths[:, :, 0], tail) + _pinball(around - widths[:, :, 1], 1 - tail)
        return tf.reduce_sum(weight * (_point(missed, point_loss) + bounds))

    return loss


def _point(missed: tf.Tensor, kind: str) -> tf.Tensor:
    """Return the loss of each correction; huber bends at one residual scale."""
    size = tf.abs(missed)
    if kind == "mae":
        return size
    if kind == "huber":
        return tf.where(size < 1.0, 0.5 * missed * missed, size - 0.5)
    return missed * missed


def _pinball(missed: tf.Tensor, quantile: float) -> tf.Tensor:
    """Return the loss whose mean is least at a quantile.

    Source: Koenker & Bassett (1978), Econometrica 46, 33-50.
    """
    return tf.maximum(quantile * missed, (quantile - 1) * missed)
