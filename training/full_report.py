"""Say all that can be said of a bundle: forecasts and flags as measured, injected faults, and other alarm budgets."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from edge.clock import iso
from edge.errors import counted
from edge.reading import parse_time
from training import measure
from training.budget import ENOUGH, FACTOR
from training.budget_words import CAPPED, asked_and_allowed, is_capped, kept_in_words
from training.card import QUALITY, quality_cells
from training.curves import ECHO, PLACES, Curves, Point, detection_curves
from training.measure import Case, Report
from training.notation import size
from training.page import Curve, Section
from training.preview import NEWER, Alarm, Preview, Rate, preview
from training.side_by_side import History, histories

Say = Callable[[str], None]
KEPT = f"within a factor of {FACTOR:g}"


@dataclass(frozen=True, slots=True)
class FullReport:
    """Hold all that is reported."""

    evaluation: Report
    curves: Curves
    preview: Preview


def report(case: Case, say: Say, *, places: int = PLACES, seed: int = 1) -> FullReport:
    """Measure everything.

    Args:
        case: bundle and history.
        say: told each stage in words.
        places: injected faults of each kind and strength, at most.
        seed: of where they are injected.
    """
    say("measuring forecasts and flags")
    evaluation = measure.evaluate(case)
    streams = history(case)
    say("injecting faults")
    curves = detection_curves(case.bundle, streams, places=places, seed=seed)
    say("trying other alarm budgets")
    return FullReport(evaluation, curves, preview(case.bundle, streams))


def history(case: Case) -> list[History]:
    """Take a case apart into its streams."""
    data = case.bundle.manifest.data
    calibrated = {
        stream: (parse_time(begun), case.after)
        for stream, begun in zip(data.streams, data.calibrated_from, strict=False)
    }
    return histories(case.bundle, case.recordings, case.after, calibrated, case.labels or {})


def sections(full: FullReport) -> list[Section]:
    """Lay a report out: what was measured, then what was tried."""
    return [*_evaluation(full.evaluation), _curves(full.curves), *previewed(full.preview)]


def _evaluation(evaluation: Report) -> list[Section]:
    quality = tuple(quality_cells(row) for row in evaluation.quality)
    return [
        Section("Forecasts", tuple(measure.headlines(evaluation)), QUALITY, quality),
        Section("Flags", tuple(map(measure.stream_line, evaluation.streams))),
    ]


def _curves(curves: Curves) -> Section:
    rate = f", {curves.false_events / curves.weeks:.2g} a week and stream" if curves.weeks > 0.0 else ""
    notes = [
        f"The same rows as they were recorded: {counted(curves.false_events, 'event')} outside of labels in "
        f"{curves.weeks:.2g} weeks{rate}.",
    ]
    if not curves.unseen:
        notes.append("No row is newer than the training data: faults went into rows that the bundle has seen.")
    if not curves.points:
        notes.append("No stretch of rows was long and calm enough to inject a fault into.")
        return Section("Injected faults", tuple(notes))
    notes.append(
        f"Strength is counted in spreads of the sensor's changes from one row to the next; of stuck, dropout and swap "
        f"it is the share that is lost, missing or mixed in. A fault lasts {curves.rows} rows; a spike one, and is "
        f"looked for in {ECHO} more. By chance: at the same places without the fault; what is found no oftener is not "
        "seen."
    )
    drawn = [(kind, list(points)) for kind, points in groupby(curves.points, key=lambda point: point.kind)]
    return Section(
        "Injected faults",
        tuple(notes),
        ("fault", "strength", "injected", "found", "by chance", "median delay"),
        tuple(map(_point_cells, curves.points)),
        tuple(_curve(kind, points) for kind, points in drawn),
    )


def _point_cells(point: Point) -> tuple[str, ...]:
    delay = "–" if point.median_delay is None else f"{point.median_delay:g} s"
    shares = (f"{count / point.injected:.0%}" for count in (point.found, point.by_chance))
    return (point.kind, f"{point.strength:g}", str(point.injected), *shares, delay)


def _curve(kind: str, points: list[Point]) -> Curve:
    return Curve(
        kind,
        tuple(f"{point.strength:g}" for point in points),
        tuple(point.found / point.injected for point in points),
        float(np.mean([point.by_chance / point.injected for point in points])),
    )


def previewed(told: Preview) -> list[Section]:
    """Lay a preview out: how often at which budget, and the strongest events."""
    notes = [
        f"The bundle is set to {told.configured:g} a week and stream. What nobody labelled counts as an alarm, and "
        "a disturbance that happened is no false one. The calibrate split is where the thresholds come from.",
        f"Worth: alarms that the budget allows in these rows; of fewer than {ENOUGH:g} nothing can be said but that "
        "there were far too many. Whether the budget is kept is asked without the events in labels. The strongest are "
        "told as the largest budget tells them, which opens them earlier and closes them later than a smaller one.",
    ]
    if not any(rate.span == NEWER for rate in told.rates):
        notes.insert(0, "No row is newer than the training data: what follows was counted on rows the bundle has seen.")
    if any(is_capped(rate.budget, rate.allowed) for rate in told.rates):
        notes.append(CAPPED)
    header = ("rows", "budget a week", "worth", "events", "in labelled events", "a week and stream", KEPT)
    strongest = ("opened", "closed", "stream", "sensor", "its share", "score", "from budget")
    return [
        Section("How often it would have fired", tuple(notes), header, tuple(map(_rate_cells, told.rates))),
        *(
            Section(f"The strongest in {span}", (), strongest, tuple(map(_alarm_cells, alarms)))
            for span, alarms in groupby(told.strongest, key=lambda alarm: alarm.span)
        ),
    ]


def _rate_cells(rate: Rate) -> tuple[str, ...]:
    verdict = kept_in_words(rate.kept, rate.due, rate.events - rate.labelled)
    budget = asked_and_allowed(rate.budget, rate.allowed)
    counts = (str(rate.events), str(rate.labelled), f"{rate.per_week:.3g}")
    return (rate.span, budget, size(rate.due), *counts, verdict)


def _alarm_cells(alarm: Alarm) -> tuple[str, ...]:
    times = (iso(alarm.start), iso(alarm.end))
    return (*times, alarm.stream, alarm.sensor, f"{alarm.share:.0%}", f"{alarm.score:.3g}", f"{alarm.from_budget:g}")
