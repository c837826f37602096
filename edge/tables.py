"""TOML and JSON tables as frozen dataclasses: the configuration, the manifest of a bundle, the recipe.

A dataclass is the whole description of a table: its fields are the keys, their annotations the types, their
defaults the defaults, and its `__post_init__` the rules. A file is read once and every problem in it is reported,
so nothing here stops at the first one. Nothing is converted, a whole number for a fractional one excepted: a port
written as text is a mistake, not a port.
"""

import builtins
import collections.abc
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import TypeVar, get_args, get_origin, get_type_hints

from edge.errors import ConfigError, quote

T = TypeVar("T")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STAND_INS: Mapping[object, object] = {str: "", Path: Path()}
_WORDS = {bool: "true or false", str: "text", int: "a whole number", float: "a finite number", Path: "text"}


class _PartialError(ConfigError):
    """Report the problems of a mapping of tables, and carry the rest of it: rules across tables hold for that."""

    def __init__(self, problems: Sequence[str], rest: Mapping[str, object]) -> None:
        super().__init__(problems)
        self.rest = rest


def structure(table: Mapping[str, object], shape: type[T], where: str = "") -> T:
    """Build a dataclass from a table.

    Args:
        table: what `tomllib` or a JSON parser returned.
        shape: a dataclass. Its fields may be bool, int, float, str, Path, Literal, another dataclass, `X | None`,
            `tuple[X, ...]`, `tuple[X, Y]`, `Mapping[str, X]` and `object` (taken as it is).
        where: the path of the table, put before each problem.

    Raises:
        ConfigError: with every problem, each as `path: rule, got value`.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Detection:
    ...     close_after: int = 3
    >>> structure({"close_after": 5}, Detection)
    Detection(close_after=5)
    >>> structure({"close_after": "5", "colour": 1}, Detection, "streams.boiler.detection")
    Traceback (most recent call last):
    edge.errors.ConfigError: streams.boiler.detection.colour: must be one of close_after, got an unknown key
    streams.boiler.detection.close_after: must be a whole number, got '5'
    """
    built = _structure_table(table, shape, where)
    assert isinstance(built, shape)
    return built


def require(table: object, **rules: tuple[bool, str]) -> None:
    """Hold a dataclass to its rules: `require(self, port=(self.port > 0, "must be > 0"))` in `__post_init__`.

    Args:
        table: the dataclass.
        rules: for each field whether it holds, and its rule in words.

    Raises:
        ConfigError: with a line `field: rule, got value` for each that does not hold.
    """
    broken = {name: rule for name, (holds, rule) in rules.items() if not holds}
    if broken:
        raise ConfigError([f"{name}: {rule}, got {quote(getattr(table, name))}" for name, rule in broken.items()])


def join_path(where: str, key: str) -> str:
    """Name a key of a table as TOML would.

    >>> join_path("streams", "boiler"), join_path("streams", "a.b"), join_path("", "node")
    ('streams.boiler', "streams.'a.b'", 'node')
    """
    name = key if _BARE_KEY.fullmatch(key) else quote(key)
    return f"{where}.{name}" if where else name


def _structure_table(table: object, shape: type, where: str) -> object:
    """Build one dataclass, and those below it.

    A value that is missing or refused is replaced while the rules are checked, by its default or by an empty text,
    so that the other values are still held to theirs. What has neither makes the rules of this one table wait.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where or 'the file'}: must be a table, got {_show(table)}")
    keys = {field.name: field for field in fields(shape) if field.init}
    hints: dict[str, object] = get_type_hints(shape)
    problems = _unknown_keys(table, sorted(keys), where)
    known: dict[str, object] = {}
    for name, field in keys.items():
        path = join_path(where, name)
        try:
            if name in table:
                known[name] = _structure_value(table[name], hints[name], path)
            elif _is_required(field):
                problems.append(f"{path}: must be set, got nothing")
        except ConfigError as refused:
            problems += refused.problems
            known |= {name: refused.rest} if isinstance(refused, _PartialError) else {}
    gaps = [name for name, field in keys.items() if name not in known and _is_required(field)]
    built, broken = _build(shape, known, {name: _STAND_INS.get(hints[name]) for name in gaps})
    problems += [f"{where}.{problem}" if where else problem for problem in broken]
    if problems:
        raise ConfigError(problems)
    return built


def _build(shape: type, known: Mapping[str, object], stand_ins: Mapping[str, object]) -> tuple[object, Sequence[str]]:
    """Call the dataclass; what it says about a stand-in is nobody's problem."""
    if None in stand_ins.values():
        return None, ()
    try:
        return shape(**known, **stand_ins), ()
    except ConfigError as refused:
        return None, [problem for problem in refused.problems if problem.partition(":")[0] not in stand_ins]


