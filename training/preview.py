"""Tell how often a bundle would have fired at several alarm budgets, so that the user can choose one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.alarm import WEEK, allowed_share
from edge.bundle import Bundle
from edge.event import Event
from training.budget import is_kept
from training.side_by_side import Heard, History, inside, replay

BUDGETS = (0.1, 1.0, 7.0, 70.0)  # false alarms a week and stream, shown beside the bundle's own
STRONGEST = 10  # events that are listed of each span of rows
CALIBRATED, NEWER, ALL = "the calibrate split", "rows newer than the training data", "all rows"


@dataclass(frozen=True, slots=True)
class Rate:
    """Say how often a bundle would have fired.

    Attributes:
        span: which rows.
        budget: false alarms a week and stream that it was set to.
        allowed: what the device honours of it, see `edge.alarm.allowed_share`.
        due: alarms that this is worth in those rows, over all streams.
        events: how many opened in those rows.
        per_week: how many that is a week and stream.
        labelled: how many of them touch a labelled event.
        kept: whether the others came at the rate of the budget, see `training.budget.is_kept`; None where the rows are
            too few to tell.
    """

    span: str
    budget: float
    allowed: float
    due: float
    events: int
    per_week: float
    labelled: int
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Name one of the strongest events.

    Attributes:
        span: which rows it opened in.
        start, end: Unix seconds UTC of its first and last flagged row, at the largest budget.
        stream: its name.
        sensor: which sensor carries most of its strangest row.
        share: how much of it, 0..1.
        score: of its strangest row, at the largest budget.
        from_budget: the smallest of the budgets at which it would have been told.
    """

    span: str
    start: float
    end: float
    stream: str
    sensor: str
    share: float
    score: float
    from_budget: float


@dataclass(frozen=True, slots=True)
class Preview:
    """Hold how often a bundle would have fired.

    Attributes:
        configured: the bundle's own budget.
        rates: one for each span of rows and budget.
        strongest: of each span, the strongest first.
    """

    configured: float
    rates: tuple[Rate, ...]
    strongest: tuple[Alarm, ...]


def preview(bundle: Bundle, streams: Sequence[History], *, budgets: Sequence[float] = BUDGETS) -> Preview:
    """Replay history at several alarm budgets, each in a copy of its own.

    Args:
        bundle: what judges.
        streams: history; what came before the rows that are counted primes the memory.
        budgets: false alarms a week and stream; the bundle's own is added.
    """
    configured = bundle.manifest.detection.false_alarms_per_week
    every = sorted({configured, *budgets})
    copies = [
        (f"{budget:g} {place}", budget, replace(one.piece, name=f"{budget:g} {place}"))
        for budget in every
        for place, one in enumerate(streams)
    ]
    allowed = {name: budget for name, budget, _ in copies}
    heard = replay(bundle, [piece for _, _, piece in copies], budget=lambda name: (allowed[name], None))
    told = {budget: heard[number * len(streams) : (number + 1) * len(streams)] for number, budget in enumerate(every)}
    rates, strongest = [], []
    for span, rows in _spans(streams):
        steps = sum(int(mine.sum()) for mine in rows)
        period = bundle.manifest.period
        rates += [_rate(span, budget, _all_opened(told[budget], streams, rows), steps, period) for budget in every]
        strongest += _strongest(span, told, streams, rows)
    return Preview(configured, tuple(rates), tuple(strongest))


def _spans(streams: Sequence[History]) -> list[tuple[str, list[NDArray[np.bool_]]]]:
    """Return the spans of rows that are counted apart; all rows, where they are of neither kind."""
    spans = [(CALIBRATED, [one.calibrated for one in streams]), (NEWER, [one.newer for one in streams])]
    held = [(name, rows) for name, rows in spans if any(each.any() for each in rows)]
    return held or [(ALL, [np.ones(len(one.newer), np.bool_) for one in streams])]


def _opened(said: Heard, one: History, rows: NDArray[np.bool_]) -> list[Event]:
    """Return the events of a stream that opened in some of its rows."""
    began = np.array([event.start for event in said.events])
    return [event for event, mine in zip(said.events, np.isin(began, one.piece.times[rows]), strict=True) if mine]


def _all_opened(
    heard: Sequence[Heard], streams: Sequence[History], rows: Sequence[NDArray[np.bool_]]
) -> list[tuple[Event, History]]:
    return [
        (event, one) for said, one, mine in zip(heard, streams, rows, strict=True) for event in _opened(said, one, mine)
    ]


def _rate(span: str, budget: float, opened: Sequence[tuple[Event, History]], steps: int, period: float) -> Rate:
    labelled = sum(
        bool((inside(one.piece.times, [(event.start, event.end)]) & one.labelled).any()) for event, one in opened
    )
    share = allowed_share(budget, period)
    return Rate(
        span=span,
        budget=budget,
        allowed=share * WEEK / period,
        due=share * steps,
        events=len(opened),
        per_week=len(opened) * WEEK / (steps * period),
        labelled=labelled,
        kept=is_kept(share * steps, len(opened) - labelled),
    )


def _strongest(
    span: str, told: dict[float, list[Heard]], streams: Sequence[History], rows: Sequence[NDArray[np.bool_]]
) -> list[Alarm]:
    """Return the strongest events that the largest budget tells, and the smallest budget that tells each of them."""
    most = told[max(told)]
    alarms = []
    for place, (one, mine) in enumerate(zip(streams, rows, strict=True)):
        for event in _opened(most[place], one, mine):
            budget = min(budget for budget, heard in told.items() if _overlaps(heard[place].events, event))
            first, *_ = event.peak.carriers
            alarms.append(
                Alarm(
                    span,
                    event.start,
                    event.end,
                    one.piece.name,
                    first.sensor,
                    first.share,
                    event.peak.score,
                    budget,
                )
            )
    return sorted(alarms, key=lambda alarm: (-alarm.score, alarm.start, alarm.stream))[:STRONGEST]


def _overlaps(events: Sequence[Event], one: Event) -> bool:
    return any(each.start <= one.end and each.end >= one.start for each in events)
