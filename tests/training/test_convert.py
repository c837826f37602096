"""Hold the step graph to Keras, to its lines, and to what the device expects of it."""

from dataclasses import dataclass

import numpy as np
import pytest

from edge.cohort import PARTS
from edge.runtime import Model
from training.convert import convert, parity
from training.learn import Sequences, fit
from training.lines import Line, Lines
from training.network import Floats, Network, build, correct
from training.recipe import Architecture, Training

# isort: split
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

INPUTS, HORIZONS, SENSORS, LAGS = 6, 2, 3, 5
SIZE = HORIZONS * SENSORS
STEPS = 300
CELLS = {
    "lstm": Architecture(cell="lstm", units=(24,)),
    "gru": Architecture(cell="gru", units=(24,)),
    "rnn": Architecture(cell="rnn", units=(24,)),
    "stack": Architecture(cell="lstm", units=(16, 12), dense=(10,), dropout=0.3, recurrent_dropout=0.2),
    "none": Architecture(cell="none", units=(), dense=(8,)),
}
MODES = ("float32", "float16", "dynamic", "int8")
WITHIN = {"float32": 1e-6, "float16": 0.002, "dynamic": 0.02, "int8": 0.15}  # relative RMSE of the correction
RANDOM = np.random.default_rng(0)


def drawn_line() -> Line:
    shapes = ((LAGS * SENSORS, SIZE), (INPUTS, SIZE), (SIZE,))
    return Line(*(RANDOM.normal(size=shape).astype(np.float32) for shape in shapes))


LINES = Lines(drawn_line(), drawn_line(), ())
SCALE = np.linspace(0.5, 2.0, SIZE).reshape(HORIZONS, SENSORS)
WIDTHS = np.linspace(0.1, 1.2, 2 * SIZE).reshape(2, HORIZONS, SENSORS)


@dataclass(frozen=True)
class Case:
    """A network that has learned something, and its graphs."""

    network: Network
    graphs: dict[str, bytes]


def drawn(count: int, steps: int, seed: int) -> Floats:
    """Draw inputs that move as sensors do: each a slow walk, and now and then a jump. Shape (n, steps, inputs)."""
    random = np.random.default_rng(seed)
    moves = random.normal(size=(count, steps, INPUTS)) + 5.0 * (random.random((count, steps, INPUTS)) > 0.99)
    x = np.empty((count, steps, INPUTS))
    value = np.zeros((count, INPUTS))
    for step in range(steps):
        value = 0.9 * value + 0.4 * moves[:, step]
        x[:, step] = value
    return x.astype(np.float32)


def learned(architecture: Architecture) -> Network:
    """Train on a product of two inputs that fades away slowly."""
    x = drawn(32, 64, seed=1)
    target = np.zeros((32, 64, HORIZONS, SENSORS), np.float32)
    for step in range(1, 64):
        target[:, step] = 0.8 * target[:, step - 1] + 0.5 * np.tanh(x[:, step, :3] * x[:, step, 3:])[:, None]
    data = Sequences(x, target, np.ones_like(target))
    network = build(architecture, inputs=INPUTS, horizons=HORIZONS, sensors=SENSORS, seed=1)
    recipe = Training(updates=60, epochs=1000, learning_rate=0.02, batch=16, subsequence=64, burn_in=0)
    fit(network, data, data, recipe, interval=0.9, seed=1)
    return network


def convert_to(network: Network, mode: str) -> bytes:
    shown = []
    if mode == "int8":
        model = Model(convert_to(network, "float32"))
        x, lags, state = drawn(1, 200, seed=2)[0], given_lags(200), np.zeros((1, model.units), np.float32)
        for step in range(200):
            row = slice(step, step + 1)
            shown.append((x[row], lags[row], state))
            _, state = model(x[row], lags[row], state)
    return convert(network, LINES, residual_scale=SCALE, width_base=WIDTHS, mode=mode, representative=shown)


def given_lags(steps: int) -> Floats:
    return np.random.default_rng(3).normal(size=(steps, LAGS * SENSORS)).astype(np.float32)


