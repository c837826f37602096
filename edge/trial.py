"""Try a daemon out: run a real one on this machine, without a broker, and measure what messages and streams cost it.

Theory of operation. The daemon is a process of its own, `tidegate run`, that hears us on loopback and cannot tell us
from a broker; so what is measured is what will serve: the client of MQTT, its threads, decoding, steps, encoding. We
make streams of each kind, fill the windows of some, flood it to see what a message costs at the least, and last let
all kinds speak together as often as the configuration expects. That is no luxury: on one machine a message that came
20 ms after the one before took 2.8 ms of a core, one that came after 1 ms 0.9 ms, one of a flood 0.1 ms, for memory
grows cold and threads fall asleep. Processor time is read from the process's own clock, memory from the kernel.

Messages are as small as they can be, and hold the middle of what training saw: they raise no events.

Disliked: nobody says when the daemon is done, for not every kind of stream answers; it is done when its clock stands.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import sin
from pathlib import Path

import orjson

from edge.errors import OperatorError
from edge.learned import Learned
from edge.loopback import HOST, Loopback
from edge.message import iso
from edge.watched import Watched

READY_WITHIN = 60.0  # seconds; a Pi Zero takes ten
STOPPED_WITHIN = 10.0  # seconds
FILLED, LEAST_FILLED = 64, 8  # streams that are measured at work: from 64 on one costs nearly the same in any wave
FILLING = 5000  # messages that fill their windows, about: a second or two
ADMITTED = 1024  # streams that memory is measured with
TOGETHER = 512  # messages sent before the daemon is waited for: what waits would count as memory of its streams
FLOOD, FLOODED = 2048, 0.3  # messages that come at once, at most, and seconds of processor time that are enough
SPEAKING = 1.5  # seconds at the rate that is expected
SLOWEST = 50.0  # messages a second: more rarely, there would be nothing to measure
BEAT = 0.001  # seconds between two looks at which messages are due
VARIETY = 0.05  # of a sensor's spread, by which messages differ: an interval is wider

CONFIG = """\
[node]
name = "trial"
[broker]
host = "{host}"
port = {port}
protocol = "{protocol}"
session_expiry = 0
inbox = 1000000
"""
TABLE = """\
[streams.k{number}]
bundle = {bundle}
topic = "trial/k{number}/{{stream}}{sensor}"
stream = "k{number}-{{stream}}"
qos = {qos}
publish = {publish}
max_streams = 1000000
grid = {{ future = 1e12 }}
sensors = {{ {words} }}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """Say what decides the cost of a stream.

    Attributes:
        bundle: which serves it.
        learned: what the bundle's training learned.
        qos: of its messages.
        publish: what is said of it.
        is_split: whether each sensor has a message to itself.
    """

    bundle: Path
    learned: Learned
    qos: int
    publish: tuple[str, ...]
    is_split: bool

    @property
    def messages(self) -> int:
        """Return how many messages make a sample."""
        return len(self.learned.sensors) if self.is_split else 1


@dataclass(frozen=True, slots=True)
class Load:
    """Say how many streams of a kind there will be, and how many messages a second they send together."""

    kind: Kind
    streams: int
    rate: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold what streams of one kind cost.

    Attributes:
        least: seconds of processor time for a message of a flood.
        streams: that memory was measured with.
        base: bytes that these occupy, the graphs that they need among them.
        each: bytes of a further stream, where there are more than `streams`.
    """

    least: float
    streams: int
    base: float
    each: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold what a daemon costs.

    Attributes:
        resident: bytes at rest, without a stream.
        idle: share of a core at rest.
        costs: of each kind of stream.
        usual: seconds of processor time for a message when all speak as often as they will.
    """

    resident: float
    idle: float
    costs: tuple[Cost, ...]
    usual: float


def measure(loads: Sequence[Load], protocol: str, tell: Callable[[str], None]) -> Measured:
    """Run a daemon that serves all kinds of streams, and measure it.

    Args:
        loads: what there will be.
        protocol: as in the table [broker].
        tell: is told what is being done.

    Raises:
        OperatorError: the daemon does not start or ends, or the machine does not tell what is asked.
    """
    tell("starting a daemon on loopback")
    with ExitStack() as stack:
        broker = stack.enter_context(Loopback())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-trial-")))
        config = _config([load.kind for load in loads], broker.port, protocol)
        watched = Watched(stack.enter_context(_daemon(folder, config, broker)))
        watched.settle()
        resident, idle = watched.resident(), watched.rest()
        trials = [Trial(broker, watched, number, load) for number, load in enumerate(loads)]
        costs = []
        for number, trial in enumerate(trials, start=1):
            tell(f"measuring streams of {trial.load.kind.bundle.name}, kind {number} of {len(trials)}")
            costs.append(trial.cost())
        return Measured(resident, idle, tuple(costs), _usual(watched, trials, costs, tell))


