"""A database as Home Assistant's recorder makes it, of whatever states: for tests and for the benchmark."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

# Source: Home Assistant, components/recorder/db_schema.py, version 43 (2024.4); indices as it makes them.
MODERN = """
CREATE TABLE schema_changes (change_id INTEGER PRIMARY KEY, schema_version INTEGER, changed DATETIME);
CREATE TABLE recorder_runs (run_id INTEGER PRIMARY KEY, start DATETIME, "end" DATETIME, closed_incorrect BOOLEAN,
    created DATETIME);
CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255));
CREATE UNIQUE INDEX ix_states_meta_entity_id ON states_meta (entity_id);
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0),
    event_id SMALLINT, last_changed CHAR(0), last_changed_ts FLOAT, last_reported_ts FLOAT, last_updated CHAR(0),
    last_updated_ts FLOAT, old_state_id INTEGER, attributes_id INTEGER, context_id CHAR(0), context_user_id CHAR(0),
    context_parent_id CHAR(0), origin_idx SMALLINT, context_id_bin BLOB, context_user_id_bin BLOB,
    context_parent_id_bin BLOB, metadata_id INTEGER);
CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
CREATE INDEX ix_states_last_updated_ts ON states (last_updated_ts);
CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id VARCHAR(255), source VARCHAR(32),
    unit_of_measurement VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255));
CREATE TABLE statistics (id INTEGER PRIMARY KEY, created DATETIME, created_ts FLOAT, metadata_id INTEGER,
    start DATETIME, start_ts FLOAT, mean FLOAT, min FLOAT, max FLOAT,
    last_reset DATETIME, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
CREATE UNIQUE INDEX ix_statistics_statistic_id_start_ts ON statistics (metadata_id, start_ts);
"""
# Before 2023.2: times as text, entities by their id in every row.
OLD = """
CREATE TABLE recorder_runs (run_id INTEGER PRIMARY KEY, start DATETIME, "end" DATETIME, closed_incorrect BOOLEAN,
    created DATETIME);
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id VARCHAR(255), state VARCHAR(255), attributes TEXT,
    event_id INTEGER, last_changed DATETIME, last_updated DATETIME, old_state_id INTEGER, attributes_id INTEGER);
CREATE INDEX ix_states_entity_id_last_updated ON states (entity_id, last_updated);
"""

States = Iterable[tuple[str, float, str]]  # entity, Unix seconds, state


def attributes(unit: str) -> str:
    """Return an entity's attributes as they are shared."""
    return json.dumps({"state_class": "measurement", "unit_of_measurement": unit, "friendly_name": "x"})


def build(
    path: Path, states: States, units: Mapping[str, str], runs: Sequence[tuple[float, float | None, bool]] = ()
) -> Path:
    """Write a database of today's tables.

    Args:
        path: the file.
        states: in any order.
        units: of the entities.
        runs: start, end and whether it ended badly, of each run of Home Assistant.
    """
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(MODERN)
        number = {name: place for place, name in enumerate(units, start=1)}
        database.executemany("INSERT INTO states_meta VALUES (?, ?)", [(place, name) for name, place in number.items()])
        shared = [(number[name], 0, attributes(unit)) for name, unit in units.items()]
        database.executemany("INSERT INTO state_attributes VALUES (?, ?, ?)", shared)
        _add_runs(database, runs)
        database.executemany(
            "INSERT INTO states (state, last_updated_ts, metadata_id, attributes_id, origin_idx, context_id_bin) "
            "VALUES (?, ?, ?, ?, 0, zeroblob(16))",
            ((state, time, number[name], number[name]) for name, time, state in states),
        )
        database.commit()
    return path


def build_old(
    path: Path, states: States, units: Mapping[str, str], runs: Sequence[tuple[float, float | None, bool]] = ()
) -> Path:
    """Write a database as it was before 2023."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(OLD)
        _add_runs(database, runs)
        database.executemany(
            "INSERT INTO states (entity_id, state, attributes, last_updated) VALUES (?, ?, ?, ?)",
            ((name, state, attributes(units[name]), text(time)) for name, time, state in states),
        )
        database.commit()
    return path


def add_statistics(path: Path, name: str, unit: str, hours: Iterable[tuple[float, float]]) -> None:
    """Add hourly means of an entity: the start of each hour, and the mean."""
    with closing(sqlite3.connect(path)) as database:
        columns = "statistic_id, source, unit_of_measurement, has_mean"
        meta = f"INSERT INTO statistics_meta ({columns}) VALUES (?, 'recorder', ?, 1)"
        number = database.execute(meta, (name, unit)).lastrowid
        rows = [(number, start, mean) for start, mean in hours]
        database.executemany("INSERT INTO statistics (metadata_id, start_ts, mean) VALUES (?, ?, ?)", rows)
        database.commit()


def text(time: float) -> str:
    """Write a time as SQLAlchemy does."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _add_runs(database: sqlite3.Connection, runs: Sequence[tuple[float, float | None, bool]]) -> None:
    rows = [(text(start), None if end is None else text(end), broken) for start, end, broken in runs]
    database.executemany('INSERT INTO recorder_runs (start, "end", closed_incorrect) VALUES (?, ?, ?)', rows)
