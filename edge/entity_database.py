"""Read entities from Home Assistant's own database, which may be in use: nothing is written to it.

Source: Home Assistant's recorder, db_schema.py. Since 2023.4 `states` names its entity by `metadata_id`, a row of
`states_meta`; before, and in rows that are not migrated yet, by `entity_id`. Since 2023.2 times are Unix seconds in
columns that end in `_ts`; before, they are UTC as text.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson

from edge.entity_choice import Choice, Entity, Listed, Spans, lay, missing, numbers, unchosen
from edge.errors import ReadingError, RecordingError
from edge.pace import usual
from edge.reading import parse_time
from edge.recording import Recording
from edge.sqlite_reading import tables

TOGETHER = 50_000  # states that are fetched at once
RECENT = 200  # states of an entity that tell whether it is numeric, and how often it speaks
HOUR = 3600.0


def is_home_assistant(connection: sqlite3.Connection) -> bool:
    """Return whether a database is Home Assistant's."""
    return {"states", "recorder_runs"} <= tables(connection)


def read_entities(path: Path, connection: sqlite3.Connection, choice: Choice) -> Recording:
    """Read entities as one recording.

    Raises:
        RecordingError: none is chosen, one is not there, or they hold no numbers.
    """
    source = _Statistics(connection) if choice.statistics else _States(connection)
    if not choice.streams:
        raise unchosen(path, source.listed())
    for name in choice.entities:
        if name not in source.names:
            raise missing(path, name, source.names)
    found = {name: source.entity(name, choice.until) for name in choice.entities}
    if not choice.statistics:
        return lay(path, found, choice, asleep=_asleep(connection))
    hourly = Choice(streams=choice.streams, period=HOUR)
    return lay(path, found, hourly, longest=HOUR / 2)  # a mean is of its own hour alone


class _States:
    """The table `states`.

    Attributes:
        names: ids of the entities.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        columns = _columns(connection, "states")
        self._time = self._time_of(columns)
        self._numbers: dict[str, int] = {}
        if "metadata_id" in columns and "states_meta" in tables(connection):
            self._numbers = dict(connection.execute("SELECT entity_id, metadata_id FROM states_meta"))
        self._has_old = "entity_id" in columns and self._finds_old(columns)
        old = "SELECT DISTINCT entity_id FROM states WHERE entity_id IS NOT NULL"
        self.names = list(self._numbers)
        if self._has_old:
            self.names += [name for (name,) in connection.execute(old) if name not in self._numbers]
        self._columns = columns

    def entity(self, name: str, until: float | None) -> Entity:
        where, given = self._where(name)
        cursor = self._connection.execute(f"SELECT {self._time}, state FROM states WHERE {where}", given)
        return _entity(name, cursor, until)

    def listed(self) -> list[Listed]:
        found = (self._listed(name) for name in self.names)
        return sorted((one for one in found if one is not None), key=lambda one: (-one.count, one.name))

    def _listed(self, name: str) -> Listed | None:
        where, given = self._where(name)
        count = self._connection.execute(f"SELECT count(*) FROM states WHERE {where}", given).fetchone()[0]
        recent = f"SELECT {self._time} AS at, state FROM states WHERE {where} ORDER BY at DESC LIMIT {RECENT}"
        entity = _entity(name, self._connection.execute(recent, given), None)
        if not len(entity.times) or np.isnan(entity.values).mean() > 0.5:
            return None
        return Listed(name, count, self._unit(where, given), usual(np.diff(entity.times)))

    def _unit(self, where: str, given: Sequence[object]) -> str:
        newest = f"FROM states WHERE {where} ORDER BY {self._time} DESC LIMIT {RECENT}"
        told: list[tuple[str | None]] = []
        if "attributes_id" in self._columns and "state_attributes" in tables(self._connection):
            some = f"SELECT attributes_id {newest}"
            statement = f"SELECT shared_attrs FROM state_attributes WHERE attributes_id IN ({some})"
            told = self._connection.execute(statement, given).fetchall()
        if not told and "attributes" in self._columns:
            told = self._connection.execute(f"SELECT attributes {newest}", given).fetchall()
        return next((unit for unit in (_unit_of(text) for (text,) in told) if unit), "")

    def _where(self, name: str) -> tuple[str, tuple[object, ...]]:
        number = self._numbers.get(name)
        if number is None:
            return "entity_id = ?", (name,)
        return ("metadata_id = ? OR entity_id = ?", (number, name)) if self._has_old else ("metadata_id = ?", (number,))

    def _time_of(self, columns: set[str]) -> str:
        """Return where the time stands; the new column alone can use its index."""
        new = "last_updated_ts"
        if new not in columns:
            return "last_updated"
        without = f"SELECT 1 FROM states WHERE {new} IS NULL LIMIT 1"
        is_mixed = "last_updated" in columns and self._connection.execute(without).fetchone() is not None
        return f"coalesce({new}, last_updated)" if is_mixed else new

    def _finds_old(self, columns: set[str]) -> bool:
        """Return whether rows name their entity by its id; the index of `metadata_id` answers in no time."""
        if "metadata_id" not in columns:
            return True
        old = "SELECT 1 FROM states WHERE metadata_id IS NULL AND entity_id IS NOT NULL LIMIT 1"
        return self._connection.execute(old).fetchone() is not None


class _Statistics:
    """The table `statistics`: the mean of every hour, or the state at its end where there is no mean.

    Attributes:
        names: ids of the entities.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        if "statistics" not in tables(connection):
            raise RecordingError("--statistics: must be kept by Home Assistant, this database has none")
        known = connection.execute("SELECT statistic_id, id, unit_of_measurement FROM statistics_meta").fetchall()
        self._numbers = {name: number for name, number, _ in known}
        self._units = {name: unit or "" for name, _, unit in known}
        self._time = _either(_columns(connection, "statistics"), "start_ts", "start")
        self.names = list(self._numbers)

    def entity(self, name: str, until: float | None) -> Entity:
        statement = f"SELECT {self._time}, coalesce(mean, state) FROM statistics WHERE metadata_id = ?"
        cursor = self._connection.execute(statement, (self._numbers[name],))
        # The mean of an hour is known at its end.
        return _entity(name, cursor, None if until is None else until - HOUR, later=HOUR)

    def listed(self) -> list[Listed]:
        statement = "SELECT metadata_id, count(*) FROM statistics GROUP BY metadata_id"
        counts: dict[int, int] = dict(self._connection.execute(statement))
        found = [Listed(name, counts.get(number, 0), self._units[name], HOUR) for name, number in self._numbers.items()]
        return sorted((one for one in found if one.count), key=lambda one: (-one.count, one.name))