def _unknown_keys(table: Mapping[str, object], keys: Sequence[str], where: str) -> list[str]:
    return [
        f"{join_path(where, key)}: must be one of {', '.join(keys)}, got an unknown key{_meant(key, keys)}"
        for key in table
        if key not in keys
    ]


def _meant(key: str, keys: Sequence[str]) -> str:
    alike = difflib.get_close_matches(key, keys, 1)
    return f"; did you mean {alike[0]}?" if alike else ""


def _is_required(field: Field[object]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _structure_value(value: object, hint: object, where: str) -> object:
    """Build what one annotation asks for."""
    match get_origin(hint), get_args(hint):
        case ((types.UnionType | typing.Union), (inner, types.NoneType)):
            return None if value is None else _structure_value(value, inner, where)
        case typing.Literal, choices:
            return _structure_choice(value, choices, where)
        case builtins.tuple, hints:
            return _structure_list(value, hints, where)
        case ((builtins.dict | collections.abc.Mapping), (builtins.str, inner)):
            return _structure_mapping(value, inner, where)
    if isinstance(hint, type) and is_dataclass(hint):
        return _structure_table(value, hint, where)
    return value if hint is object else _structure_plain(value, hint, where)


def _structure_plain(value: object, hint: object, where: str) -> object:
    """Take a value of exactly the type that is asked for; a bool is no number, nan and infinity neither."""
    if not isinstance(hint, type) or hint not in _WORDS:
        raise TypeError(f"{where}: tables know no {hint!r}")
    if hint is Path and type(value) is str:
        return Path(value)
    if hint is float and type(value) in (int, float):
        number = _finite(value)
        if number is not None:
            return number
    elif type(value) is hint:
        return value
    raise ConfigError(f"{where}: must be {_WORDS[hint]}, got {_show(value)}")


def _finite(value: object) -> float | None:
    assert isinstance(value, int | float)
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _structure_choice(value: object, choices: Sequence[object], where: str) -> object:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise ConfigError(f"{where}: must be one of {', '.join(map(repr, choices))}, got {_show(value)}")


def _structure_list(value: object, parts: Sequence[object], where: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where}: must be a list, got {_show(value)}")
    hints = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
    if len(hints) != len(value):
        raise ConfigError(f"{where}: must have {len(hints)} entries, got {len(value)}")
    built: list[object] = []
    problems: list[str] = []
    for place, (entry, hint) in enumerate(zip(value, hints, strict=True)):
        try:
            built.append(_structure_value(entry, hint, f"{where}[{place}]"))
        except ConfigError as refused:
            problems += refused.problems
    if problems:
        raise ConfigError(problems)
    return tuple(built)


def _structure_mapping(value: object, hint: object, where: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: must be a table, got {_show(value)}")
    built: dict[str, object] = {}
    problems: list[str] = []
    for key, entry in value.items():
        try:
            built[key] = _structure_value(entry, hint, join_path(where, key))
        except ConfigError as refused:
            problems += refused.problems
    if problems:
        raise _PartialError(problems, built) if built else ConfigError(problems)
    return built


def _show(value: object) -> str:
    """Quote a value; a list or a table, which may be deeper than `repr` can go, is named by its kind."""
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list | tuple) else quote(value)
