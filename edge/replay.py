"""Drive the line from a recorded history: the same grid, cohort and events as the daemon's, without a broker."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from edge.cohort import Cohort, Verdicts, waves
from edge.errors import RecordingError, quote
from edge.event import Event, Events
from edge.grid import Grid, GridCounts
from edge.learned import Learned
from edge.pacing import Sample
from edge.reading import Readings
from edge.recording import Recording
from edge.rows import at
from edge.runtime import Step
from edge.watch import Wanted, Watch

CHUNK = 20_000  # rows that go through the line together; bounds the memory of what waits
Progress = Callable[[int], None]
Owners = defaultdict[int, deque[int | None]]  # for each stream's row, whose the samples that wait are
Budget = Callable[[str], tuple[float | None, int | None]]
Told = Callable[[str], Sequence[Wanted]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Hold what the line said of a recording, row by row.

    Attributes:
        expected, lower, upper: shape (rows, sensors), sensor units; what was expected for this row, made before it
            was seen; nan while warming up and for rows that made no sample (late, duplicate, held back).
        score: shape (rows,); nan where `expected` is, and where nothing was measured.
        events: the id of the oldest event that was open at each row, or an empty text.
        kinds: the kind of that event, or an empty text.
        news: what was new of events, in order.
        counts: what the grid did.
    """

    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    score: NDArray[np.float64]
    events: list[str]
    kinds: list[str]
    news: list[Event]
    counts: GridCounts

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Tell which rows were flagged, shape (rows,)."""
        flagged: NDArray[np.bool_] = self.score > 1.0
        return flagged

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Tell which rows were flagged, or lie in an event of another kind, shape (rows,)."""
        others = [kind not in ("", "forecast") for kind in self.kinds]
        anomalous: NDArray[np.bool_] = self.flagged | np.array(others, dtype=np.bool_)
        return anomalous


def align(recording: Recording, learned: Learned) -> NDArray[np.float64]:
    """Bring a recording's columns into the bundle's order.

    Returns:
        Shape (rows, sensors of the bundle).

    Raises:
        RecordingError: a sensor of the bundle has no column with numbers.
    """
    missing = [sensor for sensor in learned.sensors if sensor not in (*recording.sensors, *recording.dropped)]
    if missing:
        present = quote(", ".join((*recording.sensors, *recording.dropped)))
        raise RecordingError(
            f"must have a column for each sensor of the bundle, lacks {', '.join(missing)}; the file has {present}"
        )
    aligned = np.full((len(recording.times), len(learned.sensors)), np.nan)
    for place, sensor in enumerate(learned.sensors):
        if sensor in recording.sensors:
            aligned[:, place] = recording.values[:, recording.sensors.index(sensor)]
    return aligned


