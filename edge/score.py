"""Turn what is seen of a sample into a score: features, surprises, score.

Theory of operation. Four things are looked at of every sensor, because each kind of trouble shows in another:

- *level*: spreads from the centre of the training data. A forecast of the next step soon forgives a new level, the
  level itself does not.
- *residual*: sample less forecast, in half-widths of the interval, so that a nervous hour does not look strange.
- *unrest*: the logarithm of the residual's size: it rises with the noise, and falls when a sensor is stuck.
- *odds*: the level less what the levels of the other sensors let expect: it shows when sensors part that moved
  together.

The first two are judged value by value, for spikes, and all of them as exponential means over `SPANS` steps, of values
bounded so that no single one decides: what is too small to be seen at once is seen when it lasts. Each statistic of
each sensor has its surprise (`edge.tail`). The largest counts, less what the largest of so many is larger by chance
(Bonferroni). `edge.alarm` turns it into a score.

The scale of the residuals follows slow change of the noise, within bounds, and never learns from a flagged sample.
"""

from dataclasses import dataclass

import numpy as np

from edge.alarm import Alarms, allowed_share
from edge.rows import Bools, Doubles, Rows, grow
from edge.tail import Means, Peaks

LEVEL, RESIDUAL, UNREST, ODDS = range(4)
FEATURES = 4
SHARP = (LEVEL, RESIDUAL)  # the features that are judged value by value
SMOOTHED = (LEVEL, LEVEL, RESIDUAL, UNREST, UNREST, ODDS)  # those judged as means over the spans below
SPANS = (8.0, 48.0, 8.0, 8.0, 48.0, 8.0)  # steps; short disturbances, and slow drifts
CHANNELS = len(SHARP) + len(SMOOTHED)

WILDEST = 1e6  # half-widths, and spreads; beyond it a double would lose what it is compared with
BOUND = 3.0  # spreads of a feature: one wild value must not fill the longest span for hours
ODDS_BOUND = 6.0  # spreads of a level: a sensor gone wild must not make all the others look odd
STILL = 0.05  # half-widths: what of a residual is no unrest
CALM = 3.0  # half-widths: what the slow scale learns of one sample at most
SCALE_STEPS = 1000.0  # steps over which the slow scale follows the noise
SCALE_LEAST, SCALE_MOST = 0.5, 4.0  # how far it may follow


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold what the calibration data taught about samples that are normal.

    Attributes:
        scored: shape (sensors,), which sensors are judged.
        centre, spread: shape (features, sensors), median and standard deviation of the features.
        others: shape (sensors, sensors), what turns levels into odds.
        energy: shape (sensors,), mean square of the quotients, each bounded at `CALM`.
        peaks: the tails of the single values, `SHARP`.
        means: the tails of the means, `SMOOTHED`.
        looks: in how many ways a sample can be strange.
        samples: how many it was learned from.
    """

    scored: Bools
    centre: Doubles
    spread: Doubles
    others: Doubles
    energy: Doubles
    peaks: Peaks
    means: Means
    looks: float
    samples: int


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


def standardise(residual: Doubles, below: Doubles, above: Doubles) -> Doubles:
    """Divide residuals by the interval's half-width on their side, bounded to ±`WILDEST`; all (wave, sensors)."""
    quotient = residual / np.where(residual < 0.0, below, above)
    bounded: Doubles = np.maximum(np.minimum(quotient, WILDEST), -WILDEST)
    return bounded


def shrinkage(spans: tuple[float, ...]) -> Doubles:
    """Return the weight of the newest value in an exponential mean of each span, shape (spans, 1).

    Source: Brown (1963), Smoothing, Forecasting and Prediction: a = 2 / (span + 1) gives the exponential mean the
    centre of mass of a plain mean over `span` steps.
    """
    weight: Doubles = 2.0 / (np.array(spans, dtype=np.float64)[:, None] + 1.0)
    return weight


WEIGHT = shrinkage(SPANS)


def features(level: Doubles, quotient: Doubles, others: Doubles) -> Doubles:
    """Lay out what is looked at.

    Args:
        level: shape (wave, sensors), spreads around the centre of the training data.
        quotient: shape (wave, sensors), of `standardise`.
        others: shape (sensors, sensors).

    Returns:
        Shape (wave, features, sensors).
    """
    found = np.empty((len(level), FEATURES, level.shape[1]))
    found[:, LEVEL] = level
    found[:, RESIDUAL] = quotient
    np.log(np.abs(quotient) + STILL, out=found[:, UNREST])
    bounded = np.maximum(np.minimum(level, ODDS_BOUND), -ODDS_BOUND)
    # No matrix product of BLAS: its answer for a row depends on how many rows there are.
    np.einsum("ws,ts->wt", bounded, others, out=found[:, ODDS])
    return found


