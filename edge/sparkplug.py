"""Follow the lives of Sparkplug nodes, and make readings of what they say: the station before the line.

Theory of operation. A birth names the metrics of a node or of a device, and gives each an alias and a data type; data
then carry aliases, and of the values those that changed. So what a birth said is kept until the node dies or is born
anew, which ends the lives of its devices too. A death counts only if it belongs to the last birth: both carry the
number of their session, bdSeq, and the last will of an old session may come after the birth of the next. All messages
of a node, its devices' among them, are numbered from 0 to 255 and over; where a number was skipped that is counted, and
data are read on.

We only read: no STATE is published. A node is asked for its births (NCMD) only where its table says `rebirth_requests`.

Disliked: births that nobody heard make all data of their node unreadable until the next, unless we may ask; and where a
birth was lost, aliases may mean something else until the next.

Source: Eclipse Sparkplug 3.0, sections 5 (operational behaviour) and 6.4 (payloads).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, nan
from typing import NamedTuple

from edge.addresses import MOST_TOPICS, Table
from edge.counts import NAMED, ReadingCounts
from edge.errors import ReadingError
from edge.message import Outgoing
from edge.payloads.sparkplug import BIRTHS, DEATHS, NAMESPACE, NodeTopic
from edge.payloads.sparkplug_messages import Message, Metric, command, parse
from edge.payloads.sparkplug_metrics import read_time, read_value
from edge.reading import Decoded

MOST_NODES = 10_000  # that are known; a stranger's million nodes must not fill the memory
MOST_METRICS = 200_000  # of all births that are remembered; some 40 MB
ASK_AGAIN = 60.0  # seconds between two requests to a node: its births may be long, and others may ask it too
REBIRTH, SESSION = "Node Control/Rebirth", "bdSeq"  # metrics of a node that the specification names
NO_SENSOR = -1


class Born(NamedTuple):
    """What a birth said of a metric: its data type, and the place of the sensor that it is, or `NO_SENSOR`."""

    datatype: int
    place: int


@dataclass(slots=True)
class Life:
    """What the birth of a node or a device said of its metrics, by name and by alias."""

    names: dict[str, Born] = field(default_factory=dict)
    aliases: dict[int, Born] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many metrics it counts for; one that holds none takes memory too."""
        return max(1, len(self.names), len(self.aliases))

    def find(self, metric: Metric) -> Born:
        """Return what the birth said of a metric.

        Raises:
            ReadingError: unborn.
        """
        born = self.names.get(metric.name) if metric.name or metric.alias is None else self.aliases.get(metric.alias)
        if born is None:
            raise ReadingError("unborn", "its birth does not name it")
        return born


@dataclass(slots=True)
class Node:
    """Hold what is known of a node.

    Attributes:
        is_dead: whether its death was heard, and no birth since.
        session: of its last birth; None if none was heard, or it said nothing of it.
        sequence: number of its last message; None before the first.
        lives: its own, at the empty name, and those of its devices.
        asked_at: when it was last asked for its births, Unix seconds UTC.
    """

    is_dead: bool = False
    session: object = None
    sequence: int | None = None
    lives: dict[str, Life] = field(default_factory=dict)
    asked_at: float = -inf


class Heard(NamedTuple):
    """What a message said.

    Attributes:
        instants: what was measured, oldest first.
        refused: why other metrics are no readings.
        unread: places of the sensors among those.
    """

    instants: Sequence[Decoded]
    refused: Sequence[ReadingError]
    unread: Sequence[int]


NOTHING = Heard((), (), ())


