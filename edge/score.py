"""Turn what is seen of a sample into a score: evidence, surprises, score.

Theory of operation. Each statistic of each sensor (`edge.evidence`) has its surprise (`edge.tail`). The largest
counts, less what the largest of so many is larger by chance (Bonferroni). `edge.alarm` turns it into a score.

Two references follow slow change, and never learn from a flagged sample: the scale of the residuals follows the noise,
within bounds, and the level that a sensor is held against follows the season.
"""

from dataclasses import dataclass

import numpy as np

from edge.alarm import Alarms, allowed_share
from edge.daily import DailyProfile
from edge.evidence import (
    CHANNELS,
    DAILY,
    GRADED,
    NOVELTY,
    SHARP,
    SMOOTHED,
    Calibration,
    features,
    is_new,
    smooth,
)
from edge.rows import Bools, Doubles, Rows, all_of, any_of, at, grow

CALM = 3.0  # half-widths, and spreads: what the references learn of one sample at most
SCALE_STEPS = 1000.0  # steps over which the slow scale follows the noise
SCALE_LEAST, SCALE_MOST = 0.5, 4.0  # how far it may follow
LEVEL_STEPS = 1000.0  # steps over which the reference of the level follows it
LEVEL_PRIOR = 100.0  # samples that the centre of the training data is worth to a new stream
_SHARP = slice(0, len(SHARP))  # they are the first features
NOVEL = 3.0  # alarms that a stream may be ahead of its budget and still be told of a value never seen


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold the scores of one wave.

    Attributes:
        score: shape (wave,), 0..1 normal, above 1 anomalous; nan where no judged sensor was measured.
        share: shape (wave, sensors), how much each sensor carries of the deviation, sums to 1; zeros in a wave
            without a flag.
        begins: shape (wave,), whether an event begins; another may be open that this one outgrew.
    """

    score: Doubles
    share: Doubles
    begins: Bools


class Scorer:
    """Score the samples of all streams of a cohort.

    State kept for each stream: the means, the two references, its days, and its alarms.
    """

    def __init__(self, calibration: Calibration, period: float, close_after: int) -> None:
        """Start with no stream; `admit` adds them.

        Args:
            calibration: what is normal.
            period: seconds a step.
            close_after: calm samples that end an event.
        """
        self._calibration = calibration
        self._period = period
        self._looks = np.log(calibration.looks)
        self._switches = not np.isnan(calibration.positions).all()  # of sensors with one value or two
        self._judged: Bools = calibration.scored | ~np.isnan(calibration.positions[0])
        sensors = len(calibration.scored)
        self._smoothed: Doubles = np.zeros((0, len(SMOOTHED), sensors))
        self._scale: Doubles = np.ones((0, sensors))
        self._reference: Doubles = np.zeros((0, sensors))
        self._followed: Doubles = np.zeros((0, sensors))  # samples that the reference has learned
        self._days = DailyProfile(period, sensors)
        self._alarms = Alarms(CHANNELS, sensors, close_after)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        self._smoothed = grow(self._smoothed, capacity, 0.0)
        self._scale = grow(self._scale, capacity, 1.0)
        self._reference = grow(self._reference, capacity, 0.0)
        self._followed = grow(self._followed, capacity, 0.0)
        self._days.admit(capacity)
        self._alarms.admit(capacity)

    def allow(self, row: int, false_alarms_per_week: float, close_after: int | None = None) -> None:
        """Set the alarm budget of a stream, and how many calm samples end its events."""
        self._alarms.allow(row, allowed_share(false_alarms_per_week, self._period), close_after)

    def shelved(self) -> int:
        """Count the statistics that were strange for so long that they are no longer told, over all streams."""
        return self._alarms.shelved()

    def forget(self, rows: Rows) -> None:
        """Forget the deviations of some streams; what is known of noise, level, days and alarms is kept."""
        self._smoothed[rows] = 0.0
        self._days.forget(rows)
        self._alarms.forget(rows)

    def advance(self, rows: Rows, times: Doubles, level: Doubles, quotient: Doubles, measured: Bools) -> Scores:
        """Score one sample of each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            times: shape (wave,), Unix seconds UTC.
            level: shape (wave, sensors), spreads around the centre; the last known where not measured.
            quotient: shape (wave, sensors), of `standardise`; ignored where not measured.
            measured: shape (wave, sensors).
        """
        heard = np.logical_or.reduce(measured & self._judged, axis=1)
        if all_of(heard):
            return self._advance(rows, times, level, quotient, measured)
        scores = Scores(np.full(len(rows), np.nan), np.zeros(level.shape), np.zeros(len(rows), dtype=np.bool_))
        if any_of(heard):
            said = self._advance(rows[heard], times[heard], level[heard], quotient[heard], measured[heard])
            scores.score[heard], scores.share[heard], scores.begins[heard] = said.score, said.share, said.begins
        return scores

    def _advance(self, rows: Rows, times: Doubles, level: Doubles, quotient: Doubles, measured: Bools) -> Scores:
        these = at(rows)
        scale, reference = self._scale[these], self._reference[these]
        found = features(level - reference, quotient / scale, self._calibration.others)
        surprise = self._surprise(rows, times, level, found, measured)
        judged = self._alarms.judge(rows, surprise)
        flagged = judged.score > 1.0
        learned = measured & ~flagged[:, None]
        self._scale[these] = self._calmed(scale, quotient, learned)
        followed = self._followed[these] + learned
        self._followed[these] = followed
        self._reference[these] = follow_level(reference, followed, level, learned)
        share = np.zeros(level.shape)
        if any_of(flagged):
            self._days.flagged(rows[flagged])
            share[flagged] = _share(judged.counted[flagged])
        return Scores(judged.score, share, judged.begins)

    def _surprise(self, rows: Rows, times: Doubles, level: Doubles, found: Doubles, measured: Bools) -> Doubles:
        """Return how surprising each statistic is, (wave, CHANNELS, sensors), less what chance makes of so many."""
        known = self._calibration
        surprise = np.empty((len(rows), CHANNELS, level.shape[1]))
        self._grade(rows, found, measured, out=surprise[:, :GRADED])
        surprise[:, DAILY] = self._days.advance(rows, times, level, measured)
        looked = surprise[:, :NOVELTY]
        looked -= self._looks
        looked *= known.scored
        np.maximum(looked, 0.0, out=looked)
        surprise[:, NOVELTY] = 0.0
        if self._switches:
            new = measured & is_new(level, known.positions)
            np.multiply(new, self._alarms.due(rows)[:, None] + NOVEL, out=surprise[:, NOVELTY])
        return surprise

    def _grade(self, rows: Rows, found: Doubles, measured: Bools, *, out: Doubles) -> None:
        """Write how surprising each statistic of `GRADED` is, (wave, GRADED, sensors), as if it were the only one."""
        known, these = self._calibration, at(rows)
        away = found - known.centre
        smoothed = smooth(self._smoothed[these], away / known.spread, measured)
        self._smoothed[these] = smoothed
        np.multiply(known.peaks.surprise(away[:, _SHARP]), measured[:, None, :], out=out[:, _SHARP])
        out[:, len(SHARP) :] = known.means.surprise(smoothed)

    def _calmed(self, scale: Doubles, quotient: Doubles, learned: Bools) -> Doubles:
        """Let the slow scale follow the noise of one sample; shape (wave, sensors)."""
        square = scale * scale
        calm = np.minimum(np.abs(quotient), CALM * scale)
        calm *= calm
        calm /= self._calibration.energy
        calm -= square
        calm *= learned
        calm /= SCALE_STEPS
        calm += square
        np.minimum(np.maximum(calm, SCALE_LEAST**2, out=calm), SCALE_MOST**2, out=calm)
        return np.sqrt(calm, out=calm)


def follow_level(reference: Doubles, followed: Doubles, level: Doubles, learned: Bools) -> Doubles:
    """Let the reference of the level follow one sample, a new stream's fast; all shapes (wave, sensors).

    Args:
        reference: where each sensor has been of late, spreads around the centre of the training data.
        followed: how many samples were learned, this one among them.
        level: what came.
        learned: of which sensors.
    """
    away = np.maximum(np.minimum(level - reference, CALM), -CALM)
    moved: Doubles = reference + learned * away / np.minimum(followed + LEVEL_PRIOR, LEVEL_STEPS)
    return moved


def _share(surprise: Doubles) -> Doubles:
    """Share the deviation out among the sensors, in the channel that is the most surprising."""
    channel = surprise.max(axis=2).argmax(axis=1)
    square = surprise[np.arange(len(channel)), channel] ** 2
    total = square.sum(axis=1, keepdims=True)
    share: Doubles = np.divide(square, total, out=np.zeros_like(square), where=total > 0.0)
    return share
