"""Turn what is seen of a sample into a score: evidence, surprises, score.

Theory of operation. Each statistic of each sensor (`edge.evidence`) has its surprise (`edge.tail`). The largest
counts, less what the largest of so many is larger by chance (Bonferroni). `edge.alarm` turns it into a score. Nearly
all statistics of nearly all samples lie where nothing is left of their surprise: there it is not even computed.

Two references follow slow change, and never learn from a flagged sample: the scale of the residuals follows the noise,
within bounds, and the level that a sensor is held against follows the season.
"""

from collections.abc import Sequence
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
from edge.rows import At, Bools, Doubles, Floats, Numbers, all_of, any_of, grow, grow_planes, keep, pick, some

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


class Tiled:
    """Hold numbers of each statistic, (kinds, channels, sensors), repeated for every stream of a wave.

    numpy goes through arrays of one shape in one loop, and takes ten times as long where it has to repeat one.
    """

    def __init__(self, numbers: Doubles) -> None:
        """Start with a wave of one."""
        self._numbers: Floats = numbers.astype(np.float32)[:, :, None]

    def over(self, wave: int) -> Floats:
        """Return the numbers for a wave, shape (kinds, channels, wave, sensors)."""
        if wave > self._numbers.shape[2]:
            self._numbers = np.repeat(self._numbers[:, :, :1], wave, axis=2)
        return self._numbers[:, :, :wave]


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
        self._demanded = np.where(calibration.scored, self._looks, np.inf).astype(np.float32)  # of the hours
        self._others: Floats = calibration.others.astype(np.float32)
        self._energy: Floats = calibration.energy.astype(np.float32)
        self._moments = Tiled(np.stack((calibration.centre, calibration.spread)))
        self._ordinary = Tiled(np.stack(calibration.ordinary()))
        self._switches = not np.isnan(calibration.positions).all()  # of sensors with one value or two
        self._judged: Bools = calibration.scored | ~np.isnan(calibration.positions[0])
        self._judges = any_of(self._judged)
        sensors = len(calibration.scored)
        self._smoothed: Floats = np.zeros((len(SMOOTHED), 0, sensors), dtype=np.float32)
        # Scale; reference; samples that the reference has learned.
        self._kept: Floats = np.zeros((3, 0, sensors), dtype=np.float32)
        self._days = DailyProfile(period, sensors)
        self._ignored: Bools = np.zeros((0, sensors), dtype=np.bool_)
        self._ignores = False
        self._alarms = Alarms(CHANNELS, sensors, close_after)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        held = self._kept.shape[1]
        self._smoothed = grow_planes(self._smoothed, capacity, 0.0)
        self._kept = grow_planes(self._kept, capacity, 0.0)
        self._kept[0, held:] = 1.0
        self._days.admit(capacity)
        self._ignored = grow(self._ignored, capacity, 0.0)
        self._alarms.admit(capacity)

    def allow(self, row: int, false_alarms_per_week: float, close_after: int | None = None) -> None:
        """Set the alarm budget of a stream, and how many calm samples end its events."""
        self._alarms.allow(row, allowed_share(false_alarms_per_week, self._period), close_after)

    def ignore(self, row: int, sensors: Sequence[bool]) -> None:
        """Say which sensors of a stream are never anomalous, whatever they measure."""
        self._ignored[row] = sensors
        self._ignores |= any(sensors)

    def dismiss(self, row: int) -> None:
        """Take the open event of a stream for none: what carries it is shelved until it has been calm for long."""
        self._alarms.dismiss(row)

    def shelved(self) -> int:
        """Count the statistics that were strange for so long that they are no longer told, over all streams."""
        return self._alarms.shelved()

    def forget(self, rows: At) -> None:
        """Forget the deviations of some streams; what is known of noise, level, days and alarms is kept."""
        self._smoothed[:, rows] = 0.0
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
        if self._judges and all_of(measured):
            return self._advance(rows, times, level, quotient, measured)
        heard = np.logical_or.reduce(measured & self._judged, axis=1)
        if all_of(heard):
            return self._advance(rows, times, level, quotient, measured)
        scores = nothing_said(level)
        if any_of(heard):
            said = self._advance(some(rows, heard), times[heard], level[heard], quotient[heard], measured[heard])
            scores.score[heard], scores.share[heard], scores.begins[heard] = said.score, said.share, said.begins
        return scores

    def _advance(self, rows: At, times: Doubles, level: Doubles, quotient: Doubles, measured: Bools) -> Scores:
        kept = pick(self._kept, rows)
        scale, reference, followed = kept
        found = features(level - reference, quotient / scale, self._others)
        surprise = self._surprise(rows, times, level, found, measured)
        if self._ignores:
            surprise *= ~self._ignored[rows]
        judged = self._alarms.judge(rows, surprise)
        flagged = judged.score > 1.0
        share, learned = np.zeros(level.shape), measured
        if any_of(flagged):
            self._days.flagged(some(rows, flagged))
            share[flagged] = _share(judged.counted[:, flagged])
            learned = measured & ~flagged[:, None]
        scale[:] = self._calmed(scale, quotient, learned)
        followed += learned
        reference[:] = follow_level(reference, followed, level, learned)
        keep(self._kept, rows, kept)
        return Scores(judged.score, share, judged.begins)

    def _surprise(self, rows: At, times: Doubles, level: Doubles, found: Doubles, measured: Bools) -> Floats:
        """Return how surprising each statistic is, (CHANNELS, wave, sensors), less what chance makes of so many."""
        surprise = np.zeros((CHANNELS, *level.shape), dtype=np.float32)
        seen = self._see(rows, found, measured)
        low, high = self._ordinary.over(len(level))
        strange = (seen > high) | (seen < low)
        if not all_of(measured):
            strange[_SHARP] &= measured
        if any_of(strange):
            self._grade(seen, strange, out=surprise)
        by_hour = np.subtract(self._days.advance(rows, times, level, measured), self._demanded, out=surprise[DAILY])
        np.maximum(by_hour, 0.0, out=by_hour)
        if self._switches:
            new = measured & is_new(level, self._calibration.positions)
            np.multiply(new, self._alarms.due(rows)[:, None] + NOVEL, out=surprise[NOVELTY])
        return surprise

    def _see(self, rows: At, found: Doubles, measured: Bools) -> Floats:
        """Return the statistics of `GRADED`, (GRADED, wave, sensors): deviations of single values, and means."""
        centre, spread = self._moments.over(found.shape[1])
        away = found - centre
        smoothed = smooth(pick(self._smoothed, rows), away / spread, measured)
        self._smoothed[:, rows] = smoothed
        return np.concatenate((away[_SHARP], smoothed))

    def _grade(self, seen: Floats, strange: Bools, *, out: Floats) -> None:
        """Write how surprising the strange ones of the statistics are, in the first channels of a wave."""
        known = self._calibration
        index = np.flatnonzero(strange)
        _, wave, sensors = seen.shape
        value = seen.ravel()[index].astype(np.float64)
        place = index // (wave * sensors) * sensors + index % sensors
        peaks = len(SHARP) * sensors
        sharp = int(np.searchsorted(place, peaks))  # the places rise with the channels
        graded = np.concatenate((
            known.peaks.surprise(value[:sharp], place[:sharp]),
            known.means.surprise(value[sharp:], place[sharp:] - peaks),
        ))  # fmt: skip
        out.ravel()[index] = np.maximum(graded - self._looks, 0.0)

    def _calmed(self, scale: Floats, quotient: Doubles, learned: Bools) -> Floats:
        """Let the slow scale follow the noise of one sample; shape (wave, sensors)."""
        square = scale * scale
        calm = np.minimum(np.abs(quotient), CALM * scale)
        calm *= calm
        calm /= self._energy
        calm -= square
        if not all_of(learned):
            calm *= learned
        calm /= SCALE_STEPS
        calm += square
        np.minimum(np.maximum(calm, SCALE_LEAST**2, out=calm), SCALE_MOST**2, out=calm)
        followed: Floats = np.sqrt(calm, out=calm)
        return followed


def follow_level(reference: Numbers, followed: Numbers, level: Numbers, learned: Bools) -> Numbers:
    """Let the reference of the level follow one sample, a new stream's fast; all shapes (wave, sensors).

    Args:
        reference: where each sensor has been of late, spreads around the centre of the training data.
        followed: how many samples were learned, this one among them.
        level: what came.
        learned: of which sensors.
    """
    away = level - reference
    np.minimum(away, CALM, out=away)
    np.maximum(away, -CALM, out=away)
    if not all_of(learned):
        away *= learned
    away /= np.minimum(followed + LEVEL_PRIOR, LEVEL_STEPS)
    away += reference
    return away


def _share(surprise: Floats) -> Doubles:
    """Share the deviation out among the sensors, in the channel that is the most surprising."""
    channel = surprise.max(axis=2).argmax(axis=0)
    square = surprise[channel, np.arange(len(channel))].astype(np.float64) ** 2
    total = square.sum(axis=1, keepdims=True)
    share: Doubles = np.divide(square, total, out=np.zeros_like(square), where=total > 0.0)
    return share