class Host:
    """Hear what nodes say.

    State kept: the nodes and what their births said, both bounded; requests that wait to be taken.
    """

    def __init__(self, tables: Sequence[Table], counts: ReadingCounts) -> None:
        """Begin with no node known.

        Args:
            tables: those that speak Sparkplug.
            counts: where to count gaps and requests.
        """
        self._tables = tables
        self._counts = counts
        self._words = {
            table.name: {table.config.word(sensor): place for place, sensor in enumerate(table.sensors)}
            for table in tables
        }
        self._serving: dict[str, Table | None] = {}  # by stream
        self._nodes: dict[tuple[str, str], Node] = {}
        self._metrics = 0  # in all lives
        self._requests: list[Outgoing] = []

    def table(self, at: NodeTopic) -> Table | None:
        """Return the table whose streams a node or a device is of; None if it is of none."""
        if at.stream not in self._serving:
            if len(self._serving) >= MOST_TOPICS:
                self._serving.clear()
            serving = (table for table in self._tables if table.config.template.match(at.stream) is not None)
            self._serving[at.stream] = next(serving, None)
        return self._serving[at.stream]

    def hear(self, at: NodeTopic, payload: bytes, *, received_at: float) -> Heard:
        """Take a message; births and data of what is a stream's hold readings.

        Raises:
            ReadingError: malformed; unborn, if its birth was not heard or could not be remembered; streams_refused, if
                too many nodes are known.
        """
        message = parse(payload)
        node, table = self._node(at), self.table(at)
        if self._follow(at, node, message):
            self._counts.sequence_gaps += 1
            self._ask(at, node, table, now=received_at)
        if table is None or at.kind in DEATHS:
            return NOTHING
        if at.kind in BIRTHS and not node.is_dead:
            self._bear(node, at.device, message, self._words[table.name])
        life = node.lives.get(at.device)
        if life is None:
            self._ask(at, node, table, now=received_at)
            raise ReadingError("unborn", f"no birth was heard before this {at.kind}")
        heard = _read(life, message, len(table.sensors), received_at=received_at)
        if any(refused.reason == "unborn" for refused in heard.refused):
            self._ask(at, node, table, now=received_at)
        return heard

    def take_requests(self) -> list[Outgoing]:
        """Return the requests for births that are to be published."""
        taken, self._requests = self._requests, []
        return taken

    def _node(self, at: NodeTopic) -> Node:
        node = self._nodes.get((at.group, at.node))
        if node is None:
            if len(self._nodes) >= MOST_NODES:
                raise ReadingError("streams_refused", f"{MOST_NODES} nodes are known")
            node = self._nodes[at.group, at.node] = Node()
        return node

    def _follow(self, at: NodeTopic, node: Node, message: Message) -> bool:
        """Let lives begin and end, and return whether a message is missing before this one."""
        match at.kind:
            case "NBIRTH":
                self._end(node)
                node.is_dead, node.session, node.sequence = False, _session(message), message.sequence
                return False
            case "NDEATH":
                if None in (node.session, _session(message)) or node.session == _session(message):
                    self._end(node)
                    node.is_dead, node.sequence = True, None
                return False
            case "DDEATH":
                self._forget(node, at.device)
        before, node.sequence = node.sequence, message.sequence
        if before is None or message.sequence is None:
            return False
        return (message.sequence - before) % 256 not in (0, 1)  # 0: the broker sent it twice

    def _bear(self, node: Node, name: str, message: Message, words: dict[str, int]) -> None:
        """Remember what a birth says.

        Raises:
            ReadingError: unborn, if too much is remembered already.
        """
        self._forget(node, name)
        if self._metrics + max(1, len(message.metrics)) > MOST_METRICS:
            raise ReadingError("unborn", f"{MOST_METRICS} metrics are remembered, this birth would be too much")
        life = node.lives[name] = Life()
        for metric in message.metrics:
            born = life.names[metric.name] = Born(metric.value.datatype, words.get(metric.name, NO_SENSOR))
            if metric.alias is not None:
                life.aliases[metric.alias] = born
        self._metrics += life.size

    def _end(self, node: Node) -> None:
        for name in list(node.lives):
            self._forget(node, name)

    def _forget(self, node: Node, name: str) -> None:
        life = node.lives.pop(name, None)
        self._metrics -= 0 if life is None else life.size

    def _ask(self, at: NodeTopic, node: Node, table: Table | None, *, now: float) -> None:
        """Ask a node for its births, if we may; a clock that was set back must not silence us."""
        if table is None or not table.config.rebirth_requests or 0.0 <= now - node.asked_at < ASK_AGAIN:
            return
        node.asked_at = now
        self._counts.rebirth_requests += 1
        self._requests.append(Outgoing(f"{NAMESPACE}/{at.group}/NCMD/{at.node}", command(REBIRTH, now), 0, False, None))


def _read(life: Life, message: Message, sensors: int, *, received_at: float) -> Heard:
    """Sort the values of a message by their instants; historical ones stand before those of now."""
    instants: dict[float, list[float]] = {}
    refused: list[ReadingError] = []
    unread: list[int] = []
    for metric in message.metrics:
        born = None
        try:
            born = life.find(metric)
            if born.place == NO_SENSOR:
                continue
            value, time = read_value(metric, born.datatype), read_time(metric, message.time_ms)
        except ReadingError as error:
            refused.append(ReadingError(error.reason, f"{metric.name or metric.alias}: {error.detail}"[:NAMED]))
            unread += [] if born is None else [born.place]
            continue
        instants.setdefault(received_at if time is None else time, [nan] * sensors)[born.place] = value
    return Heard([Decoded(time, tuple(values), ()) for time, values in sorted(instants.items())], refused, unread)


def _session(message: Message) -> object:
    """Return the number of the session that a node's birth or death belongs to; None if it says nothing of it."""
    return next((metric.value.content for metric in message.metrics if metric.name == SESSION), None)
