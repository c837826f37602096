"""Open somebody's SQLite database to read it, and never write to it, though its owner may be writing."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote as in_address

from edge.errors import RecordingError, quote, unreadable

MAGIC = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Return whether a file begins as a database does.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as missing:
        raise RecordingError(unreadable(path, missing)) from missing


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for as long as it is read.

    Where no write-ahead log lies beside it nobody writes, and not even the files that readers share are made.

    Raises:
        RecordingError: it is no database, or is damaged.
    """
    if not is_database(path):
        raise RecordingError(f"{path}: must be a SQLite database, got another file")
    is_still = not path.with_name(f"{path.name}-wal").exists()
    address = f"file:{in_address(str(path.resolve()))}?mode=ro{'&immutable=1' if is_still else ''}"
    connection = sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = 1")
        yield connection
    except sqlite3.Error as refused:
        raise RecordingError(f"{path}: must be a database that can be read, got {quote(str(refused))}") from refused
    finally:
        connection.close()


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of its tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
