"""Open somebody's SQLite database to read it, and never write to it, though its owner may be writing."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote as in_address

from edge.errors import RecordingError, quote, unreadable

MAGIC = b"SQLite format 3\0"
WRITE_VERSION, LOGGED = 18, 2  # of the header's bytes, the one that is 2 where there is a write-ahead log


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

    Where a database has its log beside it while it is used, and there is none, nobody writes: then not even the files
    that readers share are made. One without such a log is locked for as long as a statement reads.

    Raises:
        RecordingError: it is no database, or is damaged.
    """
    if not is_database(path):
        raise RecordingError(f"{path}: must be a SQLite database, got another file")
    file = path.resolve()  # beside which its log is, wherever a link to it may lie
    address = f"file:{in_address(str(file))}?mode=ro{'&immutable=1' if _is_still(file) else ''}"
    connection = sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = 1")
        yield connection
    except sqlite3.Error as refused:
        raise RecordingError(f"{path}: must be a database that can be read, got {quote(str(refused))}") from refused
    finally:
        connection.close()


def _is_still(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(WRITE_VERSION + 1)
    return header[WRITE_VERSION:] == bytes([LOGGED]) and not path.with_name(f"{path.name}-wal").exists()


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of its tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
