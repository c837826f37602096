"""Advance all streams that share one bundle: window, recurrent state, last forecast, scorer state, as arrays.

Samples that wait are taken in waves, at most one sample a stream, with one batched model step a wave. One stream is
a wave of one: the same code serves one stream and ten thousand, and a verdict does not depend on who else was in
the wave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.clock import phases
from edge.grid import Sample
from edge.rows import Bools, Doubles, Floats, Rows, grow
from edge.runtime import Step
from edge.scale import Scaling, lay_out
from edge.score import Calibration, Scorer, standardise
from edge.window import Windows

# Spreads; a value beyond it is judged as if it lay there. Float32 overflows at 3e38, and a double loses the interval
# beside a forecast of 1e16: either makes nan, which a recurrent state never forgets.
WILDEST = 1e6


@dataclass(frozen=True, slots=True)
class Learned:
    """Hold what training learned besides the graph.

    Attributes:
        sensors: their names, in the order of every array.
        period: seconds a step.
        window: steps kept, and steps to hear before the first forecast.
        lags: newest steps of the window that the linear highway reads.
        max_gap: empty steps in a row over which the state is carried.
        horizons: steps ahead, increasing; the first is 1.
        cycles: seconds of the cycles that the clock tells, such as a day.
        scaling: the scale of each sensor.
        highway, correction: shape (horizons, sensors), 0..1: how much each part earned on data it never saw.
        below, above: shape (horizons, sensors), > 0: what makes the interval's half-widths honest.
        calibration: what the scorer knows.
        false_alarms_per_week: the alarm budget of one stream.
        close_after: calm samples that end an event.
    """

    sensors: tuple[str, ...]
    period: float
    window: int
    lags: int
    max_gap: int
    horizons: tuple[int, ...]
    cycles: tuple[float, ...]
    scaling: Scaling
    highway: Doubles
    correction: Doubles
    below: Doubles
    above: Doubles
    calibration: Calibration
    false_alarms_per_week: float
    close_after: int


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Hold what is said of one wave. Every number is in sensor units; nan means absent.

    Attributes:
        rows: shape (wave,), which streams.
        times: shape (wave,), Unix seconds UTC.
        values: shape (wave, sensors); where nothing was measured, the last value that was.
        measured: shape (wave, sensors).
        expected, lower, upper: shape (wave, sensors), the forecast made for this sample before it was seen, with
            its interval; nan while warming up.
        score: shape (wave,), 0..1 normal, above 1 anomalous; nan while warming up and where nothing was measured.
        share: shape (wave, sensors), how much each sensor carries of the deviation.
        restarted: shape (wave,), whether the stream's memory began anew with this sample.
        forecast, forecast_lower, forecast_upper: shape (wave, horizons, sensors), what comes next.
    """

    rows: Rows
    times: Doubles
    values: Doubles
    measured: Bools
    expected: Doubles
    lower: Doubles
    upper: Doubles
    score: Doubles
    share: Doubles
    restarted: Bools
    forecast: Doubles
    forecast_lower: Doubles
    forecast_upper: Doubles


def waves(waiting: Sequence[tuple[int, Sample]]) -> list[list[tuple[int, Sample]]]:
    """Cut samples that wait into waves: the first of each stream, then the second of each, and so on.

    >>> a, b = Sample(0.0, (), False), Sample(1.0, (), False)
    >>> [[row for row, _ in wave] for wave in waves([(0, a), (0, b), (1, a)])]
    [[0, 1], [0]]
    """
    cut: list[list[tuple[int, Sample]]] = []
    taken: dict[int, int] = {}
    for row, sample in waiting:
        place = taken.get(row, 0)
        taken[row] = place + 1
        if place == len(cut):
            cut.append([])
        cut[place].append((row, sample))
    return cut


