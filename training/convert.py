"""Turn a trained network into the step graph: one TFLite file, one recurrent step a call.

    x (streams, inputs), lags (streams, lags × sensors), state (streams, units)
        -> parts (streams, 5 × horizons × sensors), state (streams, units)

Whole-sequence graphs crash or mislead the converter; one step with explicit state converts for every cell, runs on
built-in operators alone, and costs O(1) a sample. Tensors are found by the signature `step`; all are float32.

- lags: scaled values of the newest samples, oldest first, each sample's sensors together.
- state: what every layer remembers, first layer first, h before c. A network without memory carries one idle unit,
  for TFLite has no tensors without elements.
- parts: shape (5, horizons, sensors), flattened, in scaled units: the steps of the highway and of the own line from
  the last value, the recurrent correction, and the widths of the interval below and above, both > 0.

The converter writes float32 alone; the kernels of the network are then narrowed in the file, to int8 with a scale for
each output, or to float16, behind a DEQUANTIZE that a runtime executes once, when it loads the graph. What the
converter itself calls dynamic range was measured beside it, for LSTM, GRU and simple RNN on three real recordings
(ETTh1, Appliances, Seattle): it has one scale for a whole kernel (a scale for each output makes a FULLY_CONNECTED
that tflite-runtime 2.14 refuses), and was more than 2 % of the correction away from float in 4 of 9 cases, 2.5 % at
worst, against 1.5 % here; its kernels were slower than float for waves (64 streams: 0.9 against 0.7 us a stream on
LiteRT, 4.9 against 1.3 on tflite-runtime 2.14); and the two runtimes differed by up to 2e-3, against 2e-6.
The lines stay float32 in every mode: a ridge map is a difference of large numbers, and int8 loses it.

Disliked: the file is rewritten with TensorFlow's own schema, which is not among its public interfaces.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from training.lines import Lines
from training.multiply import multiply_in_int8
from training.network import Network, multiples
from training.tensorflow_quietly import keras, silenced, tf  # before the rest of TensorFlow

# isort: split
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

Floats = NDArray[np.float32]
Rows = tuple[Floats, Floats, Floats]
SIGNATURE = "step"
OUT = "out"  # begins the names of the last layer's tensors, see `training.network.build`
LINES = "lines"  # scope of the operators whose kernels stay float32
# Of DEQUANTIZE, for float16 and for int8 with a scale for each output.
# Source: tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc.
FLOAT16_VERSION, CHANNELS_VERSION = 3, 5


def convert(
    network: Network,
    lines: Lines,
    *,
    residual_scale: NDArray[np.floating],
    width_base: NDArray[np.floating],
    mode: str,
    representative: Iterable[Rows] = (),
) -> bytes:
    """Write the step graph as TFLite; the same arguments give the same bytes.

    But for int8: TensorFlow's threads measure its activations, and their scales may differ in the last bit.

    Args:
        network: trained.
        lines: never quantised.
        residual_scale: shape (horizons, sensors), scaled units: what the network's correction is multiplied with.
        width_base: shape (2, horizons, sensors), scaled units, > 0: what its widths are multiplied with.
        mode: dynamic (int8 weights), float32, float16, or int8 (the recurrent products wholly in int8).
        representative: int8 alone needs them: inputs (x, lags, state) as the device will see them.

    Returns:
        A TFLite model that tflite-runtime 2.14 and every later runtime load.
    """
    module = _module(network, lines, residual_scale.astype(np.float32), width_base.astype(np.float32))
    with silenced(), tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: module.step})
        graph = bytes(tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE]).convert())
        if mode == "int8":
            narrow = multiply_in_int8(folder, graph, _named(representative), network.state_sizes, kept_float=_is_kept)
            return _narrow(narrow, _store_int8, CHANNELS_VERSION)
    if mode == "dynamic":
        return _narrow(graph, _store_int8, CHANNELS_VERSION)
    return _narrow(graph, _store_float16, FLOAT16_VERSION) if mode == "float16" else graph


def parity(float_parts: Floats, quantised_parts: Floats) -> float:
    """Measure what quantisation did to the recurrent correction: RMSE(quantised - float) / RMS(float).

    Both are taken over all samples, horizons and sensors at once, over one run in which each model carries its own
    state. The lines are not part of it, for they are float in both; their size would hide the correction's error.

    Args:
        float_parts: parts of the float32 step graph, shape (..., 5, horizons, sensors).
        quantised_parts: parts of the quantised one on the same samples, same shape.

    Returns:
        0 for equal corrections; inf if only the float correction is zero throughout.

    >>> parity(np.full((9, 5, 1, 2), 2.0), np.full((9, 5, 1, 2), 2.02))
    0.01
    """
    wanted, got = (parts[..., 2, :, :].astype(np.float64) for parts in (float_parts, quantised_parts))
    miss, size = (float(np.sqrt(np.mean(np.square(values)))) for values in (got - wanted, wanted))
    if miss == 0.0:
        return 0.0
    return miss / size if size > 0.0 else float("inf")


def _module(network: Network, lines: Lines, residual_scale: Floats, width_base: Floats) -> tf.Module:
    """Make the module that is saved: its step, and the variables, which TensorFlow drops unless it finds them here."""
    module = tf.Module()
    kernels = [
        np.concatenate((getattr(lines.highway, name), getattr(lines.own, name)), axis=-1)
        for name in ("lags", "x", "bias")
    ]
    cells = [_without_dropout(layer.cell) for layer in network.recurrent]
    module.tracked = [variable.value for layer in (*cells, *network.head) for variable in layer.weights]

    def step(x: tf.Tensor, lags: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.name_scope(LINES):
            direct = tf.matmul(lags, tf.constant(kernels[0], tf.float32))
            direct += tf.matmul(x, tf.constant(kernels[1], tf.float32)) + tf.constant(kernels[2], tf.float32)
        raw, after = _advance(network, cells, x, state)
        size = network.horizons * network.sensors
        correction = raw[:, :size] * residual_scale.reshape(-1)
        widths = multiples(raw[:, size:]) * width_base.reshape(-1)
        return {"parts": tf.concat([direct, correction, widths], axis=1), "state": after}

    units = sum(map(sum, network.state_sizes))
    shapes = {"x": network.inputs, "lags": len(lines.highway.lags), "state": max(1, units)}
    signature = [tf.TensorSpec((None, size), tf.float32, name) for name, size in shapes.items()]
    module.step = tf.function(step, signature, autograph=False)
    return module


def _without_dropout(cell: keras.layers.Layer) -> keras.layers.Layer:
    """Copy a cell; one with dropout draws a mask whenever it is called, and keeps it."""
    copy = type(cell).from_config({**cell.get_config(), "dropout": 0.0, "recurrent_dropout": 0.0})
    copy.build((None, cell.kernel.shape[0]))
    copy.set_weights(cell.get_weights())
    return copy


def _advance(
    network: Network, cells: list[keras.layers.Layer], x: tf.Tensor, state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Advance one step: the raw outputs (streams, 3 × horizons × sensors), and the state after it."""
    sizes = [units for layer in network.state_sizes for units in layer]
    before = iter(tf.split(state, sizes, axis=1) if sizes else ())
    after = []
    for cell, units in zip(cells, network.state_sizes, strict=True):
        x, states = cell(x, [next(before) for _ in units])
        after += states
    for layer in network.head:
        x = layer(x)
    return x, tf.concat(after, axis=1) if after else tf.identity(state)


