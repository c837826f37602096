"""What Tasmota says in `tele/<topic>/SENSOR`: JSON, a group for each sensor, and a local time without an offset.

`{"Time":"2017-02-16T10:13:52","DS18B20":{"Temperature":20.6},"TempUnit":"C"}`: the paths are those of JSON,
`DS18B20.Temperature`, `DS18B20-1.Temperature` where there are several, `ENERGY.Power.0` for a phase. A message that is
too long for the device ends in the middle; it is malformed.

Source: tasmota.github.io, "MQTT", "JSON Status Responses" and "Commands" (`FullTopic`, `Time`, `SetOption52`).
"""

from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

from edge.errors import ReadingError
from edge.payloads.json import Json
from edge.reading import Decoded

LAST_WILL = "LWT"  # the level of the topic that says whether a device is there
PRESENCE = (b"Online", b"Offline")  # what it says, where another topic was chosen for it


def is_reading(levels: Collection[str]) -> bool:
    """Say whether a topic may hold readings, by the levels that its template left open."""
    return LAST_WILL not in levels


class Tasmota:
    """Read a JSON payload whose time is local."""

    __slots__ = ("_json",)

    repeats = False

    def __init__(self, paths: Sequence[str], time_path: str | None, zone: ZoneInfo | None = None) -> None:
        """Take the path of each sensor, that of the event time if there is one, and its zone unless that is UTC."""
        self._json = Json(paths, time_path, zone)

    def decode(self, payload: bytes, received_at: float) -> Decoded:
        """Read one payload; a sensor that is not in it is nan, and so is one that is refused.

        Raises:
            ReadingError: malformed; time; unavailable if it only says that a device is there; missing if no sensor is
                in it; else the first refusal if all are refused.

        >>> Tasmota(["AM2301.Humidity"], "Time").decode(
        ...     b'{"Time": "1970-01-01T00:01:00", "AM2301": {"Humidity": 7}}', 61.0
        ... )
        Decoded(time=60.0, values=(7.0,), refused=())
        """
        if payload in PRESENCE:
            raise ReadingError("unavailable", payload.decode())
        return self._json.decode(payload, received_at)
