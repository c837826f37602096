"""Fit a bundle: from recorded history to one file that the device serves.

The order matters, for nothing may be judged on what it was made from: the fit split teaches scaling, highway and
network; the stop split ends the training and says how much each part earned; the calibrate split, seen through the
quantised graph, makes intervals and scores honest; the test split is only measured. At last intervals and scores are
calibrated once more over calibrate and test, because the newest data is the best guess of the next.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Golden
from edge.cohort import Learned
from edge.manifest import ParityTable, QualityRow
from edge.runtime import Model
from training.baseline import Highway, fit_highway
from training.calibrate import calibrate, factors, unknowing
from training.convert import convert
from training.evaluate import judge
from training.learn import History, Sequences, base_widths
from training.learn import fit as train
from training.network import Network, build, correct
from training.prepare import Prepared
from training.recipe import Recipe, Training
from training.rehearse import rehearse
from training.windows import Steps, cut, part

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Say = Callable[[str], None]

EARNED = 0.002  # a part that lowers the squared residual by less than this share has not earned its place
LEAST_SCALE = 1e-3  # spreads; a sensor that the highway forecasts perfectly still has a unit for its correction
GOLDEN_STEPS = 32
REPRESENTATIVE_STEPS = 300
GOLDEN_TOLERANCE = {"float32": 1e-3, "float16": 1e-3, "dynamic": 2e-3, "int8": 0.05}  # of the largest golden output


class ParityError(Exception):
    """Say that a conversion is too far from Keras, with the number and the bound."""


@dataclass(frozen=True, slots=True)
class Taught:
    """Hold what the fit and stop splits taught.

    Attributes:
        highway: the linear map.
        network: trained.
        history: how the training went.
        residual_scale: shape (horizons, sensors), spreads.
        width_base: shape (2, horizons, sensors), spreads.
        highway_weight, correction_weight: shape (horizons, sensors), 0..1.
    """

    highway: Highway
    network: Network
    history: History
    residual_scale: Doubles
    width_base: Doubles
    highway_weight: Doubles
    correction_weight: Doubles


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hold all that goes into a bundle."""

    learned: Learned
    graph: bytes
    golden: Golden
    golden_tolerance: float
    parity: ParityTable
    quality: tuple[QualityRow, ...]
    state: int
    inputs: int


def teach(prepared: Prepared, recipe: Recipe, say: Say) -> Taught:
    """Fit highway and network on the fit split, and weigh them on the stop split."""
    horizons = prepared.horizons
    pieces = list(zip(prepared.steps, prepared.cuts, strict=True))
    fit = [part(steps, 0, cuts.fit, horizons) for steps, cuts in pieces]
    stop = [part(steps, cuts.fit, cuts.stop, horizons) for steps, cuts in pieces]
    say("fitting the linear highway")
    highway = fit_highway(fit, stop)
    scale = _residual_scale(highway, fit)
    training = _shortened(recipe.training, min(map(len, fit)))
    data = _sequences(fit, highway, scale, training, lead=0)
    lead = training.burn_in
    primed = [part(steps, max(0, cuts.fit - lead), cuts.stop, horizons) for steps, cuts in pieces]
    watched = _sequences(primed, highway, scale, replace(training, stride=training.subsequence - lead), lead=lead)
    interval = recipe.network.interval
    network = build(
        recipe.network,
        inputs=fit[0].x.shape[1],
        horizons=len(horizons),
        sensors=len(prepared.sensors),
        seed=recipe.seed,
    )
    say(f"training the recurrent correction: {recipe.network.cell} {list(recipe.network.units)}")
    history = train(network, data, watched, training, interval=interval, seed=recipe.seed)
    highway_weight, correction_weight = _weigh(network, highway, scale, stop, watched)
    widths = base_widths(data, interval) * scale
    return Taught(highway, network, history, scale, widths, highway_weight, correction_weight)


def _residual_scale(highway: Highway, fit: list[Steps]) -> Doubles:
    missed = np.concatenate([np.where(steps.known, steps.target - highway.forecast(steps), np.nan) for steps in fit])
    count = np.maximum((~np.isnan(missed)).sum(axis=0), 1)
    scale: Doubles = np.maximum(np.sqrt(np.nansum(missed * missed, axis=0, dtype=np.float64) / count), LEAST_SCALE)
    return scale