class Cohort:
    """Hold the memory of every stream that one bundle serves.

    Attributes:
        learned: what training learned.
        streams: their names, by row.
    """

    def __init__(self, learned: Learned, step: Step, units: int) -> None:
        """Start with no stream; `admit` adds them.

        Args:
            learned: what training learned besides the graph.
            step: the graph.
            units: how many numbers of recurrent state a stream has.
        """
        self.learned = learned
        self.streams: list[str] = []
        self._step = step
        self._windows = Windows(learned.window, len(learned.sensors))
        self._scorer = Scorer(learned.calibration, learned.close_after)
        # What turns the graph's parts, (4, horizons, sensors), into sensor units.
        parts = np.stack((learned.highway, learned.correction, learned.below, learned.above))
        self._units: Doubles = learned.scaling.spread * parts
        self._ratio: Floats = (learned.scaling.spread / learned.scaling.change).astype(np.float32)
        self._least: Doubles = learned.scaling.centre - WILDEST * learned.scaling.spread
        self._most: Doubles = learned.scaling.centre + WILDEST * learned.scaling.spread
        sensors = len(learned.sensors)
        self._state: Floats = np.zeros((0, units), dtype=np.float32)
        self._held: Doubles = np.zeros((0, sensors))
        self._known: Bools = np.zeros((0, sensors), dtype=np.bool_)  # heard since the memory began
        self._last: Doubles = np.zeros((0, 3, sensors))  # expected, lower, upper of the next sample

    def admit(self, stream: str, false_alarms_per_week: float | None = None, close_after: int | None = None) -> int:
        """Add a stream and return its row.

        Args:
            stream: its name.
            false_alarms_per_week: its alarm budget; the bundle's when it is None.
            close_after: calm samples that end its events; the bundle's when it is None.
        """
        row = len(self.streams)
        self.streams.append(stream)
        if row == len(self._state):
            self._grow(max(8, 2 * row))
        budget = self.learned.false_alarms_per_week if false_alarms_per_week is None else false_alarms_per_week
        self._scorer.allow(row, budget, self.learned.period, close_after)
        self._held[row] = self.learned.scaling.centre
        return row

    def advance(self, wave: Sequence[tuple[int, Sample]]) -> Verdicts:
        """Judge one sample of each of some streams, and say what comes next for them.

        Args:
            wave: rows with their samples; each row at most once.
        """
        rows = np.array([row for row, _ in wave], dtype=np.intp)
        times = np.array([sample.time for _, sample in wave], dtype=np.float64)
        heard = np.array([sample.values for _, sample in wave], dtype=np.float64)
        restarted = np.array([sample.restart for _, sample in wave], dtype=np.bool_)
        if restarted.any():
            self._forget(rows[restarted])
        measured = ~np.isnan(heard)
        values = np.where(measured, heard, self._held[rows])
        self._held[rows] = values
        self._known[rows] |= measured
        due = self._last[rows]
        bounded = np.minimum(np.maximum(values, self._least), self._most)
        score, share = self._judge(rows, bounded, due, measured)
        ahead = self._look_ahead(rows, times, bounded, measured)
        self._last[rows] = ahead[:, :, 0]
        return Verdicts(
            rows, times, values, measured, due[:, 0], due[:, 1], due[:, 2], score, share, restarted,
            ahead[:, 0], ahead[:, 1], ahead[:, 2],
        )  # fmt: skip

    def _grow(self, capacity: int) -> None:
        self._windows.admit(capacity)
        self._scorer.admit(capacity)
        self._state = grow(self._state, capacity, 0.0)
        self._held = grow(self._held, capacity, 0.0)
        self._known = grow(self._known, capacity, 0.0)
        self._last = grow(self._last, capacity, np.nan)

    def _forget(self, rows: Rows) -> None:
        self._windows.forget(rows)
        self._scorer.forget(rows)
        self._state[rows] = 0.0
        self._known[rows] = False
        self._last[rows] = np.nan

    def _judge(self, rows: Rows, values: Doubles, due: Doubles, measured: Bools) -> tuple[Doubles, Doubles]:
        """Score the streams that had a forecast; the others get nan and no share."""
        expected, lower, upper = due[:, 0], due[:, 1], due[:, 2]
        ready = ~np.isnan(expected).all(axis=1)
        score = np.full(len(rows), np.nan)
        share = np.zeros(values.shape)
        if ready.any():
            quotient = standardise(values - expected, expected - lower, upper - expected)
            judged = measured & ~np.isnan(quotient)  # nan: this sensor was never heard before
            quotient = np.where(judged, quotient, 0.0)
            level = (values - self.learned.scaling.centre) / self.learned.scaling.spread
            scores = self._scorer.advance(rows[ready], level[ready], quotient[ready], judged[ready])
            score[ready], share[ready] = scores.score, scores.share
        return score, share

    def _look_ahead(self, rows: Rows, times: Doubles, values: Doubles, measured: Bools) -> Doubles:
        """Advance window and state by one step; return forecast, lower and upper, (wave, 3, horizons, sensors)."""
        learned = self.learned
        scaled = learned.scaling.scale(values)
        before = self._windows.push(rows, scaled)
        x = lay_out(scaled, before, self._ratio, measured, phases(times, learned.cycles))
        parts, state = self._step(x, self._windows.lags(rows, learned.lags), self._state[rows])
        self._state[rows] = state
        moves = self._units * parts.reshape((-1, *self._units.shape))
        ahead = np.empty((len(rows), 3, *self._units.shape[1:]))
        ahead[:, 0] = values[:, None, :] + moves[:, 0] + moves[:, 1]
        ahead[:, 1] = ahead[:, 0] - moves[:, 2]
        ahead[:, 2] = ahead[:, 0] + moves[:, 3]
        ahead[~self._windows.full(rows)] = np.nan
        known = self._known[rows]
        if not known.all():
            ahead = np.where(known[:, None, None, :], ahead, np.nan)
        return ahead
