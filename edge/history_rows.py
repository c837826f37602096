"""Read a recorder's database as a table: what a stream's sensors said at one instant is one row.

Where each sensor has a topic of its own a row is a cell of a grid (`edge.history_cells`), as long as the fastest
sensor's usual interval, unless the caller knows the period.

Pages are read in short transactions, so that the recorder may go on and its log stays small.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge import history_spans
from edge.clock import MICROSECONDS
from edge.durations import parse_duration
from edge.errors import ConfigError, ReadingError, RecordingError, counted, quote
from edge.history import APPLICATION, VERSION
from edge.history_cells import LATEST, Cells, Page, Readings, lay
from edge.pace import usual
from edge.reading import parse_time
from edge.recording import Recording
from edge.recording_arrays import from_arrays

PAGE = 50_000  # readings that are read together: some 10 MB
TRIED = 10_000  # readings of a stream that tell its pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What of a database is read.

    Attributes:
        since: the first microsecond.
        until: the first that is not read any more.
        streams: names of the streams; None for all.
        period: seconds of a cell where readings come one by one; None: found.
        rows: how many rows at most; what follows is never looked at.
        suppressed: whether readings in suppressed spans are read too.
    """

    since: int = -LATEST
    until: int = LATEST
    streams: tuple[str, ...] | None = None
    period: float | None = None
    rows: int | None = None
    suppressed: bool = True


class Rows:
    """Read a database page by page.

    Attributes:
        sensors: names of the columns.
        stream_names: of the streams that may occur.
        left_out: how many readings were left out so far, for they are in suppressed spans.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, extract: Extract) -> None:
        """Read which sensors there are.

        Raises:
            RecordingError: it is no recorder's database, or has not the streams that are asked for.
        """
        self._path, self._connection, self._extract = path, connection, extract
        check_tables(path, connection)
        known = connection.execute(
            "SELECT streams.name, whole, sensors.id, sensors.name FROM sensors JOIN streams ON streams.id = stream "
            "ORDER BY sensors.id"
        ).fetchall()
        wanted = self._wanted(tuple(dict.fromkeys(stream for stream, *_ in known)))
        known = [one for one in known if one[0] in wanted]
        self.stream_names = tuple(dict.fromkeys(stream for stream, *_ in known))
        self.sensors = tuple(dict.fromkeys(sensor for *_, sensor in known))
        size = 1 + max((number for _, _, number, _ in known), default=0)
        self._stream_of = np.full(size, -1, dtype=np.intp)
        self._column_of = np.zeros(size, dtype=np.intp)
        for stream, _, number, sensor in known:
            self._stream_of[number] = self.stream_names.index(stream)
            self._column_of[number] = self.sensors.index(sensor)
        whole = {stream: bool(whole) for stream, whole, *_ in known}
        self.left_out = 0
        spans = [] if extract.suppressed else history_spans.read(connection)
        self._spans = [
            (self.stream_names.index(span.stream), span.start, span.end) for span in spans if span.stream in whole
        ]
        self._lengths = [0 if whole[name] else self._cell(place) for place, name in enumerate(self.stream_names)]

    def pages(self) -> Iterator[Page]:
        """Yield all rows, in the order in which they were complete; those of a stream are in order of time.

        Raises:
            RecordingError: there is none.
        """
        left, any_row = self._extract.rows, False
        for page in self._pages():
            kept = page if left is None else Page(page.times[:left], page.streams[:left], page.values[:left])
            any_row = True
            yield kept
            if left is not None:
                left -= len(kept.times)
                if left <= 0:
                    return
        if not any_row and self.left_out:
            rule = "must have readings beside those of maintenance and acknowledged anomalies"
            got = f"got {counted(self.left_out, 'reading')} of these alone (`export --suppressed` keeps them)"
            raise RecordingError(f"{self._path}: {rule}, {got}")
        if not any_row:
            raise RecordingError(f"{self._path}: must have readings in the time and streams asked for, got none")

    def _wanted(self, present: Sequence[str]) -> Sequence[str]:
        wanted = self._extract.streams
        if wanted is None:
            return present
        lacking = [name for name in wanted if name not in present]
        if lacking:
            streams = quote(", ".join(present))
            raise RecordingError(
                f"{self._path}: must have every stream asked for, lacks {', '.join(lacking)}; has {streams}"
            )
        return wanted

    def _pages(self) -> Iterator[Page]:
        cells, sensors = Cells(self._lengths), len(self.sensors)
        for some, newest in self._read():
            yield from lay(cells.add(some, newest), sensors)
        yield from lay(cells.finish(), sensors)

    def _read(self) -> Iterator[tuple[Readings, int]]:
        """Yield readings, and the time of the newest that was looked at."""
        statement = (
            "SELECT time, sensor, value FROM readings WHERE (time, sensor) > (?, ?) AND time < ? "
            "ORDER BY time, sensor LIMIT ?"
        )
        after, extract, size = (self._extract.since, -1), self._extract, PAGE
        while True:
            found = self._connection.execute(statement, (*after, extract.until, size)).fetchall()
            if not found:
                return
            after = found[-1][:2]
            yield self._readings(found), after[0]

    def _readings(self, found: Sequence[tuple[int, int, float]]) -> Readings:
        times = np.array([time for time, _, _ in found], dtype=np.int64)
        sensors = np.array([sensor for _, sensor, _ in found], dtype=np.intp)
        values = np.array([value for _, _, value in found], dtype=np.float64)
        # A sensor that came while we read, or that nobody asked for, is of no stream.
        known = sensors < len(self._stream_of)
        streams = np.where(known, self._stream_of[np.where(known, sensors, 0)], -1)
        columns = self._column_of[np.where(known, sensors, 0)]
        kept = streams >= 0
        for stream, start, end in self._spans:
            inside = kept & (streams == stream) & (times >= start) & (times <= end)
            self.left_out += int(np.count_nonzero(inside))
            kept &= ~inside
        return Readings(times, streams, columns, values).only(kept)

    def _cell(self, place: int) -> int:
        """Return the microseconds of a cell of a stream; 0 where it has no pace yet."""
        if self._extract.period is not None:
            return round(self._extract.period * MICROSECONDS)
        tried = TRIED if self._extract.rows is None else min(TRIED, self._extract.rows)
        mine = [number for number, stream in enumerate(self._stream_of.tolist()) if stream == place]
        marks = ", ".join("?" * len(mine))
        found = self._connection.execute(
            f"SELECT time, sensor FROM readings WHERE time >= ? AND time < ? AND sensor IN ({marks}) "
            "ORDER BY time LIMIT ?",
            (self._extract.since, self._extract.until, *mine, tried),
        ).fetchall()
        times = np.array([time for time, _ in found], dtype=np.float64) / MICROSECONDS
        sensors = np.array([sensor for _, sensor in found])
        paces = [usual(np.diff(times[sensors == number])) for number in mine]
        return round(min((pace for pace in paces if pace is not None), default=0.0) * MICROSECONDS)


def check_tables(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what is no recorder's database.

    Raises:
        RecordingError: it is another program's, or of another version.
    """
    if not is_recorder(connection):
        raise RecordingError(f"{path}: must be a database of `tidegate record`, got another program's")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise RecordingError(f"{path}: must have tables of version {VERSION}, got {version}: update tidegate")