def _shortened(training: Training, samples: int) -> Training:
    """Fit the subsequences to a short recording."""
    length = min(training.subsequence, max(2, samples))
    return replace(
        training,
        subsequence=length,
        burn_in=min(training.burn_in, length // 4),
        stride=min(training.stride, max(1, length // 4)),
    )


def _sequences(pieces: list[Steps], highway: Highway, scale: Doubles, training: Training, *, lead: int) -> Sequences:
    """Cut steps into subsequences; the first steps of each carry no loss, but fill the state."""
    length, stride = training.subsequence, training.stride
    x, target, weight = [], [], []
    for steps in pieces:
        x.append(cut(steps.x, length=length, stride=stride))
        missed = (steps.target - highway.forecast(steps)) / scale
        target.append(cut(np.where(steps.known, missed, 0.0).astype(np.float32), length=length, stride=stride))
        weight.append(cut(steps.known.astype(np.float32), length=length, stride=stride))
    weights = np.concatenate(weight)
    weights[:, : max(lead, training.burn_in)] = 0.0
    return Sequences(np.concatenate(x), np.concatenate(target), weights)


def _weigh(
    network: Network, highway: Highway, scale: Doubles, stop: list[Steps], watched: Sequences
) -> tuple[Doubles, Doubles]:
    """Find how much of each part lowers the squared residual on the stop split the most, 0..1."""
    direct = np.concatenate([highway.forecast(steps) for steps in stop])
    target = np.concatenate([steps.target for steps in stop])
    known = np.concatenate([steps.known for steps in stop])
    highway_weight = _earned(direct, target, known)
    correction = correct(network, watched.x)[:, :, 0] * scale
    # What is left after the highway's share; the sequences hold it after all of the highway.
    left = watched.target * scale
    return highway_weight, _earned(correction, left, watched.weight > 0) * (highway_weight > 0)


def _earned(offer: NDArray[np.floating], want: NDArray[np.floating], known: NDArray[np.bool_]) -> Doubles:
    """Return the share of an offered part that lowers the squared residual most; 0 where that gains too little."""
    axes = tuple(range(offer.ndim - 2))
    offered, wanted = (np.where(known, values, 0.0).astype(np.float64) for values in (offer, want))
    power = (offered * offered).sum(axis=axes)
    share = np.clip((offered * wanted).sum(axis=axes) / np.maximum(power, 1e-30), 0.0, 1.0)
    before = (wanted * wanted).sum(axis=axes)
    after = ((wanted - share * offered) ** 2).sum(axis=axes)
    return np.where(after <= (1.0 - EARNED) * before, share, 0.0)


def serve(prepared: Prepared, taught: Taught, recipe: Recipe, say: Say) -> Fitted:
    """Convert the graph, prove it, calibrate it and measure it.

    Raises:
        ParityError: the converted graph is too far from Keras.
    """
    mode = recipe.quantisation.mode
    say(f"converting to TFLite, {mode}")
    graph = convert(
        taught.network,
        taught.highway,
        residual_scale=taught.residual_scale,
        width_base=taught.width_base,
        mode=mode,
        representative=_representative(prepared, taught) if mode == "int8" else (),
    )
    model = Model(graph)
    parity = _parity(prepared, taught, model, recipe)
    say("calibrating on the converted graph")
    raw = _learned(prepared, taught, recipe)
    lead = 2 * prepared.window
    quality: tuple[QualityRow, ...] = ()
    if recipe.splits.test > 0:
        trial = _calibrated(model, raw, prepared, recipe, end="calibrate")
        quality = tuple(judge(model, trial, prepared.spans("calibrate", "test", lead=lead))[0])
    learned = _calibrated(model, raw, prepared, recipe, end="test")
    golden = _golden(prepared, model)
    tolerance = GOLDEN_TOLERANCE[mode] * max(1.0, float(np.abs(golden.parts).max()))
    return Fitted(learned, graph, golden, tolerance, parity, quality, model.units, model.inputs)


def _learned(prepared: Prepared, taught: Taught, recipe: Recipe) -> Learned:
    whole = np.ones_like(taught.highway_weight)
    return Learned(
        sensors=prepared.sensors,
        period=prepared.period,
        window=prepared.window,
        lags=prepared.lags,
        max_gap=recipe.data.max_gap,
        horizons=prepared.horizons,
        cycles=prepared.cycles,
        scaling=prepared.scaling,
        highway=taught.highway_weight,
        correction=taught.correction_weight,
        below=whole,
        above=whole,
        calibration=unknowing(len(prepared.sensors)),
        false_alarms_per_week=recipe.detection.false_alarms_per_week,
        close_after=recipe.detection.close_after,
    )


def _calibrated(model: Model, raw: Learned, prepared: Prepared, recipe: Recipe, *, end: str) -> Learned:
    said = rehearse(model, raw, prepared.spans("stop", end, lead=2 * prepared.window))
    below, above = factors(said, prepared.horizons, recipe.network.interval)
    calibration = calibrate(said, below[0], above[0], prepared.moved)
    return replace(raw, below=below, above=above, calibration=calibration)


def _parity(prepared: Prepared, taught: Taught, model: Model, recipe: Recipe) -> ParityTable:
    """Compare the converted graph with Keras over the whole calibrate split, each carrying its own state."""
    missed, size, residual, count = 0.0, 0.0, 0.0, 0
    shape = (4, len(prepared.horizons), len(prepared.sensors))
    for steps, cuts in zip(prepared.steps, prepared.cuts, strict=True):
        span = part(steps, cuts.stop, cuts.calibrate, prepared.horizons)
        wanted = taught.correction_weight * correct(taught.network, span.x[None])[0, :, 0] * taught.residual_scale
        got = taught.correction_weight * _stream(model, span).reshape(len(span), *shape)[:, 1]
        ahead = taught.highway_weight * taught.highway.forecast(span) + wanted
        missed += float(((got - wanted) ** 2).sum())
        size += float((wanted**2).sum())
        residual += float((np.where(span.known, span.target - ahead, 0.0) ** 2).sum())
        count += len(span)
    correction = float(np.sqrt(missed / size)) if size > 0.0 else 0.0
    forecast = float(np.sqrt(missed / residual)) if residual > 0.0 else 0.0
    bound = recipe.quantisation.parity
    if correction > bound:
        raise ParityError(
            f"quantisation.parity: {recipe.quantisation.mode} must be within {bound:g} of Keras, is {correction:.3g} "
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
    model = Model(convert(taught.network, taught.highway, mode="float32", **scales))
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
