"""Fit one known set, replay it, judge it: what one worker of the benchmark does."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.clock import DAY
from edge.errors import OperatorError
from edge.learned import Learned
from edge.recording import Recording
from edge.replay import Replay
from edge.runtime import Model
from edge.spans import read_spans
from training.budget import Account, accounts
from training.controls import controls
from training.fit import Fitted, ParityError, fit
from training.flags import Flags, Tally, from_events, tally
from training.forecasts import Listener, Pair, judge
from training.known_sets import KnownSet
from training.recipe import Recipe, default
from training.series import find_period, read

HORIZONS, DAILY_HORIZONS = (1, 6, 24), (1, 3, 7)  # steps, that every forecast set is judged at
OURS = "tidegate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """Hold what one detector's flags were worth.

    Attributes:
        name: `tidegate`, or the control's.
        tally: its rights and wrongs.
    """

    name: str
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold all that was measured on one set.

    Attributes:
        set, kind, folder: its name, how it was judged, and where it lies.
        rows, fitted_rows: how many it has, and how many the fit saw.
        failure: why there is no bundle, in one line, or nothing; it then counts as one that never flags.
        fit_seconds: processor time of the fit, which a machine that is busy otherwise does not lengthen.
        rows_per_second: of the replay, in processor time too; 0 without one.
        pairs: the forecasts, of a forecast set.
        detectors: the flags, of all other sets.
        budgets: how alarm budgets were kept, of a set without labelled events.
    """

    set: str
    kind: str
    folder: str
    rows: int
    fitted_rows: int
    failure: str
    fit_seconds: float
    rows_per_second: float
    pairs: tuple[Pair, ...]
    detectors: tuple[Detector, ...]
    budgets: tuple[Account, ...]


def broken(known: KnownSet, failure: str) -> Outcome:
    """Return the outcome of a set of which nothing could be measured."""
    return Outcome(
        set=known.name, kind=known.kind, folder=known.folder, rows=0, fitted_rows=0, failure=failure,
        fit_seconds=0.0, rows_per_second=0.0, pairs=(), detectors=(), budgets=(),
    )  # fmt: skip


def measure(known: KnownSet) -> Outcome:
    """Fit a set on its first rows with the default recipe, replay all of it and judge the others.

    What the user would be told in one line, such as a recording that is too short, is a failure in the outcome.
    """
    try:
        whole = read([known.path], rows=None, until=None)[0]
        begin = known.fitted_rows(len(whole.times))
        seen = read([known.path], rows=begin, until=None)
        labels = [] if known.labels is None else [span[1:] for span in read_spans(known.labels, "")]
        recipe = recipe_for(known, seen)
    except OperatorError as wrong:
        return broken(known, wrong.problems[0])
    if begin >= len(whole.times):
        return broken(known, f"must have rows after the {begin} that are fitted, has {len(whole.times)}")
    return _measured(known, whole, seen, recipe, labels)


def recipe_for(known: KnownSet, seen: Sequence[Recording]) -> Recipe:
    """Return the default recipe; a forecast set asks it for the horizons that it is judged at."""
    recipe = default()
    if known.kind != "forecast":
        return recipe
    horizons = DAILY_HORIZONS if find_period(seen) >= DAY else HORIZONS
    return replace(recipe, data=replace(recipe.data, horizons=horizons))


def _measured(
    known: KnownSet,
    whole: Recording,
    seen: Sequence[Recording],
    recipe: Recipe,
    labels: Sequence[tuple[float, float]],
) -> Outcome:
    begin, rows = len(seen[0].times), len(whole.times)
    started_at, failure, said = time.process_time(), "", _Said(_silent(whole), None, (), 0.0)
    try:
        _, fitted = fit(seen, recipe, _hear_nothing)
    except (OperatorError, ParityError) as wrong:
        failure = str(wrong).splitlines()[0]
    seconds = time.process_time() - started_at
    if not failure:
        said = _replayed(known, whole, fitted, begin=None if labels else begin)
    forecast = known.kind == "forecast"
    return replace(
        broken(known, failure),
        rows=rows,
        fitted_rows=begin,
        fit_seconds=round(seconds, 2),
        rows_per_second=round(rows / said.seconds, 1) if said.seconds > 0.0 else 0.0,
        pairs=_judged(said.heard, fitted.learned) if said.heard else (),
        detectors=() if forecast else _detectors(said.flags, whole, seen[0], labels),
        budgets=said.budgets,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """Hold what a replay said: the flags, the verdicts if anybody listened, and the processor time it took.

    Beside it, how alarm budgets were kept, where that was asked.
    """

    flags: Flags
    heard: Listener | None
    budgets: tuple[Account, ...]
    seconds: float


def _replayed(known: KnownSet, whole: Recording, fitted: Fitted, *, begin: int | None) -> _Said:
    """Replay a recording as the device would hear it; if it is normal from row `begin` on, at several budgets too."""
    model = Model(fitted.graph)
    heard = Listener() if known.kind == "forecast" else None
    started_at = time.process_time()
    said = Replay(fitted.learned, model, model.units).run(whole, watch=heard)
    seconds = time.process_time() - started_at
    kept = () if begin is None else accounts(fitted.learned, model, whole, begin)
    return _Said(from_events(said.flagged, said.events), heard, kept, seconds)


def _judged(heard: Listener, learned: Learned) -> tuple[Pair, ...]:
    return tuple(judge(heard, heard.track(learned.period, learned.until), learned.sensors, learned.horizons))


def _detectors(
    ours: Flags, whole: Recording, seen: Recording, labels: Sequence[tuple[float, float]]
) -> tuple[Detector, ...]:
    """Judge Tidegate's flags and the controls', which see the same columns."""
    begin = len(seen.times)
    values = whole.values[:, [whole.sensors.index(sensor) for sensor in seen.sensors]]
    every = {OURS: ours, **controls(values, begin)}
    return tuple(
        Detector(name=name, tally=tally(flags, whole.times, labels, begin=begin)) for name, flags in every.items()
    )


def _silent(whole: Recording) -> Flags:
    rows = len(whole.times)
    return from_events(np.zeros(rows, np.bool_), [""] * rows)


def _hear_nothing(text: str) -> None:
    """Take what a fit says of its progress: the benchmark has its own."""