def _entity(name: str, cursor: sqlite3.Cursor, until: float | None, *, later: float = 0.0) -> Entity:
    """Fetch pairs of time and state.

    Args:
        name: the id.
        cursor: yields them, in any order.
        until: Unix seconds; what is at it or after it is left out.
        later: seconds to add to each time.
    """
    times: list[np.ndarray] = [np.empty(0)]
    values: list[np.ndarray] = [np.empty(0)]
    for some in _pieces(cursor):
        times.append(np.array([_seconds(at) for at, _ in some]))
        values.append(numbers(state for _, state in some))
    at, said = np.concatenate(times), np.concatenate(values)
    kept = ~np.isnan(at) if until is None else at < until
    at, said = at[kept] + later, said[kept]
    order = np.argsort(at, kind="stable")
    return Entity(name, at[order], said[order])


def _pieces(cursor: sqlite3.Cursor) -> Iterator[list[tuple[object, object]]]:
    while some := cursor.fetchmany(TOGETHER):
        yield some


def _seconds(at: object) -> float:
    if isinstance(at, float | int):
        return float(at)
    try:
        return parse_time(at)
    except ReadingError:
        return float("nan")


def _asleep(connection: sqlite3.Connection) -> Spans:
    """Return when Home Assistant did not run; of a run that ended badly the newest state tells its end."""
    has_seconds = "last_updated_ts" in _columns(connection, "states")
    newest = "SELECT max(last_updated_ts) FROM states WHERE last_updated_ts >= ? AND last_updated_ts < ?"
    runs = connection.execute('SELECT start, "end", closed_incorrect FROM recorder_runs ORDER BY start').fetchall()
    spans = []
    for (start, end, is_broken), (following, _, _) in pairwise(runs):
        began, begin, wakes = _seconds(start), _seconds(end), _seconds(following)
        if is_broken and has_seconds:
            told = connection.execute(newest, (began, wakes)).fetchone()[0]
            begin = begin if told is None else float(told)  # None too where its states are not migrated yet
        if begin < wakes:  # not so where one is not known
            spans.append((begin, wakes))
    return spans


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _either(columns: set[str], new: str, old: str) -> str:
    present = [name for name in (new, old) if name in columns]
    return f"coalesce({', '.join(present)})" if len(present) > 1 else present[0]


def _unit_of(text: str | None) -> str:
    try:
        attributes = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return ""
    return str(attributes.get("unit_of_measurement") or "") if isinstance(attributes, dict) else ""
