"""Replay the first rows of a fixed recording: the program whose instructions `tests.bench.instructions` counts.

    python -m tests.bench.counted BUNDLE STREAMS SENSORS DRAWN REPLAYED

It draws DRAWN rows of each stream whatever it replays of them, so that two runs differ by nothing but the replay.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.bundle import load
from edge.replay import Replay
from tests.bench.common import recording


def main(arguments: Sequence[str]) -> None:
    """Replay, and say nothing."""
    path, (streams, sensors, drawn, replayed) = Path(arguments[0]), map(int, arguments[1:])
    loaded = load(path)
    whole = recording(sensors, drawn, streams=streams, seed=3)
    rows = slice(0, replayed * streams)
    part = replace(whole, streams=whole.streams[rows], times=whole.times[rows], values=whole.values[rows])
    Replay(loaded.manifest.learned(), loaded.model, loaded.model.units).run(part)


if __name__ == "__main__":
    main(sys.argv[1:])
