"""The dialects that payloads are written in, one file each; this is the only place that lists them."""

from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol
from zoneinfo import ZoneInfo

from edge.errors import ConfigError, quote
from edge.payloads import esphome, tasmota, zigbee2mqtt
from edge.payloads.json import Json
from edge.payloads.plain import Plain, Switch
from edge.payloads.tasmota import Tasmota
from edge.payloads.zigbee2mqtt import Zigbee2mqtt
from edge.reading import Decoded

TIME_PATHS: Mapping[str, str] = {  # where each has its event time unless it is told otherwise; empty: nowhere
    "json": "time",
    "plain": "",
    "zigbee2mqtt": "last_seen",
    "tasmota": "Time",
    "esphome": "",
    "sparkplug": "",
}
NAMES = tuple(TIME_PATHS)
BARE = ("plain", "esphome")  # whose payloads are one value
SPARKPLUG = "sparkplug"  # which is read by `edge.sparkplug`, for its messages lean on those before them


class Dialect(Protocol):
    """Turn a payload into values."""

    @property
    def repeats(self) -> bool:
        """Whether payloads repeat values that were not measured anew."""

    def decode(self, payload: bytes, received_at: float) -> Decoded:
        """Read one payload that arrived at a time, Unix seconds UTC.

        Raises:
            ReadingError: it holds no reading at all, or its time cannot be read.
        """


def dialect(name: str, paths: Sequence[str], *, time_path: str | None, zone: ZoneInfo | None) -> Dialect:
    """Make the decoder of a dialect.

    Args:
        name: one of `NAMES`, but for sparkplug.
        paths: where each sensor stands in the payload; none where a payload is one value.
        time_path: where the event time stands, None if the time of arrival counts.
        zone: of an event time that names no offset, None for UTC.

    Raises:
        ConfigError: there is no such dialect.
    """
    match name:
        case "json":
            return Json(paths, time_path, zone)
        case "plain":
            return Plain()
        case "zigbee2mqtt":
            return Zigbee2mqtt(paths, time_path, zone) if paths else Switch()
        case "tasmota":
            return Tasmota(paths, time_path, zone)
        case "esphome":
            return Switch()
    raise ConfigError(f"dialect: must be one of {', '.join(NAMES)}, got {quote(name)}")


def is_reading(name: str, levels: Collection[str]) -> bool:
    """Say whether a topic may hold readings in a dialect, by the levels that its template left open."""
    match name:
        case "zigbee2mqtt":
            return zigbee2mqtt.is_reading(levels)
        case "tasmota":
            return tasmota.is_reading(levels)
        case "esphome":
            return esphome.is_reading(levels)
    return True


def is_installed(name: str) -> bool:
    """Say whether the library that a dialect needs is there; most need none."""
    return name != SPARKPLUG or (find_spec("google") is not None and find_spec("google.protobuf") is not None)
