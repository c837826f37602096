"""Write a recorder's database as the table that the other commands read: the command `tidegate export`."""

import csv
import gzip
import io
import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from edge import bundle, history_spans, parquet
from edge.errors import OperatorError, counted
from edge.history_cells import LATEST, Page
from edge.history_rows import Extract, Rows, check_tables, moment
from edge.history_spans import Span
from edge.recording import STREAM, TIME
from edge.recording_arrays import stamp
from edge.replay_files import check_outputs
from edge.sqlite_reading import reading

ENDINGS = (".csv", ".csv.gz", ".parquet")


def export(
    database: Path,
    output: Path,
    *,
    since: str | None = None,
    until: str | None = None,
    streams: tuple[str, ...] | None = None,
    suppressed: bool = False,
    spans: Path | None = None,
) -> None:
    """Write what a database holds.

    Args:
        database: of `tidegate record`; it may be in use.
        output: CSV, CSV.gz or Parquet by its name.
        since, until: as an operator writes them, see `edge.history_rows.moment`.
        streams: names; None for all.
        suppressed: whether to write what is in suppressed spans too.
        spans: where to write these spans, CSV; None: nowhere.

    Raises:
        OperatorError: the database, the output or a bound needs the user.
    """
    if not output.name.endswith(ENDINGS):
        raise OperatorError(f"{output}: must end in {', '.join(ENDINGS)}")
    check_outputs([output] if spans is None else [output, spans], [database])
    if output.suffix == ".parquet":
        parquet.check_parquet(output)
    with reading(database) as connection:
        check_tables(database, connection)
        asked = {"--since": since, "--until": until}
        found = {name: moment(database, connection, name, text) for name, text in asked.items() if text is not None}
        begin, end = found.get("--since", -LATEST), found.get("--until", LATEST)
        rows = Rows(database, connection, Extract(since=begin, until=end, streams=streams, suppressed=suppressed))
        written = Tally()
        with bundle.whole(output.resolve()) as part:
            _write(part, output, rows, written)
        if spans is not None:
            known = [span for span in history_spans.read(connection) if span.stream in rows.stream_names]
            with bundle.whole(spans.resolve()) as part:
                _write_spans(part, known)
    _tell(output, rows, written)


@dataclass(slots=True)
class Tally:
    """What was written: how many rows, and of which streams, by their places."""

    rows: int = 0
    streams: set[int] = field(default_factory=set)

    def add(self, page: Page) -> None:
        """Count a page."""
        self.rows += len(page.times)
        self.streams.update(page.streams.tolist())


def _tell(output: Path, rows: Rows, written: Tally) -> None:
    print(
        f"{output}: {counted(written.rows, 'row')}, {counted(len(rows.sensors), 'sensor')} in "
        f"{counted(len(written.streams), 'stream')}",
        file=sys.stderr,
    )
    if rows.left_out:
        left_out = counted(rows.left_out, "reading")
        what = f"{left_out} of maintenance or acknowledged anomalies left out (--suppressed keeps them)"
        print(what, file=sys.stderr)


def _write(part: Path, output: Path, rows: Rows, written: Tally) -> None:
    pages = _counted(rows.pages(), written)
    if output.suffix == ".parquet":
        parquet.write_parquet(part, rows.sensors, rows.stream_names, pages)
        return
    with _text(part, is_packed=output.suffix == ".gz") as file:
        _write_csv(file, rows, pages)


@contextmanager
def _text(part: Path, *, is_packed: bool) -> Iterator[TextIO]:
    """Open a text; a packed one names neither file nor time, so that the same readings make the same bytes."""
    with part.open("wb") as raw:
        if not is_packed:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
                yield file
            return
        with (
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="") as file,
        ):
            yield file


def _write_csv(file: TextIO, rows: Rows, pages: Iterable[Page]) -> None:
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow((TIME, STREAM, *rows.sensors))
    for page in pages:
        names = (rows.stream_names[place] for place in page.streams.tolist())
        for time, name, values in zip(page.times.tolist(), names, page.values.tolist(), strict=True):
            lines.writerow((stamp(time), name, *("" if math.isnan(value) else value for value in values)))


def _write_spans(part: Path, spans: Iterable[Span]) -> None:
    """Write spans as those are written that `fit --exclude` and `evaluate --events` read."""
    with _text(part, is_packed=False) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow((STREAM, "start", "end", "why"))
        lines.writerows((span.stream, stamp(span.start), stamp(span.end), span.why) for span in spans)


def _counted(pages: Iterable[Page], written: Tally) -> Iterator[Page]:
    """Pass pages on, count them, and show on a terminal how far they are."""
    for page in pages:
        written.add(page)
        yield page
        if sys.stderr.isatty():
            print(f"\r{written.rows} rows, up to {stamp(int(page.times[-1]))}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
