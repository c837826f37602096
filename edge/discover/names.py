"""Names for what was found: of sensors, of tables, of streams; short, and no two alike."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from edge.discover.excluded import words_of

RESERVED = frozenset({"time", "stream"})  # columns of a recording that are no sensors
LONGEST = 48  # characters; a stream's name may have 64, and a word may be put before it
# Levels that say what is sent and not by whom.
_EMPTY = frozenset(
    {"tele", "sensor", "sensors", "state", "data", "json", "value", "values", "spbv1.0", "telemetry", "zigbee2mqtt"}
)


def clean(text: str) -> str:
    """Write a text with A-Z a-z 0-9 _ and - alone.

    >>> clean("Küche/Süd 1"), clean("客厅")
    ('Kuche-Sud-1', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")[:LONGEST].strip("-_")


def key_of(path: str) -> str:
    """Name what stands at a path by its last word.

    >>> key_of("ENERGY.ApparentPower"), key_of("ENERGY.Power.0")
    ('apparent_power', 'power_0')
    """
    words = path.replace("/", ".").split(".")
    last = next((place for place in reversed(range(len(words))) if not words[place].isdigit()), 0)
    return words_of("_".join(map(clean, words[last:])))


def sensor_names(paths: Sequence[str]) -> list[str]:
    """Name sensors by the last word of their paths; where two share it, by the whole of it.

    >>> sensor_names(["DS18B20.Temperature", "BME280.Temperature", "BME280.Humidity"])
    ['ds18b20_temperature', 'bme280_temperature', 'humidity']
    """
    short = [key_of(path) for path in paths]
    wanted = [one if one and short.count(one) == 1 else _whole(path) for one, path in zip(short, paths, strict=True)]
    return unique((f"{one}_value" if one in RESERVED else one for one in wanted), "sensor")


def _whole(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", clean(path).lower()).strip("_")


def device_name(topic: str) -> str:
    """Name a topic by those of its levels that say who speaks.

    >>> device_name("tele/kitchen/SENSOR"), device_name("plant/{device}/climate"), device_name("spBv1.0/a/b")
    ('kitchen', 'plant-climate', 'a-b')
    """
    words = [level for level in topic.split("/") if level.lower() not in _EMPTY and "{" not in level]
    return clean("-".join(words))


def unique(wanted: Iterable[str], otherwise: str) -> list[str]:
    """Number those that are there already; an empty one is called `otherwise`.

    >>> unique(["a", "a", "", "a-2"], "stream")
    ['a', 'a-2', 'stream', 'a-2-2']
    """
    taken: set[str] = set()
    names: list[str] = []
    for name in (one or otherwise for one in wanted):
        number, free = 1, name
        while free.lower() in taken:
            number += 1
            free = f"{name}-{number}"
        taken.add(free.lower())
        names.append(free)
    return names
