"""Find which tensors of an LSTM's step lose when they are held in few bits, one kind of tensor at a time.

The step is run in numpy, its state carried, and tensors are rounded to a grid of 2^bits even steps between the least
and the largest value that each took over the fit split, as the converter measures them. What comes out is compared
with the same run in full precision over the calibrate split.

| tensor | what it is |
|---|---|
| `weights` | kernels, one scale for each |
| `weights, a scale for each output` | kernels as the `dynamic` mode has them |
| `x`, `h` | what the recurrent kernels are multiplied with: inputs, and the output of the step before |
| `products` | what the kernels give, before the gates |
| `c` | the cell state, carried from step to step |
| `head` | what goes into the head's layers, and comes out of them |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.fit import REPRESENTATIVE_STEPS
from training.network import Network
from training.prepare import Prepared
from training.teach import Taught
from training.windows import part

Doubles = NDArray[np.float64]
Tensor = Callable[[str, Doubles], Doubles]
Bits = Mapping[str, int]
WHOLE, EACH = "weights", "weights, a scale for each output"
FROM_X, FROM_H = "x-products", "h-products"
PRODUCTS = dict.fromkeys((WHOLE, "x", "h", FROM_X, FROM_H, "head"), 8)
ALL = {**PRODUCTS, "c": 8}
MODE_INT8 = "the mode int8: weights, h and its products"
VARIANTS: Mapping[str, Bits] = {
    EACH: {EACH: 8},
    WHOLE: {WHOLE: 8},
    "x": {"x": 8},
    "h": {"h": 8},
    "products": {FROM_X: 8, FROM_H: 8},
    "c": {"c": 8},
    "head": {"head": 8},
    MODE_INT8: {WHOLE: 8, "h": 8, FROM_H: 8},
    "all products: weights, x, h, products, head": PRODUCTS,
    "all products, x in 16 bits": {**PRODUCTS, "x": 16},
    "all products, head in 16 bits": {**PRODUCTS, "head": 16},
    "all products, c too": ALL,
    "weights, all else in 16 bits": {**dict.fromkeys(ALL, 16), WHOLE: 8},
}


@dataclass(slots=True)
class _Ranges:
    """Remember between which values each tensor lies."""

    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)

    def watch(self, name: str, values: Doubles) -> Doubles:
        self.least[name] = min(self.least.get(name, 0.0), float(values.min()))
        self.most[name] = max(self.most.get(name, 0.0), float(values.max()))
        return values

    def rounding(self, bits: Bits) -> Tensor:
        """Return what rounds tensors; `h 0` is the tensor `h` of layer 0."""

        def round_to(name: str, values: Doubles) -> Doubles:
            wanted = bits.get(name.split(maxsplit=1)[0], 32)
            return values if wanted == 32 else to_grid(values, self.least[name], self.most[name], wanted)

        return round_to


def to_grid(values: Doubles, least: float, most: float, bits: int) -> Doubles:
    """Round values to a grid of 2^bits even steps; what lies outside is cut off.

    >>> to_grid(np.array([-9.0, 0.1, 0.4, 1.0]), 0.0, 1.0, 2).round(3)
    array([0.   , 0.   , 0.333, 1.   ])
    """
    step = (most - least) / (2**bits - 1)
    if step == 0.0:
        return values
    rounded: Doubles = np.clip(np.round((values - least) / step), 0, 2**bits - 1) * step + least
    return rounded


def losses(prepared: Prepared, taught: Taught) -> dict[str, float] | None:
    """Return for each of `VARIANTS` the relative RMSE of the correction over the first stream's calibrate split.

    None where training left the correction at nothing, of which nothing can be lost.

    Raises:
        ValueError: the network is no LSTM.
    """
    cuts = prepared.cuts[0]
    shown = part(prepared.steps[0], max(0, cuts.fit - REPRESENTATIVE_STEPS), cuts.fit, prepared.horizons).x
    span = part(prepared.steps[0], cuts.stop, cuts.calibrate, prepared.horizons).x
    ranges = _Ranges()
    step = _Step(taught.network, {})
    step.run(shown.astype(np.float64), ranges.watch)
    # Where the correction serves nothing its error would be nothing too: then it counts as if it served.
    weight = taught.correction_weight if taught.correction_weight.any() else np.ones_like(taught.correction_weight)
    unit = (weight * taught.residual_scale).reshape(-1)
    x = span.astype(np.float64)
    wanted = unit * step.run(x, _as_it_is)[:, : len(unit)]
    size = float(np.sqrt(np.mean(wanted**2)))
    if size == 0.0:
        return None
    found = {}
    for name, bits in VARIANTS.items():
        got = unit * _Step(taught.network, bits).run(x, ranges.rounding(bits))[:, : len(unit)]
        found[name] = float(np.sqrt(np.mean((got - wanted) ** 2))) / size
    return found


def _as_it_is(_: str, values: Doubles) -> Doubles:
    return values


class _Step:
    """An LSTM with its head, in numpy."""

    def __init__(self, network: Network, bits: Bits) -> None:
        if not network.recurrent or any(len(sizes) != 2 for sizes in network.state_sizes):
            raise ValueError("network.cell: must be lstm to be studied")
        self._layers = [_narrowed(layer.cell.get_weights(), bits) for layer in network.recurrent]
        dense = [layer for layer in network.head if layer.get_weights()]
        self._head = [_narrowed(layer.get_weights(), bits) for layer in dense]

    def run(self, x: Doubles, tensor: Tensor) -> Doubles:
        """Run consecutive steps from an empty state.

        Args:
            x: shape (steps, inputs).
            tensor: told the name and the values of each tensor; returns what is calculated with.

        Returns:
            Shape (steps, outputs).
        """
        states = [np.zeros((2, len(recurrent))) for _, recurrent, _ in self._layers]
        return np.stack([self._advance(row, states, tensor) for row in x])

    def _advance(self, row: Doubles, states: list[Doubles], tensor: Tensor) -> Doubles:
        value = row
        for place, (kernel, recurrent, bias) in enumerate(self._layers):
            h, c = states[place]
            from_x = tensor(f"{FROM_X} {place}", tensor(f"x {place}", value) @ kernel)
            from_h = tensor(f"{FROM_H} {place}", tensor(f"h {place}", h) @ recurrent)
            enter, keep, new, leave = np.split(from_x + from_h + bias, 4)
            c = tensor(f"c {place}", _sigmoid(keep) * c + _sigmoid(enter) * np.tanh(new))
            h = _sigmoid(leave) * np.tanh(c)
            states[place] = np.stack((h, c))
            value = h
        for place, (kernel, bias) in enumerate(self._head):
            value = tensor(f"head {place} in", value) @ kernel + bias
            value = tensor(f"head {place} out", np.maximum(value, 0.0) if place < len(self._head) - 1 else value)
        return value


def _sigmoid(value: Doubles) -> Doubles:
    return 1.0 / (1.0 + np.exp(-value))


def _narrowed(weights: list[NDArray[np.float32]], bits: Bits) -> list[Doubles]:
    """Round kernels, (inputs, outputs), symmetrically; a bias keeps its 32 bits."""
    return [_kernel(one.astype(np.float64), bits) if one.ndim == 2 else one.astype(np.float64) for one in weights]


def _kernel(kernel: Doubles, bits: Bits) -> Doubles:
    axis = 0 if bits.get(EACH, 32) < 32 else None
    levels = 2 ** (min(bits.get(EACH, 32), bits.get(WHOLE, 32)) - 1) - 1
    if levels > 2**30:
        return kernel
    scale = np.abs(kernel).max(axis=axis, keepdims=True) / levels
    rounded: Doubles = np.round(kernel / np.where(scale > 0.0, scale, 1.0)) * scale
    return rounded
