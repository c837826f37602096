"""Run a bundle's TFLite graph; the only importer of a TFLite runtime.

LiteRT where it is installed, tflite-runtime otherwise. An interpreter has a fixed number of rows, so one is kept for
each of a few sizes of wave: a wave is padded to the next size, and a longer one is cut. A row's answer does not
depend on the wave it travels in.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from edge.errors import RuntimeMissingError
from edge.rows import Floats

# A wave is padded to at most twice its length; from 64 on a stream costs the same in any. An interpreter takes 0.2 to
# 1.4 MB of memory, and is loaded when the first wave of its size comes.
WAVES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Step(Protocol):
    """Advance the recurrent model of some streams by one step."""

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Map (wave, inputs), (wave, lags * sensors), (wave, units) to (wave, parts) and the next (wave, units)."""


class Graph(Protocol):
    """What is used of a TFLite interpreter."""

    def resize_tensor_input(self, input_index: int, tensor_size: list[int]) -> None:
        """Give an input another shape."""

    def allocate_tensors(self) -> None:
        """Make room for all tensors; refuses a graph with operators that the runtime does not know."""

    def invoke(self) -> None:
        """Run the graph."""

    def set_tensor(self, tensor_index: int, value: Floats) -> None:
        """Copy an input into the graph."""

    def get_tensor(self, tensor_index: int) -> Floats:
        """Copy a tensor out of the graph."""


def load_runtime() -> tuple[str, Callable[[bytes], Graph]]:
    """Find the installed TFLite runtime.

    Returns:
        Its name, `litert` or `tflite-runtime`, and what makes an interpreter of a graph's bytes.

    Raises:
        RuntimeMissingError: neither is installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter as LiteRt

        return "litert", lambda graph: LiteRt(model_content=graph, num_threads=1)
    except ImportError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter as TfLite

        return "tflite-runtime", lambda graph: TfLite(model_content=graph, num_threads=1)
    except ImportError as missing:
        text = "no TFLite runtime is installed: pip install ai-edge-litert (or tflite-runtime on armv7l)"
        raise RuntimeMissingError(text) from missing


class Model:
    """A bundle's step graph, ready for waves of any size.

    State kept: one interpreter for each size of wave that has occurred; the recurrent state is the caller's.

    Attributes:
        runtime: the name of the TFLite runtime.
        inputs, lags, units, parts: how many numbers a row of each tensor has.
    """

    def __init__(self, graph: bytes) -> None:
        """Load the graph.

        Raises:
            ValueError: the runtime refuses it, or it is not a step graph; the text is the runtime's.
            RuntimeError: the same, as some runtimes say it.
        """
        self.runtime, self._make = load_runtime()
        self._graph = graph
        self._loaded: dict[int, Graph] = {}
        self._tensors, shapes = _tensors(self._make(graph))
        self.inputs, self.lags, self.units, self.parts = (shapes[name] for name in ("x", "lags", "state", "parts"))
        with _silenced():
            self._load(1)

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance a wave by one step.

        Args:
            x: shape (wave, inputs), of `edge.scale.lay_out`.
            lags: shape (wave, lags * sensors), scaled, oldest first.
            state: shape (wave, units), the packed recurrent state, zeros at the beginning.

        Returns:
            The parts of the forecast, shape (wave, parts), and the next state, shape (wave, units).
        """
        longest = WAVES[-1]
        if len(x) <= longest:
            return self._padded(x, lags, state)
        pieces = [
            self._padded(x[cut : cut + longest], lags[cut : cut + longest], state[cut : cut + longest])
            for cut in range(0, len(x), longest)
        ]
        return np.concatenate([parts for parts, _ in pieces]), np.concatenate([after for _, after in pieces])

    def _padded(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        wave = len(x)
        size = next(size for size in WAVES if size >= wave)
        if size == wave:
            return self._run(size, x, lags, state)
        parts, after = self._run(size, _pad(x, size), _pad(lags, size), _pad(state, size))
        return parts[:wave], after[:wave]

    def _run(self, size: int, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        graph = self._loaded.get(size) or self._load(size)
        tensors = self._tensors
        graph.set_tensor(tensors["x"], x)
        graph.set_tensor(tensors["lags"], lags)
        graph.set_tensor(tensors["state"], state)
        graph.invoke()
        return graph.get_tensor(tensors["parts"]), graph.get_tensor(tensors["after"])

    def _load(self, size: int) -> Graph:
        graph = self._make(self._graph)
        for name, width in (("x", self.inputs), ("lags", self.lags), ("state", self.units)):
            graph.resize_tensor_input(self._tensors[name], [size, width])
        graph.allocate_tensors()
        self._loaded[size] = graph
        return graph


def _pad(rows: Floats, size: int) -> Floats:
    """Return the rows with zeros below; `np.pad` takes ten times as long."""
    padded = np.zeros((size, rows.shape[1]), dtype=rows.dtype)
    padded[: len(rows)] = rows
    return padded


class WindowModel:
    """Run the whole window anew at every step, as the textbook does: the reference for the carried state.

    It is called like a `Model`; its state is the window's inputs instead of the recurrent memory.
    """

    def __init__(self, model: Model, steps: int) -> None:
        """Wrap a model.

        Args:
            model: the step graph.
            steps: length of the window.
        """
        self._model = model
        self._steps = steps
        self.inputs, self.lags, self.parts = model.inputs, model.lags, model.parts
        self.units = steps * model.inputs

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Map the newest inputs and the window of earlier ones to the parts and the next window."""
        window = np.concatenate((state[:, self._model.inputs :], x), axis=1)
        memory = np.zeros((len(x), self._model.units), dtype=np.float32)
        for step in window.reshape(len(x), self._steps, -1).swapaxes(0, 1):
            parts, memory = self._model(np.ascontiguousarray(step), lags, memory)
        return parts, window


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep LiteRT's C++ from telling on stderr that it made a delegate; what goes wrong is raised all the same."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _tensors(interpreter: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Find the tensors of the step graph's signature: their indices, and the length of their rows."""
    runner = interpreter.get_signature_runner()  # type: ignore[attr-defined]
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    if set(inputs) != {"x", "lags", "state"} or set(outputs) != {"parts", "state"}:
        raise ValueError(f"model.tflite: must map x, lags, state to parts, state; maps {set(inputs)} to {set(outputs)}")
    found = {**inputs, "parts": outputs["parts"], "after": outputs["state"]}
    indices = {name: int(detail["index"]) for name, detail in found.items()}
    return indices, {name: int(detail["shape_signature"][-1]) for name, detail in found.items()}
