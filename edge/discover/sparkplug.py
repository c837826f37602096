"""Sparkplug B: which node or device a message is of, and what its metrics are called.

Births name the metrics; data say only the alias, which one node has given to one metric of itself or of its devices.

Source: Sparkplug 3.0, sections 4.1 (topics) and 6.4 (metrics, aliases, datatypes).
"""

from typing import NamedTuple

from edge.discover.content import Content
from edge.discover.facts import Fact, text_of
from edge.discover.protobuf import NUMBERS, Metric, number, read_metrics

NAMESPACE = "spBv1.0"
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
MOST_NODES = 1000
MOST_ALIASES = 2000  # of one node
CONTROL = ("Node Control/", "Device Control/", "Node Info/", "Device Info/", "Properties/")


class Address(NamedTuple):
    """Whose message it is, and of which type."""

    node: str
    device: str
    type: str

    @property
    def topic(self) -> str:
        """Return the topic by which the configuration knows it: without the type."""
        return f"{NAMESPACE}/{self.node}{f'/{self.device}' if self.device else ''}"


class Named(NamedTuple):
    """What an alias stands for."""

    name: str
    datatype: int | None


def address_of(topic: str) -> Address | None:
    """Read a topic; None if it is none of Sparkplug's.

    >>> address_of("spBv1.0/plant/DDATA/line1/press").topic
    'spBv1.0/plant/line1/press'
    """
    levels = topic.split("/")
    if levels[0] != NAMESPACE or len(levels) not in (4, 5):
        return None
    return Address(f"{levels[1]}/{levels[3]}", levels[4] if len(levels) == 5 else "", levels[2])


class Births:
    """Know metrics by their aliases.

    State kept: the aliases of each node, `MOST_NODES` with `MOST_ALIASES`.

    Attributes:
        unnamed: metrics whose alias no birth has told.
        ignored: births, or aliases, beyond what is kept.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.unnamed = 0
        self.ignored = 0
        self._nodes: dict[tuple[str, str], dict[int, Named]] = {}

    def take(self, address: Address, payload: bytes, received_at: float) -> tuple[Content, list[Fact]] | None:
        """Read a birth or data; None for any other message, and for what is no Sparkplug."""
        if address.type not in (*BIRTHS, *DATA):
            return None
        try:
            time, metrics = read_metrics(payload)
        except ValueError:
            return None
        facts = self._learn(address, metrics) if address.type in BIRTHS else []
        named = [(self._named(address, metric), metric) for metric in metrics]
        values = [(one.name, number(metric, one.datatype)) for one, metric in named if one is not None]
        times = [] if time is None else [("timestamp", time)]
        return Content(True, [(name, value) for name, value in values if value is not None], times), facts

    def _learn(self, address: Address, metrics: list[Metric]) -> list[Fact]:
        key = (address.node, address.device)
        if key not in self._nodes and len(self._nodes) >= MOST_NODES:
            self.ignored += 1
            return []
        aliases = self._nodes[key] = {}
        for metric in metrics:
            if metric.alias is not None and len(aliases) < MOST_ALIASES:
                aliases[metric.alias] = Named(metric.name, metric.datatype)
        return [_fact(address.topic, metric) for metric in metrics if metric.name]

    def _named(self, address: Address, metric: Metric) -> Named | None:
        if metric.name:
            return Named(metric.name, metric.datatype)
        found = self._nodes.get((address.node, address.device), {}).get(-1 if metric.alias is None else metric.alias)
        self.unnamed += found is None
        return found


def _fact(topic: str, metric: Metric) -> Fact:
    excluded = ""
    if metric.name == "bdSeq" or metric.name.startswith(CONTROL):
        excluded = "of Sparkplug itself"
    elif metric.datatype not in NUMBERS:
        excluded = "no number"
    return Fact(
        topic=topic, path=metric.name, unit=text_of(metric.unit), low=metric.low, high=metric.high, excluded=excluded
    )
