"""Teach the lines on the whole recording, cross-fitted, and the network what they leave of the fit split."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.learn import History, Sequences, base_widths
from training.learn import fit as train
from training.lines import Lines, fit_lines
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
    """Hold what the recording taught.

    Attributes:
        lines: highway and own line.
        network: trained.
        history: how the training went.
        residual_scale: shape (horizons, sensors), spreads.
        width_base: shape (2, horizons, sensors), spreads.
        correction_weight: shape (horizons, sensors), 0..1.
    """

    lines: Lines
    network: Network
    history: History
    residual_scale: Doubles
    width_base: Doubles
    correction_weight: Doubles


def teach(prepared: Prepared, recipe: Recipe, say: Say) -> Taught:
    """Fit the lines; train the network on what they leave of the fit split, and weigh it on the stop split."""
    horizons = prepared.horizons
    say("fitting the linear highway")
    lines = fit_lines(prepared.steps, clock=2 * len(prepared.cycles), farthest=horizons[-1])
    left = [_left(steps, unseen) for steps, unseen in zip(prepared.steps, lines.unseen, strict=True)]
    pieces = list(zip(left, prepared.cuts, strict=True))
    fit = [part(steps, 0, cuts.fit, horizons) for steps, cuts in pieces]
    scale = _residual_scale(fit)
    training = _shortened(recipe.training, min(map(len, fit)))
    data = _sequences(fit, scale, training)
    lead = training.burn_in
    primed = [part(steps, max(0, cuts.fit - lead), cuts.stop, horizons) for steps, cuts in pieces]
    watched = _watched(primed, scale, replace(training, stride=training.subsequence - lead))
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
    correction = correct(network, watched.x)[:, :, 0]
    weight = _earned(correction, watched.target, watched.weight > 0)
    return Taught(lines, network, history, scale, base_widths(data, interval) * scale, weight)


def _left(steps: Steps, unseen: NDArray[np.float32]) -> Steps:
    """Return what the highway left of the truths, forecast by lines that did not see them."""
    return replace(steps, target=np.where(steps.known, steps.target - unseen[:, 0], np.float32(0.0)))


def _residual_scale(fit: list[Steps]) -> Doubles:
    square = sum(np.square(steps.target, dtype=np.float64).sum(axis=0) for steps in fit)
    count = np.maximum(sum(steps.known.sum(axis=0) for steps in fit), 1)
    scale: Doubles = np.maximum(np.sqrt(square / count), LEAST_SCALE)
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


def _sequences(pieces: list[Steps], scale: Doubles, training: Training) -> Sequences:
    """Cut steps into subsequences; the first steps of each carry no loss, but fill the state."""
    length, stride = training.subsequence, training.stride
    x, target, weight = [], [], []
    for steps in pieces:
        x.append(cut(steps.x, length=length, stride=stride))
        target.append(cut((steps.target / scale).astype(np.float32), length=length, stride=stride))
        weight.append(_cut_known(steps, training))
    weights = np.concatenate(weight)
    weights[:, : training.burn_in] = 0.0
    return Sequences(np.concatenate(x), np.concatenate(target), weights)


def _cut_known(steps: Steps, training: Training) -> NDArray[np.float32]:
    """Cut what is known of the truths into subsequences, 1 or 0."""
    return cut(steps.known.astype(np.float32), length=training.subsequence, stride=training.stride)


def _watched(pieces: list[Steps], scale: Doubles, training: Training) -> Sequences:
    """Cut the stop split, with a burn-in of the fit split before it: each of its samples counts once, no other does."""
    sequences = _sequences(pieces, scale, training)
    once = []
    for steps in pieces:
        number = np.arange(1, len(steps) + 1, dtype=np.float32)  # 0 is what `cut` pads with
        numbers = cut(number, length=training.subsequence, stride=training.stride)
        first = np.zeros(numbers.size, np.bool_)
        first[np.unique(numbers, return_index=True)[1]] = True
        once.append(first.reshape(numbers.shape) & (numbers > training.burn_in))
    weight = np.concatenate([_cut_known(steps, training) for steps in pieces])
    return replace(sequences, weight=weight * np.concatenate(once)[:, :, None, None])


def _earned(offer: NDArray[np.floating], want: NDArray[np.floating], known: NDArray[np.bool_]) -> Doubles:
    """Return the share of an offered part that lowers the squared residual most; 0 where that gains too little."""
    axes = tuple(range(offer.ndim - 2))
    offered, wanted = (np.where(known, values, 0.0).astype(np.float64) for values in (offer, want))
    power = (offered * offered).sum(axis=axes)
    share = np.clip((offered * wanted).sum(axis=axes) / np.maximum(power, 1e-30), 0.0, 1.0)
    before = (wanted * wanted).sum(axis=axes)
    after = ((wanted - share * offered) ** 2).sum(axis=axes)
    return np.where(after <= (1.0 - EARNED) * before, share, 0.0)
