"""JSON payloads: a table of values, each found by a path (`edge.payloads.paths`)."""

import json
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import orjson

from edge.errors import ReadingError
from edge.payloads.paths import ABSENT, find, parse_path, read_each, read_numbers
from edge.reading import Decoded, parse_local_time, parse_time, parse_value

DEEPEST = 500  # levels that every Python's own parser takes; a sensor's payload has a handful


class Json:
    """Read a payload that is JSON."""

    __slots__ = ("_clock", "_names", "_read", "_sensors")

    repeats = False

    def __init__(
        self,
        paths: Sequence[str],
        time_path: str | None,
        zone: ZoneInfo | None = None,
        *,
        read: Callable[[object], float] = parse_value,
    ) -> None:
        """Say where the sensors and the event time stand.

        Args:
            paths: of the sensors.
            time_path: of the event time; None if there is none.
            zone: of an event time that names no offset, None for UTC.
            read: makes a number of a value that is none, or raises `ReadingError`.
        """
        self._read = read
        self._names = tuple(paths)
        self._sensors = tuple(map(parse_path, paths))
        self._clock = None if time_path is None else Clock(time_path, zone)

    def decode(self, payload: bytes, received_at: float) -> Decoded:
        """Read one payload; a sensor that is not in it is nan, and so is one that is refused.

        Raises:
            ReadingError: malformed; time; missing if no sensor is in it; else the first refusal if all are refused.

        >>> Json(["climate.temp", "rh"], "t").decode(b'{"t": 60, "climate": {"temp": 21.5}, "rh": true}', 61.0)
        Decoded(time=60.0, values=(21.5, nan), refused=(ReadingError('wrong_type: rh: bool'),))
        """
        content = parse(payload)
        refused: tuple[ReadingError, ...] = ()
        values = read_numbers(content, self._names)
        if values is None:
            values, refused = read_each(content, self._sensors, self._read)
        return Decoded(None if self._clock is None else self._clock.read(content, received_at), values, refused)


class Clock:
    """Read the event time of a payload."""

    __slots__ = ("_path", "_zone")

    def __init__(self, path: str, zone: ZoneInfo | None) -> None:
        """Take its path, and the zone of a time that names no offset, None for UTC."""
        self._path = parse_path(path)
        self._zone = zone

    def read(self, content: object, received_at: float) -> float | None:
        """Return Unix seconds UTC; None if the payload holds no time.

        Raises:
            ReadingError: time.
        """
        found = find(content, self._path)
        if found is ABSENT:
            return None
        return parse_time(found) if self._zone is None else parse_local_time(found, self._zone, near=received_at)


def parse(payload: bytes) -> object:
    """Parse JSON, and NaN and infinities as Python writes them.

    Raises:
        ReadingError: malformed.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return _parse_leniently(payload)


def _parse_leniently(payload: bytes) -> object:
    """Read what JSON forbids and Python writes, so that one sensor's NaN or 1e999 does not silence those beside it."""
    if payload.count(b"{") + payload.count(b"[") > DEEPEST:
        raise ReadingError("malformed", "nested too deep")
    try:
        return json.loads(payload)
    except ValueError as error:
        raise ReadingError("malformed", str(error)[:80]) from None
