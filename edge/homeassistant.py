"""Write down what Home Assistant is told: a stream appears there as a device, by MQTT discovery.

One retained message describes a device with all its entities. It says besides, in a key that Home Assistant leaves out,
from which table the stream is and on which day it was last announced: so the broker remembers what there is to clear
away when a stream is gone, and nobody else has to.

Source: https://www.home-assistant.io/integrations/mqtt/, device discovery.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

import edge
from edge.entities import Component, Profile, buttons, digested, forecasts, slug, verdicts
from edge.message import Json, Outgoing

MOST_BYTES = 16 * 1024  # of a message; beyond, forecasts are left out
ORIGIN = "tidegate"
BEARERS = ("event", "acknowledge", "anomaly")  # which component bears our own key: rather one without a state
# Of the four words of our status the first two mean that somebody watches.
AVAILABLE = "{{ 'online' if value in ('online', 'overloaded') else 'offline' }}"


class Node(NamedTuple):
    """Say who speaks: Home Assistant's discovery prefix, and prefix and name of our own node."""

    discovery: str
    prefix: str
    name: str

    @property
    def base(self) -> str:
        """What our own topics begin with."""
        return f"{self.prefix}/{self.name}/"


class Stamp(NamedTuple):
    """Say which stream a message is about, of which table, and the day since 1970 on which it was announced."""

    stream: str
    table: str
    day: int


class Remembered(NamedTuple):
    """What the broker had kept: the stamp, and the platform of each component."""

    stamp: Stamp
    components: Mapping[str, str]


class Announcement(NamedTuple):
    """A message, the platforms of its components, and how many forecasts there was no room for."""

    news: Outgoing
    components: Mapping[str, str]
    left_out: int


def config_topic(node: Node, stream: str) -> str:
    """Return where a stream's device is described."""
    return f"{node.discovery}/device/{object_id(node, stream)}/config"


def announce(node: Node, stamp: Stamp, profile: Profile, *, gone: Mapping[str, str]) -> Announcement:
    """Describe a stream as a device.

    Args:
        node: who speaks.
        stamp: of which stream.
        profile: what it has.
        gone: components that there were, with their platforms; they are named without more, which removes them.
    """
    base, device = f"{node.base}{stamp.stream}/", object_id(node, stamp.stream)
    pressed = buttons(f"{base}feedback") if profile.feedback else {}
    components = _named(device, stamp.stream, verdicts(base, profile) | pressed)
    ahead = _named(device, stamp.stream, forecasts(base, profile))
    bearer = next((key for key in (*BEARERS, *components, *ahead) if key in components or key in ahead), None)
    if bearer is not None:
        (components if bearer in components else ahead)[bearer][ORIGIN] = stamp._asdict()
    components |= {key: {"p": platform} for key, platform in gone.items()}
    table = _device(node, stamp.stream, profile)
    room = MOST_BYTES - len(orjson.dumps({**table, "cmps": components}))
    left_out = 0
    for key, component in ahead.items():
        needed = len(orjson.dumps({key: component})) - 1  # its braces are not needed, a comma is
        if needed > room:
            left_out += 1
        else:
            room -= needed
            components[key] = component
    payload = orjson.dumps({**table, "cmps": components})
    news = Outgoing(config_topic(node, stamp.stream), payload, 1, True, None)
    return Announcement(news, {key: str(one["p"]) for key, one in components.items() if key not in gone}, left_out)


def withdraw(node: Node, stream: str) -> Outgoing:
    """Take a stream's device away."""
    return Outgoing(config_topic(node, stream), b"", 1, True, None)


def read(node: Node, topic: str, payload: bytes) -> Remembered | None:
    """Read what the broker had kept; None if it is not of our own node."""
    if f'"{ORIGIN}"'.encode() not in payload:
        return None  # of another program: not worth parsing
    try:
        table = orjson.loads(payload)
        status, components = table["avty"][0]["t"], table["cmps"]
        known = next(one[ORIGIN] for one in components.values() if ORIGIN in one)
        stamp = Stamp(str(known["stream"]), str(known["table"]), int(known["day"]))
        platforms = {str(key): str(one["p"]) for key, one in components.items() if set(one) != {"p"}}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, StopIteration):
        return None
    is_ours = status == f"{node.base}status" and topic == config_topic(node, stamp.stream)
    return Remembered(stamp, platforms) if is_ours else None


def object_id(node: Node, stream: str) -> str:
    """Make a stream's id of A-Z a-z 0-9 _ -, another one for every stream of every node.

    >>> object_id(Node("homeassistant", "tidegate", "edge1"), "boiler-3")
    'tidegate_edge1_boiler-3'
    >>> object_id(Node("homeassistant", "tidegate", "edge1"), "boiler.3")
    'tidegate_edge1_boiler_3_9f1f7381e5'
    """
    parts = (node.prefix, node.name, stream)
    if all(re.fullmatch(r"[A-Za-z0-9-]+", part) for part in parts):
        return "_".join(parts)  # no part has a _, so nothing else reads like it
    return digested("/".join(parts))


def _device(node: Node, stream: str, profile: Profile) -> dict[str, Json]:
    """Lay out what all components share; each may say otherwise."""
    return {
        "dev": {
            "ids": [object_id(node, stream)],
            "name": stream,
            "mf": "Tidegate",
            "mdl": profile.model,
            "sw": f"version {profile.version}",
        },
        "o": {"name": ORIGIN, "sw": edge.__version__},
        "avty": [{"t": f"{node.base}status", "val_tpl": AVAILABLE}],
        "stat_t": f"{node.base}{stream}/state",
        "qos": 1,
    }


def _named(device: str, stream: str, components: Mapping[str, Component]) -> dict[str, Component]:
    """Give each component its id, and the name that it begins with in Home Assistant."""
    return {
        key: {
            **component,
            "uniq_id": f"{device}_{key}",
            "default_entity_id": f"{component['p']}.{slug(f'{stream}_{key}').lower()}",
        }
        for key, component in components.items()
    }
