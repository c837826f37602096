"""Turn residuals into scores: residual, nonconformity, tail probability, score.

Theory of operation. A residual is divided by the half-width of its forecast's interval, so that a nervous hour does
not look strange. The quotient is smoothed over several spans of steps: the shortest sees spikes, the longest sees
slow drifts. At each span two statistics are taken over the sensors, the root mean square (many sensors a little off)
and the maximum (one sensor far off). Each statistic is turned into its surprise, -ln of the probability that so large
a value or a larger one occurs while all is well, by a table from the calibrate split. The largest surprise is again
brought to a tail probability, because the largest of several is large more often. The score compares it with the
probability that the alarm budget allows at each step.

The scale of the quotients follows slow change of the noise, within bounds, and never learns from a flagged sample.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WEEK = 604_800.0
BOUND = 20.0  # half-widths: one wild value must not fill the longest span for hours
CALM = 3.0  # half-widths: what the slow scale learns of one sample at most
SCALE_STEPS = 1000.0  # steps over which the slow scale follows the noise
SCALE_LEAST, SCALE_MOST = 0.5, 4.0  # how far it may follow
RAREST, COMMONEST = 1e-9, 0.02  # tail probabilities between which an alarm budget can be honoured


@dataclass(frozen=True, slots=True)
class Tail:
    """Hold how surprising each value of a statistic is.

    Attributes:
        at: shape (knots,), increasing values of the statistic.
        surprise: shape (knots,), increasing: -ln of the probability of that value or a larger one.
    """

    at: NDArray[np.float64]
    surprise: NDArray[np.float64]

    def of(self, statistic: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look up the surprise of values of any shape; beyond the last knot it stays at the last knot's."""
        looked_up: NDArray[np.float64] = np.interp(statistic, self.at, self.surprise)
        return looked_up


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold what the calibrate split taught about residuals that are normal.

    Attributes:
        scored: shape (sensors,), which sensors are judged; one that never moved in training cannot be.
        spans: steps over which residuals are smoothed, each >= 1.
        spread: shape (spans, sensors), standard deviation of the smoothed quotients.
        energy: shape (sensors,), mean square of the quotients, each bounded at `CALM`.
        tails: one for each statistic: the root mean squares of all spans, then the maxima of all spans.
        worst: the tail of the largest surprise among them.
    """

    scored: NDArray[np.bool_]
    spans: tuple[float, ...]
    spread: NDArray[np.float64]
    energy: NDArray[np.float64]
    tails: tuple[Tail, ...]
    worst: Tail


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold the scores of one wave.

    Attributes:
        score: shape (wave,), 0..1 normal, above 1 anomalous; nan where no judged sensor was measured.
        share: shape (wave, sensors), how much each sensor carries of the deviation, sums to 1.
    """

    score: NDArray[np.float64]
    share: NDArray[np.float64]


def alarm_surprise(false_alarms_per_week: float, period: float) -> float:
    """Return the surprise at which the score is 1: -ln of the alarm budget's share of the steps.

    Args:
        false_alarms_per_week: the alarm budget, > 0.
        period: seconds a step.

    >>> round(alarm_surprise(1.0, 60.0), 2)  # one step in 10,080
    9.22
    """
    return -float(np.log(np.clip(false_alarms_per_week * period / WEEK, RAREST, COMMONEST)))


