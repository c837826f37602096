"""Teach highway and network on the fit split, and weigh on the stop split what each is worth."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.baseline import Highway, fit_highway
from training.learn import History, Sequences, base_widths
from training.learn import fit as train
from training.network import Network, build, correct
from training.prepare import Prepared
from training.recipe import Recipe, Training
from training.windows import Steps, cut, part

Doubles = NDArray[np.float64]
Say = Callable[[str], None]

EARNED = 0.002  # a part that lowers the squared residual by less than this share has not earned its place
LEAST_SCALE = 1e-3  # spreads; a sensor that the highway forecasts perfectly still has a unit for its correction


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
    data = _sequences(fit, highway, scale, training)
    lead = training.burn_in
    primed = [part(steps, max(0, cuts.fit - lead), cuts.stop, horizons) for steps, cuts in pieces]
    watched = _watched(primed, highway, scale, replace(training, stride=training.subsequence - lead))
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


def _sequences(pieces: list[Steps], highway: Highway, scale: Doubles, training: Training) -> Sequences:
    """Cut steps into subsequences; the first steps of each carry no loss, but fill the state."""
    length, stride = training.subsequence, training.stride
    x, target, weight = [], [], []
    for steps in pieces:
        x.append(cut(steps.x, length=length, stride=stride))
        missed = (steps.target - highway.forecast(steps)) / scale
        target.append(cut(np.where(steps.known, missed, 0.0).astype(np.float32), length=length, stride=stride))
        weight.append(_cut_known(steps, training))
    weights = np.concatenate(weight)
    weights[:, : training.burn_in] = 0.0
    return Sequences(np.concatenate(x), np.concatenate(target), weights)


def _cut_known(steps: Steps, training: Training) -> NDArray[np.float32]:
    """Cut what is known of the truths into subsequences, 1 or 0."""
    return cut(steps.known.astype(np.float32), length=training.subsequence, stride=training.stride)


def _watched(pieces: list[Steps], highway: Highway, scale: Doubles, training: Training) -> Sequences:
    """Cut the stop split, with a burn-in of the fit split before it: each of its samples counts once, no other does."""
    sequences = _sequences(pieces, highway, scale, training)
    once = []
    for steps in pieces:
        number = np.arange(1, len(steps) + 1, dtype=np.float32)  # 0 is what `cut` pads with
        numbers = cut(number, length=training.subsequence, stride=training.stride)
        first = np.zeros(numbers.size, np.bool_)
        first[np.unique(numbers, return_index=True)[1]] = True
        once.append(first.reshape(numbers.shape) & (numbers > training.burn_in))
    weight = np.concatenate([_cut_known(steps, training) for steps in pieces])
    return replace(sequences, weight=weight * np.concatenate(once)[:, :, None, None])


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
