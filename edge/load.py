"""Say what streams there will be, and speak for them: the configuration that serves them, topics and payloads.

Messages are as short as they can be, and near the middle of what training saw, so that they raise no events.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import sin
from pathlib import Path

import orjson

from edge.clock import iso
from edge.learned import Learned

VARIETY = 0.05  # of a sensor's spread, by which messages differ: an interval is wider

CONFIG = """\
[node]
name = "trial"
trust_clock_after = 0.0
[broker]
host = "{host}"
port = {port}
protocol = "{protocol}"
session_expiry = 0
inbox = 1000000
max_latency = 1e9
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


def configuration(kinds: Sequence[Kind], host: str, port: int, protocol: str) -> str:
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
    return "".join((CONFIG.format(host=host, port=port, protocol=protocol), *tables))


class Speaker:
    """Speak for streams of one kind, without end.

    State kept: what is said next, and the step it is for.
    """

    def __init__(self, number: int, kind: Kind, streams: int, begin: float) -> None:
        """Begin.

        Args:
            number: of the kind in the configuration.
            kind: of the streams.
            streams: how many take their turns.
            begin: Unix seconds UTC of the first sample.
        """
        self.kind = kind
        self._root = f"trial/k{number}/"
        self._streams = streams
        self._begin = begin
        self._step = 0
        self._next: list[tuple[str, bytes]] = []

    def say(self, messages: int) -> list[tuple[str, bytes]]:
        """Return the next messages, topic and payload: of each stream its next sample, and so on."""
        while len(self._next) < messages:
            self._next += self.sample(range(self._streams))
        said, self._next = self._next[:messages], self._next[messages:]
        return said

    def sample(self, streams: range) -> list[tuple[str, bytes]]:
        """Return the messages of the next sample, of any streams."""
        learned = self.kind.learned
        time = iso(self._begin + learned.period * self._step)
        middle = zip(learned.scaling.centre.tolist(), learned.scaling.spread.tolist(), strict=True)
        values = [float(f"{centre + VARIETY * spread * sin(2.0 * self._step):.6g}") for centre, spread in middle]
        self._step += 1
        if self.kind.is_split:
            said = [(f"/s{place}", orjson.dumps({"time": time, "value": value})) for place, value in enumerate(values)]
        else:
            table = {f"s{place}": value for place, value in enumerate(values)}
            said = [("", orjson.dumps({"time": time, **table}))]
        return [(f"{self._root}m{stream}{sensor}", payload) for stream in streams for sensor, payload in said]
