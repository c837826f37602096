"""Fit a bundle: from recorded history to one file that the device serves.

The order matters, for nothing may be judged on what it was made from: the fit split teaches scaling and network; the
stop split ends the training and says how much of the correction earned its place; the calibrate split, seen through
the quantised graph, makes intervals and scores honest; the test split is only measured. The lines are fitted on
everything, but whatever is trained, calibrated or measured sees them as fitted on other blocks of the recording; only
the strengths of their penalties and their mixture are chosen on all blocks, the test split's among them. At last
intervals and scores are calibrated once more over calibrate and test, because the newest data is the best guess
of the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Golden
from edge.cohort import PARTS
from edge.errors import counted
from edge.experts import inexperienced
from edge.interval import no_leeway
from edge.learned import Learned
from edge.manifest_tables import ParityTable, QualityRow
from edge.recording import Recording
from edge.runtime import Model
from training.calibrate import calibrate, factors, leeway, unknowing, varied
from training.convert import convert
from training.evaluate import judge
from training.network import correct
from training.prepare import Prepared, prepare
from training.recipe import Recipe
from training.rehearse import Rehearsed, rehearse
from training.teach import Say, Taught, teach
from training.usual import learn_usual
from training.windows import Steps, part

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

GOLDEN_STEPS = 32
REPRESENTATIVE_STEPS = 5000  # int8 cuts off what lies outside of what these showed
LATELY = 20_000  # samples before the calibrate split that tell what is normal; a rehearsal takes .3 ms for each
AUTOMATIC = ("dynamic", "float16")  # what `auto` tries in turn: int8 weights, unless they cost too much
GOLDEN_TOLERANCE = {"float32": 1e-3, "float16": 1e-3, "dynamic": 2e-3, "int8": 0.05}  # of the largest golden output


class ParityError(Exception):
    """Say that a conversion is too far from Keras, with the number and the bound."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hold all that goes into a bundle."""

    learned: Learned
    graph: bytes
    mode: str
    golden: Golden
    golden_tolerance: float
    parity: ParityTable
    quality: tuple[QualityRow, ...]
    state: int
    inputs: int


def fit(recordings: Sequence[Recording], recipe: Recipe, say: Say) -> tuple[Prepared, Fitted]:
    """Fit all that goes into a bundle.

    Args:
        recordings: recorded histories.
        recipe: how.
        say: told each stage in words, and what the user should know.

    Raises:
        RecordingError: there is not enough to train on.
        ParityError: the converted graph is too far from Keras.
    """
    prepared = prepare(recordings, recipe)
    samples = sum(map(len, prepared.series))
    say(
        f"{counted(len(prepared.series), 'stream')}, {samples} samples {prepared.period:g} s apart, "
        f"sensors {', '.join(prepared.sensors)}; window {prepared.window}, "
        f"horizons {', '.join(map(str, prepared.horizons))}"
    )
    for note in prepared.notes:
        say(f"note: {note}")
    return prepared, serve(prepared, teach(prepared, recipe, say), recipe, say)


def serve(prepared: Prepared, taught: Taught, recipe: Recipe, say: Say) -> Fitted:
    """Convert the graph, prove it, calibrate it and measure it.

    Raises:
        ParityError: the converted graph is too far from Keras.
    """
    graph, mode, parity = _converted(prepared, taught, recipe, say)
    model = Model(graph)
    say("calibrating on the converted graph")
    raw = _learned(prepared, taught, recipe)
    lead = 2 * prepared.window
    quality: tuple[QualityRow, ...] = ()
    if recipe.splits.test > 0:
        trial = _honest(model, raw, prepared, taught)
        quality = tuple(judge(model, trial, prepared.spans("calibrate", "test", lead=lead, lines=taught.lines.unseen)))
    until = max(float(one.times[-1]) for one in prepared.series)
    learned = replace(_calibrated(model, raw, prepared, taught), until=until)
    golden = _golden(prepared, model)
    tolerance = GOLDEN_TOLERANCE[mode] * max(1.0, float(np.abs(golden.parts).max()))
    return Fitted(learned, graph, mode, golden, tolerance, parity, quality, model.units, model.inputs)


def _converted(prepared: Prepared, taught: Taught, recipe: Recipe, say: Say) -> tuple[bytes, str, ParityTable]:
    """Convert in the mode that the recipe asks for, or in the first of `AUTOMATIC` that is near enough to Keras.

    Returns:
        The graph, its mode, and how near it is.
    """
    asked = recipe.quantisation.mode
    *hopes, last = AUTOMATIC if asked == "auto" else (asked,)
    for mode in hopes:
        graph = _convert(prepared, taught, mode, say)
        try:
            return graph, mode, _parity(prepared, taught, Model(graph), recipe, mode)
        except ParityError as far:
            say(f"note: {far}")
    graph = _convert(prepared, taught, last, say)
    return graph, last, _parity(prepared, taught, Model(graph), recipe, last)


def _convert(prepared: Prepared, taught: Taught, mode: str, say: Say) -> bytes:
    say(f"converting to TFLite, {mode}")
    return convert(
        taught.network,
        taught.lines,
        residual_scale=taught.residual_scale,
        width_base=taught.width_base,
        mode=mode,
        representative=_representative(prepared, taught) if mode == "int8" else (),
    )


