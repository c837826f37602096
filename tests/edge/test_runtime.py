"""Hold the step graph of every cell and quantisation, on whichever TFLite runtime this environment has."""

import importlib.util
import sys
from collections.abc import Callable

import numpy as np
import pytest

from edge.bundle import Bundle
from edge.cohort import PARTS
from edge.errors import RuntimeMissingError
from edge.runtime import Model, WindowModel, load_runtime
from tests.make_bundles import NAMES

Load = Callable[[str], Bundle]
Floats = np.ndarray


def inputs(model: Model, rows: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Draw inputs of a wave: random, for zeros are a special case of the quantised kernels."""
    drawn = np.random.default_rng(seed)
    return tuple(
        drawn.standard_normal((rows, width)).astype(np.float32) * scale
        for width, scale in (
            (model.inputs, np.float32(1.0)),
            (model.lags, np.float32(1.0)),
            (model.units, np.float32(0.3)),
        )
    )


def test_the_runtime_is_litert_where_it_is_installed_and_tflite_runtime_otherwise() -> None:
    name, _ = load_runtime()
    assert name == ("litert" if importlib.util.find_spec("ai_edge_litert") else "tflite-runtime")


def test_without_a_runtime_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeMissingError, match="pip install ai-edge-litert"):
        load_runtime()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 64, 65, 513])
def test_a_rows_answer_does_not_depend_on_the_size_of_its_wave(loaded: Load, name: str, rows: int) -> None:
    model = loaded(name).model
    x, lags, state = inputs(model, rows, seed=rows)
    parts, after = model(x, lags, state)
    assert (parts.shape, after.shape) == ((rows, model.parts), (rows, model.units))
    assert parts.dtype == after.dtype == np.float32
    for row in range(0, rows, 1 if rows < 100 else 37):
        alone, alone_after = model(x[row : row + 1], lags[row : row + 1], state[row : row + 1])
        assert alone.tobytes() == parts[row].tobytes()
        assert alone_after.tobytes() == after[row].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_rows_answer_does_not_depend_on_what_the_others_say(loaded: Load, name: str) -> None:
    model = loaded(name).model
    calm = inputs(model, 5, seed=1)
    wild = tuple(np.concatenate((rows[:1], 1e4 * np.ones_like(rows[1:]))) for rows in calm)
    for among_calm, among_wild in zip(model(*calm), model(*wild), strict=True):
        assert among_calm[0].tobytes() == among_wild[0].tobytes()


def test_answers_are_copies_and_arguments_are_left_alone(loaded: Load) -> None:
    model = loaded("lstm-dynamic").model
    first = inputs(model, 1, seed=1)
    before = [array.copy() for array in first]
    parts, after = model(*first)
    kept = parts.copy(), after.copy()
    model(*inputs(model, 1, seed=2))
    assert (parts.tobytes(), after.tobytes()) == (kept[0].tobytes(), kept[1].tobytes())
    assert all(mine.tobytes() == theirs.tobytes() for mine, theirs in zip(first, before, strict=True))


@pytest.mark.parametrize(
    ("name", "left"),
    [(name, 0.5 if name == "lstm-int8" else 1e-3) for name in NAMES if not name.startswith("memoryless")],
)
def test_the_state_matters_and_fades(loaded: Load, name: str, left: float) -> None:
    # Two histories, then 200 steps that they share. A state of 8 bits rounds a small difference away only by chance.
    model = loaded(name).model
    # Several streams, for the few hidden units of one may happen to be silent.
    _, lags, one = inputs(model, 8, seed=3)
    other = np.zeros_like(one)
    differences = []
    for step in range(200):
        x, _, _ = inputs(model, 8, seed=100 + step)
        mine, one = model(x, lags, one)
        theirs, other = model(x, lags, other)
        differences.append(float(np.abs(mine - theirs).max()))
    assert differences[0] > 1e-5
    assert differences[-1] < left * differences[0]


@pytest.mark.parametrize(
    ("other", "least", "most"),
    [("lstm-float32", 1e-7, 0.02), ("lstm-float16", 1e-7, 0.02), ("lstm-int8", 1e-4, 0.5)],
)
def test_quantised_graphs_differ_from_each_other_but_little(
    loaded: Load, other: str, least: float, most: float
) -> None:
    # In units of the correction's own size, which is what is quantised.
    dynamic, compared = loaded("lstm-dynamic").model, loaded(other).model
    given = inputs(dynamic, 64, seed=5)
    mine, theirs = dynamic(*given)[0].reshape(64, PARTS, -1)[:, 2], compared(*given)[0].reshape(64, PARTS, -1)[:, 2]
    difference = np.sqrt(np.mean((mine - theirs) ** 2) / np.mean(theirs**2))
    assert least < difference < most


@pytest.mark.parametrize("name", ["lstm-dynamic", "gru-dynamic", "stack-dynamic"])
def test_a_window_run_anew_is_the_carried_state_of_its_steps(loaded: Load, name: str) -> None:
    # step     0  1  2  3  4  5  6
    # window            [  .  .  ]      the reference begins with an empty state at the window's first step
    model, steps = loaded(name).model, 4
    window = WindowModel(model, steps)
    drawn = [inputs(model, 2, seed=step) for step in range(7)]
    held = np.zeros((2, window.units), dtype=np.float32)
    for x, lags, _ in drawn:
        parts, held = window(x, lags, held)
    memory = np.zeros((2, model.units), dtype=np.float32)
    for x, _, _ in drawn[-steps:]:
        expected, memory = model(x, drawn[-1][1], memory)
    assert parts.tobytes() == expected.tobytes()


# ---- graphs that must not serve


@pytest.mark.parametrize("graph", [b"", b"no graph", bytes(64), b"\x1c\0\0\0TFL3" + bytes(64)])
def test_what_is_no_graph_is_refused(graph: bytes) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        Model(graph)


@pytest.mark.parametrize(("tensor", "other"), [(b"lags", b"lugs"), (b"parts", b"darts")])
def test_a_graph_that_is_no_step_graph_is_refused(graph: bytes, tensor: bytes, other: bytes) -> None:
    with pytest.raises(ValueError, match=f"must map x, lags, state to parts, state; .*{other.decode()}"):
        Model(graph.replace(tensor, other))


@pytest.mark.training
def test_a_graph_of_something_else_is_refused() -> None:
    import tensorflow as tf

    module = tf.Module()
    module.run = tf.function(lambda x: {"y": 2.0 * x}, input_signature=[tf.TensorSpec((None, 3), tf.float32, "x")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.run.get_concrete_function()], module)
    with pytest.raises((ValueError, RuntimeError)):
        Model(converter.convert())


@pytest.fixture(scope="session")
def graph(loaded: Load, bundles: object) -> bytes:
    """Return the bytes of a real graph."""
    from zipfile import ZipFile

    with ZipFile(bundles / "lstm-dynamic.bundle") as archive:
        return archive.read("model.tflite")
