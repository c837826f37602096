"""Read a recorded history: a CSV file, plain or gzipped, with a `time` column and a column for each sensor."""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadingError, RecordingError, quote
from edge.reading import parse_time, parse_value

if TYPE_CHECKING:
    import _csv

TIME, STREAM = "time", "stream"


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
        refused: how many cells held something that is neither empty nor a number.
        dropped: names of the columns that hold no number at all.
    """

    sensors: tuple[str, ...]
    stream_names: tuple[str, ...]
    streams: NDArray[np.intp]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    written: tuple[str, ...]
    refused: int
    dropped: tuple[str, ...]


def stem(path: Path) -> str:
    """Return a file's name without what says its format: the name of a stream that was given none.

    >>> stem(Path("data/boiler.csv.gz"))
    'boiler'
    """
    name = path.name
    for ending in (".gz", ".csv", ".parquet"):
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
    header, table = _table(path, rows)
    return assemble(path, header, list(zip(*table, strict=True)), until=until)


def read_spans(path: Path, stream: str) -> list[tuple[str, float, float]]:
    """Read labelled spans: a CSV file of `start,end`, with a `stream` column where there are several.

    Args:
        path: the file.
        stream: whose spans they are where no column says so.

    Returns:
        Stream, start and end, Unix seconds UTC; both ends belong to the span.

    Raises:
        RecordingError: it is no such file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as broken:
        raise RecordingError(f"{path}: must be a CSV file of `start,end`: {quote(str(broken))}") from broken
    spans = []
    for number, row in enumerate(rows, start=1):
        try:
            spans.append((row.get(STREAM) or stream, parse_time(row.get("start")), parse_time(row.get("end"))))
        except ReadingError as wrong:
            raise RecordingError(f"{path}: row {number}: must have times `start` and `end`: {wrong}") from wrong
    return spans


def assemble(
    path: Path, header: Sequence[str], columns: Sequence[Sequence[str]], *, until: float | None = None
) -> Recording:
    """Make a recording of the cells of a table.

    Args:
        path: where they are from, for errors and for the stream's name.
        header: names of the columns.
        columns: the cells of each column.
        until: as in `read_csv`.
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
    parsed = {name: _numbers(column) for name, column in cells.items()}
    sensors = tuple(name for name, (values, _) in parsed.items() if not np.isnan(values).all())
    return Recording(
        sensors=sensors,
        stream_names=names,
        streams=np.array([place[name] for name in named], dtype=np.intp),
        times=times[list(kept)],
        values=np.stack([parsed[name][0] for name in sensors], axis=1) if sensors else np.empty((len(kept), 0)),
        written=tuple(written[row] for row in kept),
        refused=sum(parsed[name][1] for name in sensors),
        dropped=tuple(name for name in parsed if name not in sensors),
    )


def _table(path: Path, rows: int | None) -> tuple[list[str], list[list[str]]]:
    opener = gzip.open if path.name.endswith(".gz") else io.open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            return _lines(path, csv.reader(file), rows)
    except FileNotFoundError as missing:
        raise RecordingError(f"{path}: must be a readable file, there is none") from missing
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as broken:
        raise RecordingError(f"{path}: must be a CSV file: {quote(str(broken))}") from broken


def _lines(path: Path, lines: "_csv.Reader", rows: int | None) -> tuple[list[str], list[list[str]]]:
    header = [name.strip() for name in next(lines, [])]
    _check_header(path, header)
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


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise RecordingError(f"{path}: must have a header line, the file is empty")
    if TIME not in header:
        raise RecordingError(f"{path}: must have a column `time`, got {quote(', '.join(header))}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RecordingError(f"{path}: must name each column once, got {quote(', '.join(twice))} twice")


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


def _numbers(cells: Sequence[str]) -> tuple[NDArray[np.float64], int]:
    """Parse a column; return the numbers, nan for the others, and how many cells were neither number nor empty."""
    try:
        values = np.array(cells).astype(np.float64)
        # numpy reads 1_000 and the digits of other scripts; `parse_value` does not.
        if np.isfinite(values).all() and not any("_" in cell or not cell.isascii() for cell in cells):
            return values, 0
    except ValueError:
        pass
    parsed = np.full(len(cells), np.nan)
    refused = 0
    for row, cell in enumerate(cells):
        try:
            parsed[row] = parse_value(cell)
        except ReadingError as wrong:
            refused += wrong.reason not in {"null", "unavailable"} and cell.strip().lower() != "nan"
    return parsed, refused