def smooth(smoothed: Doubles, deviation: Doubles, measured: Bools) -> Doubles:
    """Advance the exponential means by one step; a sensor that was not measured keeps its own.

    Args:
        smoothed: shape (wave, means, sensors).
        deviation: shape (wave, features, sensors), in spreads of the features.
        measured: shape (wave, sensors).

    Returns:
        Shape (wave, means, sensors).
    """
    bounded = np.maximum(np.minimum(deviation, BOUND), -BOUND)[:, SMOOTHED]
    advanced: Doubles = smoothed + WEIGHT * (bounded - smoothed) * measured[:, None, :]
    return advanced


class Scorer:
    """Score the samples of all streams of a cohort.

    State kept for each stream: the means, the slow scale of each sensor, and its alarms.
    """

    def __init__(self, calibration: Calibration, close_after: int) -> None:
        """Start with no stream; `admit` adds them.

        Args:
            calibration: what is normal.
            close_after: calm samples that end an event.
        """
        self._calibration = calibration
        self._looks = np.log(calibration.looks)
        sensors = len(calibration.scored)
        self._smoothed: Doubles = np.zeros((0, len(SMOOTHED), sensors))
        self._scale: Doubles = np.ones((0, sensors))
        self._alarms = Alarms(CHANNELS, sensors, close_after)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        self._smoothed = grow(self._smoothed, capacity, 0.0)
        self._scale = grow(self._scale, capacity, 1.0)
        self._alarms.admit(capacity)

    def allow(self, row: int, false_alarms_per_week: float, period: float, close_after: int | None = None) -> None:
        """Set the alarm budget of a stream, and how many calm samples end its events."""
        self._alarms.allow(row, allowed_share(false_alarms_per_week, period), close_after)

    def shelved(self) -> int:
        """Count the statistics that were strange for so long that they are no longer told, over all streams."""
        return self._alarms.shelved()

    def forget(self, rows: Rows) -> None:
        """Forget the deviations of some streams; what is known of their noise and their alarms is kept."""
        self._smoothed[rows] = 0.0
        self._alarms.forget(rows)

    def advance(self, rows: Rows, level: Doubles, quotient: Doubles, measured: Bools) -> Scores:
        """Score one sample of each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            level: shape (wave, sensors), spreads around the centre; the last known where not measured.
            quotient: shape (wave, sensors), of `standardise`; ignored where not measured.
            measured: shape (wave, sensors).
        """
        known = self._calibration
        heard = (measured & known.scored).any(axis=1)
        score = np.full(len(rows), np.nan)
        share = np.zeros(level.shape)
        if not heard.any():
            return Scores(score, share)
        if not heard.all():
            said = self.advance(rows[heard], level[heard], quotient[heard], measured[heard])
            score[heard], share[heard] = said.score, said.share
            return Scores(score, share)
        scale = self._scale[rows]
        surprise = self._surprise(rows, features(level, quotient / scale, known.others), measured)
        judged = self._alarms.judge(rows, surprise)
        flagged = judged.score > 1.0
        self._scale[rows] = self._followed(scale, quotient, measured & ~flagged[:, None])
        if flagged.any():
            share[flagged] = _share(judged.counted[flagged])
        return Scores(judged.score, share)

    def _surprise(self, rows: Rows, found: Doubles, measured: Bools) -> Doubles:
        """Return how surprising each statistic is, (wave, channels, sensors), as if it were the only one."""
        known = self._calibration
        away = found - known.centre
        smoothed = smooth(self._smoothed[rows], away / known.spread, measured)
        self._smoothed[rows] = smoothed
        surprise = np.empty((len(rows), CHANNELS, len(known.scored)))
        surprise[:, : len(SHARP)] = known.peaks.surprise(away[:, SHARP]) * measured[:, None, :]
        surprise[:, len(SHARP) :] = known.means.surprise(smoothed)
        counted: Doubles = np.maximum((surprise - self._looks) * known.scored, 0.0)
        return counted

    def _followed(self, scale: Doubles, quotient: Doubles, learned: Bools) -> Doubles:
        """Let the slow scale follow the noise of one sample; shape (wave, sensors)."""
        square = scale * scale
        calm = np.minimum(np.abs(quotient), CALM * scale)
        followed = square + learned * (calm * calm / self._calibration.energy - square) / SCALE_STEPS
        bounded: Doubles = np.sqrt(np.minimum(np.maximum(followed, SCALE_LEAST**2), SCALE_MOST**2))
        return bounded


def _share(surprise: Doubles) -> Doubles:
    """Share the deviation out among the sensors, in the channel that is the most surprising."""
    channel = surprise.max(axis=2).argmax(axis=1)
    square = surprise[np.arange(len(channel)), channel] ** 2
    total = square.sum(axis=1, keepdims=True)
    share: Doubles = np.divide(square, total, out=np.zeros_like(square), where=total > 0.0)
    return share
