"""Read recorded history from whatever it is in: CSV, Parquet, a recorder's database, Home Assistant's, or its CSV."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import MICROSECONDS
from edge.entity_choice import Choice
from edge.entity_csv import is_entity_csv, read_entity_csv
from edge.entity_database import is_home_assistant, read_entities
from edge.errors import RecordingError
from edge.history_cells import LATEST
from edge.history_rows import Extract, is_recorder, read_history
from edge.parquet import read_parquet
from edge.recording import Recording, read_csv
from edge.sqlite_reading import is_database, reading

DATABASES = {".db", ".sqlite", ".sqlite3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a source is read; each kind of source takes what it has.

    Attributes:
        streams: of a recorder's database; None for all.
        entities: of Home Assistant: for each stream's name its sensors, each with the id of its entity.
        statistics: hourly means of Home Assistant instead of states.
        suppressed: whether readings are read that a recorder's database says nothing is to be learnt of.
        period: seconds from row to row where the source has no rows; None: found.
    """

    streams: tuple[str, ...] | None = None
    entities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    statistics: bool = False
    suppressed: bool = True
    period: float | None = None


ALL = Selection()


def read_source(
    path: Path, selection: Selection = ALL, *, rows: int | None = None, until: float | None = None
) -> Recording:
    """Read recorded history; rows after `rows`, or at `until` and later, are not used in any way.

    Raises:
        RecordingError: it cannot be read, or something must be chosen first.
    """
    if path.suffix.lower() == ".parquet":
        _refuse_streams(path, selection)
        return read_parquet(path, rows=rows, until=until)
    if path.is_file():  # nothing of a pipe may be read twice
        if path.suffix.lower() in DATABASES or is_database(path):
            return _read_database(path, selection, rows=rows, until=until)
        if is_entity_csv(path):
            _refuse_rows(path, rows)
            _refuse_streams(path, selection)
            return read_entity_csv(path, _choice(selection, until))
    _refuse_streams(path, selection)
    return read_csv(path, rows=rows, until=until)


def _read_database(path: Path, selection: Selection, *, rows: int | None, until: float | None) -> Recording:
    with reading(path) as connection:
        if is_home_assistant(connection):
            _refuse_rows(path, rows)
            _refuse_streams(path, selection)
            return read_entities(path, connection, _choice(selection, until))
        if not is_recorder(connection):
            raise RecordingError(f"{path}: must be a database of `tidegate record` or Home Assistant, got another's")
        end = LATEST if until is None else round(until * MICROSECONDS)
        extract = Extract(
            until=end, streams=selection.streams, period=selection.period, rows=rows, suppressed=selection.suppressed
        )
        return read_history(path, connection, extract)


def _choice(selection: Selection, until: float | None) -> Choice:
    return Choice(streams=selection.entities, statistics=selection.statistics, period=selection.period, until=until)


def _refuse_streams(path: Path, selection: Selection) -> None:
    if selection.streams is not None:
        raise RecordingError(f"{path}: --streams: must be of a recorder's database, which this is not: leave it out")


def _refuse_rows(path: Path, rows: int | None) -> None:
    if rows is not None:
        raise RecordingError(f"{path}: has states and no rows: take --until instead of --rows")