def carried(graph: bytes, x: Floats, lags: Floats) -> Floats:
    """Run one stream with its state carried; shape (steps, 5, horizons, sensors)."""
    model = Model(graph)
    state = np.zeros((1, model.units), np.float32)
    said = np.empty((len(x), PARTS, HORIZONS, SENSORS), np.float32)
    for step in range(len(x)):
        parts, state = model(x[step : step + 1], lags[step : step + 1], state)
        said[step] = parts.reshape(PARTS, HORIZONS, SENSORS)
    return said


@pytest.fixture(scope="module", params=list(CELLS))
def case(request: pytest.FixtureRequest) -> Case:
    network = learned(CELLS[request.param])
    return Case(network, {mode: convert_to(network, mode) for mode in MODES})


@pytest.fixture(scope="module")
def untrained() -> Network:
    return build(CELLS["stack"], inputs=INPUTS, horizons=HORIZONS, sensors=SENSORS, seed=1)


def test_the_float_graph_says_what_keras_says_over_300_carried_steps(case: Case) -> None:
    x = drawn(1, STEPS, seed=4)
    wanted = correct(case.network, x)[0] * np.concatenate((SCALE[None], WIDTHS))
    got = carried(case.graphs["float32"], x[0], given_lags(STEPS))[:, 2:]
    assert np.abs(wanted[:, 0]).max() > 0.5
    np.testing.assert_allclose(got, wanted, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_quantised_graph_stays_near_the_float_one_over_300_carried_steps(case: Case, mode: str) -> None:
    x, lags = drawn(1, STEPS, seed=4)[0], given_lags(STEPS)
    wanted, got = (carried(case.graphs[name], x, lags) for name in ("float32", mode))
    apart = parity(wanted, got)
    assert apart <= WITHIN[mode]
    assert mode == "float32" or apart > 0.0


@pytest.mark.parametrize("mode", MODES)
def test_both_lines_are_float_in_every_mode(case: Case, mode: str) -> None:
    x, lags = drawn(1, 50, seed=4)[0], given_lags(50)
    said = carried(case.graphs[mode], x, lags)
    for place, line in enumerate((LINES.highway, LINES.own)):
        wanted = lags.astype(float) @ line.lags + x @ line.x + line.bias
        np.testing.assert_allclose(said[:, place].reshape(50, SIZE), wanted, atol=2e-5)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "int8"])
def test_the_same_network_gives_the_same_bytes(case: Case, mode: str) -> None:
    assert convert_to(case.network, mode) == case.graphs[mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_row_does_not_depend_on_the_wave_it_travels_in(case: Case, mode: str) -> None:
    model = Model(case.graphs[mode])
    x, lags = drawn(64, 1, seed=5)[:, 0], given_lags(64)
    state = np.tanh(np.random.default_rng(6).normal(size=(64, model.units))).astype(np.float32)
    whole = model(x, lags, state)
    for size in (1, 8):
        for begin in range(0, 64, size):
            rows = slice(begin, begin + size)
            for got, wanted in zip(model(x[rows], lags[rows], state[rows]), whole, strict=True):
                np.testing.assert_array_equal(got, wanted[rows])


def test_quantised_graphs_hold_the_kernels_that_they_say(case: Case) -> None:
    def kernels(mode: str) -> set[int]:
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(case.graphs[mode]))
        held = [tensor for tensor in model.subgraphs[0].tensors if model.buffers[tensor.buffer].data is not None]
        return {tensor.type for tensor in held if len(tensor.shape) == 2 and LAGS * SENSORS not in tensor.shape}

    types = schema.TensorType
    assert kernels("float32") == {types.FLOAT32}
    assert kernels("dynamic") == {types.INT8, types.FLOAT32}  # the lines' second kernel is the float one
    assert kernels("float16") == {types.FLOAT16, types.FLOAT32}
    assert kernels("int8") == {types.INT8, types.FLOAT32}


