"""Rows a second of a replay: one stream, and 1,000 streams interleaved, beside reading the same rows and nothing else.

    python -m tests.bench.replay
    python -m tests.bench.replay --streams 1 100 --sensors 1 8 --json

The reference walks the same rows and makes a list of each: what any replay in Python must do.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.recording import Recording
from edge.replay import Replay
from tests.bench.common import WINDOW, Figure, bundle, parser, recording, tell

BOUND = {1: "must 15,000, goal 40,000", 1000: "must 150,000, goal 500,000"}
LEAST = 3000  # rows, and of each stream some after its memory is primed
MOST = 100_000


def rate(streams: int, sensors: int, runs: int) -> Figure:
    """Measure the replay and the walk in turn; one cohort goes on from run to run, primed before the first."""
    loaded = bundle(sensors)
    rows = max(LEAST, min(MOST, 40 * streams)) // streams
    replay = Replay(loaded.manifest.learned(), loaded.model, loaded.model.units)
    whole = recording(sensors, 2 * WINDOW + runs * rows, streams=streams, seed=3)
    replay.run(_part(whole, 0, 2 * WINDOW * streams))
    ours, theirs = [], []
    for run in range(runs):
        begin = (2 * WINDOW + run * rows) * streams
        part = _part(whole, begin, begin + rows * streams)
        ours.append(_rate(part, lambda part=part: replay.run(part)))  # type: ignore[misc]
        theirs.append(_rate(part, lambda part=part: _walk(part)))  # type: ignore[misc]
    name = f"replay of {streams} stream{'s' * (streams > 1)}, {sensors} sensors"
    return Figure(name=name, unit="rows/s", ours=tuple(ours), reference=tuple(theirs), bound=BOUND.get(streams, ""))


def _part(whole: Recording, begin: int, end: int) -> Recording:
    return replace(
        whole, streams=whole.streams[begin:end], times=whole.times[begin:end], values=whole.values[begin:end]
    )


def _rate(part: Recording, work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return len(part.times) / (time.process_time() - begun)


def _walk(part: Recording) -> list[tuple[float, list[float]]]:
    return [(float(time), values.tolist()) for time, values in zip(part.times, part.values, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--streams", type=int, nargs="+", default=[1, 1000])
    built.add_argument("--sensors", type=int, nargs="+", default=[8])
    options = built.parse_args(arguments)
    figures = [rate(streams, sensors, options.runs) for sensors in options.sensors for streams in options.streams]
    tell(figures, as_json=options.json, runtime=bundle(options.sensors[-1]).model.runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
