"""The recurrent correction: what the linear highway misses, learned from sequences.

A network turns inputs (n, steps, inputs) into three outputs for every step, horizon and sensor: the *correction*
that is added to the highway's forecast, and the *widths* of the interval below and above it. Two units keep all
outputs near 1, whatever the sensors are: corrections are counted in residual scales (the array `residual_scale` of
`training.convert`), widths as multiples of `width_base`. The last layer starts at zero, so that an untrained
network corrects nothing and gives the base widths: the floor from which every fit starts, and to which it
returns when the stop part likes nothing better.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from tqdm import tqdm

from training.recipe import Architecture, Training

# TensorFlow reads this when it is imported; its notices are for its own developers.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
OPTIMISERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}
ONE = math.log(math.e - 1)  # softplus of it is 1: an output of zero is the base width
NARROWEST, WIDEST = -6.0, 20.0  # before the softplus: 0.0025 and 20 base widths, and no overflow in float32
LEAST_WIDTH = 0.01  # residual scales; a sensor that never moved in the fit part still gets an interval
CHUNK = 1024  # steps that `correct` runs at once: bounds its memory

Batch: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
States: TypeAlias = list[list[tf.Tensor]] | None


class Loss(Protocol):
    """A loss of one batch: x (n, steps, inputs), target and weight (n, steps, horizons, sensors)."""

    def __call__(self, x: tf.Tensor, target: tf.Tensor, weight: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Return the sum of the weighted losses."""


@dataclass(frozen=True)
class Sequences:
    """Subsequences of a recording.

    Attributes:
        x: the network's inputs, shape (n, steps, inputs), float32.
        target: (truth − last value − highway) / residual scale, shape (n, steps, horizons, sensors), float32; finite.
        weight: 1 where the target is known and counts, 0 in the burn-in and where it is missing; the target's shape.
    """

    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Network:
    """Keras layers, in the order a step passes them.

    Attributes:
        recurrent: layers that return their sequence and their state.
        head: layers from the last recurrent output to (3, horizons, sensors), flattened.
        inputs: numbers a step takes.
        horizons: forecasts a step makes for each sensor.
        sensors: sensors that are forecast.
    """

    recurrent: tuple[keras.layers.RNN, ...]
    head: tuple[keras.layers.Layer, ...]
    inputs: int
    horizons: int
    sensors: int

    @property
    def weights(self) -> list[keras.Variable]:
        """Return the variables that training moves."""
        return [variable for layer in (*self.recurrent, *self.head) for variable in layer.trainable_variables]

    @property
    def state_sizes(self) -> list[list[int]]:
        """Return the units of each state, layer by layer: [h, c] of an lstm, [h] of the others."""
        return [[int(units) for units in np.atleast_1d(layer.cell.state_size)] for layer in self.recurrent]


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


def build(architecture: Architecture, *, inputs: int, horizons: int, sensors: int, seed: int) -> Network:
    """Make an untrained network; one seed gives one network.

    Dropout acts on what a layer hands upwards, never on the inputs: a sensor that vanishes for a whole subsequence
    would teach the network to distrust its measurements.
    """
    keras.utils.set_random_seed(seed)
    recurrent = _recurrent(architecture, inputs)
    width = recurrent[-1].units if recurrent else inputs
    head = _head(architecture, width, outputs=3 * horizons * sensors)
    return Network(recurrent, head, inputs, horizons, sensors)


