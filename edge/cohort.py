"""Advance all streams that share one bundle: window, recurrent state, last forecast, scorer state, as arrays.

Samples that wait are taken in waves, at most one sample a stream, with one batched model step a wave. One stream is
a wave of one: the same code serves one stream and ten thousand, and a verdict does not depend on who else was in
the wave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clock import phases
from edge.grid import Sample
from edge.runtime import Step
from edge.scale import Scaling, lay_out
from edge.score import Calibration, Scorer, alarm_surprise, standardise
from edge.window import Windows

Rows = NDArray[np.intp]
Doubles = NDArray[np.float64]


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
    measured: NDArray[np.bool_]
    expected: Doubles
    lower: Doubles
    upper: Doubles
    score: Doubles
    share: Doubles
    restarted: NDArray[np.bool_]
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
        self._scorer = Scorer(learned.calibration)
        self._ratio = (learned.scaling.spread / learned.scaling.change).astype(np.float32)
        sensors = len(learned.sensors)
        self._state = np.zeros((0, units), dtype=np.float32)
        self._held = np.zeros((0, sensors))
        self._last = np.zeros((0, 3, sensors))  # expected, lower, upper of the next sample

    def admit(self, stream: str, false_alarms_per_week: float | None = None) -> int:
        """Add a stream and return its row.

        Args:
            stream: its name.
            false_alarms_per_week: its alarm budget; the bundle's when it is None.
        """
        row = len(self.streams)
        self.streams.append(stream)
        if row == len(self._state):
            self._grow(max(8, 2 * row))
        budget = self.learned.false_alarms_per_week if false_alarms_per_week is None else false_alarms_per_week
        self._scorer.allow(row, alarm_surprise(budget, self.learned.period))
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
        expected, lower, upper = self._last[rows].swapaxes(0, 1)
        score, share = self._judge(rows, values - expected, expected - lower, upper - expected, measured)
        forecast, forecast_lower, forecast_upper = self._look_ahead(rows, times, values, measured)
        self._last[rows] = np.stack((forecast[:, 0], forecast_lower[:, 0], forecast_upper[:, 0]), axis=1)
        return Verdicts(
            rows, times, values, measured, expected, lower, upper, score, share, restarted,
            forecast, forecast_lower, forecast_upper,
        )  # fmt: skip

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self._state)
        self._windows.admit(capacity)
        self._scorer.admit(capacity)
        self._state = np.pad(self._state, ((0, more), (0, 0)))
        self._held = np.pad(self._held, ((0, more), (0, 0)))
        self._last = np.pad(self._last, ((0, more), (0, 0), (0, 0)), constant_values=np.nan)

    def _forget(self, rows: Rows) -> None:
        self._windows.forget(rows)
        self._scorer.forget(rows)
        self._state[rows] = 0.0
        self._last[rows] = np.nan

    def _judge(
        self, rows: Rows, residual: Doubles, below: Doubles, above: Doubles, measured: NDArray[np.bool_]
    ) -> tuple[Doubles, Doubles]:
        """Score the streams that had a forecast; the others get nan and no share."""
        score = np.full(len(rows), np.nan)
        share = np.zeros(residual.shape)
        ready = ~np.isnan(below[:, 0])
        if ready.any():
            quotient = standardise(residual[ready], below[ready], above[ready])
            scores = self._scorer.advance(rows[ready], quotient, measured[ready])
            score[ready], share[ready] = scores.score, scores.share
        return score, share

    def _look_ahead(
        self, rows: Rows, times: Doubles, values: Doubles, measured: NDArray[np.bool_]
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Advance window and state by one step; return forecast, lower and upper, (wave, horizons, sensors)."""
        learned = self.learned
        scaled = learned.scaling.scale(values)
        before = np.where(self._windows.filled[rows][:, None] == 0, scaled, self._windows.newest(rows))
        self._windows.push(rows, scaled, measured)
        x = lay_out(scaled, before, self._ratio, measured, phases(times, learned.cycles))
        parts, state = self._step(x, self._windows.lags(rows, learned.lags), self._state[rows])
        self._state[rows] = state
        shape = (len(rows), 4, len(learned.horizons), len(learned.sensors))
        highway, correction, below, above = parts.astype(np.float64).reshape(shape).swapaxes(0, 1)
        spread = learned.scaling.spread
        ahead = values[:, None, :] + spread * (learned.highway * highway + learned.correction * correction)
        ahead[~self._windows.full(rows)] = np.nan
        return ahead, ahead - spread * (learned.below * below), ahead + spread * (learned.above * above)
