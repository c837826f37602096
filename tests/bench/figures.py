"""Measure the device: replay speed, step latency, memory, start to ready.

    python tests/bench/figures.py build/motes.bundle data/wsn/singlehop_indoor_moteid2.csv.gz

Each figure is the median of several runs with its least and most; a step is given beside the TFLite graph alone on the
same wave, as a ratio, because machines are noisy. Start to ready, memory and latency are those of a real daemon on a
real mosquitto.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge import bundle
from edge.bundle import Bundle
from edge.cohort import Cohort
from edge.grid import Sample
from edge.recording import Recording, read_csv
from edge.replay import Replay

RUNS = 5
WAVES = (1, 8, 64, 512)
STEPS = 200
RATE = 200.0  # messages a second while latency is measured
MESSAGES = 1000

CONFIG = """\
[broker]
port = {port}

[streams.bench]
bundle = "{bundle}"
topic = "bench/{{stream}}/all"
"""


def middle(runs: Sequence[float], digits: int = 1) -> str:
    """Write the median with the least and the most."""
    return f"{statistics.median(runs):.{digits}f} ({min(runs):.{digits}f} … {max(runs):.{digits}f})"


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def replay_rate(loaded: Bundle, recording: Recording) -> list[float]:
    """Return rows a second, one for each run."""
    learned, model = loaded.manifest.learned(), loaded.model
    return [
        len(recording.times) / seconds(lambda: Replay(learned, model, model.units).run(recording)) for _ in range(RUNS)
    ]


def step_us(loaded: Bundle, recording: Recording, size: int) -> tuple[list[float], list[float]]:
    """Return the microseconds a stream that a step takes: with all stations, and the graph alone on the same wave."""
    learned, model = loaded.manifest.learned(), loaded.model
    cohort = Cohort(learned, model, model.units)
    rows = [cohort.admit(f"stream{number}") for number in range(size)]
    places = [recording.sensors.index(sensor) for sensor in learned.sensors]
    values = recording.values[:, places].tolist()
    random = np.random.default_rng(1)
    x, lags, state = (
        random.normal(size=(size, width)).astype(np.float32) for width in (model.inputs, model.lags, model.units)
    )
    whole, alone = [], []
    for _ in range(RUNS):
        samples = [Sample(float(step), values[step % len(values)], False) for step in range(STEPS)]
        whole.append(
            seconds(lambda found=samples: [cohort.advance([(row, one) for row in rows]) for one in found])  # type: ignore[misc]
        )
        alone.append(seconds(lambda: [model(x, lags, state) for _ in range(STEPS)]))
    return [1e6 * run / STEPS / size for run in whole], [1e6 * run / STEPS / size for run in alone]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mosquitto() -> Iterator[int]:
    """Run a broker; yield its port."""
    command = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if command is None:
        raise SystemExit("mosquitto is needed: apt-get install mosquitto")
    port = free_port()
    with subprocess.Popen([command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        try:
            yield port
        finally:
            process.terminate()


def daemon(port: int, path: Path, folder: Path) -> tuple["subprocess.Popen[bytes]", float]:
    """Start a daemon; return it and the seconds until it said that it is ready."""
    config = folder / "tidegate.toml"
    config.write_text(CONFIG.format(port=port, bundle=path.resolve()), encoding="utf-8")
    address = folder / f"notify{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(address))
        notified.settimeout(30.0)
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(config)],
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
            stderr=subprocess.DEVNULL,
        )
        while b"READY=1" not in notified.recv(4096):
            pass
        return process, time.perf_counter() - begun


def resident_mb(process: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def live_figures(path: Path, recording: Recording) -> tuple[list[float], list[float], list[float]]:
    """Return seconds to ready, resident megabytes after `MESSAGES`, and milliseconds from reading to state."""
    ready, memory, latencies = [], [], []
    with mosquitto() as port, tempfile.TemporaryDirectory() as name:
        for _ in range(RUNS):
            process, taken = daemon(port, path, Path(name))
            ready.append(taken)
            latencies += latency_ms(port, recording)
            memory.append(resident_mb(process.pid))
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    return ready, memory, latencies


def latency_ms(port: int, recording: Recording) -> list[float]:
    """Publish readings at an even rate; return the milliseconds until the state of each arrived."""
    sent: list[float] = []
    arrived: list[float] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda *_: arrived.append(time.perf_counter())
    client.connect("127.0.0.1", port)
    client.subscribe("tidegate/+/+/state")
    client.loop_start()
    time.sleep(0.2)
    begun = time.perf_counter()
    for place in range(MESSAGES):
        time.sleep(max(0.0, begun + place / RATE - time.perf_counter()))
        values = dict(zip(recording.sensors, recording.values[place % len(recording.values)].tolist(), strict=True))
        sent.append(time.perf_counter())
        client.publish("bench/one/all", json.dumps({"time": 1e9 + 5.0 * place, **values}))
    give_up_at = time.perf_counter() + 5.0
    while len(arrived) < MESSAGES and time.perf_counter() < give_up_at:
        time.sleep(0.01)
    client.disconnect()
    client.loop_stop()
    return [1e3 * (there - here) for here, there in zip(sent, arrived, strict=False)]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    loaded, recording = bundle.load(options.bundle), read_csv(options.recording)
    figures: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{loaded.model.runtime}, numpy {np.__version__}"
    }
    figures["replay, rows/s, one stream"] = middle(replay_rate(loaded, recording), 0)
    for size in WAVES:
        whole, alone = step_us(loaded, recording, size)
        ratio = statistics.median(whole) / statistics.median(alone)
        figures[f"step, us a stream, wave of {size}"] = (
            f"{middle(whole)}; graph alone {middle(alone)}; ratio {ratio:.1f}"
        )
    ready, memory, latencies = live_figures(options.bundle, recording)
    figures["start to ready, s"] = middle(ready, 2)
    figures["resident memory, MB"] = middle(memory)
    p50, p99 = np.percentile(latencies, (50, 99)).tolist()
    figures[f"reading in to state out at {RATE:g}/s, ms"] = f"p50 {p50:.2f}, p99 {p99:.2f}"
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, figure in figures.items():
            print(f"{name:<44} {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
