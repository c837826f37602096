"""What Zigbee2MQTT says of its devices: the retained lists below `<base>/bridge/`.

Source: zigbee2mqtt.io, "MQTT topics and messages" (bridge/devices, bridge/groups, bridge/info) and "Exposes" (access:
bit 1 is published in the state, bit 2 can be set, bit 4 can be asked for).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge.discover.facts import Fact, number_of, table_of, tables_of, text_of

DEVICES, GROUPS, INFO = "/bridge/devices", "/bridge/groups", "/bridge/info"
PUBLISHED, SETTABLE = 1, 2
DEEPEST = 4  # features of features; climates and colours have two levels
MOST_DEVICES = 5000  # a Zigbee network has some hundred
MOST_EXPOSED = 128  # values of one device


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of the registry.

    Attributes:
        topic: where it speaks.
        model: vendor and model, for people.
        facts: what it can say.
    """

    topic: str
    model: str
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Bridge:
    """What the bridge says of itself.

    Attributes:
        repeats: whether a message repeats the fields that did not change (`cache_state`).
        last_seen: how messages are stamped; "disable" if they are not.
    """

    repeats: bool = True
    last_seen: str = "disable"


def base_of(topic: str, kind: str) -> str | None:
    """Return the base topic if a topic is that list of a bridge.

    >>> base_of("zigbee2mqtt/bridge/devices", DEVICES)
    'zigbee2mqtt'
    """
    return topic.removesuffix(kind) if topic.endswith(kind) and topic != kind else None


def read_devices(base: str, registry: object) -> list[Device]:
    """Read the list of devices; the coordinator is none."""
    return [
        _device(f"{base}/{entry['friendly_name']}", entry)
        for entry in tables_of(registry)[:MOST_DEVICES]
        if _is_topic(entry.get("friendly_name")) and entry.get("type") != "Coordinator"
    ]


def read_groups(base: str, registry: object) -> list[str]:
    """Read the topics of groups: they repeat what their members say."""
    groups = tables_of(registry)[:MOST_DEVICES]
    return [f"{base}/{entry['friendly_name']}" for entry in groups if _is_topic(entry.get("friendly_name"))]


def read_info(info: object) -> Bridge:
    """Read the settings; where they are not told, they are the defaults."""
    advanced = table_of(table_of(table_of(info).get("config")).get("advanced"))
    return Bridge(advanced.get("cache_state") is not False, text_of(advanced.get("last_seen")) or "disable")


def _is_topic(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 1000 and not any(sign in name for sign in "+#\0")


def _device(topic: str, entry: Mapping[str, object]) -> Device:
    definition = table_of(entry.get("definition"))
    words = (text_of(definition.get("vendor")), text_of(definition.get("model")))
    facts: list[Fact] = []
    for exposed, path in _exposed(tables_of(definition.get("exposes")), "", 1):
        if len(facts) < MOST_EXPOSED:
            facts.append(_fact(topic, path, exposed))
    return Device(topic=topic, model=" ".join(filter(None, words)), facts=facts)


def _exposed(
    exposes: Sequence[Mapping[str, object]], below: str, depth: int
) -> Iterator[tuple[Mapping[str, object], str]]:
    """Yield what a device exposes, with its path; a switch or a climate is what its features are."""
    for exposed in exposes[:MOST_EXPOSED]:
        word = exposed.get("property")
        path = f"{below}.{word}" if below else word
        features = tables_of(exposed.get("features"))
        if not features and isinstance(path, str) and path:
            yield exposed, path
        elif depth < DEEPEST:
            inner = path if exposed.get("type") == "composite" and isinstance(path, str) else below
            yield from _exposed(features, inner, depth + 1)


def _fact(topic: str, path: str, exposed: Mapping[str, object]) -> Fact:
    return Fact(
        topic=topic,
        path=path,
        unit=text_of(exposed.get("unit")),
        low=number_of(exposed.get("value_min")),
        high=number_of(exposed.get("value_max")),
        excluded=_exclude(exposed),
    )


def _exclude(exposed: Mapping[str, object]) -> str:
    access = exposed.get("access")
    if exposed.get("type") != "numeric":
        return "no number"
    if exposed.get("category") in ("config", "diagnostic"):
        return f"its registry calls it {exposed['category']}"
    if isinstance(access, int) and (access & SETTABLE or not access & PUBLISHED):
        return "a setting"
    return ""
