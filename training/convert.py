"""Turn a trained network into the step graph: one TFLite file, one recurrent step a call.

    x (streams, inputs), lags (streams, lags × sensors), state (streams, units)
        -> parts (streams, 4 × horizons × sensors), state (streams, units)

Whole-sequence graphs crash or mislead the converter; one step with explicit state converts for every cell, runs on
built-in operators alone, and costs O(1) a sample. Tensors are found by the signature `step`; all are float32.

- lags: scaled values of the newest samples, oldest first, each sample's sensors together.
- state: what every layer remembers, first layer first, h before c. A network without memory carries one idle unit,
  for TFLite has no tensors without elements.
- parts: shape (4, horizons, sensors), flattened, in scaled units: the highway's step from the last value, the
  recurrent correction, and the widths of the interval below and above, both > 0.

The highway stays float32 in every mode: its kernel passes through a `tile` by one that depends on the number of
streams, so that the quantiser does not see a constant. A ridge map is a difference of large numbers, and int8
weights lose it (1.1 % of error at best, measured with random kernels); the tile costs nothing measurable.
"""

import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

from training.baseline import Highway
from training.network import Network, multiples  # before TensorFlow, which it silences

# isort: split
import tensorflow as tf

SIGNATURE = "step"


def convert(
    network: Network,
    highway: Highway,
    *,
    residual_scale: np.ndarray,
    width_base: np.ndarray,
    mode: str,
    representative: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]] = (),
) -> bytes:
    """Write the step graph as TFLite; the same arguments give the same bytes.

    Args:
        network: trained.
        highway: never quantised.
        residual_scale: shape (horizons, sensors), scaled units: what the network's correction is multiplied with.
        width_base: shape (2, horizons, sensors), scaled units, > 0: what its widths are multiplied with.
        mode: dynamic (int8 weights), float32, float16, or int8 (int8 activations too).
        representative: int8 alone needs them: inputs (x, lags, state) as the device will see them.

    Returns:
        A TFLite model that tflite-runtime 2.14 and every later runtime load.
    """
    module = _module(network, highway, residual_scale.astype(np.float32), width_base.astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: module.step})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        # Per-channel scales make it write FULLY_CONNECTED version 12, which tflite-runtime 2.14 refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if mode == "int8":
            converter.representative_dataset = lambda: _samples(representative)
        return bytes(converter.convert())


def parity(float_parts: np.ndarray, quantised_parts: np.ndarray) -> float:
    """Measure what quantisation did to the recurrent correction: RMSE(quantised - float) / RMS(float).

    Both are taken over all samples, horizons and sensors at once, over one run in which each model carries its own
    state. The highway is not part of it, for it is float in both; its size would hide the correction's error.

    Args:
        float_parts: parts of the float32 step graph, shape (..., 4, horizons, sensors).
        quantised_parts: parts of the quantised one on the same samples, same shape.

    Returns:
        0 for equal corrections; inf if only the float correction is zero throughout.

    >>> parity(np.full((5, 4, 1, 2), 2.0), np.full((5, 4, 1, 2), 2.02))
    0.01
    """
    wanted, got = (parts[..., 1, :, :].astype(np.float64) for parts in (float_parts, quantised_parts))
    miss, size = (float(np.sqrt(np.mean(np.square(values)))) for values in (got - wanted, wanted))
    if miss == 0.0:
        return 0.0
    return miss / size if size > 0.0 else float("inf")


def _module(network: Network, highway: Highway, residual_scale: np.ndarray, width_base: np.ndarray) -> tf.Module:
    """Make the module that is saved: its step, and the variables, which TensorFlow drops unless it finds them here."""
    module = tf.Module()
    layers = (*network.recurrent, *network.head)
    module.tracked = [variable.value for layer in layers for variable in layer.variables]
    idle = max(1, sum(sum(sizes) for sizes in network.state_sizes))

    def step(x: tf.Tensor, lags: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        direct = _float_matmul(lags, highway.lags) + _float_matmul(x, highway.x) + highway.bias
        raw, after = _advance(network, x, state)
        size = network.horizons * network.sensors
        correction = raw[:, :size] * residual_scale.reshape(-1)
        widths = multiples(raw[:, size:]) * width_base.reshape(-1)
        return {"parts": tf.concat([direct, correction, widths], axis=1), "state": after}

    shapes = {"x": network.inputs, "lags": len(highway.lags), "state": idle}
    module.step = tf.function(step, [tf.TensorSpec((None, size), tf.float32, name) for name, size in shapes.items()])
    return module


def _advance(network: Network, x: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Advance one step: the raw outputs (streams, 3 × horizons × sensors), and the state after it."""
    sizes = [units for layer in network.state_sizes for units in layer]
    states = iter(tf.split(state, sizes, axis=1)) if sizes else iter(())
    after = []
    for layer, units in zip(network.recurrent, network.state_sizes, strict=True):
        x, layer_after = layer.cell(x, [next(states) for _ in units], training=False)
        after += layer_after
    for layer in network.head:
        x = layer(x)
    return x, tf.concat(after, axis=1) if after else tf.identity(state)


def _float_matmul(values: tf.Tensor, kernel: np.ndarray) -> tf.Tensor:
    """Multiply by a kernel that the quantiser does not take for a constant."""
    one = tf.minimum(tf.shape(values)[0], 1)
    return tf.matmul(values, tf.tile(tf.constant(kernel, tf.float32), tf.stack([one, 1])))


def _samples(representative: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Iterator[tuple[str, object]]:
    """Name the inputs as the converter wants them."""
    for x, lags, state in representative:
        yield SIGNATURE, {"x": x, "lags": lags, "state": state}
