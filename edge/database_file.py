"""Whose a database's file is, and where a damaged one goes."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from edge.errors import OperatorError


class Owner:
    """Be the only process that writes a database, until `close` or the process's end.

    SQLite would let several write in turn. The lock is a file of its own: who opens and closes the database beside
    SQLite takes SQLite's own locks away.
    """

    def __init__(self, database: Path) -> None:
        """Become it.

        Raises:
            OperatorError: another process is it, or there may be no file.
        """
        path = database.with_name(f"{database.name}.lock")
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as refused:
            raise OperatorError(f"{database}: must be in a folder that can be written: {refused.strerror}") from refused
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise OperatorError(f"{database}: must be written by one process alone, another one has it") from None

    def close(self) -> None:
        """Let another process have it."""
        self._file.close()


def set_aside(path: Path) -> Path:
    """Give a damaged database another name, with all that belongs to it; return its new name.

    Raises:
        OSError: it cannot be renamed.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}.damaged-{stamp}-{number}{path.suffix}")
    for ending in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.rename(path.with_name(path.name + ending), aside.with_name(aside.name + ending))
    return aside
