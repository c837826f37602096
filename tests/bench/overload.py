"""What a daemon does at twice the rate that it can carry: memory, latency, drops, and how soon it is well again.

    python -m tests.bench.overload                    # 1,000 streams, 8 sensors, 20 s at twice the rate
    python -m tests.bench.overload --factor 3 --seconds 60 --json

First the rate that it can carry is measured, as `throughput` does. Then readings come at half of that, at a multiple
of it, and at half of it again; a latency is from the writing of a reading's packet to the coming of its state, of ten
streams. The generator and the broker share the machine with the daemon, and the rate is what the generator reached.
"""

import select
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.clock import iso
from tests.bench.common import PERIOD, START, Figure, bundle, bundle_path, mosquitto, parser, resident_kb, tell
from tests.bench.throughput import WARM, Generator, daemon, measure, packets

PROBES = 10  # streams whose states are looked into
CALM = 10.0  # seconds at half of the rate
LATE = 1.0  # seconds a message may wait, [broker] max_latency
INBOX = 10_000
HEALTH_EVERY = 2.0  # seconds


@dataclass
class Watch:
    """Note what a subscriber hears: when each state of the probes came, the statuses, and the newest health."""

    came: dict[tuple[str, str], float] = field(default_factory=dict)
    statuses: list[tuple[float, str]] = field(default_factory=list)
    connection: dict[str, int] = field(default_factory=dict)

    def start(self, port: int) -> paho.Client:
        """Subscribe, in a thread of its own."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _client, _data, message: self._hear(message.topic, bytes(message.payload))
        client.connect("127.0.0.1", port)
        topics = [f"m{probe}/state" for probe in range(PROBES)] + ["status", "health"]
        client.subscribe([(f"tidegate/bench/{topic}", 0) for topic in topics])
        client.loop_start()
        return client

    def wait(self, last: tuple[str, str], seconds: float = 60.0) -> None:
        """Return when a state has come, and the newest health message after it."""
        give_up_at = time.perf_counter() + seconds
        while last not in self.came and time.perf_counter() < give_up_at:
            time.sleep(0.1)
        time.sleep(HEALTH_EVERY + 1.0)

    def _hear(self, topic: str, payload: bytes) -> None:
        now = time.perf_counter()
        if topic.endswith("/status"):
            self.statuses.append((now, payload.decode()))
        elif topic.endswith("/health"):
            self.connection = orjson.loads(payload)["connection"]
        else:
            self.came[topic.split("/")[2], orjson.loads(payload)["time"]] = now


class Memory:
    """Follow the resident memory of a process until told to stop."""

    def __init__(self, process: int) -> None:
        """Begin."""
        self._process, self._done, self.most_kb = process, threading.Event(), resident_kb(process)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._done.wait(0.1):
            self.most_kb = max(self.most_kb, resident_kb(self._process))

    def stop(self) -> int:
        """Return the most that it had, KB."""
        self._done.set()
        self._thread.join()
        return self.most_kb


@dataclass(frozen=True, slots=True)
class Load:
    """What one steady load was.

    Attributes:
        rate: messages a second that the generator reached.
        written: when each reading of the probes was written.
        ended: when the last one was.
    """

    rate: float
    written: dict[tuple[str, str], float]
    ended: float

    def latency(self, came: dict[tuple[str, str], float], share: float) -> float:
        """Return a percentile of the latencies in ms, of the states that came."""
        waited = [1e3 * (came[key] - at) for key, at in self.written.items() if key in came]
        return float(np.percentile(waited, share)) if waited else float("nan")


class Field:
    """The streams, which go on from load to load."""

    def __init__(self, generator: Generator, streams: int, sensors: int) -> None:
        """Begin after the samples that filled the memory."""
        self._generator = generator
        self._streams, self._sensors, self._sample = streams, sensors, WARM

    def speak(self, rate: float, seconds: float) -> Load:
        """Publish at a rate for some seconds; all is laid out before, so that sending takes little of the machine."""
        samples = range(self._sample, self._sample + max(1, round(rate * seconds / self._streams)))
        laid_out = [packets("bench", self._streams, self._sensors, 0, range(one, one + 1)) for one in samples]
        written: dict[tuple[str, str], float] = {}
        begun, sent = time.perf_counter(), 0
        for sample, said in zip(samples, laid_out, strict=True):
            each = len(said) // self._streams  # names differ in length by a digit or two: a cut need not be exact
            for cut in range(0, self._streams, 50):
                select.select([], [], [], max(0.0, begun + sent / rate - time.perf_counter()))
                for probe in range(cut, min(cut + 50, PROBES)):
                    written[f"m{probe}", iso(START + PERIOD * sample)] = time.perf_counter()
                end = len(said) if cut + 50 >= self._streams else (cut + 50) * each
                self._generator.send(said[cut * each : end])
                sent += min(50, self._streams - cut)
        self._sample = samples.stop
        ended = time.perf_counter()
        return Load(sent / (ended - begun), written, ended)


def overload(streams: int, sensors: int, factor: float, seconds: float) -> list[Figure]:
    """Measure one daemon at three loads."""
    bundle(sensors)
    path, watch = bundle_path(sensors), Watch()
    warm = packets("bench", streams, sensors, 0, range(WARM))
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        with daemon(port, path, Path(name)) as process:
            measure(process, port, "bench", warm, WARM * streams)
            span = range(WARM, WARM + max(2, 30_000 // streams))
            said = packets("bench", streams, sensors, 0, span)
            carried = measure(process, port, "bench", said, len(span) * streams).rate
        with daemon(port, path, Path(name), inbox=INBOX, max_latency=LATE, health_every=HEALTH_EVERY) as process:
            client, generator = watch.start(port), Generator(port)
            field_ = Field(generator, streams, sensors)
            for sample in range(WARM):
                generator.send(packets("bench", streams, sensors, 0, range(sample, sample + 1)))
                time.sleep(2.0 * streams / carried)
            before = field_.speak(0.5 * carried, CALM)
            resident, memory = resident_kb(process), Memory(process)
            crowded = field_.speak(factor * carried, seconds)
            grown = memory.stop() - resident
            after = field_.speak(0.5 * carried, CALM)
            watch.wait(list(after.written)[-1])
            client.loop_stop()
            generator.close()
    return _figures(watch, carried, (before, crowded, after), grown)


def _figures(watch: Watch, carried: float, loads: tuple[Load, Load, Load], grown: int) -> list[Figure]:
    before, crowded, after = loads
    told = [at for at, status in watch.statuses if status == "overloaded"]
    over = [at for at, status in watch.statuses if status == "online" and told and at > told[0]]
    seconds = [over[-1] - crowded.ended] if over else []
    dropped = watch.connection.get("dropped_superseded", 0), watch.connection.get("dropped_inbox", 0)
    figures = [
        Figure(name="rate that it carries", unit="messages/s", ours=(carried,)),
        Figure(name="rate that came", unit="messages/s", ours=(crowded.rate,), reference=(carried,)),
    ]
    for share, load, when in ((50, crowded, "crowded"), (100, crowded, "crowded"), (50, after, "afterwards")):
        ours, reference = (load.latency(watch.came, share),), (before.latency(watch.came, share),)
        figures.append(Figure(name=f"latency p{share}, {when}", unit="ms", ours=ours, reference=reference))
    told_ours, back = (float(len(told)),), tuple(seconds) or (float("nan"),)
    figures += [
        Figure(name="memory grew by at most", unit="KB", ours=(float(grown),)),
        Figure(name="dropped, a newer one waited", unit="messages", ours=(float(dropped[0]),)),
        Figure(name="dropped, the newest of its topic", unit="messages", ours=(float(dropped[1]),)),
        Figure(name="times that overloaded was told", unit="", ours=told_ours),
        Figure(name="from the end of the crowd to online", unit="s", ours=back),
    ]
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--streams", type=int, default=1000)
    built.add_argument("--sensors", type=int, default=8)
    built.add_argument("--factor", type=float, default=2.0, help="times the rate that it carries (default 2)")
    built.add_argument("--seconds", type=float, default=20.0, help="how long (default 20)")
    options = built.parse_args(arguments)
    figures = overload(options.streams, options.sensors, options.factor, options.seconds)
    tell(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
