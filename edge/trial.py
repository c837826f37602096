"""Try a daemon out: run a real one on this machine, without a broker, and measure what messages and streams cost it.

Theory of operation. The daemon is a process of its own, `tidegate run`, that hears us on loopback and cannot tell us
from a broker; so what is measured is what will serve: the client of MQTT, its threads, decoding, steps, encoding. We
make streams of each kind, fill the windows of some, flood it to see what a message costs at the least, and last let
all kinds speak together as often as the configuration expects. That is no luxury: on one busy machine a message that
came 20 ms after the one before took 2.8 ms of a core, one that came after 1 ms 0.9 ms, one of a flood 0.3 ms, for
memory grows cold and threads fall asleep. Processor time is read from the process's own clock, memory from the kernel.

Disliked: nobody says when the daemon is done, for not every kind of stream answers; it is done when its clock stands.
The waves of the flood are of `FILLED` streams, and those of a thousand are cheaper.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import OperatorError
from edge.load import Load, Speaker, configuration
from edge.loopback import HOST, Loopback
from edge.process import Process

READY_WITHIN = 60.0  # seconds; two where two cores are shared by eight
STOPPED_WITHIN = 10.0  # seconds
FILLED = 64  # streams that are measured at work: filling more windows takes longer than what it tells is worth
FILLING = 12_000  # messages that fill their windows, at most: some seconds on a slow machine
ADMITTED = 1024  # streams that memory is measured with
TOGETHER = 512  # messages sent before the daemon is waited for: what waits would count as memory of its streams
IN_TURN = 32  # samples of one stream among these: who asks for more is overloaded, and no flood but a jam
FLOOD, FLOODED = 2048, 0.3  # messages that come at once, at most, and seconds of processor time that are enough
SPEAKING = 1.5  # seconds at the rate that is expected
SLOWEST = 50.0  # messages a second: more rarely, there would be nothing to measure
BEAT = 0.001  # seconds between two looks at which messages are due


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold what streams of one kind cost.

    Attributes:
        least: seconds of processor time for a message of a flood.
        streams: that memory was measured with.
        base: bytes that these occupy, the graphs that they need among them.
        each: bytes of a further stream, where there are more than `streams`: the mean of these.
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
        config = configuration([load.kind for load in loads], HOST, broker.port, protocol)
        watched = Process(stack.enter_context(_daemon(folder, config, broker)))
        watched.settle()
        resident, idle = watched.resident(), watched.rest()
        trials = [Trial(broker, watched, number, load) for number, load in enumerate(loads)]
        costs = []
        for number, trial in enumerate(trials, start=1):
            tell(f"measuring streams of {trial.load.kind.bundle.name}, {number} of {len(trials)} kinds of table")
            costs.append(trial.cost())
        return Measured(resident, idle, tuple(costs), _usual(watched, trials, costs, tell))


def _usual(watched: Process, trials: Sequence["Trial"], costs: Sequence[Cost], tell: Callable[[str], None]) -> float:
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
    trials[0].settle()
    return (watched.ran() - before) / max(1, sum(sent))


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
    """Publish readings of one kind of stream and take what they cost."""

    def __init__(self, broker: Loopback, watched: Process, number: int, load: Load) -> None:
        """Begin with today.

        Args:
            broker: where to publish.
            watched: the daemon.
            number: of the kind, in the daemon's configuration.
            load: what there will be.
        """
        self.load = load
        self._broker, self._watched = broker, watched
        kind = load.kind
        self._filled = max(1, min(load.streams, FILLED, FILLING // (kind.learned.window * kind.messages)))
        self._speaker = Speaker(number, kind, self._filled, 1000.0 * (time.time() // 1000.0))
        self._together = min(TOGETHER, IN_TURN * self._filled * kind.messages)

    def cost(self) -> Cost:
        """Measure: the first streams at work, then what further ones take."""
        watched, kind = self._watched, self.load.kind
        empty = watched.resident()
        self._pour((kind.learned.window + 2) * self._filled * kind.messages)  # until all have scores
        admitted = max(self._filled, min(self.load.streams, ADMITTED))
        self._admit(range(self._filled, admitted))
        many = watched.resident() - empty
        before, sent = watched.ran(), 0
        while sent < FLOOD and watched.ran() - before < FLOODED:
            self._pour(self._together)
            sent += self._together
        least = (watched.ran() - before) / sent
        # Of two numbers of streams the difference would say less: arrays that grow leave room that others then take.
        return Cost(least, admitted, many, many / admitted)

    def publish(self, messages: int) -> None:
        """Publish so many messages at once."""
        self._broker.publish(self._speaker.say(messages), self.load.kind.qos)

    def settle(self) -> None:
        """Wait until the daemon is done, and has not only paused because we were slow to hear its answers."""
        heard = -1
        while heard != self._broker.heard:
            heard = self._broker.heard
            self._watched.settle()

    def _admit(self, streams: range) -> None:
        """Let streams be heard for the first time, all at once."""
        if streams:
            self._broker.publish(self._speaker.sample(streams), self.load.kind.qos)
            self.settle()

    def _pour(self, messages: int) -> None:
        """Publish so many messages, no more at once than the daemon can take in its stride."""
        for begin in range(0, messages, self._together):
            self.publish(min(self._together, messages - begin))
            self.settle()
