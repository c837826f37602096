"""Judge the forecasts of one recording, sensor by sensor and horizon by horizon, beside what comes for nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.cohort import Verdicts
from training.reference import Track, ridge, seasonal_naive

Doubles = NDArray[np.float64]
LOW, HIGH = 0.05, 0.95  # what lies between is the central 90 %
STILL = 1e-9  # of the level: float noise around it is no movement


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Say how far a method's forecasts were off, sensor units.

    Attributes:
        rmse: root of the mean square.
        mae: mean of the absolute values.
    """

    rmse: float
    mae: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Say how honest and how wide central 90 % intervals were.

    Attributes:
        coverage: share of the truths inside.
        width: mean, sensor units.
    """

    coverage: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Judge one sensor at one horizon.

    Attributes:
        sensor: its name.
        horizon: steps ahead.
        samples: how many forecasts were judged; 0 leaves the rest empty.
        still: whether nothing moved or a baseline missed nothing, so that a skill would mean nothing.
        forecast, persistence, ridge, seasonal: what each method missed; seasonal is None where no season fits.
        interval, seasonal_interval: of the forecast, and of seasonal naive with its residuals on the fitted samples.
    """

    sensor: str
    horizon: int
    samples: int
    still: bool
    forecast: Missed
    persistence: Missed
    ridge: Missed
    seasonal: Missed | None
    interval: Interval
    seasonal_interval: Interval | None

    @property
    def best(self) -> float:
        """Return the RMSE of the better of persistence and ridge, chosen on the judged samples themselves."""
        return min(self.persistence.rmse, self.ridge.rmse)

    def skill(self, missed: Missed | None = None) -> float:
        """Return 1 - RMSE / the best baseline's: of the forecast, or of another method."""
        return 1.0 - (missed or self.forecast).rmse / self.best


class Listener:
    """Hear the verdicts of a replay of one stream, sample by sample.

    State kept: the verdicts heard so far.
    """

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._heard: list[Verdicts] = []

    def __call__(self, verdicts: Verdicts) -> None:
        """Take the verdicts of one wave, which holds one sample."""
        self._heard.append(verdicts)

    def _gather(self, choose: Callable[[Verdicts], Doubles]) -> Doubles:
        return np.concatenate([choose(verdicts) for verdicts in self._heard])

    def track(self, period: float, fitted_until: float) -> Track:
        """Return the samples that were heard; those up to a time may fit a reference: the last that Tidegate was told.

        A later row's time must not decide it: that row may come after a gap, or have a wild stamp.
        """
        times = self._gather(lambda verdicts: verdicts.times)
        measured = np.concatenate([verdicts.measured for verdicts in self._heard])
        restarted = np.concatenate([verdicts.restarted for verdicts in self._heard])
        starts = np.maximum.accumulate(np.where(restarted, np.arange(len(times)), 0))
        heard = np.maximum.accumulate(measured, axis=0)
        values = np.where(heard, self._gather(lambda verdicts: verdicts.values), np.nan)
        return Track(period, times, values, measured, starts, int(np.searchsorted(times, fitted_until, side="right")))

    def said(self) -> tuple[Doubles, Doubles, Doubles]:
        """Return forecast, lower and upper of every sample, each (samples, horizons, sensors)."""
        return (
            self._gather(lambda verdicts: verdicts.forecast),
            self._gather(lambda verdicts: verdicts.forecast_lower),
            self._gather(lambda verdicts: verdicts.forecast_upper),
        )


def judge(heard: Listener, track: Track, sensors: Sequence[str], horizons: Sequence[int]) -> list[Pair]:
    """Judge every pair of sensor and horizon on the truths that lie behind the fitted samples.

    All methods are judged on the same samples: those for which Tidegate had a forecast.
    """
    pairs = []
    for place, horizon in enumerate(horizons):
        said = [one[:, place] for one in heard.said()]
        naive = seasonal_naive(track, horizon)
        methods = _Methods(said[0], said[1], said[2], track.values, ridge(track, horizon), naive)
        truth = track.truths(horizon)
        pairs += [_pair(methods, track, truth, (sensor, name, horizon)) for sensor, name in enumerate(sensors)]
    return pairs


@dataclass(frozen=True, slots=True)
class _Methods:
    """Hold what every method says of one horizon, each (samples, sensors)."""

    forecast: Doubles
    lower: Doubles
    upper: Doubles
    persistence: Doubles
    ridge: Doubles
    seasonal: Doubles | None


def _pair(said: _Methods, track: Track, truths: Doubles, which: tuple[int, str, int]) -> Pair:
    sensor, name, horizon = which
    truth = truths[:, sensor]
    judged = ~track.within_fit(horizon) & ~np.isnan(truth) & ~np.isnan(said.forecast[:, sensor])
    behind, real = np.flatnonzero(judged), truth[judged]

    def missed(values: Doubles) -> Missed:
        return _missed(real - values[behind, sensor])

    persistence, linear = missed(said.persistence), missed(said.ridge)
    level = float(np.abs(real).max(initial=0.0))
    moved = float(np.ptp(real)) if len(real) else 0.0
    seasonal = said.seasonal
    return Pair(
        sensor=name,
        horizon=horizon,
        samples=len(real),
        still=min(persistence.rmse, linear.rmse, moved) <= STILL * level,
        forecast=missed(said.forecast),
        persistence=persistence,
        ridge=linear,
        seasonal=None if seasonal is None else missed(seasonal),
        interval=_interval(real, said.lower[behind, sensor], said.upper[behind, sensor]),
        seasonal_interval=None
        if seasonal is None
        else _seasonal_interval(track, truth, seasonal[:, sensor], judged, horizon),
    )


def _missed(errors: Doubles) -> Missed:
    if not len(errors):
        return Missed(rmse=0.0, mae=0.0)
    return Missed(rmse=float(np.sqrt(np.mean(errors**2))), mae=float(np.mean(np.abs(errors))))


def _interval(real: Doubles, lower: Doubles, upper: Doubles) -> Interval:
    if not len(real):
        return Interval(coverage=0.0, width=0.0)
    inside = (lower <= real) & (real <= upper)
    return Interval(coverage=float(inside.mean()), width=float((upper - lower).mean()))


def _seasonal_interval(
    track: Track, truth: Doubles, naive: Doubles, judged: NDArray[np.bool_], horizon: int
) -> Interval | None:
    """Give seasonal naive the interval that held 90 % of its residuals on the fitted samples."""
    residuals = (truth - naive)[track.within_fit(horizon)]
    residuals = residuals[~np.isnan(residuals)]
    if not len(residuals):
        return None
    low, high = np.quantile(residuals, (LOW, HIGH))
    return _interval(truth[judged], naive[judged] + low, naive[judged] + high)
