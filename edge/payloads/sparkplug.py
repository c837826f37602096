"""What Sparkplug B says: its topics. Its payloads are those of `edge.payloads.sparkplug_messages`.

A stream's topic is written without the message type, `spBv1.0/{group}/{node}/{device}`, or without the device for what
a node says of itself: births, data and deaths are about the same stream.

Source: Eclipse Sparkplug 3.0, section 4.1.
"""

from functools import lru_cache
from typing import NamedTuple

NAMESPACE = "spBv1.0"  # version 3.0 of the specification kept the name
PREFIX = f"{NAMESPACE}/"  # what every topic of it begins with
BIRTHS, DATA, DEATHS = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA"), ("NDEATH", "DDEATH")
OF_NODES = tuple(of_node for of_node, _ in (BIRTHS, DATA, DEATHS))
OF_DEVICES = tuple(of_device for _, of_device in (BIRTHS, DATA, DEATHS))
TOPIC_RULE = (
    f"must be {NAMESPACE}/group/node or {NAMESPACE}/group/node/device, placeholders among them but not {{sensor}}"
)


class NodeTopic(NamedTuple):
    """A topic of a node or of a device of it.

    Attributes:
        group: which the node is of.
        node: its name.
        kind: the type of the message, one of `OF_NODES` or `OF_DEVICES`.
        device: empty where the node speaks of itself.
        stream: the topic as a table [streams.NAME] writes it.
    """

    group: str
    node: str
    kind: str
    device: str
    stream: str


@lru_cache(maxsize=16_384)
def parse_topic(topic: str) -> NodeTopic | None:
    """Take a topic apart; None if no node or device says anything of itself there.

    >>> parse_topic("spBv1.0/plant/DDATA/press/drive").stream
    'spBv1.0/plant/press/drive'
    >>> parse_topic("spBv1.0/STATE/scada"), parse_topic("spBv1.0/plant/NCMD/press")
    (None, None)
    """
    match topic.split("/"):
        case [name, group, kind, node] if name == NAMESPACE and kind in OF_NODES:
            return NodeTopic(group, node, kind, "", f"{PREFIX}{group}/{node}")
        case [name, group, kind, node, device] if name == NAMESPACE and kind in OF_DEVICES and device:
            return NodeTopic(group, node, kind, device, f"{PREFIX}{group}/{node}/{device}")
    return None


def is_topic(text: str) -> bool:
    """Say whether a template may be that of a node's or a device's streams."""
    levels = text.split("/")
    return levels[0] == NAMESPACE and len(levels) in (3, 4) and "" not in levels and "{sensor}" not in levels


def filters(listened: str) -> tuple[str, ...]:
    """Say what to subscribe to for the streams of a template.

    The messages of a node are numbered with those of its devices, so whoever hears one of them hears all.

    Args:
        listened: the template's filter, as `spBv1.0/plant/+/+`.

    >>> filters("spBv1.0/plant/+/drive")[:4]
    ('spBv1.0/plant/NBIRTH/+', 'spBv1.0/plant/NDATA/+', 'spBv1.0/plant/NDEATH/+', 'spBv1.0/plant/DBIRTH/+/+')
    """
    name, group, node = listened.split("/")[:3]
    of_nodes = [f"{name}/{group}/{kind}/{node}" for kind in OF_NODES]
    return (*of_nodes, *(f"{name}/{group}/{kind}/{node}/+" for kind in OF_DEVICES))
