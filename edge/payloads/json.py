"""JSON payloads: a table of values, each found by a path such as `climate.temp`.

A dot goes one level down, a number picks from a list, and a key that itself holds dots wins over going down, at
every level. Decoding is the daemon's hot path, so paths are split once, and a key at the top costs one look-up.
"""

import json
import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import orjson

from edge.errors import ReadingError, quote
from edge.reading import Decoded, parse_time, parse_value

_ABSENT = object()  # None would be a null that is there

_NUMBERS = {float, int}  # and no bool
DEEPEST = 500  # levels that every Python's own parser takes; a sensor's payload has a handful


class _Turn(NamedTuple):
    """One way to go on from a level of the payload: a key, and the turns after it (none: arrived)."""

    key: str
    place: int  # the key as a place in a list, -1 if it is none
    turns: "tuple[_Turn, ...]"


class Json:
    """Read a payload that is JSON."""

    __slots__ = ("_names", "_sensors", "_time")

    def __init__(self, paths: Sequence[str], time_path: str | None) -> None:
        """Take the path of each sensor, and that of the event time if there is one."""
        self._names = tuple(paths)
        self._sensors = tuple((path, _turns(path)) for path in paths)
        self._time = None if time_path is None else (time_path, _turns(time_path))

    def decode(self, payload: bytes) -> Decoded:
        """Read one payload; a sensor that is not in it is nan, and so is one that is refused.

        Raises:
            ReadingError: malformed; time; missing if no sensor is in it; else the first refusal if all are refused.

        >>> Json(["climate.temp", "rh"], "t").decode(b'{"t": 60, "climate": {"temp": 21.5}, "rh": true}')
        Decoded(time=60.0, values=(21.5, nan), refused=(ReadingError('wrong_type: rh: bool'),))
        """
        content = _parse(payload)
        usual = self._read_usual(content)
        if usual is not None:
            return Decoded(self._read_time(content), usual, ())
        values: list[float] = []
        refused: list[ReadingError] = []
        for path, turns in self._sensors:
            found = _find(content, path, turns)
            try:
                values.append(math.nan if found is _ABSENT else parse_value(found))
            except ReadingError as error:
                values.append(math.nan)
                refused.append(ReadingError(error.reason, f"{path}: {error.detail}"))
        if all(map(math.isnan, values)):
            raise refused[0] if refused else ReadingError("missing", self._wanted())
        return Decoded(self._read_time(content), tuple(values), tuple(refused))

    def _read_usual(self, content: object) -> tuple[float, ...] | None:
        """Read what most payloads are: a key at the top for every sensor, and a number there; None for any other."""
        if not isinstance(content, dict):
            return None
        found = tuple(map(content.get, self._names))
        if not _NUMBERS.issuperset(map(type, found)):
            return None
        try:
            values = tuple(map(float, cast("tuple[float, ...]", found)))
        except OverflowError:  # a whole number of 400 digits, which the other parser lets through
            return None
        return values if math.isfinite(sum(values)) else None

    def _read_time(self, content: object) -> float | None:
        if self._time is None:
            return None
        found = _find(content, *self._time)
        return None if found is _ABSENT else parse_time(found)

    def _wanted(self) -> str:
        return quote(", ".join(path for path, _ in self._sensors))


def _parse(payload: bytes) -> object:
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


def _turns(path: str) -> tuple[_Turn, ...]:
    """Split a path into the turns that its first level offers, the longest key first.

    The rest of a path is shared by all turns that lead to it, so n dots make n² turns, not 2ⁿ.
    """
    words = path.split(".")
    turns_from: dict[int, tuple[_Turn, ...]] = {len(words): ()}
    for first in reversed(range(len(words))):
        ends = range(len(words), first, -1)
        turns_from[first] = tuple(_turn(".".join(words[first:end]), turns_from[end]) for end in ends)
    return turns_from[0]


def _turn(key: str, turns: tuple[_Turn, ...]) -> _Turn:
    is_place = key.isascii() and key.isdigit() and len(key) <= 9
    return _Turn(key, int(key) if is_place else -1, turns)


def _find(content: object, path: str, turns: tuple[_Turn, ...]) -> object:
    """Look a path up; most are a key at the top."""
    if isinstance(content, dict):
        found = content.get(path, _ABSENT)
        if found is not _ABSENT or len(turns) == 1:
            return found
    return _walk(content, turns)


def _walk(content: object, turns: tuple[_Turn, ...]) -> object:
    """Follow the first turn that arrives."""
    for turn in turns:
        below = _child(content, turn)
        found = below if below is _ABSENT or not turn.turns else _walk(below, turn.turns)
        if found is not _ABSENT:
            return found
    return _ABSENT


def _child(content: object, turn: _Turn) -> object:
    if isinstance(content, dict):
        return content.get(turn.key, _ABSENT)
    if isinstance(content, list) and 0 <= turn.place < len(content):
        return content[turn.place]
    return _ABSENT
