"""Recordings that agree up to a row and then have different futures: what proves that no command looks ahead."""

import argparse
import csv
import gzip
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

WILD = ("1e6", "-1e6", "7.5e5")
WORDS = ("unavailable", "1_000", "12,5", "")


class Row(NamedTuple):
    """One line of a recording: when, whose, and a cell for each sensor as it is written."""

    time: float
    stream: str
    cells: tuple[str, ...]


Rows = Sequence[Row]
Future = Callable[[Rows, Rows, float], list[Row]]


def _nothing(past: Rows, rest: Rows, period: float) -> list[Row]:
    return []


def _as_it_was(past: Rows, rest: Rows, period: float) -> list[Row]:
    return list(rest)


def _backwards(past: Rows, rest: Rows, period: float) -> list[Row]:
    """Other values of the same kind, far off."""
    return [row._replace(cells=tuple(_off(cell, 100.0) for cell in other.cells)) for row, other in _mirrored(rest)]


def _spikes(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [row if place % 3 else _filled(row, WILD[place % len(WILD)]) for place, row in enumerate(rest)]


def _wild(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [_filled(row, WILD[place % len(WILD)]) for place, row in enumerate(rest)]


def _missing(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [_filled(row, "") for row in rest]


def _words(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [row if place % 2 else _filled(row, WORDS[place // 2 % len(WORDS)]) for place, row in enumerate(rest)]


def _one_sensor(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [row._replace(cells=(_off(row.cells[0], 50.0), *("" for _ in row.cells[1:]))) for row in rest]


def _longer(past: Rows, rest: Rows, period: float) -> list[Row]:
    span = rest[-1].time - rest[0].time + period
    return [row._replace(time=row.time + turn * span) for turn in range(3) for row in rest]


def _gap(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [_filled(row._replace(time=row.time + 40 * period), "-300") for row in rest]


def _pause(past: Rows, rest: Rows, period: float) -> list[Row]:
    """Leave out so few rows that the grid bridges them."""
    return [row._replace(time=row.time + 2 * period) for row in rest]


def _faster(past: Rows, rest: Rows, period: float) -> list[Row]:
    return [row._replace(time=(past[-1].time + row.time) / 2) for row in rest]


def _late(past: Rows, rest: Rows, period: float) -> list[Row]:
    """First repeat stamps of the past with other values; the grid drops those."""
    return [*(_filled(row, "-500") for row in past[-3:][::-1]), *_spikes(past, rest, period)]


def _stamps(past: Rows, rest: Rows, period: float) -> list[Row]:
    """Claim a stamp far ahead, now and then; the grid holds those back."""
    return [row._replace(time=row.time + 1e6) if place % 5 == 0 else row for place, row in enumerate(rest)]


def _mirrored(rest: Rows) -> list[tuple[Row, Row]]:
    return list(zip(rest, reversed(rest), strict=True))


def _off(cell: str, by: float) -> str:
    return repr(float(cell) + by) if cell else cell


def _filled(row: Row, cell: str) -> Row:
    return row._replace(cells=tuple(cell for _ in row.cells))


FUTURES: Mapping[str, Future] = {
    "nothing": _nothing,
    "as_it_was": _as_it_was,
    "backwards": _backwards,
    "spikes": _spikes,
    "wild": _wild,
    "missing": _missing,
    "words": _words,
    "one_sensor": _one_sensor,
    "longer": _longer,
    "gap": _gap,
    "pause": _pause,
    "faster": _faster,
    "late": _late,
    "stamps": _stamps,
}


def futures(rows: Rows, agreed: int, period: float, names: Iterable[str] = FUTURES) -> dict[str, list[Row]]:
    """Return recordings that are the same up to a row, by the name of what comes after it.

    Args:
        rows: a recording as it was.
        agreed: how many of its rows every recording begins with.
        period: seconds between the rows of a stream.
        names: of the futures.
    """
    past, rest = rows[:agreed], rows[agreed:]
    return {name: [*past, *FUTURES[name](past, rest, period)] for name in names}


def write_rows(path: Path, sensors: Sequence[str], rows: Rows) -> Path:
    """Write a recording as CSV, gzipped when its name says so."""
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "wt", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(("time", "stream", *sensors))
        lines.writerows((repr(row.time), row.stream, *row.cells) for row in rows)
    return path


def commands(parser: argparse.ArgumentParser) -> list[str]:
    """Return every command of a program, those of a group with the group's name before them."""
    groups = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    below = [(name, commands(one)) for group in groups for name, one in group.choices.items()]
    return [f"{name} {rest}".rstrip() for name, found in below for rest in found] or [""]
