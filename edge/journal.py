"""Carry what was heard into a database that may be full, damaged or away; what cannot be written waits in memory.

No trouble with the file ends the recording: it is told once, and what waits is bounded and counted when it is dropped.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edge.clock import MICROSECONDS
from edge.database_file import Owner, set_aside
from edge.durations import SECONDS
from edge.errors import OperatorError, counted
from edge.history import TOGETHER, Heard, History, explain, is_damaged
from edge.history_spans import MOST_SPANS, Span
from edge.recorder_config import RecorderConfig
from edge.vigil import Notice

WAITING = 100_000  # readings that wait for a file that cannot be written: some 15 MB, three hours at ten a second
FULL = WAITING // 4  # readings that are committed before their time
TURNS = 20  # deletions after one commit, at most; a file that is far too large shrinks over some commits
SLACK = 64  # one page of so many is freed beyond what is needed, so that deletions are few and large
LONG = 2**62  # microseconds; nothing is as old, and SQLite has no longer numbers
AGE_EVERY = 3600 * MICROSECONDS  # microseconds of readings between two looks at what is too old


@dataclass(slots=True)
class JournalCounts:
    """What became of the readings.

    Attributes:
        recorded: written.
        repeated: of a sensor and an instant that were there.
        dropped: that waited too long for a file that cannot be written.
        expired: deleted, `max_age_days` older than the newest.
        displaced: deleted, the oldest where `max_bytes` was reached.
        damaged: how often a damaged file was moved aside.
        spans: words about suppressed spans that were written.
    """

    recorded: int = 0
    repeated: int = 0
    dropped: int = 0
    expired: int = 0
    displaced: int = 0
    damaged: int = 0
    spans: int = 0


class Journal:
    """Keep readings in memory from commit to commit.

    State kept: what waits, the open database if it can be opened, and which trouble was told.
    """

    def __init__(self, path: Path, settings: RecorderConfig) -> None:
        """Open the database.

        Raises:
            OperatorError: another process writes it, it is another program's, or it cannot be opened.
        """
        self.counts = JournalCounts()
        path = path.resolve() if path.is_symlink() else path  # what SQLite keeps beside a file is beside its target
        self._path = path
        self._max_bytes = settings.max_bytes
        self._max_age = round(min(settings.max_age_days * SECONDS["d"] * MICROSECONDS, LONG))
        self._waiting: deque[Heard] = deque()
        self._spans: deque[Span] = deque(maxlen=MOST_SPANS)
        self._notices: list[Notice] = []
        self._trouble = ""
        self._aged_at = -AGE_EVERY  # the newest reading at the last look
        self._owner = Owner(path)
        self._history: History | None = None
        try:
            self._history = self._open()
        except (sqlite3.Error, OSError) as refused:
            self._owner.close()
            text = explain(path, refused) if isinstance(refused, sqlite3.Error) else f"{path}: {refused.strerror}"
            raise OperatorError(text) from refused
        except OperatorError:
            self._owner.close()
            raise

    @property
    def waiting(self) -> int:
        """How many readings wait."""
        return len(self._waiting)

    def bytes(self) -> int:
        """Return what the database takes of the disk."""
        return 0 if self._history is None else self._history.bytes()

    def count_sources(self) -> tuple[int, int]:
        """Return how many streams and sensors the database knows."""
        return (0, 0) if self._history is None else self._history.count_sources()

    def add(self, heard: Sequence[Heard]) -> None:
        """Take readings; where many wait they are committed, and where they cannot be the oldest are dropped."""
        self._waiting.extend(heard)
        if len(self._waiting) >= FULL and not self._trouble:
            self.commit()
        while len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.counts.dropped += 1

    def suppress(self, span: Span) -> None:
        """Take a span of which nothing is to be learnt."""
        self._spans.append(span)

    def commit(self) -> None:
        """Write what waits, and delete what is too old or too much; trouble is told and counted."""
        self._dare(self._write_all)
        if not self._trouble:
            self._dare(self._delete)

    def notices(self) -> list[Notice]:
        """Return what the operator should hear of since the last look."""
        taken, self._notices = self._notices, []
        return taken

    def finish(self) -> None:
        """Commit for the last time; what could not be written is counted as dropped."""
        self.commit()
        self.counts.dropped += len(self._waiting)
        self._waiting.clear()

    def close(self) -> None:
        """Finish, and close the database."""
        self.finish()
        self._close()
        self._owner.close()

    def _dare(self, work: Callable[[], None]) -> None:
        """Do work on the file; where that fails, tell it once and try again at the next commit."""
        trouble = self._try(work)
        if isinstance(trouble, sqlite3.Error) and is_damaged(trouble) and self._begin_anew():
            trouble = self._try(work)
        if trouble is None:
            self._recover()
        elif isinstance(trouble, sqlite3.Error):
            self._suffer(explain(self._path, trouble))
        else:
            self._suffer(str(trouble))

    def _try(self, work: Callable[[], None]) -> sqlite3.Error | OSError | OperatorError | None:
        try:
            work()
        except (sqlite3.Error, OSError, OperatorError) as trouble:
            return trouble
        return None

    def _suffer(self, trouble: str) -> None:
        if trouble != self._trouble:
            what = f"{trouble}; {counted(len(self._waiting), 'reading')} wait in memory, at most {WAITING}"
            self._notices.append(Notice(what, is_trouble=True))
        self._trouble = trouble

    def _recover(self) -> None:
        if self._trouble:
            dropped = f", {counted(self.counts.dropped, 'reading')} dropped since the start"
            text = f"{self._path}: can be written again{dropped if self.counts.dropped else ''}"
            self._notices.append(Notice(text, is_trouble=False))
        self._trouble = ""

    def _open(self) -> History:
        try:
            return History(self._path, self._max_bytes)
        except sqlite3.Error as refused:
            if not is_damaged(refused):
                raise
        self._move_aside()
        return History(self._path, self._max_bytes)

    def _begin_anew(self) -> bool:
        """Move a damaged database aside; return whether that could be done."""
        self._close()
        try:
            self._move_aside()
            self._history = History(self._path, self._max_bytes)
        except (OSError, sqlite3.Error):
            return False
        return True

    def _move_aside(self) -> None:
        aside = set_aside(self._path)
        self.counts.damaged += 1
        text = f"{self._path}: was damaged; it is {aside.name} now, and a new one is begun"
        self._notices.append(Notice(text, is_trouble=True))

    def _write_all(self) -> None:
        if self._history is not None and self._history.is_gone():
            self._close()
        if self._history is None:
            self._history = self._open()
        if self._spans:
            self._history.write_spans(self._spans)
            self.counts.spans += len(self._spans)
            self._spans.clear()
        while self._waiting:
            batch = list(islice(self._waiting, TOGETHER))
            written = self._history.write(batch)
            self.counts.recorded += written
            self.counts.repeated += len(batch) - written
            for _ in batch:
                self._waiting.popleft()
            self._make_room(self._history)

    def _delete(self) -> None:
        if self._history is None:
            return
        self._make_room(self._history)
        newest = self._history.newest()
        if newest is not None and newest - self._aged_at >= AGE_EVERY:
            self._delete_aged(self._history, newest)
        self._history.shrink()

    def _delete_aged(self, history: History, newest: int) -> None:
        """Delete what is too old beside the newest: a device with a wrong clock, or without readings, loses nothing."""
        for _ in range(TURNS):
            deleted = history.delete_before(newest - self._max_age)
            self.counts.expired += deleted
            if not deleted:
                self._aged_at = newest
                return

    def _make_room(self, history: History) -> None:
        """Delete the oldest where there are too many, and some more, so that it need not be done at every commit."""
        if history.excess <= 0:
            return
        for _ in range(TURNS):
            deleted = history.delete_before(LONG)
            self.counts.displaced += deleted
            if not deleted or history.excess <= -history.most_pages // SLACK:
                return

    def _close(self) -> None:
        if self._history is not None:
            self._history.close()
            self._history = None
