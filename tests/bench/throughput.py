"""Messages a second through a real mosquitto, beside the paho echo on the same broker and payload.

    python -m tests.bench.throughput                                  # 1,000 streams, 8 sensors, QoS 0 and 1
    python -m tests.bench.throughput --streams 1 10 100 1000 10000 --sensors 1 8 --runs 5

Readings are written to the broker as fast as it takes them, from packets that were laid out before, and states are
counted as they come. A state is published for every reading. What is told is the messages a second from the first
packet to the last state, and the processor time of the one process a message: the daemon's, and the echo's.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from edge.packets import PUBLISH, find_body, publish
from tests.bench.common import (
    PERIOD,
    ROOT,
    START,
    WINDOW,
    Figure,
    bundle,
    bundle_path,
    cpu_seconds,
    mosquitto,
    parser,
    recording,
    tell,
)

LEAST_MESSAGES = 20_000  # in a run
WARM = WINDOW + 5  # samples that fill the memory before anything is measured
CONFIG = """\
[node]
name = "bench"
health_every = {health_every}
workers = {workers}
[broker]
port = {port}
inbox = {inbox}
max_latency = {max_latency}
[streams.bench]
bundle = "{bundle}"
topic = "bench/{{stream}}"
qos = {qos}
max_streams = 100000
publish = ["state", "event", "anomaly"]
[streams.bench.grid]
future = 1e9
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave: messages a second, and the microseconds of processor time a message."""

    rate: float
    cpu_us: float


class Generator:
    """Write packets to a broker as fast as it takes them."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._socket = _connect(port, b"gg")

    def send(self, packets: bytes) -> None:
        """Send all packets, and take the acknowledgements that come meanwhile."""
        self._socket.setblocking(False)
        view = memoryview(packets)
        while view:
            readable, writable, _ = select.select([self._socket], [self._socket], [])
            if readable and not self._socket.recv(1 << 16):
                raise SystemExit("the broker hung up")
            if writable:
                view = view[self._socket.send(view[: 1 << 16]) :]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def packets(to: str, streams: int, sensors: int, qos: int, samples: range) -> bytes:
    """Lay out the readings of every stream, sample by sample, published below `to`."""
    drawn = recording(sensors, samples.stop).values[samples.start :].tolist()
    names = [f"s{number}" for number in range(sensors)]
    written, identifier = [], 0
    for sample, values in zip(samples, drawn, strict=True):
        table = {"time": START + PERIOD * sample, **dict(zip(names, values, strict=True))}
        payload = orjson.dumps(table)
        for stream in range(streams):
            identifier = identifier % 65_535 + 1
            written.append(publish(f"{to}/m{stream}", payload, qos, identifier))
    return b"".join(written)


