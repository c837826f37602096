"""Send series through the device's own cohort, with the graph that will serve: what is calibrated and judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.cohort import Cohort, Learned, Verdicts
from edge.grid import Sample
from edge.runtime import Model
from training.series import Series

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Hold what the cohort said of one stream, sample by sample, sensor units; nan while warming up.

    Attributes:
        values, measured: shape (samples, sensors).
        starts: shape (samples,), as in `Series`, counted from the first sample here.
        expected, lower, upper: shape (samples, sensors), made for this sample before it was seen.
        forecast, forecast_lower, forecast_upper: shape (samples, horizons, sensors).
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
    """Name the samples of one stream that are rehearsed: `begin` primes, `judged` to `end` count."""

    series: Series
    begin: int
    judged: int
    end: int


def rehearse(
    model: Model, learned: Learned, spans: Sequence[Span], *, progress: Callable[[int], None] | None = None
) -> list[Rehearsal]:
    """Send spans of several streams through one cohort, the streams side by side.

    Args:
        model: the graph.
        learned: what training learned so far.
        spans: one for each stream.
        progress: told how many samples are done.

    Returns:
        One for each span.
    """
    cohort = Cohort(learned, model, model.units)
    rows = [cohort.admit(span.series.stream) for span in spans]
    waiting = [_samples(span) for span in spans]
    said: list[list[tuple[Verdicts, int]]] = [[] for _ in spans]
    for step in range(max(map(len, waiting))):
        wave = [(row, samples[step]) for row, samples in zip(rows, waiting, strict=True) if step < len(samples)]
        verdicts = cohort.advance(wave)
        for place, (row, _) in enumerate(wave):
            said[row].append((verdicts, place))
        if progress:
            progress(len(wave))
    return [_rehearsal(span, verdicts) for span, verdicts in zip(spans, said, strict=True)]


def _samples(span: Span) -> list[Sample]:
    one = span.series
    heard = np.where(one.measured, one.values, np.nan)[span.begin : span.end].tolist()
    times = one.times[span.begin : span.end].tolist()
    index = range(span.begin, span.end)
    return [
        Sample(time, values, bool(one.starts[place] == place))
        for place, time, values in zip(index, times, heard, strict=True)
    ]


def _rehearsal(span: Span, said: Sequence[tuple[Verdicts, int]]) -> Rehearsal:
    def gather(name: str) -> Doubles:
        return np.stack([getattr(verdicts, name)[place] for verdicts, place in said])

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
        score=gather("score"),
        judged=span.judged - span.begin,
    )
