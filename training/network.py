"""The recurrent correction: what the linear highway misses, learned from sequences.

A network turns inputs (n, steps, inputs) into three outputs for every step, horizon and sensor: the *correction*
that is added to the highway's forecast, and the *widths* of the interval below and above it. Two units keep all
outputs near 1, whatever the sensors are: corrections are counted in residual scales (the array `residual_scale` of
`training.convert`), widths as multiples of `width_base`. The last layer starts at zero, so that an untrained
network corrects nothing and gives the base widths: the floor from which every fit starts, and to which it
returns when the stop part likes nothing better.

First what a network is and says, then how it is trained.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.recipe import Architecture, Training


@contextmanager
def silenced() -> Iterator[None]:
    """Keep from the user what TensorFlow's C++ writes to stderr; exceptions pass as ever."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silenced():  # it tells of the graphics cards that are not there before it reads its log level
    import keras
    import tensorflow as tf
tf.get_logger().setLevel("ERROR")

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
LOOKS = 20  # at the stop part in a whole budget

Floats = NDArray[np.float32]
States = list[list[tf.Tensor]] | None
Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, bool], tf.Tensor]  # of x, target, weight; whether in training


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


def correct(network: Network, x: Floats) -> Floats:
    """Run sequences from an empty state, without dropout.

    Args:
        network: trained.
        x: shape (n, steps, inputs).

    Returns:
        Shape (n, steps, 3, horizons, sensors): the correction in residual scales, then the widths below and above in
        base widths.
    """
    run = tf.function(lambda x, states: _forward(network, x, states, training=False))
    states: States = [[tf.zeros((len(x), units)) for units in sizes] for sizes in network.state_sizes]
    said = np.empty((*x.shape[:2], 3, network.horizons, network.sensors), np.float32)
    for start in range(0, x.shape[1], CHUNK):
        chunk = slice(start, start + CHUNK)
        raw, states = run(tf.constant(x[:, chunk], tf.float32), states)
        said[:, chunk, 0], said[:, chunk, 1:] = raw[:, :, 0], multiples(raw[:, :, 1:])
    return said


def multiples(raw: tf.Tensor) -> tf.Tensor:
    """Turn raw outputs into multiples of the base widths: > 0, and 1 for 0."""
    return tf.math.log(1.0 + tf.math.exp(tf.clip_by_value(raw + ONE, NARROWEST, WIDEST)))


def _recurrent(architecture: Architecture, inputs: int) -> tuple[keras.layers.RNN, ...]:
    """Stack the recurrent layers."""
    if architecture.cell == "none":
        return ()
    layers = []
    for index, units in enumerate(architecture.units):
        layer = CELLS[architecture.cell](
            units,
            return_sequences=True,
            return_state=True,
            dropout=architecture.dropout if index else 0.0,
            recurrent_dropout=architecture.recurrent_dropout,
            name=f"{architecture.cell}_{index}",  # names end up in the converted file: Keras's own count upwards
        )
        layers.append(_built(layer, architecture.units[index - 1] if index else inputs))
    return tuple(layers)


def _head(architecture: Architecture, width: int, *, outputs: int) -> tuple[keras.layers.Layer, ...]:
    """Stack the head: hidden layers, dropout before each but the first of a memoryless one, an output of zeros."""
    layers: list[keras.layers.Layer] = []
    for index, units in enumerate(architecture.dense):
        layers.append(_built(keras.layers.Dense(units, activation="relu", name=f"dense_{index}"), width))
        width = units
    layers.append(_built(keras.layers.Dense(outputs, kernel_initializer="zeros", name="out"), width))
    places = range(1 if architecture.cell == "none" else 0, len(layers))
    dropouts = {place: keras.layers.Dropout(architecture.dropout, name=f"dropout_{place}") for place in places}
    return tuple(part for place, layer in enumerate(layers) for part in (dropouts.get(place), layer) if part)


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
    steps = tf.shape(x)[:2]
    return tf.reshape(x, tf.concat([steps, (3, network.horizons, network.sensors)], axis=0)), after


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

    traced: Callable[[Floats, Floats, Floats], None] = tf.function(update, _signature(network))
    return traced


def _measure(network: Network, loss: Loss, stop: Sequences, batch: int) -> Callable[[], float]:
    """Make the function that measures the mean loss over the stop part, without dropout."""
    traced = tf.function(lambda x, target, weight: loss(x, target, weight, False), _signature(network))
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
        raw, _ = _forward(network, x, None, training=training)
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
