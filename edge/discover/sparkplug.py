"""Sparkplug B: what the metrics of nodes and devices are called, and what their births say of them.

Births name the metrics; data say only the alias, which one node has given to one metric of itself or of its devices.

Source: Eclipse Sparkplug 3.0, section 6.4 (metrics, aliases, data types, properties).
"""

from collections.abc import Sequence
from typing import NamedTuple

from edge.discover.content import Content
from edge.discover.facts import Fact, text_of
from edge.errors import ReadingError
from edge.payloads import SPARKPLUG, is_installed
from edge.payloads.sparkplug import BIRTHS, DEATHS, NodeTopic
from edge.payloads.sparkplug_messages import Message, Metric, Value, parse
from edge.payloads.sparkplug_metrics import read_number

MOST_NODES = 1000
MOST_ALIASES = 2000  # of one node
MOST_METRICS = 1000  # of one payload
NUMBERS = range(1, 11)  # data types: Int8 to Double
CONTROL = ("Node Control/", "Device Control/", "Node Info/", "Device Info/", "Properties/")
NO_VALUE = Value()


class Named(NamedTuple):
    """What an alias stands for."""

    name: str
    datatype: int


class Births:
    """Know metrics by their aliases.

    State kept: the aliases of each node, `MOST_NODES` with `MOST_ALIASES`.

    Attributes:
        unnamed: metrics whose alias no birth has told.
        ignored: births beyond what is kept.
        unread: messages that could not be read for want of the library.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.unnamed = 0
        self.ignored = 0
        self.unread = 0
        self._has_library = is_installed(SPARKPLUG)
        self._nodes: dict[str, dict[int, Named]] = {}

    def take(self, at: NodeTopic, payload: bytes) -> tuple[Content, list[Fact]] | None:
        """Read a birth or data; None for a death, and for what is no Sparkplug."""
        if at.kind in DEATHS:
            return None
        if not self._has_library:
            self.unread += 1
            return Content(True), []
        try:
            message = parse(payload)
        except ReadingError:
            return None
        metrics = message.metrics[:MOST_METRICS]
        facts = self._learn(at.stream, metrics) if at.kind in BIRTHS else []
        return Content(True, self._numbers(at.stream, metrics), _times(message)), facts

    def _learn(self, stream: str, metrics: Sequence[Metric]) -> list[Fact]:
        if stream not in self._nodes and len(self._nodes) >= MOST_NODES:
            self.ignored += 1
            return []
        aliases = self._nodes[stream] = {}
        for metric in metrics:
            if metric.alias is not None and len(aliases) < MOST_ALIASES:
                aliases[metric.alias] = Named(metric.name, metric.value.datatype)
        return [_fact(stream, metric) for metric in metrics if metric.name]

    def _numbers(self, stream: str, metrics: Sequence[Metric]) -> list[tuple[str, float]]:
        numbers = []
        for metric in metrics:
            named = self._named(stream, metric)
            number = None if named is None else _number(metric.value, named.datatype)
            if named is not None and number is not None:
                numbers.append((named.name, number))
        return numbers

    def _named(self, stream: str, metric: Metric) -> Named | None:
        if metric.name:
            return Named(metric.name, metric.value.datatype)
        found = self._nodes.get(stream, {}).get(-1 if metric.alias is None else metric.alias)
        self.unnamed += found is None
        return found


def _times(message: Message) -> list[tuple[str, float]]:
    return [] if message.time_ms is None else [("timestamp", message.time_ms / 1000.0)]


def _number(value: Value, datatype: int) -> float | None:
    """Return a number; None for any other value, a text with a number in it among them."""
    if isinstance(value.content, bool | bytes):
        return None
    try:
        return read_number(value, datatype)
    except ReadingError:
        return None


def _fact(topic: str, metric: Metric) -> Fact:
    """Say what a birth says of a metric; the names of its properties are those that the field uses (Ignition)."""
    excluded = ""
    if metric.name == "bdSeq" or metric.name.startswith(CONTROL):
        excluded = "of Sparkplug itself"
    elif metric.value.datatype not in NUMBERS:
        excluded = "no number"
    unit = metric.properties.get("engUnit", NO_VALUE).content
    low, high = (metric.properties.get(name, NO_VALUE) for name in ("engLow", "engHigh"))
    return Fact(
        topic=topic,
        path=metric.name,
        unit=text_of(unit.decode(errors="replace")) if isinstance(unit, bytes) else "",
        low=_number(low, low.datatype),
        high=_number(high, high.datatype),
        excluded=excluded,
    )
