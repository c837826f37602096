"""Every number in a JSON payload, each under the path to it: for who records without knowing the sensors."""

import math
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge.errors import ReadingError
from edge.payloads.json import Clock, parse

DEEPEST = 8  # levels that are looked into; sensors use two or three
MOST = 1_000  # numbers taken of one payload
LONGEST = 200  # letters of a path; ten thousand names as long as a payload would fill memory and disk


class Numbers(NamedTuple):
    """What one payload said.

    Attributes:
        time: Unix seconds UTC, as the payload has it; None if it has none.
        values: by the path of each number, sensor units.
        left_out: numbers beyond `MOST`, or under a path beyond `LONGEST`.
    """

    time: float | None
    values: dict[str, float]
    left_out: int


def find_numbers(payload: bytes, received_at: float, time_path: str | None, *, zone: ZoneInfo | None) -> Numbers:
    """Find every finite number that is no time; texts are none, though they may hold one, and so are true and false.

    Args:
        payload: JSON.
        received_at: when it arrived, Unix seconds UTC.
        time_path: where the event time stands, None if the time of arrival counts.
        zone: of an event time that names no offset, None for UTC.

    Raises:
        ReadingError: malformed; time; missing if there is no number.

    >>> find_numbers(b'{"time": 60, "climate": {"temp": 21.5, "dry": true}, "rh": [40]}', 61.0, "time", zone=None)
    Numbers(time=60.0, values={'climate.temp': 21.5, 'rh.0': 40.0}, left_out=0)
    """
    content = parse(payload)
    found: list[tuple[str, float]] = []
    _walk(content, "", found, DEEPEST)
    values = {path: value for path, value in found if path != time_path}
    if not values:
        raise ReadingError("missing", "a number")
    time = None if time_path is None else Clock(time_path, zone).read(content, received_at)
    kept = dict(islice(((path, value) for path, value in values.items() if len(path) <= LONGEST), MOST))
    try:
        "".join(kept).encode()
    except UnicodeEncodeError:  # half a pair, as in "\ud800", which no database and no file takes
        raise ReadingError("malformed", "a name that is no Unicode") from None
    return Numbers(time, kept, len(values) - len(kept))


def _walk(content: object, path: str, found: list[tuple[str, float]], levels: int) -> None:
    if isinstance(content, dict | list) and levels:
        below = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in below:
            _walk(value, f"{path}.{key}" if path else str(key), found, levels - 1)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        try:
            value = float(content)
        except OverflowError:  # a whole number of 400 digits
            return
        if math.isfinite(value):
            found.append((path or "value", value))
