"""Read and write Parquet: the only importer of pyarrow, which a device need not have."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import OperatorError, RecordingError, quote, unreadable
from edge.history_cells import Page
from edge.recording import STREAM, TIME, Recording, assemble, check_header

if TYPE_CHECKING:
    from pyarrow import ChunkedArray

HINT = "Parquet needs pyarrow: pip install pyarrow, or take CSV"


def read_parquet(path: Path, *, rows: int | None = None, until: float | None = None) -> Recording:
    """Read a Parquet file; as `edge.recording.read_csv`.

    Raises:
        RecordingError: it is no recorded history.
        OperatorError: pyarrow is not installed.
    """
    arrow = _arrow(path)
    import pyarrow.parquet

    try:
        with path.open("rb") as file:
            table = pyarrow.parquet.read_table(file)
    except arrow.ArrowException as broken:
        why = str(broken).rpartition("': ")[2]  # without the name of a buffer, which pyarrow writes first
        raise RecordingError(f"{path}: is no Parquet file: {quote(why)}") from broken
    except OSError as missing:
        raise RecordingError(unreadable(path, missing)) from missing
    check_header(path, table.column_names)
    if not table.num_rows:
        raise RecordingError(f"{path}: must have rows, got none")
    table = table.slice(0, rows)
    whole = [_to_microseconds(arrow, column) for column in table.columns]
    columns = [[_cell(cell) for cell in column.to_pylist()] for column in whole]
    return assemble(path, table.column_names, columns, until=until)


def write_parquet(path: Path, sensors: Sequence[str], stream_names: Sequence[str], pages: Iterable[Page]) -> None:
    """Write pages as row groups, times as microseconds UTC.

    Raises:
        OperatorError: pyarrow is not installed.
    """
    arrow = _arrow(path)
    import pyarrow.parquet

    names = np.array(stream_names, dtype=object)
    kinds = [
        (TIME, arrow.timestamp("us", "UTC")),
        (STREAM, arrow.string()),
        *((name, arrow.float64()) for name in sensors),
    ]
    schema = arrow.schema(kinds)
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        for page in pages:
            cells = [page.times, names[page.streams], *page.values.T]
            columns = [
                arrow.array(cell, type=kind, from_pandas=True) for cell, (_, kind) in zip(cells, kinds, strict=True)
            ]
            file.write_table(arrow.table(columns, schema=schema))


def check_parquet(path: Path) -> None:
    """Refuse to begin what could not be written.

    Raises:
        OperatorError: pyarrow is not installed.
    """
    _arrow(path)


def _arrow(path: Path) -> ModuleType:
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise OperatorError(f"{path}: {HINT}") from None
    assert isinstance(pyarrow, ModuleType)
    return pyarrow


def _to_microseconds(arrow: ModuleType, column: "ChunkedArray") -> "ChunkedArray":
    """Cut nanoseconds, which pandas writes, down to what Python's times hold; other columns stay as they are."""
    kind = column.type
    if not arrow.types.is_timestamp(kind) or kind.unit != "ns":
        return column
    return column.cast(arrow.timestamp("us", kind.tz), safe=False)


def _cell(cell: object) -> str:
    """Write a Parquet cell as the CSV would have it."""
    if cell is None:
        return ""
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