@contextmanager
def echo(port: int, qos: int) -> Iterator[int]:
    """Run the echo; yield its process."""
    command = [sys.executable, str(ROOT / "tests" / "bench" / "echo.py"), str(port), str(qos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def configured(folder: Path, port: int, path: Path, **changes: float) -> Path:
    """Write a configuration that drops nothing for being late, unless asked to; return its file."""
    table = {"qos": 0, "inbox": 1_000_000, "max_latency": 1e9, "health_every": 30.0, "workers": 1, **changes}
    config = folder / "tidegate.toml"
    config.write_text(CONFIG.format(port=port, bundle=path.resolve(), **table), encoding="utf-8")
    return config


@contextmanager
def daemon(port: int, path: Path, folder: Path, **changes: float) -> Iterator[int]:
    """Run the daemon until it is ready; yield its process. The changes are of `configured`."""
    config = configured(folder, port, path, **changes)
    address = folder / f"notify{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(address))
        notified.settimeout(30.0)
        with subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(config)],
            env={**os.environ, "NOTIFY_SOCKET": str(address), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        ) as process:
            while b"READY=1" not in notified.recv(4096):
                pass
            try:
                yield process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(20)


class Listener:
    """Count the states that come, and look at none of them."""

    def __init__(self, port: int, to: str) -> None:
        """Subscribe as a client of MQTT 3.1.1."""
        self._socket = _connect(port, b"ll")
        topic = f"tidegate/{to}/+/state".encode()
        body = b"\x00\x01" + len(topic).to_bytes(2) + topic + b"\x00"
        self._socket.sendall(b"\x82" + bytes([len(body)]) + body)
        if self._socket.recv(5)[:1] != b"\x90":
            raise SystemExit("the broker grants no subscription")
        self._rest = b""

    def wait(self, messages: int, seconds: float) -> None:
        """Return when so many have come.

        Raises:
            SystemExit: fewer came within the time.
        """
        heard, give_up_at = 0, time.monotonic() + seconds
        while heard < messages:
            readable, _, _ = select.select([self._socket], [], [], max(0.0, give_up_at - time.monotonic()))
            if not readable:
                raise SystemExit(f"{messages} readings had {heard} answers in {seconds:g} s")
            heard += self._count(self._socket.recv(1 << 18))

    def _count(self, came: bytes) -> int:
        whole, place, heard = self._rest + came, 0, 0
        while (body := find_body(whole, place)) is not None and body[1] <= len(whole):
            heard += whole[place] & 0xF0 == PUBLISH
            place = body[1]
        self._rest = whole[place:]
        return heard

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _connect(port: int, name: bytes) -> socket.socket:
    """Connect as a client of MQTT 3.1.1, with a name of two letters and no keepalive."""
    connected = socket.create_connection(("127.0.0.1", port))
    connected.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02" + name)
    if connected.recv(4)[:1] != b"\x20":
        raise SystemExit("the broker lets nobody in")
    return connected


def measure(process: int, port: int, to: str, said: bytes, messages: int) -> Run:
    """Send readings and wait for as many states."""
    listener, generator = Listener(port, to), Generator(port)
    cpu, begun = cpu_seconds(process), time.perf_counter()
    generator.send(said)
    listener.wait(messages, 600.0)
    taken = time.perf_counter() - begun
    used = cpu_seconds(process) - cpu
    generator.close()
    listener.close()
    return Run(messages / taken, 1e6 * used / messages)


def compare(streams: int, sensors: int, qos: int, runs: int) -> list[Figure]:
    """Measure the daemon and the echo in turn."""
    bundle(sensors)
    samples = max(2, -(-LEAST_MESSAGES // streams))
    messages = samples * streams
    ours, theirs = [], []
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name)) as port,
        daemon(port, bundle_path(sensors), Path(name), qos=qos) as served,
        echo(port, qos) as echoing,
    ):
        for sample in range(WARM):  # one by one: all of 10,000 streams are more than a broker keeps in a hurry
            said = packets("bench", streams, sensors, qos, range(sample, sample + 1))
            measure(served, port, "bench", said, streams)
        for run in range(runs):
            span = range(WARM + run * samples, WARM + (run + 1) * samples)
            said = packets("bench", streams, sensors, qos, span)
            ours.append(measure(served, port, "bench", said, messages))
            said = packets("echo", streams, sensors, qos, span)
            theirs.append(measure(echoing, port, "echo", said, messages))
    case = f"{streams} streams, {sensors} sensors, QoS {qos}"
    rates = Figure(
        name=f"messages/s, {case}",
        unit="/s",
        ours=tuple(run.rate for run in ours),
        reference=tuple(run.rate for run in theirs),
    )
    cpu = Figure(
        name=f"CPU a message, {case}",
        unit="us",
        ours=tuple(run.cpu_us for run in ours),
        reference=tuple(run.cpu_us for run in theirs),
    )
    return [rates, cpu]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--streams", type=int, nargs="+", default=[1000])
    built.add_argument("--sensors", type=int, nargs="+", default=[8])
    built.add_argument("--qos", type=int, nargs="+", choices=(0, 1), default=[0, 1])
    options = built.parse_args(arguments)
    figures = [
        figure
        for sensors in options.sensors
        for qos in options.qos
        for streams in options.streams
        for figure in compare(streams, sensors, qos, options.runs)
    ]
    tell(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
