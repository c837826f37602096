"""The command `tidegate demo`: a real daemon, a broker, a recording replayed as live messages, a subscriber.

Nothing here is simulated but the sensors: the daemon is a process of its own that hears MQTT, says when it is ready
the way systemd wants to hear it, and is stopped by SIGTERM.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from typing import NamedTuple

import orjson

from edge import bundle, embedded
from edge.clock import iso
from edge.errors import OperatorError, RecordingError, quote
from edge.manifest import Manifest
from edge.reading import parse_time
from edge.recording import Recording, read_csv, stem
from edge.replay_files import check_columns
from edge.spans import read_spans
from edge.subscriber import Subscriber
from edge.topics import NAME_RULE, is_stream_name

LASTS = 60.0  # seconds that the replay takes unless a speed is asked for
READY_WITHIN = 30.0  # seconds
STOPPED_WITHIN = 10.0  # seconds
QUIET = 2.0  # seconds without a message after which everything is taken to have arrived
NODE = "demo"
TOPIC = "demo/{stream}/readings"

CONFIG = """\
[node]
name = "demo"
health_every = 5.0
trust_clock_after = 0.0

[broker]
host = "{host}"
port = {port}
protocol = "{protocol}"
session_expiry = 0
max_latency = 1e9

[streams.demo]
bundle = "{bundle}"
topic = "demo/{{stream}}/readings"
qos = 1
"""

Labels = Sequence[tuple[str, float, float]]


class Row(NamedTuple):
    """One message to be published: when it was measured, whose it is, what it says."""

    time: float
    stream: str
    payload: bytes


def run(path: Path, data: Path, *, broker: str, speed: float | None) -> int:
    """Run the demo and return 0 when every labelled event was found.

    Args:
        path: the bundle.
        data: folder of recordings `NAME.csv.gz` with labels `NAME.events.csv`.
        broker: `host:port` of a real broker; empty for an embedded one.
        speed: times faster than recorded, > 0; None takes about a minute.

    Raises:
        OperatorError: bundle, data or broker need the user.
    """
    if speed is not None and not 0.0 < speed < inf:
        raise OperatorError(f"--speed: must be a number above 0, got {speed:g}")
    loaded = bundle.load(path)
    rows, labels = _read(data, loaded.manifest)
    if speed is None:
        speed = max(1.0, (rows[-1].time - rows[0].time) / LASTS)
    with ExitStack() as stack:
        host, port = stack.enter_context(_broker(broker))
        subscriber = stack.enter_context(Subscriber(host, port, NODE))
        if broker:
            stack.callback(_clear, subscriber)  # after the daemon has gone, however that happens
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-demo-")))
        protocol = "auto" if broker else "3.1.1"  # the embedded broker hangs on a CONNECT of MQTT 5
        config = CONFIG.format(host=host, port=port, protocol=protocol, bundle=path.resolve())
        daemon = stack.enter_context(_daemon(folder, config))
        print(f"replaying {len(rows)} messages, recorded after the training data, {speed:.0f} times as fast")
        print(f"{_topics(rows)}\n", flush=True)
        _publish(rows, speed, subscriber, daemon)
        subscriber.drain(QUIET)
        took = _stop(daemon)
        subscriber.drain(0.2)
    remark = "" if broker else ", most of it in the demo's own small broker"
    return _sum_up(subscriber, labels, len(rows), loaded.size, took, remark=remark)


def _topics(rows: Sequence[Row]) -> str:
    """Say where the readings and the answers go, by the example of the first stream."""
    names = list(dict.fromkeys(row.stream for row in rows))
    more = f", likewise {', '.join(names[1:4])}{' …' * (len(names) > 4)}" if len(names) > 1 else ""
    return f"topics: {TOPIC.format(stream=names[0])} in, tidegate/{NODE}/{names[0]}/… out{more}"


def _read(data: Path, manifest: Manifest) -> tuple[list[Row], Labels]:
    """Read all recordings of a folder, newer than the training data, merged by time; and their labels."""
    learned, after = manifest.learned(), parse_time(manifest.data.end)
    files = sorted(data.glob("*.csv.gz"))
    if not files:
        raise RecordingError(f"{data}: must be a folder of NAME.csv.gz, got none")
    rows: list[Row] = []
    labels: list[tuple[str, float, float]] = []
    for file in files:
        recording = read_csv(file)
        check_columns(file, recording, learned)
        _check_names(file, recording)
        rows += [row for row in _rows(recording) if row.time > after]
        events = file.with_name(f"{stem(file)}.events.csv")
        labels += read_spans(events, stem(file)) if events.exists() else []
    if not rows:
        raise RecordingError(f"{data}: must have rows after the training data, that is after {iso(after)}")
    return sorted(rows, key=lambda row: row.time), labels


def _check_names(file: Path, recording: Recording) -> None:
    """Refuse streams that cannot be a level of a topic."""
    wrong = [name for name in recording.stream_names if not is_stream_name(name)]
    if wrong:
        raise RecordingError(f"{file}: stream: {NAME_RULE}, got {quote(wrong[0])}")


def _rows(recording: Recording) -> Iterator[Row]:
    for place, time_ in enumerate(recording.times.tolist()):
        values = dict(zip(recording.sensors, recording.values[place].tolist(), strict=True))
        payload = orjson.dumps({"time": recording.written[place], **values})
        yield Row(time_, recording.stream_names[recording.streams[place]], payload)


@contextmanager
def _broker(address: str) -> Iterator[tuple[str, int]]:
    if not address:
        with embedded.broker() as (host, port):
            yield host, port
        return
    host, _, port_text = address.rpartition(":")
    if not host or not port_text.isdecimal():
        raise OperatorError(f"--broker: must be HOST:PORT, got {address!r}")
    yield host, int(port_text)


def _clear(subscriber: Subscriber) -> None:
    subscriber.drain(0.2)  # the status of a daemon that was killed comes after its end
    subscriber.clear()
    print(f"cleared what the broker kept under tidegate/{NODE}/")


@contextmanager
def _daemon(folder: Path, config: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the daemon, wait until it says that it is ready, and see to it that it ends with us."""
    config_path = folder / "tidegate.toml"
    config_path.write_text(config, encoding="utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(folder / "notify"))
        command = [sys.executable, "-m", "edge.cli", "run", "--config", str(config_path)]
        begun = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")})
        try:
            _wait_until_ready(notified, process)
            print(f"daemon ready after {time.monotonic() - begun:.2f} s")
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(STOPPED_WITHIN)


def _wait_until_ready(notified: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    notified.settimeout(0.2)
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if b"READY=1" in notified.recv(4096):
                return
        except TimeoutError:
            continue
    raise OperatorError(f"daemon: must be ready within {READY_WITHIN:g} s; what it said stands above")


def _publish(rows: Sequence[Row], speed: float, subscriber: Subscriber, daemon: "subprocess.Popen[bytes]") -> None:
    """Publish every row when its time has come."""
    begun = time.monotonic()
    for row in rows:
        wait = begun + (row.time - rows[0].time) / speed - time.monotonic()
        if wait > 0.0:
            time.sleep(wait)
        if daemon.poll() is not None:
            raise OperatorError(f"daemon: must serve to the end, ended with status {daemon.returncode}")
        subscriber.publish(TOPIC.format(stream=row.stream), row.stream, iso(row.time), row.payload)


def _stop(daemon: "subprocess.Popen[bytes]") -> float:
    """Stop the daemon and return the seconds that it took."""
    begun = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(STOPPED_WITHIN)
    return time.monotonic() - begun


def _sum_up(subscriber: Subscriber, labels: Labels, readings: int, size: int, took: float, *, remark: str) -> int:
    """Print the summary, one line each."""
    found, false = _match(subscriber.events, labels)
    latency = subscriber.median_latency_ms()
    print(f"\nreadings in      {readings} messages, {subscriber.states} answered by a state")
    print(f"forecasts out    {subscriber.forecasts} in {subscriber.forecast_messages} messages")
    print(f"events found     {found} of {len(labels)} labelled, {len(labels) - found} missed")
    print(f"false alarms     {false}")
    print("median latency   " + ("none measured" if latency is None else f"{latency:.1f} ms{remark}"))
    print(f"model size       {size} bytes")
    print(f"daemon           stopped within {took:.2f} s, status {subscriber.status!r}")
    return 0 if found == len(labels) and subscriber.states else 1


def _match(events: Mapping[str, Mapping[str, object]], labels: Labels) -> tuple[int, int]:
    """Count the labels that an event overlaps, and the events that overlap no label."""
    spans = [
        (event["stream"], parse_time(event["start"]), parse_time(event["end"]) if event["end"] else inf)  # still open
        for event in events.values()
    ]

    def overlap(one: tuple[object, float, float], other: tuple[object, float, float]) -> bool:
        return one[0] == other[0] and one[1] <= other[2] and other[1] <= one[2]

    found = sum(any(overlap(label, span) for span in spans) for label in labels)
    return found, sum(not any(overlap(label, span) for label in labels) for span in spans)
