"""Time a step of TFLite graphs on the runtime of this interpreter: `python -m training.step_time GRAPH...`.

It needs the device part alone, so that an environment with another runtime can run it; it prints a line of JSON.
"""

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import orjson

from edge.runtime import Model

WAVES = (1, 64)
ROUNDS, CALLS = 9, 300  # the best of some rounds: what else the machine does only adds


def step_us(graph: bytes, wave: int) -> float:
    """Return the microseconds of a step and stream, for waves of some streams.

    The input is random: zeros are a special case of some kernels.
    """
    model = Model(graph)
    random = np.random.default_rng(1)
    x, lags, state = (
        random.standard_normal((wave, width)).astype(np.float32) for width in (model.inputs, model.lags, model.units)
    )
    state = np.tanh(state)
    best = float("inf")
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(CALLS):
            model(x, lags, state)
        best = min(best, perf_counter() - start)
    return 1e6 * best / CALLS / wave


def main(paths: list[str]) -> None:
    """Print the runtime's name, and for each graph the time of a step at each size of wave; None if it is refused."""
    graphs = [Path(path).read_bytes() for path in paths]
    times = [_times(graph) for graph in graphs]
    print(orjson.dumps({"runtime": Model(graphs[0]).runtime, "us": times}).decode())


def _times(graph: bytes) -> list[float] | None:
    try:
        return [step_us(graph, wave) for wave in WAVES]
    except (ValueError, RuntimeError):  # the runtime does not know an operator of it
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
