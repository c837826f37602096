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

from edge.rows import Bools, Doubles, Rows, grow

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

    at: Doubles
    surprise: Doubles

    def of(self, statistic: Doubles) -> Doubles:
        """Look up the surprise of values of any shape; beyond the last knot it stays at the last knot's."""
        looked_up: Doubles = np.interp(statistic, self.at, self.surprise)
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

    scored: Bools
    spans: tuple[float, ...]
    spread: Doubles
    energy: Doubles
    tails: tuple[Tail, ...]
    worst: Tail


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold the scores of one wave.

    Attributes:
        score: shape (wave,), 0..1 normal, above 1 anomalous; nan where no judged sensor was measured.
        share: shape (wave, sensors), how much each sensor carries of the deviation, sums to 1; zeros in a wave
            without a flag.
    """

    score: Doubles
    share: Doubles


def alarm_surprise(false_alarms_per_week: float, period: float) -> float:
    """Return the surprise at which the score is 1: -ln of the alarm budget's share of the steps.

    Args:
        false_alarms_per_week: the alarm budget, > 0.
        period: seconds a step.

    >>> round(alarm_surprise(1.0, 60.0), 2)  # one step in 10,080
    9.22
    """
    return -float(np.log(np.clip(false_alarms_per_week * period / WEEK, RAREST, COMMONEST)))


def standardise(residual: Doubles, below: Doubles, above: Doubles) -> Doubles:
    """Divide residuals by the interval's half-width on their side, bounded to ±`BOUND`; all (wave, sensors)."""
    quotient: Doubles = residual / np.where(residual < 0.0, below, above)
    return np.maximum(np.minimum(quotient, BOUND), -BOUND)


def shrinkage(spans: tuple[float, ...]) -> Doubles:
    """Return the weight of the newest value in an exponential mean of each span, shape (spans, 1).

    Source: Brown (1963), Smoothing, Forecasting and Prediction: a = 2 / (span + 1) gives the exponential mean the
    centre of mass of a plain mean over `span` steps.
    """
    weight: Doubles = 2.0 / (np.array(spans, dtype=np.float64)[:, None] + 1.0)
    return weight


def smooth(
    smoothed: Doubles,
    quotient: Doubles,
    measured: Bools,
    weight: Doubles,
) -> Doubles:
    """Advance the exponential means by one step; a sensor that was not measured keeps its own.

    Args:
        smoothed: shape (wave, spans, sensors).
        quotient: shape (wave, sensors), half-widths.
        measured: shape (wave, sensors).
        weight: shape (spans, 1), of `shrinkage`.

    Returns:
        Shape (wave, spans, sensors).
    """
    advanced: Doubles = smoothed + weight * (quotient[:, None, :] - smoothed) * measured[:, None, :]
    return advanced


def statistics(deviation: Doubles, scored: Bools) -> Doubles:
    """Summarise deviations over the sensors.

    Args:
        deviation: shape (wave, spans, sensors), smoothed quotients in units of their spread.
        scored: shape (sensors,), which sensors are judged; at least one.

    Returns:
        Shape (wave, 2 * spans): root mean square at each span, then maximum at each span.
    """
    judged = np.abs(deviation) * scored
    wave, spans, _ = deviation.shape
    found = np.empty((wave, 2 * spans))
    found[:, :spans] = np.sqrt((judged * judged).sum(axis=2) / scored.sum())
    found[:, spans:] = judged.max(axis=2)
    return found


class Scorer:
    """Score the residuals of all streams of a cohort.

    State kept for each stream: the smoothed quotients and the slow scale of each sensor.
    """

    def __init__(self, calibration: Calibration) -> None:
        """Start with no stream; `admit` adds them."""
        self._calibration = calibration
        self._weight = shrinkage(calibration.spans)
        self._lookup = _Lookup(calibration.tails)
        spans, sensors = calibration.spread.shape
        self._smoothed: Doubles = np.zeros((0, spans, sensors))
        self._scale: Doubles = np.ones((0, sensors))
        self._alarm: Doubles = np.ones(0)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        self._smoothed = grow(self._smoothed, capacity, 0.0)
        self._scale = grow(self._scale, capacity, 1.0)
        self._alarm = grow(self._alarm, capacity, 1.0)

    def allow(self, row: int, surprise: float) -> None:
        """Set the surprise at which a stream's score is 1, see `alarm_surprise`."""
        self._alarm[row] = surprise

    def forget(self, rows: Rows) -> None:
        """Forget the deviations of some streams; what is known of their noise is kept."""
        self._smoothed[rows] = 0.0

    def advance(self, rows: Rows, quotient: Doubles, measured: Bools) -> Scores:
        """Score one residual of each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            quotient: shape (wave, sensors), of `standardise`; ignored where not measured.
            measured: shape (wave, sensors).
        """
        known = self._calibration
        scale = self._scale[rows]
        smoothed = smooth(self._smoothed[rows], quotient / scale, measured, self._weight)
        self._smoothed[rows] = smoothed
        deviation = smoothed / known.spread
        surprises = self._lookup.of(statistics(deviation, known.scored))
        score = known.worst.of(surprises.max(axis=1)) / self._alarm[rows]
        flagged = score > 1.0
        self._scale[rows] = self._followed(scale, quotient, measured & ~flagged[:, None])
        score[~(measured & known.scored).any(axis=1)] = np.nan
        share = np.zeros(quotient.shape)
        if flagged.any():
            share[flagged] = self._share(deviation[flagged], surprises[flagged])
        return Scores(score, share)

    def _share(self, deviation: Doubles, surprises: Doubles) -> Doubles:
        """Share the deviation out among the sensors, at the span that is the most surprising."""
        span = surprises.argmax(axis=1) % deviation.shape[1]
        square = np.where(self._calibration.scored, deviation[np.arange(len(span)), span] ** 2, 0.0)
        total = square.sum(axis=1, keepdims=True)
        share: Doubles = np.divide(square, total, out=np.zeros_like(square), where=total > 0.0)
        return share

    def _followed(self, scale: Doubles, quotient: Doubles, learned: Bools) -> Doubles:
        """Let the slow scale follow the noise of one sample; shape (wave, sensors)."""
        square = scale * scale
        calm = np.minimum(np.abs(quotient), CALM * scale)
        followed = square + learned * (calm * calm / self._calibration.energy - square) / SCALE_STEPS
        return np.sqrt(np.minimum(np.maximum(followed, SCALE_LEAST**2), SCALE_MOST**2))


class _Lookup:
    """Look up the surprise of all statistics at once: their tails laid side by side on one axis."""

    def __init__(self, tails: tuple[Tail, ...]) -> None:
        self._reach = np.array([tail.at[-1] for tail in tails])
        self._offset = (2.0 * self._reach.max() + 1.0) * np.arange(len(tails))
        self._at = np.concatenate([tail.at + offset for tail, offset in zip(tails, self._offset, strict=True)])
        self._surprise = np.concatenate([tail.surprise for tail in tails])

    def of(self, found: Doubles) -> Doubles:
        """Return the surprise of each statistic, shape (wave, statistics)."""
        surprises: Doubles = np.interp(np.minimum(found, self._reach) + self._offset, self._at, self._surprise)
        return surprises
