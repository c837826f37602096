"""Take the network's matrix products in int8, where that holds: the quantisation mode `int8`.

What was found with `tidegate-train study int8`, and is left out or mended here:

- Gates and cell states do not fit into 8 bits: only products are quantised, their inputs and outputs with them.
- h, an LSTM's output of the step before, fits. But the step graph carries it and the cell state c packed into one
  tensor, and the converter gives whatever is cut out of a tensor the scale of the whole. c is not bounded and often ten
  times as large, which left h some 50 of 256 levels. So the packed tensor is told the range of h alone: c is float
  throughout, and no number of it is ever rounded to that scale.
- x holds scaled values, changes, masks and the clock on one grid: masks that are always 1 fall between two of its
  steps, and a recurrent network adds that up. The products with x keep float activations.
- Correction and widths leave the head in one tensor, whose scale the widths set. So does the head's last product.

The kernels of what is left out are stored in int8 as in the mode `dynamic`.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence

from numpy.typing import NDArray

from training.tensorflow_quietly import tf  # before the rest of TensorFlow

# isort: split
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.tools import flatbuffer_utils

Inputs = Iterator[tuple[str, dict[str, NDArray[np.float32]]]]
NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items()}


def multiply_in_int8(
    folder: str,
    graph: bytes,
    representative: Inputs,
    state_sizes: Sequence[Sequence[int]],
    *,
    kept_float: Callable[[str], bool],
) -> bytes:
    """Take the network's products with h in int8, from input to output, and everything else in float32.

    Args:
        folder: the saved model.
        graph: the same as TFLite, float32.
        representative: signature and inputs as the device will see them.
        state_sizes: units of each state, layer by layer: [h, c] of an lstm, [h] of the others.
        kept_float: tells by its name which tensor stays float32.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["step"])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: representative
    converter._experimental_calibrate_only = True
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(graph))
    operators = {NAMES[code.builtinCode] for code in model.operatorCodes} - {"FULLY_CONNECTED"}
    kept = [name for name in _names(model) if kept_float(name)] + _products_with_x(model)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # its own interpreter is to be retired
        calibrated = converter.convert()
    return bytes(
        mlir_quantize(
            _range_of_h(calibrated) if any(len(sizes) > 1 for sizes in state_sizes) else calibrated,
            # A scale for each output makes it write FULLY_CONNECTED version 12, which tflite-runtime 2.14 refuses.
            disable_per_channel_for_dense_layers=True,
            denylisted_ops=sorted(operators),
            denylisted_nodes=kept,
        )
    )


def _names(model: schema.ModelT) -> list[str]:
    return [tensor.name.decode() for tensor in model.subgraphs[0].tensors]


def _products_with_x(model: schema.ModelT) -> list[str]:
    """Name the products with the graph's own input x."""
    x = next(tensor.tensorIndex for tensor in model.signatureDefs[0].inputs if tensor.name == b"x")
    names = _names(model)
    return [names[operator.outputs[0]] for operator in model.subgraphs[0].operators if operator.inputs[0] == x]


def _range_of_h(calibrated: bytes) -> bytes:
    """Tell every tensor of an LSTM's packed state the range of h, which comes before c in every layer."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(calibrated))
    main = model.subgraphs[0]
    before, after = (
        next(tensor.tensorIndex for tensor in tensors if tensor.name == b"state")
        for tensors in (model.signatureDefs[0].inputs, model.signatureDefs[0].outputs)
    )
    cut = next(operator for operator in main.operators if before in operator.inputs)
    packed = next(operator for operator in main.operators if after in operator.outputs)
    ranges = [main.tensors[tensor].quantization for tensor in (*cut.outputs[0::2], *packed.inputs[0::2])]
    least, most = min(float(one.min[0]) for one in ranges), max(float(one.max[0]) for one in ranges)
    for tensor in (before, *cut.outputs, *packed.inputs, after):
        main.tensors[tensor].quantization.min = [least]
        main.tensors[tensor].quantization.max = [most]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
