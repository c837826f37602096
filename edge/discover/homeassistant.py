"""What Home Assistant's discovery messages say.

Their topics are `<prefix>/<component>/[<node>/]<object>/config`, and `<prefix>/device/[<node>/]<object>/config` for all
of a device.

Source: home-assistant.io, "MQTT", sections on discovery messages, device discovery and supported abbreviations.
"""

import re
from collections.abc import Mapping, Sequence

from edge.discover.facts import Fact, number_of, table_of, text_of

MOST_COMPONENTS = 256  # of one device
COMPONENTS = frozenset(
    {"alarm_control_panel", "binary_sensor", "button", "camera", "climate", "cover", "device", "device_automation"}
    | {"device_tracker", "event", "fan", "humidifier", "image", "lawn_mower", "light", "lock", "notify", "number"}
    | {"scene", "select", "sensor", "siren", "switch", "tag", "text", "update", "vacuum", "valve", "water_heater"}
)
# The short words of the keys that are read here.
FULL = {
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "unit_of_meas": "unit_of_measurement",
    "dev_cla": "device_class",
    "ent_cat": "entity_category",
    "cmps": "components",
    "p": "platform",
    "o": "origin",
}
# Sensors that are no measurements: dates, words, and how the device itself is.
NO_READINGS = frozenset({"timestamp", "date", "enum", "battery", "signal_strength", "data_rate", "data_size", "uptime"})

_TEMPLATE = re.compile(
    r"\{\{-?\s*(value_json|value)((?:\.\w+|\[\s*(?:'[^'\[\]]*'|\"[^\"\[\]]*\"|\d+)\s*\])*)([^{}]*?)-?\}\}"
)
_STEP = re.compile(r"\.(\w+)|\[\s*(?:'([^']*)'|\"([^\"]*)\"|(\d+))\s*\]")
_FILTERS = re.compile(r"(?:\s*\|\s*(?:float|int|round|is_defined|default|abs)\s*(?:\([^()|]*\))?)*\s*")


def component_of(topic: str) -> str | None:
    """Return which component a topic announces; None if it is no discovery topic.

    >>> component_of("homeassistant/sensor/weather_temperature/config")
    'sensor'
    """
    levels = topic.split("/")
    if levels[-1] != "config":
        return None
    return next((levels[place] for place in (-3, -4) if len(levels) > -place and levels[place] in COMPONENTS), None)


def prefix_of(topic: str) -> str:
    """Return what stands before the component in a discovery topic."""
    levels = topic.split("/")
    place = -3 if levels[-3] in COMPONENTS else -4
    return "/".join(levels[:place])


def read_config(component: str, config: object) -> list[Fact]:
    """Read a discovery message, of one component or of a device."""
    table = _spelt_out(table_of(config))
    if text_of(table_of(table.get("origin")).get("name")).lower() == "tidegate":
        return []
    if component != "device":
        return _facts(component, table, table)
    parts = [_spelt_out(table_of(part)) for part in table_of(table.get("components")).values()][:MOST_COMPONENTS]
    return [fact for part in parts for fact in _facts(text_of(part.get("platform")), {**table, **part}, table)]


def _facts(component: str, table: Mapping[str, object], device: Mapping[str, object]) -> list[Fact]:
    base = table.get("~", device.get("~"))
    topic = _expand(table.get("state_topic"), base if isinstance(base, str) else "")
    if not topic:
        return []
    return [
        Fact(
            topic=topic,
            path=read_template(table.get("value_template")),
            unit=text_of(table.get("unit_of_measurement")).strip(),
            device_class=text_of(table.get("device_class")),
            low=number_of(table.get("min")),
            high=number_of(table.get("max")),
            excluded=_exclude(component, table),
        )
    ]


def _exclude(component: str, table: Mapping[str, object]) -> str:
    category, kind = text_of(table.get("entity_category")), text_of(table.get("device_class"))
    if component != "sensor":
        return f"announced as {component or 'nothing'}"
    if category:
        return f"announced as {category}"
    return f"announced as {kind}" if kind in NO_READINGS else ""


def read_template(template: object) -> str | None:
    """Return the path that a template takes its value from; "" is the bare payload, None what only a template can say.

    >>> read_template("{{ value_json.climate['temp'] | round(1) }}"), read_template("{{ value }}"), read_template(None)
    ('climate.temp', '', '')
    >>> read_template("{{ value_json.a * 2 }}") is None
    True
    """
    if template is None:
        return ""
    found = _TEMPLATE.fullmatch(template.strip()) if isinstance(template, str) and len(template) < 500 else None
    if found is None or not _FILTERS.fullmatch(found[3]):
        return None
    steps: Sequence[tuple[str, ...]] = _STEP.findall(found[2])
    if (found[1] == "value") != (not steps):
        return None
    return ".".join("".join(step) for step in steps)


def _spelt_out(table: Mapping[str, object]) -> dict[str, object]:
    return {FULL.get(key, key): value for key, value in table.items()}


def _expand(topic: object, base: str) -> str:
    """Put the base where `~` stands, at an end of a topic."""
    if not isinstance(topic, str) or not topic or len(topic) > 1000:
        return ""
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic
