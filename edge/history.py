"""Keep readings in a database: one file of SQLite, bounded in size and age, easy on an SD card.

Theory of operation. Readings are ordered by time, then sensor, and have no other key. So whatever arrives goes to the
right edge of one tree, and what is deleted is its left edge: a commit writes the few pages that its readings fill,
however many sensors there are. Ordered by sensor it would write a page for each (`python -m tests.bench.recorder`).
Pages that become free are used again; the file shrinks only when a good part of it is free.

Times are whole microseconds, which is exact for every time that a sensor can write and a float can hold.

`synchronous=NORMAL`: a commit goes to the write-ahead log and is not waited for, so the card is asked to flush only
when the log is copied into the database. The end of the process loses no commit. A power cut loses, beside what was
not committed, what the kernel had not written yet, some 30 seconds as Linux is set up, and never the whole.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from edge import history_spans
from edge.errors import OperatorError, quote
from edge.history_spans import Span

APPLICATION = 0x54474452  # "TGDR", in the file's header: tells our databases from those of other programs
VERSION = 1  # of the tables
PAGE = 4096  # bytes; what flash and file systems are laid out for
TOGETHER = 5_000  # readings that one transaction writes or deletes: it adds some 150 KB to the log
LOG_ROOM = 16_000_000  # bytes of `max_bytes`, at most, that are left to the log; a quarter where that is less
FREE_SHARE = 4  # the file shrinks where one page of so many is free
SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, whole INTEGER NOT NULL);
CREATE TABLE sensors (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (stream, name));
CREATE TABLE readings (time INTEGER, sensor INTEGER, value REAL NOT NULL, lag INTEGER, PRIMARY KEY (time, sensor))
WITHOUT ROWID;
"""
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Source(NamedTuple):
    """Who spoke; `whole` says whether the stream's payloads speak for all of its sensors at once."""

    stream: str
    sensor: str
    whole: bool


class Heard(NamedTuple):
    """What a source said.

    Attributes:
        source: who spoke.
        time: microseconds since 1970 UTC.
        value: sensor units.
        lag: milliseconds from then to its arrival; None where the time is that of the arrival.
    """

    source: Source
    time: int
    value: float
    lag: int | None


