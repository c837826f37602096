"""Drive the line from a recorded history: the same grid, cohort and events as the daemon's, without a broker."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

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

CHUNK = 20_000  # rows that go through the line together; bounds the memory of what waits
Progress = Callable[[int], None]
Owners = defaultdict[int, deque[int | None]]  # for each stream's row, whose the samples that wait are
Budget = Callable[[str], tuple[float | None, int | None]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Hold what the line said of a recording, row by row.

    Attributes:
        expected, lower, upper: shape (rows, sensors), sensor units; what was expected for this row, made before it
            was seen; nan while warming up and for rows that made no sample (late, duplicate, held back).
        score: shape (rows,); nan where `expected` is, and where nothing was measured.
        events: the id of the event that was open at each row, or an empty text.
        news: what was new of events, in order.
        counts: what the grid did.
    """

    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    score: NDArray[np.float64]
    events: list[str]
    news: list[Event]
    counts: GridCounts

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Tell which rows were flagged, shape (rows,)."""
        flagged: NDArray[np.bool_] = self.score > 1.0
        return flagged


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

    State kept: the cohort, and a grid for each stream, so that recordings may follow on each other.

    Attributes:
        streams: names of the streams heard so far, by row.
        counts: what the grids did.
    """

    def __init__(self, learned: Learned, step: Step, units: int, *, budget: Budget | None = None) -> None:
        """Prepare a cohort.

        Args:
            learned: what training learned.
            step: the graph.
            units: numbers of recurrent state a stream has.
            budget: alarm budget and calm samples that end an event, for a stream's name; None leaves the bundle's.
        """
        self.counts = GridCounts()
        self._cohort = Cohort(learned, step, units)
        self.streams = self._cohort.streams
        self._events = Events(self._cohort.streams, learned.sensors)
        self._grids: dict[str, tuple[int, Grid]] = {}
        self._budget = budget

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
        said = Replayed(expected, lower, upper, score, [""] * len(values), [], self.counts)
        rows = [self._grid(name) for name in recording.stream_names]
        for start in range(0, len(values), CHUNK):
            waiting: list[tuple[int, Sample]] = []
            owners: Owners = defaultdict(deque)
            chunk = slice(start, start + CHUNK)
            told = zip(
                recording.streams[chunk].tolist(), recording.times[chunk].tolist(), values[chunk].tolist(), strict=True
            )
            for place, (stream, time, heard) in enumerate(told, start=start):
                row, grid = rows[stream]
                samples = grid.push(Readings(time, heard, time, whole=True))
                waiting += [(row, sample) for sample in samples]
                # A row owns the last sample that it completed; one that is late or held back owns none.
                if samples:
                    owners[row].extend([*[None] * (len(samples) - 1), place])
            self._advance(waiting, owners, said, watch)
            if progress:
                progress(min(CHUNK, len(values) - start))
        return said

    def _grid(self, stream: str) -> tuple[int, Grid]:
        if stream not in self._grids:
            learned = self._cohort.learned
            per_week, close_after = self._budget(stream) if self._budget else (None, None)
            row = self._cohort.admit(stream, per_week, close_after)
            grid = Grid(learned.pacing, learned.period, max_gap=learned.max_gap, future=0.0, counts=self.counts)
            self._grids[stream] = row, grid
        return self._grids[stream]

    def _advance(
        self,
        waiting: list[tuple[int, Sample]],
        owners: Owners,
        said: Replayed,
        watch: Callable[[Verdicts], None] | None,
    ) -> None:
        for wave in waves(waiting):
            verdicts = self._cohort.advance(wave)
            said.news.extend(self._events.advance(verdicts))
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
        if self._events.count():
            for index, place in owned:
                said.events[place] = self._events.open_id(int(verdicts.rows[index]))
