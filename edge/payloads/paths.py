"""Find values in what a JSON parser returned, each by a path such as `climate.temp`.

A dot goes one level down, a number picks from a list, and a key that itself holds dots wins over going down, at
every level. Decoding is the daemon's hot path, so paths are split once, and a key at the top costs one look-up.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from edge.errors import ReadingError, quote

ABSENT = object()  # None would be a null that is there

_NUMBERS = {float, int}  # and no bool


class Turn(NamedTuple):
    """One way to go on from a level of the payload: a key, and the turns after it (none: arrived)."""

    key: str
    place: int  # the key as a place in a list, -1 if it is none
    turns: "tuple[Turn, ...]"


class Path(NamedTuple):
    """A path, as it is written and as it is followed."""

    text: str
    turns: tuple[Turn, ...]


def parse_path(text: str) -> Path:
    """Split a path into the turns that its first level offers, the longest key first.

    The rest of a path is shared by all turns that lead to it, so n dots make n² turns, not 2ⁿ.
    """
    words = text.split(".")
    turns_from: dict[int, tuple[Turn, ...]] = {len(words): ()}
    for first in reversed(range(len(words))):
        ends = range(len(words), first, -1)
        turns_from[first] = tuple(_turn(".".join(words[first:end]), turns_from[end]) for end in ends)
    return Path(text, turns_from[0])


def find(content: object, path: Path) -> object:
    """Look a path up; most are a key at the top.

    Returns:
        What is there, `ABSENT` if nothing is.

    >>> find({"a": [{"b": 7}]}, parse_path("a.0.b"))
    7
    """
    if isinstance(content, dict):
        found = content.get(path.text, ABSENT)
        if found is not ABSENT or len(path.turns) == 1:
            return found
    return _walk(content, path.turns)


def read_numbers(content: object, names: Sequence[str]) -> tuple[float, ...] | None:
    """Read what most payloads are: a key at the top for every sensor, and a number there; None for any other."""
    if not isinstance(content, dict):
        return None
    found = tuple(map(content.get, names))
    if not _NUMBERS.issuperset(map(type, found)):
        return None
    try:
        values = tuple(map(float, cast("tuple[float, ...]", found)))
    except OverflowError:  # a whole number of 400 digits, which a lenient parser lets through
        return None
    return values if math.isfinite(sum(values)) else None


def read_each(
    content: object, paths: Sequence[Path], read: Callable[[object], float]
) -> tuple[tuple[float, ...], tuple[ReadingError, ...]]:
    """Read what stands at each path; a sensor that is not there is nan, and so is one that is refused.

    Args:
        content: what the parser returned.
        paths: of the sensors.
        read: makes a number of what is found, or raises `ReadingError`.

    Returns:
        The values, one for each path, and the refusals.

    Raises:
        ReadingError: missing if no sensor is there; the first refusal if all that are there are refused, of all places.
    """
    values: list[float] = []
    refused: list[ReadingError] = []
    for place, path in enumerate(paths):
        found = find(content, path)
        try:
            values.append(math.nan if found is ABSENT else read(found))
        except ReadingError as error:
            values.append(math.nan)
            refused.append(ReadingError(error.reason, f"{path.text}: {error.detail}", [place]))
    if all(map(math.isnan, values)):
        if not refused:
            raise ReadingError("missing", quote(", ".join(path.text for path in paths)))
        first, places = refused[0], [place for error in refused for place in error.places]
        raise ReadingError(first.reason, first.detail, places)
    return tuple(values), tuple(refused)


def _turn(key: str, turns: tuple[Turn, ...]) -> Turn:
    is_place = key.isascii() and key.isdigit() and len(key) <= 9
    return Turn(key, int(key) if is_place else -1, turns)


def _walk(content: object, turns: tuple[Turn, ...]) -> object:
    """Follow the first turn that arrives."""
    for turn in turns:
        below = _child(content, turn)
        found = below if below is ABSENT or not turn.turns else _walk(below, turn.turns)
        if found is not ABSENT:
            return found
    return ABSENT


def _child(content: object, turn: Turn) -> object:
    if isinstance(content, dict):
        return content.get(turn.key, ABSENT)
    if isinstance(content, list) and 0 <= turn.place < len(content):
        return content[turn.place]
    return ABSENT
