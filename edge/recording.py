"""Read a recorded history: a CSV file, plain or gzipped, with a `time` column and a column for each sensor."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadingError, RecordingError, Refusal, quote, unreadable
from edge.reading import parse_time, parse_value

if TYPE_CHECKING:
    import _csv

TIME, STREAM = "time", "stream"
LIKE_TIME = ("timestamp", "datetime", "date", "last_changed")  # what other programs call it
SEPARATORS = {";": "`;`", "\t": "tabs", "|": "`|`"}
NO_UTF_8 = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of bytes that are none


@dataclass(frozen=True, slots=True)
class Recording:
    """Hold a recorded history, row by row as it was written.

    Attributes:
        sensors: names of the numeric columns.
        stream_names: the streams that occur, in the order of their first row.
        streams: shape (rows,), which of them a row belongs to.
        times: shape (rows,), Unix seconds UTC.
        values: shape (rows, sensors), sensor units; nan where a cell is empty or not a number.
        written: the `time` cells as they were written.
        refused: for each sensor that has some, its cells that are neither empty nor a number.
        dropped: names of the columns that hold no number at all.
        left_out: how many readings were left out, for they are in spans that nothing is to be learnt of.
    """

    sensors: tuple[str, ...]
    stream_names: tuple[str, ...]
    streams: NDArray[np.intp]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    written: tuple[str, ...]
    refused: tuple[Refusal, ...]
    dropped: tuple[str, ...]
    left_out: int = 0


def stem(path: Path) -> str:
    """Return a file's name without what says its format: the name of a stream that was given none.

    >>> stem(Path("data/boiler.csv.gz"))
    'boiler'
    """
    name = path.name
    for ending in (".gz", ".csv", ".parquet", ".db", ".sqlite", ".sqlite3"):
        name = name.removesuffix(ending)
    return name


def read_csv(path: Path, *, rows: int | None = None, until: float | None = None) -> Recording:
    """Read a CSV file.

    Args:
        path: the file; gzipped when its name ends in `.gz`.
        rows: how many rows to read at most; what follows is never looked at.
        until: the time (Unix seconds) at which to stop; a row at it or after it is not used.

    Raises:
        RecordingError: it is no recorded history; the text names file, row and rule.
    """
    with open_text(path) as lines:
        header, table = _rows(path, csv.reader(lines), rows)
    return assemble(path, header, list(zip(*table, strict=True)), until=until)


def assemble(
    path: Path, header: Sequence[str], columns: Sequence[Sequence[str]], *, until: float | None = None
) -> Recording:
    """Make a recording of the cells of a table.

    Args:
        path: where they are from, for errors and for the stream's name.
        header: names of the columns.
        columns: the cells of each column.
        until: as in `read_csv`, and so are the errors.
    """
    cells = dict(zip(header, columns, strict=True))
    written = cells.pop(TIME)
    times = _times(path, written)
    kept = range(len(times)) if until is None else np.flatnonzero(times < until).tolist()
    if not kept:
        raise RecordingError(f"{path}: must have rows before --until, the first is at {written[0]}")
    cells = {name: [column[row] for row in kept] for name, column in cells.items()}
    named = cells.pop(STREAM, [stem(path)] * len(kept))
    names = tuple(dict.fromkeys(named))
    place = {name: index for index, name in enumerate(names)}
    streams = np.array([place[name] for name in named], dtype=np.intp)
    times = times[list(kept)]
    _check_order(path, names, streams, times)
    parsed = {name: _numbers(column) for name, column in cells.items()}
    sensors = tuple(name for name, (values, _) in parsed.items() if not np.isnan(values).all())
    refused = [(name, parsed[name][1]) for name in sensors if parsed[name][1]]
    return Recording(
        sensors=sensors,
        stream_names=names,
        streams=streams,
        times=times,
        values=np.stack([parsed[name][0] for name in sensors], axis=1) if sensors else np.empty((len(kept), 0)),
        written=tuple(written[row] for row in kept),
        refused=tuple(Refusal(name, len(at), kept[at[0]] + 1, cells[name][at[0]]) for name, at in refused),
        dropped=tuple(name for name in parsed if name not in sensors),
    )


@contextmanager
def open_text(path: Path) -> Iterator[Iterable[str]]:
    """Open a text, plain or gzipped, and say in one line why it cannot be read."""
    opener = gzip.open if path.name.endswith(".gz") else io.open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield _utf_8(path, file)
    except (gzip.BadGzipFile, EOFError, csv.Error, zlib.error) as broken:
        raise RecordingError(f"{path}: must be a CSV file: {quote(str(broken))}") from broken
    except OSError as missing:
        raise RecordingError(unreadable(path, missing)) from missing


def _utf_8(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Pass lines on while they are UTF-8; of those that nobody asks for, no byte is judged."""
    for number, line in enumerate(lines, start=1):
        wrong = None if line.isascii() else NO_UTF_8.search(line)
        if wrong:
            byte = ord(wrong.group()) - 0xDC00
            raise RecordingError(f"{path}: must be UTF-8 text (byte {byte:#x} in line {number}); save it as UTF-8")
        yield line