def test_in_int8_h_has_a_scale_of_its_own_and_not_that_of_the_cell_state(case: Case) -> None:
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(case.graphs["int8"]))
    main = model.subgraphs[0]
    narrowed = [
        main.tensors[operator.outputs[0]]
        for operator in main.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.QUANTIZE
    ]
    units = {sizes[0] for sizes in case.network.state_sizes}
    ranges = [255 * tensor.quantization.scale[0] for tensor in narrowed if tensor.shape[-1] in units]
    assert bool(ranges) == bool(units)
    assert all(spanned <= 2.01 for spanned in ranges)  # h is in -1..1


def test_int8_kernels_take_a_quarter_of_float_ones_and_float16_half() -> None:
    network = build(Architecture(units=(64,)), inputs=INPUTS, horizons=HORIZONS, sensors=SENSORS, seed=1)
    size = {mode: len(convert_to(network, mode)) for mode in ("float32", "float16", "dynamic")}
    kernels = 4 * (INPUTS * 256 + 64 * 256 + 64 * 3 * SIZE)
    overhead = 8_000  # a scale and a zero point for each output, and the operators that widen the kernels
    assert size["float32"] - size["float16"] == pytest.approx(kernels / 2, abs=overhead)
    assert size["float32"] - size["dynamic"] == pytest.approx(kernels * 3 / 4, abs=overhead)


def test_state_is_packed_layer_by_layer_h_before_c(untrained: Network) -> None:
    model = Model(convert_to(untrained, "float32"))
    x, lags = drawn(1, 1, seed=4)[0], given_lags(1)
    _, state = model(x, lags, np.zeros((1, model.units), np.float32))
    assert model.units == 2 * 16 + 2 * 12
    first, _ = untrained.recurrent
    _, *wanted = first(x[None])
    np.testing.assert_allclose(state[:, :32], np.concatenate(wanted, axis=1), atol=1e-6)


def test_a_network_without_memory_carries_one_idle_unit() -> None:
    network = build(CELLS["none"], inputs=INPUTS, horizons=HORIZONS, sensors=SENSORS, seed=1)
    model = Model(convert_to(network, "dynamic"))
    x, lags, state = drawn(1, 1, seed=4)[0], given_lags(1), np.array([[0.25]], np.float32)
    assert model.units == 1
    assert model(x, lags, state)[1] == state


@pytest.mark.parametrize("mode", ["float32", "dynamic"])
def test_absurd_inputs_give_finite_parts_and_widths_above_zero(case: Case, mode: str) -> None:
    model = Model(case.graphs[mode])
    lags, state = given_lags(1), np.zeros((1, model.units), np.float32)
    for size in (-1e6, 1e6):
        parts, state = model(np.full((1, INPUTS), size, np.float32), lags, state)
        assert np.all(np.isfinite(parts))
        assert np.all(parts.reshape(PARTS, SIZE)[3:] > 0.0)


def test_converting_leaves_the_network_as_it_was(untrained: Network) -> None:
    x = drawn(1, 20, seed=4)
    before = [variable.numpy() for variable in untrained.weights]
    said = correct(untrained, x)
    convert_to(untrained, "dynamic")
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, untrained.weights, strict=True))
    np.testing.assert_array_equal(correct(untrained, x), said)


@pytest.mark.parametrize("mode", MODES)
def test_converting_says_nothing(untrained: Network, mode: str, capfd: pytest.CaptureFixture[str]) -> None:
    convert_to(untrained, mode)
    said = capfd.readouterr()
    assert said.out == ""
    assert [line for line in said.err.splitlines() if "XNNPACK delegate" not in line] == []  # the runtime's, not ours


def test_parity_is_relative_to_the_correction_alone() -> None:
    wanted = np.ones((10, PARTS, 1, 2))
    wrong = wanted.copy()
    wrong[:, [0, 1, 3, 4]] = 7.0
    assert parity(wanted, wrong) == 0.0
    wrong[:, 2] = 1.1
    assert parity(wanted, wrong) == pytest.approx(0.1)
    assert parity(0.0 * wanted, 0.0 * wanted) == 0.0
    assert parity(0.0 * wanted, wanted) == float("inf")
