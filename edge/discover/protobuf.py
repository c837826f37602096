"""Read as much of a Sparkplug payload as names its metrics: a protobuf message without its description.

A birth must be read to name a stream, whether or not the library that decodes readings is installed; the few fields
that this takes do not change.

Source: protobuf.dev, "Encoding" (wire types 0 varint, 1 eight bytes, 2 with a length, 5 four bytes); Sparkplug 3.0,
section 6.4 (Payload: 1 timestamp, 2 metrics; Metric: 1 name, 2 alias, 3 timestamp, 4 datatype, 7 is_null, 9 properties,
10 to 13 numbers; PropertySet: 1 keys, 2 values; PropertyValue: 3 to 6 numbers, 8 text).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

MOST_METRICS = 1000  # of one payload
NUMBERS = range(1, 11)  # datatypes: Int8 to Double
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # bits of the signed whole numbers, which travel as if they had no sign

Value: TypeAlias = int | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of a payload.

    Attributes:
        name: empty where only its alias is sent.
        alias, datatype: None where they are not sent.
        value: None if it is no number.
        unit, low, high: its properties engUnit, engLow, engHigh, where the birth has them.
    """

    name: str = ""
    alias: int | None = None
    datatype: int | None = None
    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None


def read_metrics(payload: bytes) -> tuple[float | None, list[Metric]]:
    """Read the time of a payload, Unix seconds UTC, and its metrics.

    Raises:
        ValueError: it is no protobuf message.
    """
    time: float | None = None
    metrics: list[Metric] = []
    for number, value in _fields(payload):
        if number == 1 and isinstance(value, int):
            time = value / 1e3
        elif number == 2 and isinstance(value, bytes) and len(metrics) < MOST_METRICS:
            metrics.append(_metric(value))
    return time, metrics


def number(metric: Metric, datatype: int | None) -> float | None:
    """Return the value of a metric as the sign of its datatype wants it."""
    bits = SIGNED.get(datatype or 0)
    if metric.value is None or bits is None:
        return metric.value
    whole = int(metric.value) % (1 << bits)
    return float(whole - (1 << bits) if whole >> (bits - 1) else whole)


def _metric(message: bytes) -> Metric:
    fields = dict(_fields(message))
    properties = _properties(_bytes(fields.get(9)))
    return Metric(
        name=_text(fields.get(1)),
        alias=_whole(fields.get(2)),
        datatype=_whole(fields.get(4)),
        value=None if fields.get(7) else _number(fields, 10),
        unit=_text(properties.get("engUnit", {}).get(8)),
        low=_number(properties.get("engLow", {}), 3),
        high=_number(properties.get("engHigh", {}), 3),
    )


def _properties(message: bytes) -> dict[str, Mapping[int, Value]]:
    fields = list(_fields(message))
    keys = [_text(value) for number, value in fields if number == 1]
    values = [dict(_fields(_bytes(value))) for number, value in fields if number == 2]
    return dict(zip(keys, values, strict=False))


def _number(fields: Mapping[int, Value], first: int) -> float | None:
    """Return the number among four fields: two kinds of whole numbers, then float and double."""
    for place in (first, first + 1):
        whole = fields.get(place)
        if isinstance(whole, int):
            return float(whole)
    for place, layout in ((first + 2, "<f"), (first + 3, "<d")):
        found = _bytes(fields.get(place))
        if len(found) == struct.calcsize(layout):
            value: float = struct.unpack(layout, found)[0]
            return value
    return None


def _text(value: Value | None) -> str:
    return _bytes(value).decode(errors="replace")


def _bytes(value: Value | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _whole(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield number and content of each field."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        length, place = _length(message, place, kind)
        if place + length > len(message):
            raise ValueError("a protobuf message ends within itself")
        yield key >> 3, message[place : place + length]
        place += length


def _length(message: bytes, place: int, kind: int) -> tuple[int, int]:
    if kind == 2:
        return _varint(message, place)
    if kind in (1, 5):
        return (8 if kind == 1 else 4), place
    raise ValueError("no protobuf message")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift, byte in zip(range(0, 70, 7), message[place : place + 10], strict=False):
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
    raise ValueError("a protobuf number without an end")
