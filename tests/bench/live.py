"""A real daemon on a real mosquitto: start to ready, memory, and latency beside the paho echo.

    python -m tests.bench.live
    python -m tests.bench.live --rates 50 200 1000 --streams 100 --runs 5

Latency is from the publishing of a reading to the arrival of its state, at an even rate, both in one client; the echo
is measured in turn with the same client and payload. Memory is resident: with one stream, and what each further stream
adds once its window is full.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.common import (
    PERIOD,
    START,
    WINDOW,
    Figure,
    bundle,
    bundle_path,
    mosquitto,
    parser,
    recording,
    resident_kb,
    tell,
)
from tests.bench.throughput import WARM, configured, daemon, echo, measure, packets

SECONDS = 3.0  # of readings in a run
MANY = (1000, 3000)  # streams that memory is measured with: further ones lengthen no wave
BOUNDS = {50: "must 2, goal 1.3 at 1,000/s", 99: "must 3, goal 1.5 at 1,000/s"}


def start_to_ready(path: Path, port: int, folder: Path) -> float:
    """Return the seconds from the command until systemd would hear that the daemon is ready."""
    config = configured(folder, port, path)
    address = folder / "ready"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(address))
        notified.settimeout(30.0)
        begun = time.perf_counter()
        command = [sys.executable, "-m", "edge.cli", "run", "--config", str(config)]
        with subprocess.Popen(
            command, env={**os.environ, "NOTIFY_SOCKET": str(address)}, stderr=subprocess.DEVNULL
        ) as process:
            while b"READY=1" not in notified.recv(4096):
                pass
            taken = time.perf_counter() - begun
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    return taken


class Stopwatch:
    """Publish readings at an even rate, and take the time until the answer to each has come."""

    def __init__(self, port: int, to: str) -> None:
        """Connect, and wait for the subscription."""
        self._to = to
        self._arrived: list[float] = []
        granted = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda *_: self._arrived.append(time.perf_counter())
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"tidegate/{to}/+/state")
        self._client.loop_start()
        if not granted.wait(10.0):
            raise SystemExit("the broker grants no subscription")

    def run(self, payloads: Sequence[bytes], streams: int, rate: float) -> list[float]:
        """Return the milliseconds until each answer, in the order of the readings, which is that of the answers."""
        self._arrived.clear()
        sent = []
        begun = time.perf_counter()
        for number, payload in enumerate(payloads):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            sent.append(time.perf_counter())
            self._client.publish(f"{self._to}/m{number % streams}", payload)
        give_up_at = time.perf_counter() + 10.0
        while len(self._arrived) < len(sent) and time.perf_counter() < give_up_at:
            time.sleep(0.01)
        if len(self._arrived) != len(sent):
            raise SystemExit(f"{len(sent)} readings had {len(self._arrived)} answers")
        return [1e3 * (there - here) for here, there in zip(sent, self._arrived, strict=True)]

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()


def readings(sensors: int, streams: int, first: int, count: int) -> list[bytes]:
    """Lay out so many readings, all streams in turn, from sample `first` on."""
    samples = first + -(-count // streams)
    drawn = recording(sensors, samples).values.tolist()
    tables = [
        {"time": START + PERIOD * sample, **{f"s{place}": value for place, value in enumerate(drawn[sample])}}
        for sample in range(first, samples)
    ]
    return [orjson.dumps(tables[number // streams]) for number in range(count)]


def latency(port: int, streams: int, rate: float, runs: Sequence[Sequence[bytes]]) -> list[Figure]:
    """Measure the daemon and the echo in turn, on the readings of each run."""
    found: dict[str, list[list[float]]] = {"bench": [], "echo": []}
    for payloads in runs:
        for to, each in found.items():
            watch = Stopwatch(port, to)
            each.append(watch.run(payloads, streams, rate))
            watch.close()
    return [
        Figure(
            name=f"latency at {rate:g}/s, {streams} streams, p{percent}",
            unit="ms",
            ours=tuple(float(np.percentile(run, percent)) for run in found["bench"]),
            reference=tuple(float(np.percentile(run, percent)) for run in found["echo"]),
            bound=bound,
        )
        for percent, bound in BOUNDS.items()
    ]


def fill(process: int, port: int, streams: int, sensors: int, *, first: int = 0) -> None:
    """Let the daemon hear so many samples of so many streams, from `first` on, that their windows are full.

    Sample by sample, for what waits in the inbox would count as memory of the streams.
    """
    for sample in range(first, first + WARM):
        said = packets("bench", streams, sensors, 0, range(sample, sample + 1))
        measure(process, port, "bench", said, streams)


def _resident_with(process: int, port: int, streams: int, sensors: int, *, first: int) -> int:
    """Return the resident memory, KB, once so many streams are full; those that were there go on."""
    fill(process, port, streams, sensors, first=first)
    return resident_kb(process)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--rates", type=float, nargs="+", default=[200.0, 1000.0], help="messages a second")
    built.add_argument("--streams", type=int, default=100)
    built.add_argument("--sensors", type=int, default=8)
    options = built.parse_args(arguments)
    sensors, streams, runs = options.sensors, options.streams, options.runs
    runtime = bundle(sensors).model.runtime
    path = bundle_path(sensors)
    figures = []
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        folder = Path(name)
        ready = tuple(start_to_ready(path, port, folder) for _ in range(runs))
        figures.append(Figure(name="command to ready", unit="s", ours=ready, bound="must 1.5, goal 0.6"))
        with daemon(port, path, folder) as process:
            fill(process, port, 1, sensors)
            one = resident_kb(process)
            figures.append(Figure(name="resident, 1 stream", unit="MB", ours=(one / 1024,), bound="must 70, goal 55"))
            thousand, many = (
                _resident_with(process, port, count, sensors, first=turn * WARM) for turn, count in enumerate(MANY, 1)
            )
            first = (thousand - one) / (MANY[0] - 1)
            each = (many - thousand) / (MANY[1] - MANY[0])
            figures += [
                Figure(name=f"each of the first {MANY[0]}, longer waves among it", unit="KB", ours=(first,)),
                Figure(name=f"each further stream, window {WINDOW}", unit="KB", ours=(each,), bound="must 8, goal 4"),
            ]
        with daemon(port, path, folder) as process, echo(port, 0):
            fill(process, port, streams, sensors)
            first = WARM
            for rate in options.rates:
                samples = max(1, int(SECONDS * rate) // streams)
                said = [readings(sensors, streams, first + run * samples, samples * streams) for run in range(runs)]
                figures += latency(port, streams, rate, said)
                first += runs * samples
    tell(figures, as_json=options.json, runtime=runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
