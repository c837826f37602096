"""Judge forecasts and events on data that nothing was fitted to, with baselines beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.learned import Learned
from edge.manifest_tables import QualityRow
from edge.runtime import Model
from training.baseline import season
from training.rehearse import Rehearsal, Span, rehearse

Doubles = NDArray[np.float64]


def judge(model: Model, learned: Learned, spans: Sequence[Span]) -> list[QualityRow]:
    """Measure the forecasts of some spans: RMSE beside that of the baselines, coverage and width of the intervals.

    Persistence repeats the last value, seasonal naive the value one season before the truth, ridge is the highway
    alone.

    Returns:
        A row for each horizon and sensor.
    """
    said = rehearse(model, learned, spans).streams
    steps = season(learned.period, min(span.judged for span in spans))
    rows = []
    for place, horizon in enumerate(learned.horizons):
        seasonal = None if steps is None or steps < horizon else _seasonal(spans, horizon, steps)
        errors = _errors(said, seasonal, place, horizon)
        rows += [_row(errors, sensor, name, horizon) for sensor, name in enumerate(learned.sensors)]
    return rows


@dataclass(frozen=True, slots=True)
class _Errors:
    """Hold what each method missed at one horizon, (samples, sensors), nan where unknown."""

    forecast: Doubles
    persistence: Doubles
    seasonal: Doubles | None
    ridge: Doubles
    inside: Doubles
    width: Doubles


def _errors(said: Sequence[Rehearsal], seasonal: Sequence[Doubles] | None, place: int, horizon: int) -> _Errors:
    judged = [slice(one.judged, None) for one in said]
    truths = [one.truths((horizon,))[:, 0] for one in said]

    def gather(name: str) -> Doubles:
        return np.concatenate([getattr(one, name)[:, place][cut] for one, cut in zip(said, judged, strict=True)])

    truth = np.concatenate([one[cut] for one, cut in zip(truths, judged, strict=True)])
    middle, lower, upper = (gather(name) for name in ("forecast", "forecast_lower", "forecast_upper"))
    truth = np.where(np.isnan(middle), np.nan, truth)
    last = np.concatenate([one.values[cut] for one, cut in zip(said, judged, strict=True)])
    return _Errors(
        forecast=truth - middle,
        persistence=truth - last,
        seasonal=None if seasonal is None else truth - np.concatenate(list(seasonal)),
        ridge=truth - gather("highway"),
        inside=np.where(np.isnan(truth), np.nan, (lower <= truth) & (truth <= upper)),
        width=np.where(np.isnan(truth), np.nan, upper - lower),
    )


def _seasonal(spans: Sequence[Span], horizon: int, season: int) -> list[Doubles]:
    """Return for each span the value one season before the truth of each judged sample."""
    pieces = []
    for span in spans:
        index = np.arange(span.judged, span.end) + horizon - season
        pieces.append(np.where(index[:, None] >= 0, span.series.values[np.maximum(index, 0)], np.nan))
    return pieces


def _row(errors: _Errors, sensor: int, name: str, horizon: int) -> QualityRow:
    def rmse(missed: Doubles) -> float:
        return float(np.sqrt(np.nanmean(missed[:, sensor] ** 2)))

    samples = int((~np.isnan(errors.forecast[:, sensor])).sum())
    if not samples:
        return QualityRow(
            sensor=name, horizon=horizon, samples=0, forecast=0.0, persistence=0.0, seasonal=None, ridge=0.0,
            coverage=0.0, width=0.0,
        )  # fmt: skip
    return QualityRow(
        sensor=name,
        horizon=horizon,
        samples=samples,
        forecast=rmse(errors.forecast),
        persistence=rmse(errors.persistence),
        seasonal=_seasonal_rmse(errors, sensor),
        ridge=rmse(errors.ridge),
        coverage=float(np.nanmean(errors.inside[:, sensor])),
        width=float(np.nanmean(errors.width[:, sensor])),
    )


def _seasonal_rmse(errors: _Errors, sensor: int) -> float | None:
    if errors.seasonal is None or np.isnan(errors.seasonal[:, sensor]).all():
        return None
    return float(np.sqrt(np.nanmean(errors.seasonal[:, sensor] ** 2)))


def skill(row: QualityRow) -> float:
    """Return 1 - RMSE / the better of persistence and ridge: above 0 is better than what comes for nothing.

    >>> skill(
    ...     QualityRow(
    ...         sensor="t",
    ...         horizon=1,
    ...         samples=9,
    ...         forecast=0.9,
    ...         persistence=1.0,
    ...         seasonal=None,
    ...         ridge=1.2,
    ...         coverage=0.9,
    ...         width=1.0,
    ...     )
    ... )
    0.09999999999999998
    """
    best = min(row.persistence, row.ridge)
    if best <= 0.0:
        return 0.0 if row.forecast <= 0.0 else -1.0
    return 1.0 - row.forecast / best


@dataclass(frozen=True, slots=True)
class Detection:
    """Count events and false alarms of one stream.

    Attributes:
        found, missed: labelled events with and without a flagged row in them.
        false: runs of flagged rows that touch no labelled event.
        flagged_share: share of the rows outside of labelled events that are flagged.
        delays: seconds from the start of each found event to its first flagged row.
    """

    found: int
    missed: int
    false: int
    flagged_share: float
    delays: tuple[float, ...]


def detect(
    times: Doubles, flagged: NDArray[np.bool_], labels: Sequence[tuple[float, float]], *, bridge: int = 1
) -> Detection:
    """Compare flags with labelled spans.

    Args:
        times: shape (rows,), Unix seconds UTC.
        flagged: shape (rows,).
        labels: start and end of each labelled event, both inside it.
        bridge: flagged rows at most this many rows apart belong to one run.
    """
    inside = np.zeros(len(times), np.bool_)
    delays = []
    for start, end in labels:
        span = (times >= start) & (times <= end)
        inside |= span
        if (flagged & span).any():
            delays.append(float(times[flagged & span][0] - start))
    rows = np.flatnonzero(flagged)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > bridge) + 1) if len(rows) else []
    false = sum(not inside[run].any() for run in runs)
    normal = max(int((~inside).sum()), 1)
    return Detection(
        len(delays), len(labels) - len(delays), false, float((flagged & ~inside).sum()) / normal, tuple(delays)
    )
