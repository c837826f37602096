"""Send series through the device's own cohort, with the graph that will serve: what is calibrated and judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.cohort import PARTS, Cohort, Verdicts
from edge.experts import Experience
from edge.learned import Learned
from edge.pacing import Sample
from edge.runtime import Model
from training.series import Series

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Hold what the cohort said of one stream, sample by sample, sensor units; nan while warming up.

    Attributes:
        values, measured: shape (samples, sensors).
        starts: shape (samples,), as in `Series`, counted from the first sample here.
        expected, lower, upper: shape (samples, sensors), made for this sample before it was seen.
        forecast, forecast_lower, forecast_upper: shape (samples, horizons, sensors).
        highway: shape (samples, horizons, sensors), what the highway alone forecast; never nan.
        below, above: shape (samples, horizons, sensors), half-widths as the graph gave them, > 0.
        score: shape (samples,).
        judged: index of the first sample that is judged; those before it only prime the state.
    """

    values: Doubles
    measured: NDArray[np.bool_]
    starts: NDArray[np.intp]
    expected: Doubles
    lower: Doubles
    upper: Doubles
    forecast: Doubles
    forecast_lower: Doubles
    forecast_upper: Doubles
    highway: Doubles
    below: Doubles
    above: Doubles
    score: Doubles
    judged: int

    def truths(self, horizons: Sequence[int]) -> Doubles:
        """Return what came true of each forecast, shape (samples, horizons, sensors).

        It is nan where the truth lies beyond the end, was not measured, or belongs to another life of the stream.
        """
        there = np.arange(len(self.values))[:, None] + np.array(horizons)
        inside = np.minimum(there, len(self.values) - 1)
        same = (there < len(self.values)) & (self.starts[inside] == self.starts[:, None])
        return np.where(same[:, :, None] & self.measured[inside], self.values[inside], np.nan)


@dataclass(frozen=True, slots=True)
class Span:
    """Name the samples of one stream that are rehearsed: `begin` primes, `judged` to `end` count.

    Attributes:
        series: the stream.
        begin, judged, end: indices of its samples.
        lines: shape (samples, 2, horizons, sensors), what highway and own line say instead of the graph's; or None.
    """

    series: Series
    begin: int
    judged: int
    end: int
    lines: Floats | None = None


class _Listening:
    """Run the graph, with other lines where there are some, and keep what it said.

    State kept: the parts of the last wave, and whose samples are in the next.
    """

    def __init__(self, model: Model, learned: Learned) -> None:
        self._model = model
        self._shape = (-1, PARTS, len(learned.horizons), len(learned.sensors))
        self.instead: list[Floats | None] = []
        self.parts: Floats = np.zeros(0, dtype=np.float32)

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance one wave, as `edge.runtime.Step`."""
        flat, state = self._model(x, lags, state)
        parts = flat.reshape(self._shape)
        for place, lines in enumerate(self.instead):
            if lines is not None:
                parts[place, :2] = lines
        self.parts = parts.copy()
        return parts.reshape(flat.shape), state


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Hold what the cohort said of each span, and the mean experience that its streams ended with."""

    streams: tuple[Rehearsal, ...]
    experience: Experience


_Said = tuple[Verdicts, Floats, int]


def rehearse(
    model: Model, learned: Learned, spans: Sequence[Span], *, progress: Callable[[int], None] | None = None
) -> Rehearsed:
    """Send spans of several streams through one cohort, the streams side by side.

    Args:
        model: the graph.
        learned: what training learned so far.
        spans: one for each stream.
        progress: told how many samples are done.

    Returns:
        What was said of each span, and what the streams learned of the experts.
    """
    step = _Listening(model, learned)
    cohort = Cohort(learned, step, model.units)
    rows = [cohort.admit(span.series.stream) for span in spans]
    waiting = [_samples(span) for span in spans]
    said: list[list[_Said]] = [[] for _ in spans]
    for index in range(max(map(len, waiting))):
        wave = [(row, samples[index]) for row, samples in zip(rows, waiting, strict=True) if index < len(samples)]
        step.instead = [_lines(spans[row], index) for row, _ in wave]
        verdicts = cohort.advance(wave)
        for place, (row, _) in enumerate(wave):
            said[row].append((verdicts, step.parts, place))
        if progress:
            progress(len(wave))
    return Rehearsed(
        tuple(_rehearsal(span, learned, one) for span, one in zip(spans, said, strict=True)), cohort.experience(rows)
    )


def _lines(span: Span, index: int) -> Floats | None:
    return None if span.lines is None else span.lines[span.begin + index]


def _samples(span: Span) -> list[Sample]:
    one = span.series
    heard = np.where(one.measured, one.values, np.nan)[span.begin : span.end].tolist()
    times = one.times[span.begin : span.end].tolist()
    index = range(span.begin, span.end)
    return [
        Sample(time, values, bool(one.starts[place] == place))
        for place, time, values in zip(index, times, heard, strict=True)
    ]


def _rehearsal(span: Span, learned: Learned, said: Sequence[_Said]) -> Rehearsal:
    def gather(name: str) -> Doubles:
        return np.stack([getattr(verdicts, name)[place] for verdicts, _, place in said])

    moves = learned.scaling.spread * np.stack([parts[place] for _, parts, place in said])
    return Rehearsal(
        values=span.series.values[span.begin : span.end],
        measured=span.series.measured[span.begin : span.end],
        starts=np.maximum(span.series.starts[span.begin : span.end] - span.begin, 0),
        expected=gather("expected"),
        lower=gather("lower"),
        upper=gather("upper"),
        forecast=gather("forecast"),
        forecast_lower=gather("forecast_lower"),
        forecast_upper=gather("forecast_upper"),
        highway=span.series.values[span.begin : span.end, None, :] + moves[:, 0],
        below=moves[:, 3],
        above=moves[:, 4],
        score=gather("score"),
        judged=span.judged - span.begin,
    )