def _learned(prepared: Prepared, taught: Taught, recipe: Recipe) -> Learned:
    whole = np.ones_like(taught.correction_weight)
    return Learned(
        sensors=prepared.sensors,
        period=prepared.period,
        window=prepared.window,
        lags=prepared.lags,
        max_gap=recipe.data.max_gap,
        horizons=prepared.horizons,
        means=recipe.data.means,
        cycles=prepared.cycles,
        scaling=prepared.scaling,
        correction=taught.correction_weight,
        experience=inexperienced(len(prepared.horizons), len(prepared.sensors)),
        # Of the fit split the network knows the truths: there it would look better than it is.
        until=min(float(one.times[cuts.fit - 1]) for one, cuts in zip(prepared.series, prepared.cuts, strict=True)),
        coverage=recipe.network.interval,
        leeway=no_leeway(len(prepared.horizons), len(prepared.sensors)),
        below=whole,
        above=whole,
        calibration=unknowing(len(prepared.sensors)),
        false_alarms_per_week=recipe.detection.false_alarms_per_week,
        close_after=recipe.detection.close_after,
        usual=learn_usual(prepared.series, prepared.cuts),
        units=tuple(recipe.data.units.get(sensor, "") for sensor in prepared.sensors),
        pacing=prepared.pacing,
    )


def _honest(model: Model, raw: Learned, prepared: Prepared, taught: Taught) -> Learned:
    """Weigh the experts and make intervals honest on the calibrate split alone."""
    spans = prepared.spans("stop", "calibrate", lead=2 * prepared.window, lines=taught.lines.unseen)
    return _weighed(rehearse(model, raw, spans), raw)


def _calibrated(model: Model, raw: Learned, prepared: Prepared, taught: Taught) -> Learned:
    """Weigh the experts and make intervals honest on calibrate and test, and scores on all that was recorded lately."""
    said = rehearse(model, raw, prepared.spans("stop", "test", lead=LATELY, lines=taught.lines.unseen))
    weighed = _weighed(said, raw)
    scored = varied(said.streams, prepared.moved)
    below, above = weighed.below[0], weighed.above[0]
    calibration = calibrate(said.streams, below, above, scored, prepared.scaling, period=prepared.period)
    return replace(weighed, calibration=calibration)


def _weighed(said: Rehearsed, raw: Learned) -> Learned:
    below, above = factors(said.streams, raw.horizons, raw.coverage)
    honest = replace(raw, experience=said.experience, below=below, above=above)
    return replace(honest, leeway=leeway(said.streams, honest))


def _parity(prepared: Prepared, taught: Taught, model: Model, recipe: Recipe, mode: str) -> ParityTable:
    """Compare the converted graph with Keras over the whole calibrate split, each carrying its own state."""
    missed, size, residual, count = 0.0, 0.0, 0.0, 0
    shape = (PARTS, len(prepared.horizons), len(prepared.sensors))
    pieces = zip(prepared.steps, prepared.cuts, taught.lines.unseen, strict=True)
    for steps, cuts, unseen in pieces:
        span = part(steps, cuts.stop, cuts.calibrate, prepared.horizons)
        wanted = taught.correction_weight * correct(taught.network, span.x[None])[0, :, 0] * taught.residual_scale
        got = taught.correction_weight * _stream(model, span).reshape(len(span), *shape)[:, 2]
        ahead = unseen[cuts.stop : cuts.calibrate, 0] + wanted
        missed += float(((got - wanted) ** 2).sum())
        size += float((wanted**2).sum())
        residual += float((np.where(span.known, span.target - ahead, 0.0) ** 2).sum())
        count += len(span)
    correction = float(np.sqrt(missed / size)) if size > 0.0 else 0.0
    forecast = float(np.sqrt(missed / residual)) if residual > 0.0 else 0.0
    bound = recipe.quantisation.parity
    if correction > bound:
        raise ParityError(
            f"quantisation.parity: {mode} must be within {bound:g} of Keras, is {correction:.3g} "
            f"away (relative RMSE of the correction over {count} samples of the calibrate split)"
        )
    return ParityTable(correction=correction, forecast=forecast, bound=bound, samples=count)


def _stream(model: Model, steps: Steps) -> NDArray[np.float32]:
    """Run the graph over consecutive steps of one stream, the state carried."""
    state = np.zeros((1, model.units), dtype=np.float32)
    lags = steps.lags.reshape(len(steps), -1)
    said = np.empty((len(steps), model.parts), dtype=np.float32)
    for step in range(len(steps)):
        said[step : step + 1], state = model(steps.x[step : step + 1], lags[step : step + 1], state)
    return said


def _representative(prepared: Prepared, taught: Taught) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield inputs as the device will see them: consecutive steps of the fit split, the float state carried."""
    scales = {"residual_scale": taught.residual_scale, "width_base": taught.width_base}
    model = Model(convert(taught.network, taught.lines, mode="float32", **scales))
    steps, cuts = prepared.steps[0], prepared.cuts[0]
    state = np.zeros((1, model.units), dtype=np.float32)
    for step in range(max(0, cuts.fit - REPRESENTATIVE_STEPS), cuts.fit):
        x, lags = steps.x[step : step + 1], steps.lags[step : step + 1].reshape(1, -1)
        yield x, lags, state
        _, state = model(x, lags, state)


def _golden(prepared: Prepared, model: Model) -> Golden:
    begin = prepared.cuts[0].stop
    steps = part(prepared.steps[0], begin, min(begin + GOLDEN_STEPS, len(prepared.steps[0])), prepared.horizons)
    return Golden(steps.x, steps.lags.reshape(len(steps), -1), _stream(model, steps))
