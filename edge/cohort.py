"""Advance all streams that share one bundle: window, recurrent state, last forecast, scorer state, as arrays.

Samples that wait are taken in waves, at most one sample a stream, with one batched model step a wave. One stream is
a wave of one: the same code serves one stream and ten thousand, and a verdict does not depend on who else was in
the wave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.clock import phases
from edge.due import Due, pace
from edge.evidence import standardise
from edge.experts import EXPERTS, Experience, Experts
from edge.interval import Margins
from edge.learned import Learned
from edge.pacing import Sample
from edge.rows import At, Bools, Doubles, Floats, Rows, all_of, any_of, at, grow, grow_planes, some
from edge.runtime import Step
from edge.scale import lay_out
from edge.score import Scorer, Scores, nothing_said
from edge.window import Windows

PARTS = 5  # of the graph: highway, own line, correction, half-widths below and above
HIGHWAY, OWN, CORRECTION, WIDTHS = 0, 1, 2, slice(3, 5)
LONGEST = 1024  # streams in a wave; in waves of 512 each takes a fifth longer, in waves of 256 half as long again
COUNT = len(EXPERTS)  # what falls due: each expert's forecast, then theirs together with its half-widths


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
        begins: shape (wave,), whether an event begins with this sample; it may be one that outgrew another.
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
    begins: Bools
    restarted: Bools
    forecast: Doubles
    forecast_lower: Doubles
    forecast_upper: Doubles


def waves(waiting: Sequence[tuple[int, Sample]]) -> list[list[tuple[int, Sample]]]:
    """Cut samples that wait into waves: the first of each stream, then the second of each, and so on.

    No wave is longer than `LONGEST`: what its arrays take in passing is bounded, and more gains nothing.

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
    return [wave[begin : begin + LONGEST] for wave in cut for begin in range(0, len(wave), LONGEST)]


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
        sensors, horizons = len(learned.sensors), len(learned.horizons)
        self._windows = Windows(learned.window, learned.lags, sensors, learned.means)
        self._due = Due(learned.horizons, COUNT + 3, sensors)
        paces = [pace(horizon) for horizon in learned.horizons]
        self._experts = Experts(learned.experience, paces)
        self._margins = Margins(learned.coverage, learned.horizons, paces, learned.leeway)
        self._scorer = Scorer(learned.calibration, learned.period, learned.close_after)
        # What the graph's correction and half-widths are worth, and the spread: (horizons, sensors) each.
        self._correction: Floats = learned.correction.astype(np.float32)
        self._widths: Floats = np.stack((learned.below, learned.above)).astype(np.float32)[:, None]
        self._spread: Floats = np.tile(learned.scaling.spread, (horizons, 1)).astype(np.float32)
        self._ratio: Floats = (learned.scaling.spread / learned.scaling.change).astype(np.float32)
        self._state: Floats = np.zeros((0, units), dtype=np.float32)
        self._held: Doubles = np.zeros((0, sensors))
        self._known: Bools = np.zeros((0, sensors), dtype=np.bool_)  # heard since the memory began
        self._last: Doubles = np.zeros((3, 0, sensors))  # expected, lower, upper of the next sample

    def admit(
        self,
        stream: str,
        false_alarms_per_week: float | None = None,
        close_after: int | None = None,
        *,
        ignored: Sequence[bool] = (),
    ) -> int:
        """Add a stream and return its row.

        Args:
            stream: its name.
            false_alarms_per_week: its alarm budget; the bundle's when it is None.
            close_after: calm samples that end its events; the bundle's when it is None.
            ignored: for each sensor whether it is never anomalous; empty where none is.
        """
        row = len(self.streams)
        self.streams.append(stream)
        if row == len(self._state):
            self._grow(row + max(8, row // 8))
        budget = self.learned.false_alarms_per_week if false_alarms_per_week is None else false_alarms_per_week
        self._scorer.allow(row, budget, close_after)
        if any(ignored):
            self._scorer.ignore(row, ignored)
        self._held[row] = self.learned.scaling.centre
        return row

    def advance(self, wave: Sequence[tuple[int, Sample]]) -> Verdicts:
        """Judge one sample of each of some streams, and say what comes next for them.

        Args:
            wave: rows with their samples; each row at most once.
        """
        learned = self.learned
        rows = np.array([row for row, _ in wave], dtype=np.intp)
        times = np.array([sample.time for _, sample in wave], dtype=np.float64)
        heard = np.array([sample.values for _, sample in wave], dtype=np.float64)
        restarted = np.array([sample.restart for _, sample in wave], dtype=np.bool_)
        if any_of(restarted):
            self._forget(rows[restarted])
        these = at(rows)
        measured = ~np.isnan(heard)
        values = heard if all_of(measured) else np.where(measured, heard, self._held[these])
        self._held[these] = values
        self._known[these] |= measured
        expected = self._last[:, these].copy()
        bounded = learned.scaling.bound(values)
        scaled = learned.scaling.scale(bounded)
        level = np.repeat(scaled, len(learned.horizons), axis=0).reshape(-1, *self._spread.shape)
        places = self._due.places(these)
        # In double: of a sensor whose interval is a tiny part of its spread, single precision leaves too little.
        precise = (bounded - learned.scaling.centre) / learned.scaling.spread
        due = self._due.take(these, places)
        scores = self._judge(these, times, level, measured, precise=precise, due=due)
        said = self._look_ahead(these, times, scaled, measured)
        ahead = self._spread_out(these, bounded, said)
        said[: COUNT + 1] += level
        self._due.put(these, places, said)
        self._last[:, these] = ahead[:, :, 0]
        return Verdicts(
            rows, times, values, measured, expected[0], expected[1], expected[2],
            scores.score, scores.share, scores.begins, restarted, ahead[0], ahead[1], ahead[2],
        )  # fmt: skip

    def experience(self, rows: Sequence[int]) -> Experience:
        """Return what some streams have learned of the experts, the mean of them."""
        return self._experts.experience(np.array(rows, dtype=np.intp))

    def trust(self) -> dict[str, float]:
        """Return the weight of each expert, the mean of all streams, horizons and sensors: 0..1, they sum to 1.

        Where the correction does not serve, the network says what the highway says, and counts as highway.
        """
        rows = np.arange(len(self.streams))
        if not len(rows):
            return dict.fromkeys(EXPERTS, 0.0)
        weights = self._experts.weights(rows).mean(axis=1, dtype=np.float64)
        idle = np.where(self.learned.correction > 0.0, 0.0, weights[EXPERTS.index("network")])
        weights[EXPERTS.index("highway")] += idle
        weights[EXPERTS.index("network")] -= idle
        return dict(zip(EXPERTS, weights.mean(axis=(1, 2)).tolist(), strict=True))

    def dismiss(self, row: int) -> None:
        """Take the open event of a stream for a false alarm: what carries it is shelved."""
        self._scorer.dismiss(row)

    def shelved(self) -> int:
        """Count the statistics that were strange for so long that they are no longer told, over all streams."""
        return self._scorer.shelved()

    def _grow(self, capacity: int) -> None:
        for memory in (self._windows, self._due, self._experts, self._margins, self._scorer):
            memory.admit(capacity)
        self._state = grow(self._state, capacity, 0.0)
        self._held = grow(self._held, capacity, 0.0)
        self._known = grow(self._known, capacity, 0.0)
        self._last = grow_planes(self._last, capacity, np.nan)

    def _forget(self, rows: Rows) -> None:
        for memory in (self._windows, self._due, self._scorer):
            memory.forget(rows)
        self._state[rows] = 0.0
        self._known[rows] = False
        self._last[:, rows] = np.nan

    def _judge(
        self, rows: At, times: Doubles, level: Floats, measured: Bools, *, precise: Doubles, due: Floats
    ) -> Scores:
        """Score the streams that had a forecast, and learn from what came true; the others get nan and no share.

        Args:
            rows: which streams.
            times: shape (wave,), Unix seconds UTC.
            level: shape (wave, horizons, sensors), what came, in spreads, the same for every horizon.
            measured: shape (wave, sensors).
            precise: shape (wave, sensors), what came, in double precision.
            due: shape (COUNT + 3, wave, horizons, sensors), what was said of this sample.
        """
        residual, half_widths = level - due[: COUNT + 1], due[COUNT + 1 :]
        absent = np.isnan(residual[COUNT])  # never heard before, or warming up, or not kept
        known = ~absent if all_of(measured) else measured[:, None, :] & ~absent
        late = times > self.learned.until
        told = known if all_of(late) else known & late[:, None, None]
        self._experts.learn(rows, residual[:COUNT], told)
        self._margins.learn(rows, residual[COUNT], half_widths, told)
        judged = known[:, 0].copy()
        quotient = standardise(precise - due[COUNT, :, 0], *half_widths[:, :, 0].astype(np.float64))
        if not all_of(judged):
            quotient = np.where(judged, quotient, 0.0)
        if not any_of(absent[:, 0]):
            return self._scorer.advance(rows, times, precise, quotient, judged)
        ready = ~np.logical_and.reduce(absent[:, 0], axis=1)
        scores = nothing_said(precise)
        if any_of(ready):
            said = self._scorer.advance(some(rows, ready), times[ready], precise[ready], quotient[ready], judged[ready])
            scores.score[ready], scores.share[ready], scores.begins[ready] = said.score, said.share, said.begins
        return scores

    def _look_ahead(self, rows: At, times: Doubles, scaled: Floats, measured: Bools) -> Floats:
        """Advance window and state by one step.

        Returns:
            What is forecast, in spreads, shape (COUNT + 3, wave, horizons, sensors): how far each expert and then all
            of them together move from the last value, and the half-widths below and above.
        """
        learned = self.learned
        past = self._windows.push(rows, scaled)
        x = lay_out(scaled, past, self._ratio, measured, phases(times, learned.cycles))
        raw, state = self._step(x, self._windows.lags(rows), self._state[rows])
        self._state[rows] = state
        parts = raw.reshape(-1, PARTS, *self._spread.shape).swapaxes(0, 1)
        said = np.empty((COUNT + 3, *parts.shape[1:]), dtype=np.float32)
        said[0], said[1], said[2] = 0.0, parts[OWN], parts[HIGHWAY]  # persistence does not move
        np.multiply(parts[CORRECTION], self._correction, out=said[3])
        said[3] += said[2]
        np.multiply(parts[WIDTHS], self._widths, out=said[COUNT + 1 :])
        there = self._windows.full(rows)[:, None] & self._known[rows]
        if not all_of(there):
            np.copyto(said[1:], np.nan, where=~there[:, None, :])
        said[COUNT] = self._experts.mix(rows, said[1:COUNT])
        return said

    def _spread_out(self, rows: At, values: Doubles, said: Floats) -> Doubles:
        """Return forecast, lower and upper in sensor units, (3, wave, horizons, sensors)."""
        ahead = np.empty((3, *said.shape[1:]))
        ahead[0] = values[:, None, :]
        ahead[0] += said[COUNT] * self._spread
        below, above = self._margins.widen(rows, said[COUNT + 1 :]) * self._spread
        np.subtract(ahead[0], below, out=ahead[1])
        np.add(ahead[0], above, out=ahead[2])
        return ahead