class History:
    """Write readings into a database, and delete the oldest.

    State kept: the connection, and the numbers of the sources that the database knows.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Open a database, or begin a new one.

        Raises:
            OperatorError: it is another program's.
            sqlite3.Error: it cannot be opened, or is damaged.
        """
        self.path = path
        room = min(LOG_ROOM, max_bytes // 4)
        self._most_pages = (max_bytes - room) // PAGE
        self._connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            self._prepare(room)
            self._sources = self._read_sources()
            self._file = path.stat()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Copy the log into the database, and close it."""
        self._connection.close()

    def write(self, heard: Sequence[Heard]) -> int:
        """Write readings in one transaction; return how many were new.

        The first reading of a sensor at an instant counts: a broker may deliver one twice.

        Raises:
            sqlite3.Error: nothing was written.
        """
        sources = dict(self._sources)
        with self._transaction():
            for source in dict.fromkeys(one.source for one in heard):
                if source not in sources:
                    sources[source] = self._add(source)
            rows = [(one.time, sources[one.source], one.value, one.lag) for one in heard]
            rows.sort(key=itemgetter(0, 1))  # of one sensor and instant, what was heard first stays first
            statement = "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)"
            written = self._connection.executemany(statement, rows).rowcount
        self._sources = sources
        return written

    def write_spans(self, spans: Sequence[Span]) -> None:
        """Write suppressed spans in one transaction.

        Raises:
            sqlite3.Error: none was written.
        """
        with self._transaction():
            history_spans.write(self._connection, spans)

    def delete_before(self, time: int) -> int:
        """Delete the oldest readings of those before a time, `TOGETHER` at most; return how many.

        Raises:
            sqlite3.Error: nothing was deleted.
        """
        oldest = f"SELECT time FROM readings ORDER BY time LIMIT 1 OFFSET {TOGETHER}"
        statement = f"DELETE FROM readings WHERE time < ? AND time <= coalesce(({oldest}), ?)"
        with self._transaction():
            deleted = self._connection.execute(statement, (time, time)).rowcount
            history_spans.delete_old(self._connection)
            return deleted

    def newest(self) -> int | None:
        """Return the time of the newest reading, microseconds; None if there is none."""
        found: int | None = self._connection.execute("SELECT max(time) FROM readings").fetchone()[0]
        return found

    @property
    def excess(self) -> int:
        """How many pages in use are beyond what `max_bytes` allows."""
        return self._number("page_count") - self._number("freelist_count") - self._most_pages

    @property
    def most_pages(self) -> int:
        """How many pages `max_bytes` allows."""
        return self._most_pages

    def shrink(self) -> None:
        """Give free pages back to the file system, where they are many or the file is too large; some at a time.

        Raises:
            sqlite3.Error: it cannot be done.
        """
        pages, free = self._number("page_count"), self._number("freelist_count")
        if free and (pages > self._most_pages or free > pages // FREE_SHARE):
            # Each page is a row without columns, of which a cursor would ask for the first alone.
            self._connection.executescript("PRAGMA incremental_vacuum(200); PRAGMA wal_checkpoint(PASSIVE);")

    def bytes(self) -> int:
        """Return what the database and its log take of the disk."""
        total = 0
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                total += self.path.with_name(self.path.name + ending).stat().st_size
        return total

    def count_sources(self) -> tuple[int, int]:
        """Return how many streams and sensors it knows."""
        streams = {source.stream for source in self._sources}
        return len(streams), len({(source.stream, source.sensor) for source in self._sources})  # `whole` may change

    def is_gone(self) -> bool:
        """Return whether somebody has taken the file away, or put another one in its place."""
        try:
            return not os.path.samestat(self._file, self.path.stat())
        except FileNotFoundError:
            return True

    def _prepare(self, room: int) -> None:
        run = self._connection.execute
        if self._number("application_id") != APPLICATION:
            if self._number("schema_version") != 0:
                raise OperatorError(f"{self.path}: must be a new file or a recorder's database, got another program's")
            run(f"PRAGMA page_size = {PAGE}")
            run("PRAGMA auto_vacuum = INCREMENTAL")
        elif self._number("user_version") != VERSION:
            version = self._number("user_version")
            raise OperatorError(f"{self.path}: must have tables of version {VERSION}, got {version}: update tidegate")
        run("PRAGMA journal_mode = WAL").fetchall()
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA wal_autocheckpoint = {min(1000, room // 4 // PAGE)}").fetchall()
        run(f"PRAGMA journal_size_limit = {room}").fetchall()
        if self._number("application_id") != APPLICATION:
            self._connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        run(history_spans.SCHEMA)

    def _read_sources(self) -> dict[Source, int]:
        statement = (
            "SELECT streams.name, sensors.name, whole, sensors.id FROM sensors JOIN streams ON streams.id = stream"
        )
        found = self._connection.execute(statement)
        return {Source(stream, sensor, bool(whole)): number for stream, sensor, whole, number in found}

    def _add(self, source: Source) -> int:
        """Give a source a number; of a stream that changed its ways, the newest count."""
        run = self._connection.execute
        stream = (
            "INSERT INTO streams (name, whole) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET whole = excluded.whole"
        )
        run(stream, (source.stream, source.whole))
        sensor = "INSERT OR IGNORE INTO sensors (stream, name) SELECT id, ? FROM streams WHERE name = ?"
        run(sensor, (source.sensor, source.stream))
        number = "SELECT id FROM sensors WHERE stream = (SELECT id FROM streams WHERE name = ?) AND name = ?"
        found: int = run(number, (source.stream, source.sensor)).fetchone()[0]
        return found

    def _number(self, name: str) -> int:
        found = self._connection.execute(f"PRAGMA {name}").fetchone()
        return int(found[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has ended it already where the disk is full
                self._connection.execute("ROLLBACK")
            raise


def is_damaged(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file is damaged."""
    return _code(error) in DAMAGED


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the lowest byte; what is above it says it more finely


def explain(path: Path, error: sqlite3.Error) -> str:
    """Say in one line what SQLite says of a file."""
    return f"{path}: must be a database that can be written, got {quote(str(error))}"