def _narrow(graph: bytes, store: Callable[[Floats, schema.TensorT], bytes], version: int) -> bytes:
    """Store the network's kernels in fewer bits, each behind a DEQUANTIZE.

    Args:
        graph: TFLite, float32.
        store: returns a kernel's new bytes, and describes them in the tensor that will hold them.
        version: of the DEQUANTIZE.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(graph))
    main = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = version
    widened = []
    for product in _products(model):
        wide = main.tensors[product.inputs[1]]
        kernel = np.frombuffer(bytes(model.buffers[wide.buffer].data), np.float32).reshape(wide.shape)
        stored = schema.TensorT()
        stored.name, stored.shape, stored.buffer = wide.name + b"/stored", wide.shape, wide.buffer
        model.buffers[wide.buffer].data = list(store(kernel, stored))
        wide.buffer = 0  # the empty one: this tensor is computed now
        widen = schema.OperatorT()
        widen.opcodeIndex = len(model.operatorCodes)
        widen.inputs, widen.outputs = [len(main.tensors)], [product.inputs[1]]
        main.tensors.append(stored)
        widened.append(widen)
    model.operatorCodes.append(code)
    main.operators = widened + main.operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _products(model: schema.ModelT) -> list[schema.OperatorT]:
    """Find the products with the network's kernels that are float32, the lines' left out."""
    tensors = model.subgraphs[0].tensors
    return [
        operator
        for operator in model.subgraphs[0].operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.FULLY_CONNECTED
        and tensors[operator.inputs[1]].type == schema.TensorType.FLOAT32
        and not _is_line(tensors[operator.outputs[0]].name.decode())
    ]


def _is_line(name: str) -> bool:
    """Tell the tensors of the lines by their scope."""
    return name.startswith(LINES)


def _is_kept(name: str) -> bool:
    """Tell the tensors that no mode rounds: the lines', and what the head gives.

    Correction and widths come out of the head in one tensor, and the widths would set the scale: with it in int8 the
    correction was 13 % away from float on a WSN mote, without 1 %.
    """
    return _is_line(name) or name.startswith(OUT)


def _store_float16(kernel: Floats, stored: schema.TensorT) -> bytes:
    """Round a kernel to float16."""
    stored.type = schema.TensorType.FLOAT16
    return kernel.astype(np.float16).tobytes()


def _store_int8(kernel: Floats, stored: schema.TensorT) -> bytes:
    """Round a kernel (outputs, inputs) to int8, with a scale for each output."""
    scale = np.maximum(np.abs(kernel).max(axis=1), np.finfo(np.float32).tiny * 127) / 127
    stored.type = schema.TensorType.INT8
    stored.quantization = schema.QuantizationParametersT()
    stored.quantization.quantizedDimension = 0
    stored.quantization.scale = scale.tolist()
    stored.quantization.zeroPoint = [0] * len(scale)
    stored_bytes: bytes = np.round(kernel / scale[:, None]).astype(np.int8).tobytes()
    return stored_bytes


def _named(representative: Iterable[Rows]) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Name the inputs as the converter wants them."""
    for x, lags, state in representative:
        yield SIGNATURE, {"x": x, "lags": lags, "state": state}
