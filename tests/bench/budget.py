"""What `tidegate check --budget` predicts beside what a real daemon on a real mosquitto takes.

    python -m tests.bench.budget
    python -m tests.bench.budget --loads 10:200 1000:1000 --runs 5

Each load is so many streams that send so many messages a second together, evenly, for some seconds. The two are
measured in turn: first the prediction, then the daemon, whose windows are full. `ours` is the prediction. On a machine
that has more to do than cores to do it neither can keep its pace, and the ratio says little.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from edge.budget import Prediction, predict
from edge.load import Kind, Load
from edge.packets import publish
from edge.process import Process
from edge.trial import measure
from tests.bench.common import Figure, bundle, bundle_path, mosquitto, parser, tell
from tests.bench.live import fill, readings
from tests.bench.throughput import WARM, Generator, Listener, daemon

SENSORS = 8
SECONDS = 4.0  # of readings in a run
LOADS = ("10:200", "10:1000", "1000:200", "1000:1000", "3000:1000")
PUBLISH = ("anomaly", "event", "state")  # as in tests.bench.throughput.CONFIG
AIMS = {"share": "aim: within a factor of 1.5", "resident": "aim: within a factor of 1.3"}


def predicted(streams: int, rate: float) -> Prediction:
    """Predict as the command does, for streams of the benchmark's bundle."""
    kind = Kind(bundle_path(SENSORS), bundle(SENSORS).manifest.learned(), 0, PUBLISH, False)
    loads = [Load(kind, streams, rate)]
    return predict(loads, measure(loads, "auto", lambda _: None))


def taken(process: int, port: int, streams: int, rate: float, first: int) -> tuple[float, float]:
    """Let a daemon whose windows are full serve; return the share of a core that it takes, and its resident bytes."""
    count = int(SECONDS * rate)
    said = [
        publish(f"bench/m{number % streams}", payload, 0, 1)
        for number, payload in enumerate(readings(SENSORS, streams, first, count))
    ]
    watched = Process(process)
    watched.settle()
    listener, generator = Listener(port, "bench"), Generator(port)
    before, begun = watched.ran(), time.perf_counter()
    for number, packet in enumerate(said):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        generator.send(packet)
    lasted = time.perf_counter() - begun
    listener.wait(count, 60.0)
    used = watched.ran() - before
    generator.close()
    listener.close()
    return used / lasted, watched.resident()


def compare(streams: int, rate: float, runs: int) -> list[Figure]:
    """Predict and measure in turn; the daemon sleeps meanwhile."""
    ours, theirs = [], []
    samples = -(-int(SECONDS * rate) // streams)
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name)) as port,
        daemon(port, bundle_path(SENSORS), Path(name)) as process,
    ):
        fill(process, port, streams, SENSORS)
        for run in range(runs):
            ours.append(predicted(streams, rate))
            theirs.append(taken(process, port, streams, rate, WARM + run * samples))
    case = f"{streams} streams, {rate:g} messages/s"
    return [
        Figure(
            name=f"share of a core, {case}",
            unit="%",
            ours=tuple(100.0 * one.share for one in ours),
            reference=tuple(100.0 * share for share, _ in theirs),
            bound=AIMS["share"],
        ),
        Figure(
            name=f"resident, {case}",
            unit="MB",
            ours=tuple(one.resident / 1e6 for one in ours),
            reference=tuple(resident / 1e6 for _, resident in theirs),
            bound=AIMS["resident"],
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--loads", nargs="+", default=LOADS, metavar="STREAMS:RATE", help=f"default {' '.join(LOADS)}")
    options = built.parse_args(arguments)
    runtime = bundle(SENSORS).model.runtime
    figures = []
    for load in options.loads:
        streams, rate = load.split(":")
        figures += compare(int(streams), float(rate), options.runs)
    tell(figures, as_json=options.json, runtime=runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