def fit(network: Network, data: Sequences, stop: Sequences, recipe: Training, *, interval: float, seed: int) -> History:
    """Train the network in place and leave it with the weights that the stop part liked best.

    The loss is the recipe's loss of the correction plus the pinball loss of both bounds around it. The stop part
    is looked at after every pass over `data`, or every twentieth of the budget, whichever comes first.

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
    passes = math.ceil(len(data.x) / recipe.batch)
    budget = min(recipe.updates, recipe.epochs * passes)
    look_every = max(1, min(passes, budget // 20))
    loss = _loss(network, recipe.loss, base_widths(data, interval), interval)
    update = _update(network, loss, recipe, budget)
    measure = _measure(network, loss)
    best = _Best(network, measure(stop, recipe.batch))
    done = 0
    with tqdm(total=budget, desc="training", unit="update", disable=None) as bar:
        for done, batch in enumerate(_shuffled(data, recipe.batch, budget, seed), start=1):
            update(*batch)
            bar.update()
            if done % look_every == 0 or done == budget:
                best.take(measure(stop, recipe.batch))
                bar.set_postfix(stop=f"{best.losses[-1]:.4f}")
            if best.age >= recipe.patience:
                break
    return best.restore(done)


def base_widths(data: Sequences, interval: float) -> np.ndarray:
    """Measure how far the targets reach below and above zero: the widths of an untrained network.

    Returns:
        Shape (2, horizons, sensors), below and above, residual scales, all > 0.
    """
    tails = ((1 - interval) / 2, (1 + interval) / 2)
    widths = np.empty((2, *data.target.shape[2:]), np.float32)
    for index in np.ndindex(widths.shape[1:]):
        known = data.target[:, :, *index][data.weight[:, :, *index] > 0]
        low, high = np.quantile(known, tails) if known.size else (-1.0, 1.0)
        widths[:, *index] = -low, high
    return np.maximum(widths, LEAST_WIDTH)


def correct(network: Network, x: np.ndarray) -> np.ndarray:
    """Run sequences from an empty state, without dropout.

    Args:
        network: trained.
        x: shape (n, steps, inputs), float32.

    Returns:
        Shape (n, steps, 3, horizons, sensors), float32: the correction in residual scales, then the widths below and
        above in base widths.
    """
    run = tf.function(lambda x, states: _forward(network, x, states, training=False), reduce_retracing=True)
    states: States = [[tf.zeros((len(x), units)) for units in sizes] for sizes in network.state_sizes]
    parts = []
    for start in range(0, x.shape[1], CHUNK):
        raw, states = run(tf.constant(x[:, start : start + CHUNK], tf.float32), states)
        parts.append(np.concatenate((raw[:, :, :1], multiples(raw[:, :, 1:])), axis=2))
    return np.concatenate(parts, axis=1)


def multiples(raw: tf.Tensor) -> tf.Tensor:
    """Turn raw outputs into multiples of the base widths: > 0, and 1 for 0."""
    return tf.math.log(1.0 + tf.math.exp(tf.clip_by_value(raw + ONE, NARROWEST, WIDEST)))


class _Best:
    """The losses seen so far, and the weights of the least of them."""

    def __init__(self, network: Network, loss: float) -> None:
        self.losses = [loss]
        self._index = 0
        self._variables = network.weights
        self._weights = [variable.numpy() for variable in self._variables]

    @property
    def age(self) -> int:
        """Return how many looks ago the least loss was seen."""
        return len(self.losses) - 1 - self._index

    def take(self, loss: float) -> None:
        """Keep the present weights if `loss` is the least so far; one that is not finite never is."""
        self.losses.append(loss)
        if loss < self.losses[self._index]:
            self._index = len(self.losses) - 1
            self._weights = [variable.numpy() for variable in self._variables]

    def restore(self, updates: int) -> History:
        """Put the best weights back."""
        for variable, weights in zip(self._variables, self._weights, strict=True):
            variable.assign(weights)
        return History(tuple(self.losses), self._index, updates)


def _recurrent(architecture: Architecture, inputs: int) -> tuple[keras.layers.RNN, ...]:
    """Stack the recurrent layers; the names are fixed, for they end up in the converted file."""
    if architecture.cell == "none":
        return ()
    layers, width = [], inputs
    for index, units in enumerate(architecture.units):
        layer = CELLS[architecture.cell](
            units,
            return_sequences=True,
            return_state=True,
            dropout=architecture.dropout if index else 0.0,
            recurrent_dropout=architecture.recurrent_dropout,
            name=f"{architecture.cell}_{index}",
        )
        layers.append(_built(layer, width))
        width = units
    return tuple(layers)


def _head(architecture: Architecture, width: int, *, outputs: int) -> tuple[keras.layers.Layer, ...]:
    """Stack the head: hidden layers with dropout between them, and an output that starts at zero."""
    layers: list[keras.layers.Layer] = []
    if architecture.cell != "none":
        layers.append(keras.layers.Dropout(architecture.dropout, name="dropout"))
    for index, units in enumerate(architecture.dense):
        layers.append(_built(keras.layers.Dense(units, activation="relu", name=f"dense_{index}"), width))
        layers.append(keras.layers.Dropout(architecture.dropout, name=f"dense_{index}_dropout"))
        width = units
    layers.append(_built(keras.layers.Dense(outputs, kernel_initializer="zeros", name="out"), width))
    return tuple(layers)


def _built(layer: keras.layers.Layer, width: int) -> keras.layers.Layer:
    """Make a layer's weights for inputs of a width."""
    layer.build((None, None, width))
    return layer


