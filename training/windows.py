"""Cut series into what the highway and the network are fitted on, with `edge`'s own scaling and layout."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clock import DAY, WEEK, YEAR, phases
from edge.scale import Scaling, lay_out
from edge.window import Past, follow, pull
from training.series import Series

Floats = NDArray[np.float32]
OVERTONES = ((DAY, 4), (WEEK, 2), (YEAR, 1))  # how many sines of each cycle, the fundamental among them
CYCLES_SEEN = 2.0  # turns of a cycle that the fit split must hold before the clock tells it
STILL = 1e-9  # of the level: float noise around it is no movement


@dataclass(frozen=True, slots=True)
class Steps:
    """Hold one stream step by step, in the order of its series.

    Attributes:
        x: shape (samples, inputs), what the network reads.
        lags: shape (samples, lags, sensors), scaled, oldest first.
        target: shape (samples, horizons, sensors): scaled change from now to each horizon; 0 where unknown.
        known: shape (samples, horizons, sensors): whether the sensor was heard in this life, and the truth too.
        starts: shape (samples,), as in `Series`.
    """

    x: Floats
    lags: Floats
    target: Floats
    known: NDArray[np.bool_]
    starts: NDArray[np.intp]

    def __len__(self) -> int:
        """Return how many samples it has."""
        return len(self.x)


def fit_scaling(series: Sequence[Series], ends: Sequence[int]) -> Scaling:
    """Measure the scale of each sensor over the fit split.

    Args:
        series: all streams.
        ends: for each stream, the sample at which its fit split ends.
    """
    pieces = list(zip(series, ends, strict=True))
    centre, spread = _moments(np.concatenate([np.where(one.measured, one.values, np.nan)[:end] for one, end in pieces]))
    _, change = _moments(np.concatenate([_changes(one)[: end - 1] for one, end in pieces]))
    moved = spread > STILL * np.abs(centre)
    spread = np.where(moved, spread, 1.0)
    least = 1e-3 * spread  # a change that was never seen must not be infinitely many changes
    return Scaling(centre, spread, np.where(moved, np.maximum(change, least), 1.0))


def _changes(one: Series) -> NDArray[np.float64]:
    """Return the change to each sample but the first, as the network reads it; nan where nothing new was measured."""
    same_life = one.starts[1:] == one.starts[:-1]
    known = one.measured[1:] & (_newest(one)[:-1] >= 0) & same_life[:, None]
    return np.where(known, np.diff(one.values, axis=0), np.nan)


def _newest(one: Series) -> NDArray[np.intp]:
    """Find the newest measurement of each sensor at each sample, shape (samples, sensors); -1 where there is none."""
    newest: NDArray[np.intp] = np.maximum.accumulate(np.where(one.measured, np.arange(len(one))[:, None], -1), axis=0)
    return newest


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each column, 0 for one without numbers."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    square = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / count
    return mean, np.sqrt(square)


def find_cycles(series: Sequence[Series], ends: Sequence[int], period: float) -> tuple[float, ...]:
    """Find the cycles that the clock may tell: those that the fit split holds at least twice.

    Its overtones are told with it: a house has two peaks a day. A cycle of fewer than four steps is none: daily data
    has no time of day.
    """
    span = max(float(one.times[end - 1] - one.times[0]) for one, end in zip(series, ends, strict=True))
    seen = [(cycle, overtones) for cycle, overtones in OVERTONES if span >= CYCLES_SEEN * cycle]
    cycles = [cycle / number for cycle, overtones in seen for number in range(1, overtones + 1)]
    return tuple(cycle for cycle in cycles if cycle >= 4 * period)


def lay_steps(
    one: Series,
    scaling: Scaling,
    cycles: tuple[float, ...],
    means: Sequence[float],
    *,
    lags: int,
    horizons: Sequence[int],
) -> Steps:
    """Lay out one stream step by step.

    As on the device a sensor that was not heard yet is at its centre, and nothing is forecast of it in this life.
    """
    newest = _newest(one)
    values = scaling.bound(np.where(newest >= 0, one.values, scaling.centre))
    scaled = scaling.scale(values)
    index = np.arange(len(one))
    before = scaled[np.maximum(index - 1, one.starts)]
    ratio = (scaling.spread / scaling.change).astype(np.float32)
    slow = _slow_means(scaled, one.starts, means)
    x = lay_out(scaled, Past(before, slow), ratio, one.measured, phases(one.times, cycles))
    back = index[:, None] + np.arange(1 - lags, 1)
    ahead = index[:, None] + np.array(horizons)
    there = np.minimum(ahead, len(one) - 1)
    same_life = (ahead < len(one)) & (one.starts[there] == one.starts[index][:, None])
    heard = newest >= one.starts[:, None]
    known = same_life[:, :, None] & one.measured[there] & heard[:, None, :]
    target = np.where(known, (values[there] - values[:, None, :]) / scaling.spread, 0.0)
    return Steps(x, scaled[np.maximum(back, one.starts[:, None])], target.astype(np.float32), known, one.starts)


def _slow_means(scaled: Floats, starts: NDArray[np.intp], means: Sequence[float]) -> Floats:
    """Follow the slow means sample by sample, as the device does; shape (samples, means, sensors)."""
    weight = pull(means)
    slow = np.empty((len(scaled), len(means), scaled.shape[1]), dtype=np.float32)
    now = slow[:1].copy()
    for place, start in enumerate(starts.tolist()):
        if place == start:
            now = np.broadcast_to(scaled[place], now.shape)
        now = follow(now, scaled[place : place + 1], weight)
        slow[place] = now[0]
    return slow


def part(steps: Steps, begin: int, end: int, horizons: Sequence[int]) -> Steps:
    """Return the samples from `begin` to `end`; a truth at `end` or after it is unknown there."""
    index = np.arange(begin, end)
    inside = index[:, None] + np.array(horizons) < end
    known = steps.known[begin:end] & inside[:, :, None]
    target = np.where(known, steps.target[begin:end], np.float32(0.0))
    starts = np.maximum(steps.starts[begin:end] - begin, 0)
    return Steps(steps.x[begin:end], steps.lags[begin:end], target, known, starts)


def cut(array: NDArray[np.float32], *, length: int, stride: int) -> Floats:
    """Cut an array of steps into subsequences; the last one ends with the array.

    Returns:
        Shape (subsequences, length, …); a shorter array is padded in front with zeros.

    >>> cut(np.arange(5, dtype=np.float32), length=3, stride=2)
    array([[0., 1., 2.],
           [2., 3., 4.]], dtype=float32)
    """
    short = max(0, length - len(array))
    padded = np.pad(array, ((short, 0), *((0, 0),) * (array.ndim - 1)))
    last = len(padded) - length
    begins = np.array(sorted({*range(0, last + 1, stride), last}))
    pieces: Floats = padded[begins[:, None] + np.arange(length)]
    return pieces