def standardise(
    residual: NDArray[np.float64], below: NDArray[np.float64], above: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Divide residuals by the interval's half-width on their side, bounded to ±`BOUND`; all (wave, sensors)."""
    return np.clip(residual / np.where(residual < 0.0, below, above), -BOUND, BOUND)


def shrinkage(spans: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the weight of the newest value in an exponential mean of each span, shape (spans, 1).

    Source: Brown (1963), Smoothing, Forecasting and Prediction: a = 2 / (span + 1) gives the exponential mean the
    centre of mass of a plain mean over `span` steps.
    """
    return 2.0 / (np.array(spans, dtype=np.float64)[:, None] + 1.0)


def smooth(
    smoothed: NDArray[np.float64],
    quotient: NDArray[np.float64],
    measured: NDArray[np.bool_],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Advance the exponential means by one step; a sensor that was not measured keeps its own.

    Args:
        smoothed: shape (wave, spans, sensors).
        quotient: shape (wave, sensors), half-widths.
        measured: shape (wave, sensors).
        weight: shape (spans, 1), of `shrinkage`.

    Returns:
        Shape (wave, spans, sensors).
    """
    step = weight * (quotient[:, None, :] - smoothed)
    return smoothed + np.where(measured[:, None, :], step, 0.0)


def statistics(deviation: NDArray[np.float64], scored: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Summarise deviations over the sensors.

    Args:
        deviation: shape (wave, spans, sensors), smoothed quotients in units of their spread.
        scored: shape (sensors,), which sensors are judged; at least one.

    Returns:
        Shape (wave, 2 * spans): root mean square at each span, then maximum at each span.
    """
    judged = np.where(scored, np.abs(deviation), 0.0)
    mean_square = (judged * judged).sum(axis=2) / scored.sum()
    return np.concatenate((np.sqrt(mean_square), judged.max(axis=2)), axis=1)


class Scorer:
    """Score the residuals of all streams of a cohort.

    State kept for each stream: the smoothed quotients and the slow scale of each sensor.
    """

    def __init__(self, calibration: Calibration) -> None:
        """Start with no stream; `admit` adds them."""
        self._calibration = calibration
        self._weight = shrinkage(calibration.spans)
        spans, sensors = calibration.spread.shape
        self._smoothed = np.zeros((0, spans, sensors))
        self._scale = np.ones((0, sensors))
        self._alarm = np.ones(0)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        more = capacity - len(self._alarm)
        self._smoothed = np.pad(self._smoothed, ((0, more), (0, 0), (0, 0)))
        self._scale = np.pad(self._scale, ((0, more), (0, 0)), constant_values=1.0)
        self._alarm = np.pad(self._alarm, (0, more), constant_values=1.0)

    def allow(self, row: int, surprise: float) -> None:
        """Set the surprise at which a stream's score is 1, see `alarm_surprise`."""
        self._alarm[row] = surprise

    def forget(self, rows: NDArray[np.intp]) -> None:
        """Forget the deviations of some streams; what is known of their noise is kept."""
        self._smoothed[rows] = 0.0

    def advance(self, rows: NDArray[np.intp], quotient: NDArray[np.float64], measured: NDArray[np.bool_]) -> Scores:
        """Score one residual of each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            quotient: shape (wave, sensors), of `standardise`; ignored where not measured.
            measured: shape (wave, sensors).
        """
        known = self._calibration
        scaled = quotient / self._scale[rows]
        smoothed = smooth(self._smoothed[rows], scaled, measured, self._weight)
        self._smoothed[rows] = smoothed
        deviation = smoothed / known.spread
        surprises = self._surprises(deviation)
        score = known.worst.of(surprises.max(axis=1)) / self._alarm[rows]
        score[~(measured & known.scored).any(axis=1)] = np.nan
        self._follow_noise(rows, quotient, measured & ~(score > 1.0)[:, None])
        return Scores(score, self._share(deviation, surprises))

    def _surprises(self, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        found = statistics(deviation, self._calibration.scored)
        tails = self._calibration.tails
        return np.stack([tail.of(found[:, index]) for index, tail in enumerate(tails)], axis=1)

    def _share(self, deviation: NDArray[np.float64], surprises: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share the deviation out among the sensors, at the span that is the most surprising."""
        span = surprises.argmax(axis=1) % deviation.shape[1]
        square = np.where(self._calibration.scored, deviation[np.arange(len(span)), span] ** 2, 0.0)
        total = square.sum(axis=1, keepdims=True)
        share: NDArray[np.float64] = np.divide(square, total, out=np.zeros_like(square), where=total > 0.0)
        return share

    def _follow_noise(
        self, rows: NDArray[np.intp], quotient: NDArray[np.float64], learned: NDArray[np.bool_]
    ) -> None:
        scale = self._scale[rows]
        calm = np.minimum(np.abs(quotient), CALM * scale)
        step = (calm * calm / self._calibration.energy - scale * scale) / SCALE_STEPS
        followed = np.sqrt(np.clip(scale * scale + step, SCALE_LEAST**2, SCALE_MOST**2))
        self._scale[rows] = np.where(learned, followed, scale)
