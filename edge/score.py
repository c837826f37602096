"""Turn what is seen of a sample into a score: evidence, surprises, score.

Theory of operation. Each statistic of each sensor (`edge.evidence`) has its surprise (`edge.tail`). The largest
counts, less what the largest of so many is larger by chance (Bonferroni). `edge.alarm` turns it into a score. Nearly
all statistics of nearly all samples lie where nothing is left of their surprise: there it is not even computed.

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
    NOVELTY,
    SHARP,
    SMOOTHED,
    Calibration,
    features,
    is_new,
    smooth,
)
from edge.rows import At, Bools, Doubles, all_of, any_of, grow, some

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


def nothing_said(level: Doubles) -> Scores:
    """Return the scores of a wave, (wave, sensors), of which nothing is said."""
    return Scores(np.full(len(level), np.nan), np.zeros(level.shape), np.zeros(len(level), dtype=np.bool_))


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
        self._low, self._high = calibration.ordinary()
        self._demanded = np.where(calibration.scored, self._looks, np.inf)  # of the hours of the day
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

    def forget(self, rows: At) -> None:
        """Forget the deviations of some streams; what is known of noise, level, days and alarms is kept."""
        self._smoothed[rows] = 0.0
        self._days.forget(rows)
        self._alarms.forget(rows)

    def advance(self, rows: At, times: Doubles, level: Doubles, quotient: Doubles, measured: Bools) -> Scores:
        """Score one sample of each of some streams.

        Args:
            rows: which streams; each at most once.
            times: shape (wave,), Unix seconds UTC.
            level: shape (wave, sensors), spreads around the centre; the last known where not measured.
            quotient: shape (wave, sensors), of `standardise`; ignored where not measured.
            measured: shape (wave, sensors).
        """
        heard = np.logical_or.reduce(measured & self._judged, axis=1)
        if all_of(heard):
            return self._advance(rows, times, level, quotient, measured)
        scores = nothing_said(level)
        if any_of(heard):
            said = self._advance(some(rows, heard), times[heard], level[heard], quotient[heard], measured[heard])
            scores.score[heard], scores.share[heard], scores.begins[heard] = said.score, said.share, said.begins
        return scores

    def _advance(self, rows: At, times: Doubles, level: Doubles, quotient: Doubles, measured: Bools) -> Scores:
        scale, reference = self._scale[rows], self._reference[rows]
        found = features(level - reference, quotient / scale, self._calibration.others)
        surprise = self._surprise(rows, times, level, found, measured)
        judged = self._alarms.judge(rows, surprise)
        flagged = judged.score > 1.0
        share, learned = np.zeros(level.shape), measured
        if any_of(flagged):
            self._days.flagged(some(rows, flagged))
            share[flagged] = _share(judged.counted[flagged])
            learned = measured & ~flagged[:, None]
        self._scale[rows] = self._calmed(scale, quotient, learned)
        followed = self._followed[rows] + learned
        self._followed[rows] = followed
        self._reference[rows] = follow_level(reference, followed, level, learned)
        return Scores(judged.score, share, judged.begins)

    def _surprise(self, rows: At, times: Doubles, level: Doubles, found: Doubles, measured: Bools) -> Doubles:
        """Return how surprising each statistic is, (wave, CHANNELS, sensors), less what chance makes of so many."""
        surprise = np.zeros((len(level), CHANNELS, level.shape[1]))
        seen = self._see(rows, found, measured)
        strange = (seen > self._high) | (seen < self._low)
        if not all_of(measured):
            strange[:, _SHARP] &= measured[:, None, :]
        if any_of(strange):
            self._grade(seen, strange, out=surprise)
        by_hour = np.subtract(self._days.advance(rows, times, level, measured), self._demanded, out=surprise[:, DAILY])
        np.maximum(by_hour, 0.0, out=by_hour)
        if self._switches:
            new = measured & is_new(level, self._calibration.positions)
            np.multiply(new, self._alarms.due(rows)[:, None] + NOVEL, out=surprise[:, NOVELTY])
        return surprise

    def _see(self, rows: At, found: Doubles, measured: Bools) -> Doubles:
        """Return the statistics of `GRADED`, (wave, GRADED, sensors): deviations of single values, and means."""
        known = self._calibration
        found -= known.centre
        smoothed = smooth(self._smoothed[rows], found / known.spread, measured)
        self._smoothed[rows] = smoothed
        return np.concatenate((found[:, _SHARP], smoothed), axis=1)

    def _grade(self, seen: Doubles, strange: Bools, *, out: Doubles) -> None:
        """Write how surprising the strange ones of the statistics are, in the first channels of a wave."""
        known = self._calibration
        index = np.flatnonzero(strange)
        row, place = np.divmod(index, self._low.size)
        value = seen.ravel()[index]
        peaks = known.centre[_SHARP].size
        sharp = place < peaks
        graded = np.empty(len(index))
        graded[sharp] = known.peaks.surprise(value[sharp], place[sharp])
        graded[~sharp] = known.means.surprise(value[~sharp], place[~sharp] - peaks)
        out.reshape(len(out), -1)[row, place] = np.maximum(graded - self._looks, 0.0)

    def _calmed(self, scale: Doubles, quotient: Doubles, learned: Bools) -> Doubles:
        """Let the slow scale follow the noise of one sample; shape (wave, sensors)."""
        square = scale * scale
        calm = np.minimum(np.abs(quotient), CALM * scale)
        calm *= calm
        calm /= self._calibration.energy
        calm -= square
        if not all_of(learned):
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
    if not all_of(learned):
        away *= learned
    away /= np.minimum(followed + LEVEL_PRIOR, LEVEL_STEPS)
    away += reference
    return away


def _share(surprise: Doubles) -> Doubles:
    """Share the deviation out among the sensors, in the channel that is the most surprising."""
    channel = surprise.max(axis=2).argmax(axis=1)
    square = surprise[np.arange(len(channel)), channel] ** 2
    total = square.sum(axis=1, keepdims=True)
    share: Doubles = np.divide(square, total, out=np.zeros_like(square), where=total > 0.0)
    return share
