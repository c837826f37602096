"""The recurrent correction: what the linear highway misses, learned from sequences.

A network turns inputs (n, steps, inputs) into three outputs for every step, horizon and sensor: the *correction*
that is added to the highway's forecast, and the *widths* of the interval below and above it. Two units keep all
outputs near 1, whatever the sensors are: corrections are counted in residual scales (the array `residual_scale` of
`training.convert`), widths as multiples of `width_base`. The last layer starts at zero, so that an untrained
network corrects nothing and gives the base widths: the floor from which every fit starts, and to which it
returns when the stop part likes nothing better.

Here is what a network is and says; `training.learn` says how it is trained.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.recipe import Architecture
from training.tensorflow_quietly import keras, tf

CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
ONE = math.log(math.e - 1)  # softplus of it is 1: an output of zero is the base width
NARROWEST, WIDEST = -6.0, 20.0  # before the softplus: 0.0025 and 20 base widths, and no overflow in float32
CHUNK = 1024  # steps that `correct` runs at once: bounds its memory

Floats = NDArray[np.float32]
States = list[list[tf.Tensor]] | None


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
    run = tf.function(lambda x, states: forward(network, x, states, training=False), autograph=False)
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


def forward(network: Network, x: tf.Tensor, states: States, *, training: bool) -> tuple[tf.Tensor, States]:
    """Run sequences; the raw outputs have shape (n, steps, 3, horizons, sensors)."""
    after = []
    for index, layer in enumerate(network.recurrent):
        x, *state = layer(x, initial_state=None if states is None else states[index], training=training)
        after.append(state)
    for layer in network.head:
        x = layer(x, training=training) if isinstance(layer, keras.layers.Dropout) else layer(x)
    steps = tf.shape(x)[:2]
    return tf.reshape(x, tf.concat([steps, (3, network.horizons, network.sensors)], axis=0)), after