def is_recorder(connection: sqlite3.Connection) -> bool:
    """Return whether a database is of `tidegate record`."""
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION)


def read_history(path: Path, connection: sqlite3.Connection, extract: Extract) -> Recording:
    """Read a database as one recording.

    Raises:
        RecordingError: it cannot be, or its streams have no sensor in common.
    """
    rows = Rows(path, connection, extract)
    pages = list(rows.pages())
    recording = from_arrays(
        rows.sensors,
        rows.stream_names,
        np.concatenate([page.streams for page in pages]),
        np.concatenate([page.times for page in pages]),
        values=np.concatenate([page.values for page in pages]),
    )
    _check_common(path, recording)
    return replace(recording, left_out=rows.left_out)


def _check_common(path: Path, recording: Recording) -> None:
    """Refuse streams of which no sensor is shared by all: no bundle could serve them together."""
    heard = ~np.isnan(recording.values)
    having = [
        set(np.flatnonzero(heard[recording.streams == place].any(axis=0)).tolist())
        for place in range(len(recording.stream_names))
    ]
    if len(having) > 1 and not set.intersection(*having):
        shown = "; ".join(
            f"{name} ({', '.join(recording.sensors[column] for column in sorted(columns))})"
            for name, columns in zip(recording.stream_names[:5], having[:5], strict=True)
        )
        more = f" and {counted(len(having) - 5, 'stream')} more" if len(having) > 5 else ""
        raise RecordingError(f"{path}: must be streams that share a sensor: choose with --streams among {shown}{more}")


def moment(path: Path, connection: sqlite3.Connection, name: str, text: str) -> int:
    """Read a time, or a span before the newest reading, of the option `name`.

    Returns:
        Microseconds since 1970 UTC.

    Raises:
        ConfigError: it is neither.
    """
    try:
        return round(parse_time(text) * MICROSECONDS)
    except ReadingError:
        pass
    try:
        span = parse_duration(text)
    except ConfigError:
        raise ConfigError(f"{name}: must be ISO 8601, Unix seconds or a span such as 30d, got {quote(text)}") from None
    newest = connection.execute("SELECT max(time) FROM readings").fetchone()[0]
    if newest is None:
        raise RecordingError(f"{path}: must have readings, got none")
    return int(newest) + 1 - round(span * MICROSECONDS)
