"""Messages a second of two workers beside those of one, at a real mosquitto.

    python -m tests.bench.workers                       # 1,000 streams, 8 sensors, 1 and 2 workers in turn
    python -m tests.bench.workers --workers 3 --runs 3 --json

Load and counting are those of `throughput`. Generator, listener and broker need processors too: their time a message is
told beside the daemon's, all its processes together, and so is what the machine's cores could have carried at best.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.common import Figure, bundle, bundle_path, cpu_seconds, mosquitto, parser, tell
from tests.bench.throughput import LEAST_MESSAGES, WARM, daemon, measure, packets
from tests.served import children


@dataclass(frozen=True, slots=True)
class Shares:
    """What one run took: messages a second, and microseconds of processor time a message."""

    rate: float
    supervisor: float
    workers: float
    others: float  # broker, generator and listener


def run(process: int, broker: int, port: int, said: bytes, messages: int) -> Shares:
    """Send readings and wait for their states."""
    crew = children(process)

    def spent() -> tuple[float, float]:
        return sum(map(cpu_seconds, crew)), cpu_seconds(broker) + cpu_seconds(os.getpid())

    crew_before, others_before = spent()
    measured = measure(process, port, "bench", said, messages)
    crew_after, others_after = spent()
    per_message = 1e6 / messages
    return Shares(
        measured.rate,
        measured.cpu_us,
        (crew_after - crew_before) * per_message,
        (others_after - others_before) * per_message,
    )


def compare(streams: int, sensors: int, workers: int, runs: int) -> list[Figure]:
    """Measure one worker and several in turn, each daemon started anew."""
    bundle(sensors)
    samples = max(2, -(-LEAST_MESSAGES // streams))
    span = range(WARM, WARM + samples)
    warm = packets("bench", streams, sensors, 0, range(WARM))
    said = packets("bench", streams, sensors, 0, span)
    taken: dict[int, list[Shares]] = {1: [], workers: []}
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        broker = next(one for one in children(os.getpid()) if _name(one) == "mosquitto")
        for _ in range(runs):
            for count, shares in taken.items():
                with daemon(port, bundle_path(sensors), Path(name), workers=count) as process:
                    measure(process, port, "bench", warm, WARM * streams)
                    shares.append(run(process, broker, port, said, samples * streams))
    one, several = taken[1], taken[workers]
    case = f"{streams} streams, {sensors} sensors, {workers} workers beside 1"
    figures = [
        Figure(
            name=f"messages/s, {case}",
            unit="/s",
            ours=tuple(each.rate for each in several),
            reference=tuple(each.rate for each in one),
            bound="must 1.6 on 2 cores",
        )
    ]
    for share in ("supervisor", "workers", "others"):
        ours, alone = (tuple(getattr(each, share) for each in run) for run in (several, one))
        figures.append(
            Figure(name=f"CPU a message, {share}", unit="us", ours=ours, reference=alone if any(alone) else ())
        )
    return figures


def _name(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--streams", type=int, default=1000)
    built.add_argument("--sensors", type=int, default=8)
    built.add_argument("--workers", type=int, default=2)
    options = built.parse_args(arguments)
    tell(compare(options.streams, options.sensors, options.workers, options.runs), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
