"""What Zigbee2MQTT says: a JSON object of a device's attributes, or one attribute as a bare value.

The event time is `last_seen`, which is off by default; it may be ISO 8601 in UTC or with an offset, or milliseconds.
With `cache_state`, which is on by default, every message repeats the attributes that were not measured anew.

Source: zigbee2mqtt.io, "MQTT topics and messages" and "Configuration" (`output`, `last_seen`, `cache_state`).
"""

from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

from edge.payloads.json import Json
from edge.reading import Decoded, parse_switch

NO_READINGS = frozenset({"bridge", "availability", "set", "get"})  # levels of topics that are about something else


def is_reading(levels: Collection[str]) -> bool:
    """Say whether a topic may be a device's own, by the levels that its template left open.

    A device whose name has a level `bridge`, `set`, `get` or `availability` is not heard.

    >>> is_reading(["kitchen", "fridge"]), is_reading(["fridge", "availability"]), is_reading(["bridge", "state"])
    (True, False, False)
    """
    return NO_READINGS.isdisjoint(levels)


class Zigbee2mqtt:
    """Read a JSON object of attributes; true and ON are 1, false and OFF are 0."""

    __slots__ = ("_json",)

    repeats = True

    def __init__(self, paths: Sequence[str], time_path: str | None, zone: ZoneInfo | None = None) -> None:
        """Take the path of each sensor, that of the event time if there is one, and its zone unless that is UTC."""
        self._json = Json(paths, time_path, zone, read=parse_switch)

    def decode(self, payload: bytes, received_at: float) -> Decoded:
        """Read one payload; a sensor that is not in it is nan, and so is one that is refused.

        Raises:
            ReadingError: malformed; time; missing if no sensor is in it; else the first refusal if all are refused.

        >>> Zigbee2mqtt(["contact", "battery"], "last_seen").decode(b'{"battery": 98, "contact": false}', 60.0)
        Decoded(time=None, values=(0.0, 98.0), refused=())
        """
        return self._json.decode(payload, received_at)