def _usual(watched: Watched, trials: Sequence["Trial"], costs: Sequence[Cost], tell: Callable[[str], None]) -> float:
    """Return the seconds that a message costs at the expected rates; the least, where no core can keep up."""
    rates = [trial.load.rate for trial in trials]
    least = sum(rate * cost.least for rate, cost in zip(rates, costs, strict=True))
    if least >= 1.0:
        return least / sum(rates)
    raised = max(1.0, SLOWEST / sum(rates))
    tell(f"measuring {raised * sum(rates):.0f} messages/s")
    sent = [0] * len(trials)
    before, begun = watched.ran(), time.perf_counter()
    while (passed := time.perf_counter() - begun) < SPEAKING:
        for place, trial in enumerate(trials):
            due = int(passed * raised * rates[place]) - sent[place]
            trial.publish(due)
            sent[place] += due
        time.sleep(BEAT)
    watched.settle()
    return (watched.ran() - before) / max(1, sum(sent))


def _config(kinds: Sequence[Kind], port: int, protocol: str) -> str:
    """Write the configuration of a daemon that serves all kinds."""
    tables = [
        TABLE.format(
            number=number,
            bundle=json.dumps(str(kind.bundle.resolve())),
            sensor="/{sensor}" if kind.is_split else "",
            qos=kind.qos,
            publish=json.dumps(list(kind.publish)),
            words=", ".join(f'{json.dumps(sensor)} = "s{place}"' for place, sensor in enumerate(kind.learned.sensors)),
        )
        for number, kind in enumerate(kinds)
    ]
    return "".join((CONFIG.format(host=HOST, port=port, protocol=protocol), *tables))


@contextmanager
def _daemon(folder: Path, config: str, broker: Loopback) -> Iterator[int]:
    """Start a daemon, wait until it has subscribed, and see to it that it ends with us; yield its process."""
    path, log = folder / "tidegate.toml", folder / "log"
    path.write_text(config, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(path)], env=environment, stdout=said, stderr=said
        )
    try:
        give_up_at = time.monotonic() + READY_WITHIN
        while not broker.wait(0.1):
            if process.poll() is not None or time.monotonic() > give_up_at:
                last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"])[-1]
                raise OperatorError(f"--budget: the daemon that is tried must serve, it said {last}")
        yield process.pid
    finally:
        process.kill()
        process.wait(STOPPED_WITHIN)


class Trial:
    """Publish readings of one kind of stream and take what they cost.

    State kept: what the streams at work say next.
    """

    def __init__(self, broker: Loopback, watched: Watched, number: int, load: Load) -> None:
        """Begin with today.

        Args:
            broker: where to publish.
            watched: the daemon.
            number: of the kind, in the daemon's configuration.
            load: what there will be.
        """
        self.load = load
        self._kind = load.kind
        self._broker, self._watched = broker, watched
        self._root = f"trial/k{number}/"
        full = FILLING // (self._kind.learned.window * self._kind.messages)
        self._filled = min(load.streams, FILLED, max(LEAST_FILLED, full))
        self._from = 1000.0 * (time.time() // 1000.0)
        self._step = 0
        self._next: list[tuple[str, bytes]] = []

    def cost(self) -> Cost:
        """Measure: the first streams at work, then what further ones take."""
        watched = self._watched
        empty = watched.resident()
        self._pour((self._kind.learned.window + 2) * self._filled * self._kind.messages)  # until all have scores
        admitted = max(self._filled, min(self.load.streams, ADMITTED))
        self._admit(range(self._filled, admitted // 2))  # waves of all lengths, whose graphs are loaded once
        half = watched.resident()
        self._admit(range(max(self._filled, admitted // 2), admitted))
        many = watched.resident()
        before, sent = watched.ran(), 0
        while sent < FLOOD and watched.ran() - before < FLOODED:
            self._pour(TOGETHER)
            sent += TOGETHER
        least = (watched.ran() - before) / sent
        return Cost(least, admitted, many - empty, max(0.0, many - half) / (admitted - admitted // 2))

    def publish(self, messages: int) -> None:
        """Publish so many messages at once: of each stream at work its next sample, and so on."""
        while len(self._next) < messages:
            self._next += self._sample(range(self._filled))
        said, self._next = self._next[:messages], self._next[messages:]
        self._broker.publish(said, self._kind.qos)

    def _admit(self, streams: range) -> None:
        """Let streams be heard for the first time, all at once."""
        if streams:
            self._broker.publish(self._sample(streams), self._kind.qos)
            self._watched.settle()

    def _pour(self, messages: int) -> None:
        """Publish so many messages, and no more at once than the daemon can take in its stride."""
        for begin in range(0, messages, TOGETHER):
            self.publish(min(TOGETHER, messages - begin))
            self._watched.settle()

    def _sample(self, streams: range) -> list[tuple[str, bytes]]:
        """Lay out the next sample of some streams: topics and payloads."""
        learned = self._kind.learned
        time_ = iso(self._from + learned.period * self._step)
        bounds = zip(learned.scaling.centre.tolist(), learned.scaling.spread.tolist(), strict=True)
        values = [float(f"{centre + VARIETY * spread * sin(2.0 * self._step):.6g}") for centre, spread in bounds]
        self._step += 1
        if self._kind.is_split:
            said = [(f"/s{place}", orjson.dumps({"time": time_, "value": value})) for place, value in enumerate(values)]
        else:
            table = {f"s{place}": value for place, value in enumerate(values)}
            said = [("", orjson.dumps({"time": time_, **table}))]
        return [(f"{self._root}m{stream}{sensor}", payload) for stream in streams for sensor, payload in said]
