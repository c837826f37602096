"""How often a sensor that is well is told to be frozen: recordings through `edge.frozen`, without a label in sight.

    python -m tests.bench.frozen --data data
    python -m tests.bench.frozen --data /path/to/sets --json

The first 40 % of each recording tell how long each sensor usually stands still, as training does; the rest is watched
at a budget of one alarm a week. What is told in recordings of which nobody says that a sensor stuck counts as false.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.errors import OperatorError
from edge.frozen import Frozen
from edge.pacing import plain
from edge.recording import read_csv
from tests.bench.common import Figure, parser, tell
from training.prepare import Cuts
from training.series import Series, find_period, lay_on_grid
from training.usual import learn_usual

LEARNED = 0.4  # of a recording
ROWS = 30_000  # of a recording, at most
WEEK = 604_800.0


def watch(one: Series) -> tuple[int, float]:
    """Return how often a sensor of a stream is told to be frozen, and the weeks times sensors that were watched."""
    cut = round(LEARNED * len(one))
    usual = learn_usual([one], [Cuts(cut, cut, cut, len(one))])
    frozen, sensors = Frozen(usual.flat, usual.moved), one.values.shape[1]
    frozen.admit(1)
    frozen.want(0, [True] * sensors)
    frozen.patience.allow(0, np.ones(sensors))
    told = 0
    for step in range(cut, len(one)):
        now = slice(step, step + 1)
        found = frozen.advance(slice(0, 1), one.times[now], one.values[now], one.measured[now])
        told += sum(finding.is_on for finding in found)
    return told, sensors * float(one.times[-1] - one.times[cut]) / WEEK


def measure(folder: Path) -> list[Figure]:
    """Watch every recording below a folder that can be laid on a grid."""
    streams, told, weeks = 0, 0, 0.0
    for path in sorted(folder.rglob("*.csv.gz")):
        try:
            recording = read_csv(path, rows=ROWS)
            period = find_period([recording])
            series, _ = lay_on_grid(
                [recording], recording.sensors, plain(len(recording.sensors)), period=period, max_gap=16
            )
        except OperatorError:  # labels, and what is no recording
            continue
        for one in series:
            found, watched = watch(one)
            streams, told, weeks = streams + 1, told + found, weeks + watched
    return [
        Figure(name="streams", unit="", ours=(float(streams),)),
        Figure(name="weeks of a sensor", unit="", ours=(weeks,)),
        Figure(name="told to be frozen", unit="times", ours=(float(told),)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--data", type=Path, default=Path("data"), help="folder of recordings (default data)")
    options = built.parse_args(arguments)
    tell(measure(options.data), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
