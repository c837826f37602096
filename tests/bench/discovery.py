"""What `tidegate discover` makes of a house of 60 devices, and what it takes; then a million topics at once.

    python -m tests.bench.discovery
    python -m tests.bench.discovery --rounds 10 --topics 200000 --json

The house is tests/houses/, at a real mosquitto: 20 Zigbee2MQTT, 10 Tasmota, 10 ESPHome, 10 that Home
Assistant was told of, 5 plain, 5 Sparkplug, with all that such systems say beside their readings. A device is known
if one stream has just its sensors, and a stream invented if no device stands behind it. The flood is of topics that are
heard once each, as fast as the broker passes them on.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.packets import publish
from edge.process import Process
from tests.bench.common import Figure, mosquitto, parser, tell
from tests.bench.overload import Memory
from tests.bench.throughput import Generator
from tests.houses import whole as house
from tests.houses.parts import Sent
from tests.judged_discovery import judge, load

RETAIN = 1  # of a packet's first byte
PIECE = 1000  # messages that are sent together


class Discovery:
    """The command as a process of its own."""

    def __init__(self, port: int, out: Path) -> None:
        """Begin, and return when it listens."""
        begun = time.perf_counter()
        command = [sys.executable, "-m", "edge.cli", "discover", "--broker", f"127.0.0.1:{port}", "--for", "1h"]
        self.process = subprocess.Popen(
            [*command, "--out", str(out), "--force"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.watched = Process(self.process.pid)
        self._memory = Memory(self.process.pid)
        assert self.process.stderr is not None
        while not self.process.stderr.readline().startswith("listening"):
            assert self.process.poll() is None, "the discovery ended before it listened"
        self.started = time.perf_counter() - begun

    def end(self) -> tuple[float, float, str]:
        """End as Ctrl-C does; return the seconds that it took to write, the most memory in MB, and what it told."""
        most = 1024.0 * self._memory.stop()
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGINT)
        while self.process.poll() is None:
            with suppress(OSError, StopIteration):  # it ends between the two looks
                most = max(most, self.watched.resident())
            time.sleep(0.01)
        wrote = time.perf_counter() - begun
        _, told = self.process.communicate(timeout=10.0)
        return wrote, most / 2**20, told


@contextmanager
def discovery(port: int, out: Path) -> Iterator[Discovery]:
    """Run a discovery, and see to it that nothing of it is left."""
    running = Discovery(port, out)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(10.0)


def send(generator: Generator, messages: Sequence[Sent]) -> None:
    """Publish with QoS 0."""
    for one in messages:
        packet = bytearray(publish(one.topic, one.payload, 0, 0))
        packet[0] |= RETAIN if one.retain else 0
        generator.send(bytes(packet))


def search_house(port: int, folder: Path, rounds: int) -> list[Figure]:
    """Let the house speak, and judge what is proposed."""
    generator, sent = Generator(port), house.kept()
    send(generator, sent)
    time.sleep(0.5)
    with discovery(port, folder / "tidegate.toml") as running:
        running.watched.settle()
        before = running.watched.ran()
        heard = 0
        for step in range(rounds):
            said = house.said(step, time.time())
            send(generator, said)
            sent, heard = [*sent, *said], heard + len(said)
        running.watched.settle()
        took = running.watched.ran() - before
        wrote, memory, _ = running.end()
    generator.close()
    verdict = judge(load(folder / "tidegate.toml"), house.devices(), sent)
    return [
        Figure(name=f"recognised of {len(house.devices())}", unit="devices", ours=(float(verdict.recognised),)),
        Figure(name="invented", unit="streams", ours=(float(len(verdict.invented)),)),
        Figure(name="command to listening", unit="s", ours=(running.started,)),
        Figure(name="Ctrl-C to written", unit="s", ours=(wrote,)),
        Figure(name=f"CPU a message, {heard} messages", unit="us", ours=(1e6 * took / heard,)),
        Figure(name="resident, at most", unit="MB", ours=(memory,)),
    ]


def flood(port: int, folder: Path, topics: int) -> list[Figure]:
    """Speak once on each of many topics."""
    generator = Generator(port)
    with discovery(port, folder / "flood.toml") as running:
        running.watched.settle()
        before = running.watched.ran()
        for begin in range(0, topics, PIECE):
            numbers = range(begin, min(begin + PIECE, topics))
            generator.send(b"".join(publish(f"flood/{number}/power", b"%d" % number, 0, 0) for number in numbers))
        running.watched.settle()
        took = running.watched.ran() - before
        wrote, memory, told = running.end()
    generator.close()
    print(told.rstrip(), file=sys.stderr)
    name = f"{topics} topics"
    return [
        Figure(name=f"resident, at most, {name}", unit="MB", ours=(memory,)),
        Figure(name=f"CPU a message, {name}", unit="us", ours=(1e6 * took / topics,)),
        Figure(name=f"Ctrl-C to written, {name}", unit="s", ours=(wrote,)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    built = parser(__doc__, runs=1)
    built.add_argument("--rounds", type=int, default=4, help="how often the house speaks (default 4)")
    built.add_argument("--topics", type=int, default=1_000_000, help="of the flood (default 1,000,000)")
    options = built.parse_args(arguments)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        with mosquitto(Path(name)) as port:
            figures += search_house(port, Path(name), options.rounds)
        with mosquitto(Path(name)) as port:
            figures += flood(port, Path(name), options.topics)
    tell(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
