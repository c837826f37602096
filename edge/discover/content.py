"""What a payload holds when nobody has said where to look: every number in it, by its path, and what may be its time.

Paths are those of `edge.payloads.json`: a dot goes a level down, a number picks from a list.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge.errors import ReadingError
from edge.payloads import json as payload_json
from edge.reading import parse_time, parse_value

DEEPEST = 4  # levels; sensors nest two
MOST_PATHS = 64  # of one payload; a large energy meter sends some fifty values
MOST_ITEMS = 8  # of a list that are looked at: phases of a mains, and not a history
MOST_TEXT = 24  # characters of a text that is kept: units and states are short
LONGEST_PATH = 200  # characters
NEAR = 86_400.0  # seconds from its arrival that an event time may be: any time zone's local time is within a day


class Content(NamedTuple):
    """What one payload says.

    Attributes:
        is_table: whether it is a JSON object.
        numbers: pairs of path and value; a bare number has the path "".
        times: pairs of path and Unix seconds UTC, of what is near the arrival and so may be the event time.
        texts: pairs of path and text, of what is neither; other things, as true and null, have no text.
        cut: how many paths were not looked at.
    """

    is_table: bool
    numbers: Sequence[tuple[str, float]] = ()
    times: Sequence[tuple[str, float]] = ()
    texts: Sequence[tuple[str, str]] = ()
    cut: int = 0


def read(payload: bytes, received_at: float) -> Content:
    """Read a payload; what is no number, JSON or short text is empty.

    >>> read(b'{"t": 1700000000000, "climate": {"temp": 21.5}}', 1.7e9)
    Content(is_table=True, numbers=[('climate.temp', 21.5)], times=[('t', 1700000000.0)], texts=[], cut=0)
    >>> read(b" 21.5 ", 1.7e9).numbers
    (('', 21.5),)
    """
    bare = _bare(payload)
    if bare is not None:
        return Content(False, numbers=(("", bare),))
    table = parse(payload)
    if isinstance(table, dict):
        return _read_table(table, received_at)
    text = _text(payload)
    return Content(False, texts=() if text is None else (("", text),))


def parse(payload: bytes) -> object:
    """Read JSON, NaN and infinities too; None for what is none."""
    try:
        return payload_json.parse(payload)
    except ReadingError:
        return None


def _read_table(table: dict[str, object], received_at: float) -> Content:
    numbers: list[tuple[str, float]] = []
    times: list[tuple[str, float]] = []
    texts: list[tuple[str, str]] = []
    cut = 0
    for place, (path, value) in enumerate(_walk(table, "", 1)):
        if place >= MOST_PATHS or len(path) > LONGEST_PATH:
            cut += 1
            continue
        time, number = _time(value, received_at), _number(value)
        if time is not None:
            times.append((path, time))
        elif number is not None:
            numbers.append((path, number))
        else:
            texts.append((path, value[:MOST_TEXT] if isinstance(value, str) else ""))
    return Content(True, numbers, times, texts, cut)


def _walk(content: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    """Yield what stands at the ends of all paths; what is too deep is an end."""
    children: Sequence[tuple[str, object]] | None = None
    if isinstance(content, dict):
        children = [(key, value) for key, value in content.items() if isinstance(key, str)]
    elif isinstance(content, list):
        children = [(str(place), value) for place, value in enumerate(content[:MOST_ITEMS])]
    if children is None or depth > DEEPEST:
        yield path, content
        return
    for key, value in children:
        yield from _walk(value, f"{path}.{key}" if path else key, depth + 1)


def _bare(payload: bytes) -> float | None:
    text = _text(payload)
    return None if text is None else _number(text)


def _text(payload: bytes) -> str | None:
    if len(payload) > MOST_TEXT:
        return None
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _number(value: object) -> float | None:
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        return parse_value(value)
    except ReadingError:
        return None


def _time(value: object, received_at: float) -> float | None:
    """Read an event time; None for what is none, or is no time of these days."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not value[:4].isdigit():
        return None
    try:
        time = parse_time(value)
    except ReadingError:
        return None
    return time if abs(time - received_at) < NEAR else None