def _forward(network: Network, x: tf.Tensor, states: States, *, training: bool) -> tuple[tf.Tensor, States]:
    """Run sequences; the raw outputs have shape (n, steps, 3, horizons, sensors)."""
    after = []
    for index, layer in enumerate(network.recurrent):
        x, *state = layer(x, initial_state=None if states is None else states[index], training=training)
        after.append(state)
    for layer in network.head:
        x = layer(x, training=training) if isinstance(layer, keras.layers.Dropout) else layer(x)
    shape = tf.shape(x)
    return tf.reshape(x, (shape[0], shape[1], 3, network.horizons, network.sensors)), after


def _loss(network: Network, point_loss: str, base: np.ndarray, interval: float) -> Loss:
    """Make the loss of a batch: of the correction, and of both bounds around it."""
    tail = (1 - interval) / 2

    def loss(x: tf.Tensor, target: tf.Tensor, weight: tf.Tensor, *, training: bool) -> tf.Tensor:
        raw, _ = _forward(network, x, None, training=training)
        widths = base * multiples(raw[:, :, 1:])
        miss = target - raw[:, :, 0]
        beside = tf.stop_gradient(miss)
        bounds = _pinball(beside + widths[:, :, 0], tail) + _pinball(beside - widths[:, :, 1], 1 - tail)
        return tf.reduce_sum(weight * (_point(miss, point_loss) + bounds))

    return loss


def _point(miss: tf.Tensor, kind: str) -> tf.Tensor:
    """Return the loss of each miss; huber bends at one residual scale."""
    size = tf.abs(miss)
    if kind == "mae":
        return size
    if kind == "huber":
        return tf.where(size < 1.0, 0.5 * miss * miss, size - 0.5)
    return miss * miss


def _pinball(miss: tf.Tensor, quantile: float) -> tf.Tensor:
    """Return the loss whose least mean is at a quantile.

    Source: Koenker & Bassett (1978), Econometrica 46, 33-50.
    """
    return tf.maximum(quantile * miss, (quantile - 1) * miss)


def _signature(network: Network) -> list[tf.TensorSpec]:
    """Describe a batch of any size, so that nothing is traced twice."""
    outputs = tf.TensorSpec((None, None, network.horizons, network.sensors), tf.float32)
    return [tf.TensorSpec((None, None, network.inputs), tf.float32), outputs, outputs]


def _update(network: Network, loss: Loss, recipe: Training, budget: int) -> Callable[..., None]:
    """Make the function that moves the weights by one batch."""
    fall = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, max(budget, 1))
    optimiser = OPTIMISERS[recipe.optimiser](fall, global_clipnorm=recipe.clip_norm)
    optimiser.build(network.weights)

    def update(x: tf.Tensor, target: tf.Tensor, weight: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            mean = tf.math.divide_no_nan(loss(x, target, weight, training=True), tf.reduce_sum(weight))
        values = [variable.value for variable in network.weights]
        optimiser.apply(tape.gradient(mean, values), network.weights)

    return tf.function(update, input_signature=_signature(network))


def _measure(network: Network, loss: Loss) -> Callable[[Sequences, int], float]:
    """Make the function that measures the mean loss over sequences, without dropout."""
    run = tf.function(lambda x, target, weight: loss(x, target, weight, training=False), _signature(network))

    def measure(data: Sequences, batch: int) -> float:
        rows = [slice(start, start + batch) for start in range(0, len(data.x), batch)]
        total = sum(float(run(*_batch(data, row))) for row in rows)
        return total / max(float(data.weight.sum(dtype=np.float64)), 1.0)

    return measure


def _shuffled(data: Sequences, batch: int, updates: int, seed: int) -> Iterator[Batch]:
    """Draw batches, pass after pass, each in a new order."""
    random = np.random.default_rng(seed)
    starts = range(0, len(data.x), batch)
    for update in range(updates):
        if update % len(starts) == 0:
            order = random.permutation(len(data.x))
        start = starts[update % len(starts)]
        yield _batch(data, order[start : start + batch])


def _batch(data: Sequences, rows: np.ndarray | slice) -> Batch:
    """Take some of the sequences."""
    return data.x[rows], data.target[rows], data.weight[rows]
