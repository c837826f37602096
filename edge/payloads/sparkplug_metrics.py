"""Make numbers of Sparkplug's metrics.

Source: Eclipse Sparkplug 3.0, sections 6.4.11 (Quality) and 6.4.16 (data types: signed ones travel as unsigned).
"""

from edge.errors import ReadingError
from edge.payloads.sparkplug_messages import Metric, Value
from edge.reading import parse_value

GOOD = 192  # the quality of a value that is one; 0 is bad, 500 stale
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # bits of Int8, Int16, Int32 and Int64, by the number of the data type
LATEST_MS = 10**14  # the year 5138, as for every other event time


def read_value(metric: Metric, datatype: int) -> float:
    """Read a value as its data type means it.

    Args:
        metric: as it was sent.
        datatype: as its birth told it.

    Raises:
        ReadingError: null, quality, wrong_type, not_a_number, not_finite or unavailable.
    """
    quality = metric.properties.get("Quality")
    if quality is not None and not quality.is_null and quality.content != GOOD:
        raise ReadingError("quality", str(quality.content))
    return read_number(metric.value, datatype)


def read_number(value: Value, datatype: int) -> float:
    """Read a value that has no quality.

    Args:
        value: as it was sent.
        datatype: as its birth told it, or its own.

    Raises:
        ReadingError: null, wrong_type, not_a_number, not_finite or unavailable.

    >>> read_number(Value(3, 0xFFFFFFFE), 3)
    -2.0
    """
    if value.is_null:
        raise ReadingError("null", "is_null")
    match value.content:
        case None:
            raise ReadingError("wrong_type", f"data type {datatype}")
        case bytes(text):
            return parse_value(text.decode(errors="replace"))
        case bool(state):
            return float(state)
        case int(number) if datatype in SIGNED:
            return float(_signed(number, SIGNED[datatype]))
        case number:
            return parse_value(number)


def read_time(metric: Metric, sent_ms: int | None) -> float | None:
    """Return when a metric was measured: Unix seconds UTC; that of the message where it has none, None without either.

    Raises:
        ReadingError: time.
    """
    time_ms = metric.time_ms if metric.time_ms is not None else sent_ms
    if time_ms is not None and time_ms >= LATEST_MS:
        raise ReadingError("time", str(time_ms))
    return None if time_ms is None else time_ms / 1000.0


def _signed(number: int, bits: int) -> int:
    """Read the lowest bits as two's complement; some senders extend the sign to 32 bits, some do not."""
    low = number & ((1 << bits) - 1)
    return low - (1 << bits) if low >> (bits - 1) else low
