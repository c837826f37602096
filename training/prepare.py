"""Prepare a fit: find period, sensors, window and splits, and lay everything out step by step."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.clock import DAY
from edge.errors import ConfigError, RecordingError, counted, quote
from edge.grid import GridCounts
from edge.pacing import Pacing
from edge.recording import Recording
from edge.scale import Scaling
from training.recipe import Recipe
from training.rehearse import Span
from training.series import Series, common_sensors, find_period, lay_on_grid
from training.windows import STILL, Steps, find_cycles, fit_scaling, lay_steps

Floats = NDArray[np.float32]
FEWEST = 60  # samples of a stream below which no split holds enough to say anything
# Steps: forecasts with the carried state are then within .05 residual spreads of a window run anew, .04 at worst on
# MSL C-2 and .0000 on the WSN motes (tests/bench/window_curve.py).
WINDOW = 60
SHORTEST_WINDOW = 8
LEAST_PART = 8  # samples of the fit, stop and calibrate split
LARGEST = 1e100  # sensor units; beyond it squares overflow, and what is written there means "missing"
MANY = 0.1  # share of rows left out that no healthy recording reaches
HORIZONS = (1, 6, 24)  # steps ahead, where the recording is long enough for them
DAILY_HORIZONS = (1, 3, 7)  # the same for steps of a day and more


@dataclass(frozen=True, slots=True)
class Cuts:
    """Hold where the splits of a stream end: sample indices, the last is the stream's length."""

    fit: int
    stop: int
    calibrate: int
    test: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold all that the fit starts from.

    Attributes:
        sensors: their names.
        pacing: how they are brought to the period.
        period: seconds a step.
        window, lags: steps.
        horizons: steps ahead.
        cycles: seconds of the cycles that the clock tells.
        scaling: of the fit split.
        moved: shape (sensors,), which sensors moved in the fit split.
        series, steps, cuts: one for each stream.
        counts: what the grid did with the rows.
        notes: what the user should know, in words.
    """

    sensors: tuple[str, ...]
    pacing: Pacing
    period: float
    window: int
    lags: int
    horizons: tuple[int, ...]
    cycles: tuple[float, ...]
    scaling: Scaling
    moved: NDArray[np.bool_]
    series: tuple[Series, ...]
    steps: tuple[Steps, ...]
    cuts: tuple[Cuts, ...]
    counts: GridCounts
    notes: tuple[str, ...]

    def spans(self, begin: str, end: str, *, lead: int, lines: Sequence[Floats]) -> list[Span]:
        """Return the part of each stream from one cut to another, with `lead` samples before it to prime the state.

        Args:
            begin, end: names of cuts.
            lead: samples.
            lines: for each stream, what its lines say when they have not seen the sample.
        """
        return [
            Span(one, max(0, getattr(cuts, begin) - lead), getattr(cuts, begin), getattr(cuts, end), mine)
            for one, cuts, mine in zip(self.series, self.cuts, lines, strict=True)
        ]


def prepare(recordings: Sequence[Recording], recipe: Recipe) -> Prepared:
    """Find and lay out everything.

    Raises:
        RecordingError: there is not enough to train on; the text says of what.
        ConfigError: the recipe asks for more than the recording holds.
    """
    sensors = common_sensors(recordings, recipe.data.sensors)
    for key in ("units", "combine", "hold"):
        strange = [name for name in getattr(recipe.data, key) if name not in sensors]
        if strange:
            rule = f"must name sensors of the bundle ({', '.join(sensors)})"
            raise ConfigError(f"data.{key}: {rule}, got {quote(strange)}")
    pacing = Pacing(
        tuple(recipe.data.combine.get(sensor, "last") for sensor in sensors),
        tuple(recipe.data.hold.get(sensor, 0.0) for sensor in sensors),
    )
    period = recipe.data.period or find_period(recordings)
    series, counts = lay_on_grid(recordings, sensors, pacing, period=period, max_gap=recipe.data.max_gap)
    kept = [one for one in series if len(one) >= FEWEST]
    if not kept:
        longest = max(map(len, series))
        raise RecordingError(f"must have a stream of at least {FEWEST} samples {period:g} s apart, got {longest}")
    _check_range(kept, sensors)
    cuts = [_cuts(one, recipe) for one in kept]
    ends = [cut.fit for cut in cuts]
    scaling = fit_scaling(kept, ends)
    moved = _moved(kept, ends)
    if not moved.any():
        raise RecordingError("must have a sensor that moves in the first part of the recording, all are constant there")
    window, lags = _window(recipe, min(_longest_life(one, end) for one, end in zip(kept, ends, strict=True)))
    horizons = _horizons(recipe, cuts, period)
    cycles = find_cycles(kept, ends, period)
    means = recipe.data.means
    steps = [lay_steps(one, scaling, cycles, means, lags=lags, horizons=horizons) for one in kept]
    lacking = set() if recipe.data.sensors else {name for one in recordings for name in one.sensors} - set(sensors)
    notes = (*_refusals(recordings, sensors), *_notes(recordings, series, counts, np.array(sensors)[~moved], lacking))
    return Prepared(
        sensors, pacing, period, window, lags, horizons, cycles, scaling, moved,
        tuple(kept), tuple(steps), tuple(cuts), counts, notes,
    )  # fmt: skip


def _check_range(series: Sequence[Series], sensors: Sequence[str]) -> None:
    for place, sensor in enumerate(sensors):
        largest = max(float(np.abs(one.values[:, place]).max()) for one in series)
        if largest > LARGEST:
            raise RecordingError(f"{sensor}: must be within ±{LARGEST:g}, got {largest:g}; leave missing cells empty")


def _cuts(one: Series, recipe: Recipe) -> Cuts:
    splits = recipe.splits
    shares = np.cumsum((splits.fit, splits.stop, splits.calibrate))
    fit, stop, calibrate = (round(len(one) * share) for share in shares.tolist())
    cuts = Cuts(fit, stop, calibrate if splits.test > 0 else len(one), len(one))
    least = min(cuts.fit, cuts.stop - cuts.fit, cuts.calibrate - cuts.stop)
    if least < LEAST_PART:
        raise ConfigError(
            f"splits: must leave {LEAST_PART} samples to each of fit, stop and calibrate, got {least} of {len(one)}"
        )
    return cuts


def _moved(series: Sequence[Series], ends: Sequence[int]) -> NDArray[np.bool_]:
    values = np.concatenate(
        [np.where(one.measured, one.values, np.nan)[:end] for one, end in zip(series, ends, strict=True)]
    )
    low = np.where(np.isnan(values), np.inf, values).min(axis=0)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    moved: NDArray[np.bool_] = high - low > STILL * np.maximum(np.abs(low), np.abs(high))
    return moved


def _longest_life(one: Series, end: int) -> int:
    """Return the most samples without a long gap among them, before `end`."""
    return int(np.bincount(one.starts[:end]).max())


def _window(recipe: Recipe, longest: int) -> tuple[int, int]:
    window = recipe.data.window or int(np.clip(longest // 4, SHORTEST_WINDOW, WINDOW))
    if window > longest:
        raise ConfigError(
            f"data.window: must be at most {longest}, the samples of the fit split without a long gap, got {window}"
        )
    return window, min(recipe.data.lags, window)


def _horizons(recipe: Recipe, cuts: Sequence[Cuts], period: float) -> tuple[int, ...]:
    """Return the horizons: those asked for, 1 always among them, or those that the calibrate split can judge.

    Raises:
        ConfigError: one that was asked for looks beyond the end of the stop or the calibrate split.
    """
    shortest = min(min(cut.stop - cut.fit, cut.calibrate - cut.stop) for cut in cuts)
    asked = recipe.data.horizons
    if not asked:
        usual = HORIZONS if period < DAY else DAILY_HORIZONS
        return tuple(horizon for horizon in usual if horizon == 1 or 4 * horizon <= shortest)
    if asked[-1] >= shortest:
        raise ConfigError(
            f"data.horizons: must be less than {shortest}, the samples of the shortest split, got {asked[-1]}"
        )
    return tuple(sorted({1, *asked}))


def _refusals(recordings: Sequence[Recording], sensors: Sequence[str]) -> list[str]:
    """Name the sensors with cells that are neither numbers nor empty."""
    notes = []
    for sensor in sensors:
        found = [(one, refusal) for one in recordings for refusal in one.refused if refusal.column == sensor]
        if found:
            first, refusal = found[0]
            all_of_it = replace(refusal, count=sum(each.count for _, each in found))
            notes.append(f"{all_of_it}" + f" (stream {first.stream_names[0]})" * (len(recordings) > 1))
    return notes


def _notes(
    recordings: Sequence[Recording],
    series: Sequence[Series],
    counts: GridCounts,
    constant: NDArray[np.str_],
    lacking: Set[str],
) -> list[str]:
    """Say what was left out, so that nothing is lost silently."""
    dropped = sorted({name for recording in recordings for name in recording.dropped})
    short = [one.stream for one in series if len(one) < FEWEST]
    rows = sum(len(recording.times) for recording in recordings)
    spans = sum(recording.left_out for recording in recordings)
    found = (
        (spans, f"{counted(spans, 'reading')} of maintenance, of acknowledged anomalies or excluded are left out"),
        (dropped, f"columns without numbers are left out: {', '.join(dropped)}"),
        (lacking, f"sensors that not every file has are left out: {', '.join(sorted(lacking))}"),
        (short, f"streams of fewer than {FEWEST} samples are left out: {', '.join(short)}"),
        (counts.accepted < rows, _left_out(rows, counts)),
        (counts.restarts, f"{counted(counts.restarts, 'gap')} too long to be bridged; the state begins anew there"),
        (len(constant), f"never move in the first part and are told only when they do: {', '.join(constant)}"),
    )
    return [text for happened, text in found if happened]


def _left_out(rows: int, counts: GridCounts) -> str:
    left = rows - counts.accepted
    why = (
        (counts.duplicate, "of a period that had one already"),
        (counts.late, "older than the row before"),
        (left - counts.duplicate - counts.late, "with a time that does not fit those before"),
    )
    listed = ", ".join(f"{number} {text}" for number, text in why if number)
    hint = "; are the rows in order of time, and is data.period right?" if left > MANY * rows else ""
    return f"{counted(left, 'row')} of {rows} left out: {listed}{hint}"