class Replay:
    """Replay recordings through one cohort.

    State kept: the cohort, a grid for each stream, and what watches for other kinds of anomaly than `forecast`, so that
    recordings may follow on each other.

    Attributes:
        streams: names of the streams heard so far, by row.
        counts: what the grids did.
    """

    def __init__(
        self, learned: Learned, step: Step, units: int, *, budget: Budget | None = None, told: Told | None = None
    ) -> None:
        """Prepare a cohort.

        Args:
            learned: what training learned.
            step: the graph.
            units: numbers of recurrent state a stream has.
            budget: alarm budget and calm samples that end an event, for a stream's name; None leaves the bundle's.
            told: for a stream's name, which kinds of anomaly are told of each sensor; None: `forecast` alone.
        """
        self.counts = GridCounts()
        self._cohort = Cohort(learned, step, units)
        self.streams = self._cohort.streams
        self._events = Events(self._cohort.streams, learned.sensors)
        self._grids: dict[str, tuple[int, Grid]] = {}
        self._budget = budget
        self._told = told
        self._watch = None if told is None else Watch(learned, self._cohort.streams)
        self._begun = inf  # Unix seconds UTC

    def run(
        self, recording: Recording, *, progress: Progress | None = None, watch: Callable[[Verdicts], None] | None = None
    ) -> Replayed:
        """Send a recording through the line.

        Args:
            recording: what was measured.
            progress: told how many rows are done, now and then.
            watch: told the verdicts of every wave.

        Returns:
            What was said of each row; a row's verdict depends on no later row.
        """
        learned = self._cohort.learned
        values = align(recording, learned)
        shape = values.shape
        expected, lower, upper = (np.full(shape, np.nan) for _ in range(3))
        score = np.full(len(values), np.nan)
        said = Replayed(expected, lower, upper, score, [""] * len(values), [""] * len(values), [], self.counts)
        rows = [self._grid(name) for name in recording.stream_names]
        for now, places in self._batches(recording):
            if self._watch is not None:
                self._begun = min(self._begun, now)
                said.news.extend(self._watch.look(now, self._begun))
            waiting: list[tuple[int, Sample]] = []
            owners: Owners = defaultdict(deque)
            columns = (places, recording.streams[places], recording.times[places], values[places])
            for place, stream, time, heard in zip(*(column.tolist() for column in columns), strict=True):
                row, grid = rows[stream]
                readings = Readings(time, heard, time, whole=True)
                samples = grid.push(readings if self._watch is None else self._check(row, readings, said))
                waiting += [(row, sample) for sample in samples]
                # A row owns the last sample that it completed; one that is late or held back owns none.
                if samples:
                    owners[row].extend([*[None] * (len(samples) - 1), place])
            self._advance(now, waiting, owners, said, watch)
            if progress:
                progress(len(places))
        return said

    def _batches(self, recording: Recording) -> Iterator[tuple[float, NDArray[np.intp]]]:
        """Yield which rows go through the line together, and when.

        Forecasts of a stream depend on nothing else. Whether a sensor is silent depends on the time that has passed, so
        the rows go by their time then; those of a stream stay in their order.
        """
        if self._watch is None:
            for start in range(0, len(recording.times), CHUNK):
                yield nan, np.arange(start, min(start + CHUNK, len(recording.times)))
            return
        passed = recording.times.copy()
        for stream in range(len(recording.stream_names)):
            mine = recording.streams == stream
            passed[mine] = np.maximum.accumulate(passed[mine])
        order = np.argsort(passed, kind="stable")
        for places in np.split(order, 1 + np.flatnonzero(np.diff(passed[order]))):
            yield float(passed[places[0]]), places

    def _check(self, row: int, readings: Readings, said: Replayed) -> Readings:
        """Return readings without values that are impossible."""
        assert self._watch is not None
        kept, news = self._watch.check(row, readings)
        said.news.extend(news)
        return readings._replace(values=kept)

    def _grid(self, stream: str) -> tuple[int, Grid]:
        if stream not in self._grids:
            learned = self._cohort.learned
            per_week, close_after = self._budget(stream) if self._budget else (None, None)
            row = self._cohort.admit(stream, per_week, close_after)
            grid = Grid(learned.pacing, learned.period, max_gap=learned.max_gap, future=0.0, counts=self.counts)
            self._grids[stream] = row, grid
            if self._watch is not None and self._told is not None:
                self._watch.admit(row, self._told(stream))
        return self._grids[stream]

    def _advance(
        self,
        now: float,
        waiting: list[tuple[int, Sample]],
        owners: Owners,
        said: Replayed,
        watch: Callable[[Verdicts], None] | None,
    ) -> None:
        for wave in waves(waiting):
            verdicts = self._cohort.advance(wave)
            said.news.extend(self._events.advance(verdicts))
            if self._watch is not None:
                said.news.extend(self._watch.advance(wave, verdicts, [now] * len(wave)))
            if watch:
                watch(verdicts)
            self._write(said, verdicts, [owners[row].popleft() for row, _ in wave])

    def _write(self, said: Replayed, verdicts: Verdicts, places: list[int | None]) -> None:
        """Write the verdicts of a wave to the rows that own its samples."""
        owned = [(index, place) for index, place in enumerate(places) if place is not None]
        if not owned:
            return
        mine, rows = map(at, np.array(owned).T)
        said.expected[rows] = verdicts.expected[mine]
        said.lower[rows] = verdicts.lower[mine]
        said.upper[rows] = verdicts.upper[mine]
        said.score[rows] = verdicts.score[mine]
        strange = self._events.rows() | (set() if self._watch is None else self._watch.conditions.rows())
        if strange:
            streams = verdicts.rows.tolist()
            for index, place in owned:
                if streams[index] in strange:
                    event = self._oldest(streams[index])
                    said.events[place], said.kinds[place] = event.id, event.kind

    def _oldest(self, row: int) -> Event:
        others = [] if self._watch is None else self._watch.conditions.current(row)
        return min((*self._events.current(row), *others), key=lambda event: event.start)
