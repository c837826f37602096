"""Keep the suppressed spans of a history in its database, and find them there."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

MAINTENANCE, ACKNOWLEDGED = "maintenance", "acknowledged"
MOST_SPANS = 10_000  # that are kept, the newest; people make them, and whoever floods us must not fill the card
# Databases that are older than this table get it when they are opened for writing.
SCHEMA = """
CREATE TABLE IF NOT EXISTS spans
(stream TEXT, why TEXT, start INTEGER, "end" INTEGER NOT NULL, PRIMARY KEY (stream, why, start)) WITHOUT ROWID;
"""


class Span(NamedTuple):
    """A span of a stream's history.

    Attributes:
        stream: its name.
        why: `MAINTENANCE` or `ACKNOWLEDGED`.
        start, end: microseconds since 1970 UTC; both belong to it. Maintenance that ends as it starts ends what lasts.
    """

    stream: str
    why: str
    start: int
    end: int


def write(connection: sqlite3.Connection, spans: Sequence[Span]) -> None:
    """Add spans; what is known of a span that lasts is replaced by what is new.

    Raises:
        sqlite3.Error: it could not be done.
    """
    run = connection.execute
    for span in spans:
        if span.why == MAINTENANCE:
            lasts = 'UPDATE spans SET "end" = ? WHERE stream = ? AND why = ? AND start <= ? AND "end" > ?'
            changed = run(lasts, (span.end, span.stream, span.why, span.start, span.start)).rowcount
            if changed or span.end == span.start:
                continue
        run("INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)", span)
    run(
        "DELETE FROM spans WHERE start <= (SELECT start FROM spans ORDER BY start DESC LIMIT 1 OFFSET ?)", (MOST_SPANS,)
    )


def delete_old(connection: sqlite3.Connection) -> None:
    """Delete the spans that ended before the oldest reading."""
    connection.execute('DELETE FROM spans WHERE "end" < (SELECT min(time) FROM readings)')


def read(connection: sqlite3.Connection) -> list[Span]:
    """Return all spans, by stream and start."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'spans'").fetchone():
        return []
    return [Span(*row) for row in connection.execute('SELECT stream, why, start, "end" FROM spans ORDER BY 1, 3, 2')]