def _rows(path: Path, lines: "_csv.Reader", rows: int | None) -> tuple[list[str], list[list[str]]]:
    header = [name.strip() for name in next(lines, [])]
    check_header(path, header)
    table: list[list[str]] = []
    while rows is None or len(table) < rows:
        line = next(lines, None)
        if line is None:
            break
        if len(line) == len(header):
            table.append(line)
        elif line:
            raise RecordingError(f"{path}: line {lines.line_num}: must have {len(header)} cells, got {len(line)}")
    if not table:
        raise RecordingError(f"{path}: must have rows below its header, got none")
    return header, table


def check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a table without a column `time`, saying what may be meant, or with two columns of one name."""
    if not header:
        raise RecordingError(f"{path}: must have a header line, the file is empty")
    if TIME not in header:
        raise RecordingError(f"{path}: {_timeless(header)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RecordingError(f"{path}: must name each column once, got {quote(', '.join(twice))} twice")


def _timeless(header: Sequence[str]) -> str:
    for separator, name in SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            return f"must be separated by commas, looks separated by {name}"
    alike = [name for name in header if name.lower() in (TIME, *LIKE_TIME)]
    if alike:
        return f"must have a column `time`: rename the column `{alike[0]}` to `time`"
    return f"must have a column `time`, got {quote(', '.join(header))}"


def _check_order(path: Path, names: Sequence[str], streams: NDArray[np.intp], times: NDArray[np.float64]) -> None:
    """Refuse a stream of which more rows step back in time than forward."""
    order = np.argsort(streams, kind="stable")
    whose, steps = streams[order], np.sign(np.diff(times[order]))
    balance = np.bincount(whose[1:], np.where(np.diff(whose) == 0, steps, 0.0), minlength=len(names))
    if balance.min() < 0:
        name = quote(names[int(np.argmin(balance))])
        raise RecordingError(f"{path}: rows must be in order of time (oldest first), those of {name} are not")


def _times(path: Path, cells: Sequence[str]) -> NDArray[np.float64]:
    times = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            times[row] = parse_time(cell)
        except ReadingError as wrong:
            raise RecordingError(
                f"{path}: row {row + 1}: time: must be ISO 8601 or Unix seconds, got {quote(cell)}"
            ) from wrong
    return times


def _numbers(cells: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
    """Parse a column; return the numbers, nan for the others, and which cells are neither number nor empty."""
    try:
        values = np.array(cells).astype(np.float64)
        # numpy reads 1_000 and the digits of other scripts; `parse_value` does not.
        if np.isfinite(values).all() and not any("_" in cell or not cell.isascii() for cell in cells):
            return values, []
    except ValueError:
        pass
    parsed = np.full(len(cells), np.nan)
    refused = []
    for row, cell in enumerate(cells):
        try:
            parsed[row] = parse_value(cell)
        except ReadingError as wrong:
            if wrong.reason != "null" and cell.strip().lower() != "nan":
                refused.append(row)
    return parsed, refused
