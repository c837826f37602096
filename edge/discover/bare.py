"""Topics that carry one bare value each: which of them are the sensors of one device.

ESPHome says it by its topics, `<prefix>/sensor/<name>/state`, Zigbee2MQTT by its registry. Anybody else's are put
together only where their last levels are words for quantities, as in shed/temperature and shed/humidity.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edge.discover.excluded import words_of
from edge.discover.survey import Survey

QUANTITIES = frozenset(
    {"apparent_power", "brightness", "co", "co2", "conductivity", "current", "dew_point", "distance", "energy", "flow"}
    | {"frequency", "gas", "hum", "humidity", "illuminance", "irradiance", "level", "light", "lux", "moisture", "noise"}
    | {
        "ph",
        "pm1",
        "pm10",
        "pm25",
        "pm2_5",
        "power",
        "power_factor",
        "precipitation",
        "pressure",
        "rain",
        "rpm",
        "speed",
        "temp",
    }
    | {"temperature", "tvoc", "uv", "vibration", "voc", "voltage", "volume", "weight", "wind", "wind_speed"}
)


class Place(NamedTuple):
    """Where a topic of one value belongs.

    Attributes:
        dialect: of its payloads.
        topic: of its device, with {sensor}; or its own, if it stands alone.
        word: which sensor it is.
        is_repeated: whether its device says the same in a table.
    """

    dialect: str
    topic: str
    word: str
    is_repeated: bool = False


def place_of(topic: str, survey: Survey, tables: set[str]) -> Place:
    """Say where a topic belongs.

    Args:
        topic: which carries a value.
        survey: what else was heard.
        tables: topics of devices that speak in tables.
    """
    levels = topic.split("/")
    parent = "/".join(levels[:-1])
    if parent in survey.devices:
        return Place("zigbee2mqtt", f"{parent}/{{sensor}}", levels[-1], parent in tables)
    prefix = "/".join(levels[:-3])
    # Home Assistant's own statestream has the same shape, below the prefix of its discovery or below its own name.
    if levels[-3:-2] == ["sensor"] and levels[-1] == "state" and prefix not in {"", "homeassistant", *survey.prefixes}:
        return Place("esphome", f"{prefix}/sensor/{{sensor}}/state", levels[-2])
    if len(levels) > 1 and words_of(levels[-1]) in QUANTITIES:
        return Place("plain", f"{parent}/{{sensor}}", levels[-1])
    return Place("plain", topic, _quantity(levels))


def put_together(kinds: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield dialect, topic and sensors' topics of each device; a plain device of one topic is that topic.

    Args:
        kinds: by dialect and topic of a device: the topic of each sensor.
    """
    for (dialect, topic), topics in kinds.items():
        if dialect == "plain" and len(topics) == 1:
            ((word, alone),) = topics.items()
            yield dialect, alone, {word: alone}
        else:
            yield dialect, topic, topics


def _quantity(levels: list[str]) -> str:
    """Return the last level that is the word for a quantity, the last if none is: the other levels say where."""
    return next((level for level in reversed(levels) if words_of(level) in QUANTITIES), levels[-1])
