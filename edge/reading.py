"""What one sensor said at one instant, and how a time and a value are read from what it sent.

A sensor sends whatever its maker thought of: numbers in quotes, "unavailable", NaN, a clock in milliseconds. Here
that becomes a finite float or a `ReadingError` whose reason is a word of `REASONS`; nothing is guessed, and nothing
else is raised whatever comes in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge.errors import ReadingError, quote

REASONS = (
    "malformed",  # the payload cannot be read at all: not JSON, half a JSON, nested too deep, not UTF-8
    "too_large",  # the payload is longer than the daemon takes
    "missing",  # none of the sensors is in the payload
    "null",  # null, or nothing where a value should be
    "unavailable",  # the source says that it has no value
    "not_finite",  # nan or an infinity
    "wrong_type",  # true, false, a list or a table
    "not_a_number",  # any other text
    "time",  # an event time that cannot be read, or before 1970
    "feedback",  # what a person said of a stream is none of the words for it
    "stream_name",  # the topic makes no name that a stream may have
    "unborn",  # Sparkplug: of a node, a device or a metric whose birth was not heard
    "quality",  # Sparkplug: the source itself calls its value bad or stale
)

_UNAVAILABLE = frozenset({"unavailable", "unknown", "none", "offline"})
_SWITCH = {"on": 1.0, "true": 1.0, "off": 0.0, "false": 0.0}
# From where on a Unix time is in a finer unit. 1e11 s is the year 5138 and 1e11 ms is March 1973: no sensor means the
# one, and none that counts milliseconds means the other. The same gap of 1,000 separates the finer units.
_FINER_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_LATEST = 1e20  # nanoseconds that would be past the year 5138


class Readings(NamedTuple):
    """What one stream's sensors said at one instant.

    Attributes:
        time: Unix seconds UTC at which it was measured.
        values: one per sensor, sensor units; nan for a sensor that was not heard.
        received_at: Unix seconds UTC at which it arrived; equal to `time` in a recording.
        whole: whether nothing more is to be expected for this instant.
    """

    time: float
    values: Sequence[float]
    received_at: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one payload said.

    Attributes:
        time: Unix seconds, UTC, as the payload has it; None if it has none.
        values: one for each sensor of the decoder, sensor units; nan where the sensor was not heard.
        refused: for each value that was there but is no reading, why.
    """

    time: float | None
    values: tuple[float, ...]
    refused: tuple[ReadingError, ...]


def parse_value(value: object) -> float:
    """Read a value as JSON or a text may hold it.

    Returns:
        A finite number.

    Raises:
        ReadingError: null, unavailable, not_finite, wrong_type or not_a_number.

    >>> parse_value(" 21.5 ")
    21.5
    >>> parse_value("21,5")
    Traceback (most recent call last):
    edge.errors.ReadingError: not_a_number: '21,5'
    """
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return _finite(value)
    if isinstance(value, str):
        return _parse_text(value)
    if value is None:
        raise ReadingError("null", "null")
    raise ReadingError("wrong_type", type(value).__name__)  # a list may be deeper than repr can go


def parse_switch(value: object) -> float:
    """Read a value that may also be a switch's: true and ON are 1, false and OFF are 0.

    Raises:
        ReadingError: as `parse_value`.

    >>> parse_switch(True), parse_switch("OFF"), parse_switch("21.5")
    (1.0, 0.0, 21.5)
    """
    if isinstance(value, bool):
        return float(value)
    state = _SWITCH.get(value.strip().lower()) if isinstance(value, str) and len(value) <= 80 else None
    return parse_value(value) if state is None else state


def parse_time(value: object) -> float:
    """Read an event time.

    Text is ISO 8601, UTC if it names no offset, or a number; a number is Unix time in seconds, from 1e11 on in
    milliseconds, from 1e14 on in microseconds, from 1e17 on in nanoseconds. Digits alone are always a number.

    Returns:
        Unix seconds, UTC, never negative.

    Raises:
        ReadingError: time.

    >>> parse_time("2017-02-16T10:13:52"), parse_time(1487240032000), parse_time("1487240032.5")
    (1487240032.0, 1487240032.0, 1487240032.5)
    """
    if isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-":
        return _parse_iso(value)  # the usual text, and no number: a payload takes 3.7 us, not 6.7
    try:
        number = parse_value(value)
    except ReadingError as refused:
        if refused.reason != "not_a_number" or not isinstance(value, str):
            raise ReadingError("time", refused.detail) from None
        return _parse_iso(value)
    if not 0.0 <= number < _LATEST:
        raise ReadingError("time", _show(value))
    for start, per_second in _FINER_UNITS:
        if number >= start:
            return number / per_second
    return number


def parse_local_time(value: object, zone: ZoneInfo, *, near: float) -> float:
    """Read an event time as `parse_time` does, but for text that names no offset, which is local time.

    Args:
        value: as it stands in the payload.
        zone: where the clock hangs.
        near: Unix seconds UTC; of the two instants that a local time means where clocks are set back, the nearer one
            is taken, and so it is where they are set forward and the time does not exist.

    Raises:
        ReadingError: time.

    >>> berlin = ZoneInfo("Europe/Berlin")  # at 01:00 UTC of that day, 03:00 became 02:00
    >>> [parse_local_time("2026-10-25T02:30:00", berlin, near=near) for near in (1792888200.0, 1792891800.0)]
    [1792888200.0, 1792891800.0]
    """
    moment = _local_moment(value)
    if moment is None:
        return parse_time(value)
    try:
        times = [moment.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)]
    except OverflowError:  # within hours of the first or the last year
        raise ReadingError("time", _show(value)) from None
    time = min(times, key=lambda instant: abs(instant - near))
    if time < 0.0:
        raise ReadingError("time", _show(value))
    return time


def _local_moment(value: object) -> datetime | None:
    """Read a date and time that names no offset; None if it is anything else."""
    if not isinstance(value, str) or value[4:5] != "-":
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None


def _parse_iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ReadingError("time", _show(text)) from None
    time = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    if time < 0.0:
        raise ReadingError("time", _show(text))
    return time


def _parse_text(text: str) -> float:
    try:
        number = float(text) if text.isascii() and "_" not in text else None  # float reads 1_000 and other scripts
    except ValueError:
        number = None
    if number is not None:
        return _finite(number)
    word = text.strip().lower()
    if word in ("", "null"):
        raise ReadingError("null", _show(text))
    raise ReadingError("unavailable" if word in _UNAVAILABLE else "not_a_number", _show(text))


def _finite(number: float) -> float:
    try:
        finite = float(number)
    except OverflowError:  # a whole number of more than 308 digits
        raise ReadingError("not_finite", "a number beyond 1.8e308") from None
    if math.isfinite(finite):
        return finite
    raise ReadingError("not_finite", str(finite))


def _show(value: object) -> str:
    """Quote a text or a number without copying the megabytes it may have."""
    return quote(value[:81] if isinstance(value, str) else value)
