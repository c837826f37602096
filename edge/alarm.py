"""Hold the flags of every stream to its alarm budget.

Theory of operation. A stream that is calm is flagged when a surprise reaches what the budget demands: -ln of the share
of steps at which an alarm may begin by chance. That opens an event. While it is open, `HOLD` of what was demanded is
enough, so that an event does not chatter; it ends with the last of `close_after` calm samples in a row, and all
samples before are flagged.

What is demanded follows how far the stream is ahead of its budget, in alarms: every event adds one, and the time that
passes takes one off at the rate that the user allows. A stream that calibration misjudged so corrects itself: too
many alarms make it deaf to what it has told often enough, and long silence makes it listen more closely. Nothing but
the number of events is learned of what was flagged.

An open event that has not grown for `GROWS` steps may still be outgrown: a surprise that exceeds its peak by as much as
would hold an event open is an alarm in its own right, and begins an event of its own.

What stays strange for `STALE` steps is a state and no longer an event: the event ends, and the statistics that carry
it are shelved until they have been calm for as long.

Source: Gibbs & Candès (2021), NeurIPS 34, adaptive conformal inference: the threshold that is moved by its own errors;
ANSI/ISA-18.2: stale alarms are shelved.
"""

from dataclasses import dataclass

import numpy as np

from edge.rows import At, Bools, Doubles, Rows, any_of, at, grow

WEEK = 604_800.0
RAREST, COMMONEST = 1e-9, 0.02  # shares of the steps between which an alarm budget can be honoured
HOLD = 0.6  # share of the demanded surprise that keeps an event open
HELD = 1.001  # the score of a sample that would not have opened the event that it belongs to
STEP = 1.0  # surprise that one alarm ahead of the budget adds to what is demanded: the next must be e times as rare
BEHIND = 4.0  # alarms behind the budget that make a stream listen more closely, at most
GROWS = 12  # steps without a new peak, after which what outgrows an event is another
STALE = 480  # steps: ten times the longest span over which anything is judged


def allowed_share(false_alarms_per_week: float, period: float) -> float:
    """Return the share of the steps at which an alarm may begin by chance.

    Args:
        false_alarms_per_week: the alarm budget, > 0.
        period: seconds a step.
    """
    return float(np.clip(false_alarms_per_week * period / WEEK, RAREST, COMMONEST))


def alarm_surprise(false_alarms_per_week: float, period: float) -> float:
    """Return the surprise that a stream demands that is just within its budget.

    >>> round(alarm_surprise(1.0, 60.0), 2)  # one step in 10,080
    9.22
    """
    return -float(np.log(allowed_share(false_alarms_per_week, period)))


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold what is said of the surprises of one wave.

    Attributes:
        score: shape (wave,), 0..1 normal, above 1 anomalous.
        counted: shape (wave, channels, sensors), the surprises without those that are shelved.
        begins: shape (wave,), whether an event begins.
    """

    score: Doubles
    counted: Doubles
    begins: Bools


class Alarms:
    """Say which streams are anomalous.

    State kept for each stream: the alarms it is ahead of its budget, its open event, and what is shelved.
    """

    def __init__(self, channels: int, sensors: int, close_after: int) -> None:
        """Start with no stream.

        Args:
            channels, sensors: how many statistics there are of a stream.
            close_after: calm samples that end an event.
        """
        self._close_after = close_after
        self._share: Doubles = np.ones(0)
        self._alarm: Doubles = np.ones(0)
        self._patience: Rows = np.zeros(0, dtype=np.intp)
        self._ahead: Doubles = np.zeros(0)
        self._opened: Doubles = np.zeros(0)  # what was demanded of the open event; 0: none is open
        self._calm: Rows = np.zeros(0, dtype=np.intp)
        self._age: Rows = np.zeros(0, dtype=np.intp)
        self._peak: Doubles = np.zeros(0)  # surprise of the open event's strangest sample
        self._grown: Rows = np.zeros(0, dtype=np.intp)  # steps since then
        self._carries: Bools = np.zeros((0, channels, sensors), dtype=np.bool_)  # has carried the open event
        self._shelved: Rows = np.zeros((0, channels, sensors), dtype=np.intp)  # calm samples until it counts again

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        self._share = grow(self._share, capacity, 1.0)
        self._alarm = grow(self._alarm, capacity, 1.0)
        self._patience = grow(self._patience, capacity, self._close_after)
        self._ahead = grow(self._ahead, capacity, 0.0)
        self._opened = grow(self._opened, capacity, 0.0)
        self._calm = grow(self._calm, capacity, 0)
        self._age = grow(self._age, capacity, 0)
        self._peak = grow(self._peak, capacity, 0.0)
        self._grown = grow(self._grown, capacity, 0)
        self._carries = grow(self._carries, capacity, 0)
        self._shelved = grow(self._shelved, capacity, 0)

    def allow(self, row: int, share: float, close_after: int | None) -> None:
        """Set the share of the steps at which a stream may be flagged by chance, and what ends its events."""
        self._share[row] = share
        self._alarm[row] = -np.log(share)
        self._patience[row] = self._close_after if close_after is None else close_after

    def forget(self, rows: Rows) -> None:
        """End the open events of some streams; what they are ahead of their budget is kept."""
        self._opened[rows] = 0.0

    def shelved(self) -> int:
        """Count the statistics that are shelved, over all streams: they are watched, and not told."""
        return int((self._shelved > 0).sum())

    def due(self, rows: Rows) -> Doubles:
        """Return the surprise that streams demand that are just within their budget, shape (wave,)."""
        due: Doubles = self._alarm[rows]
        return due

    def judge(self, rows: Rows, surprise: Doubles) -> Judged:
        """Judge one sample of each of some streams.

        Args:
            rows: shape (wave,), which streams; each at most once.
            surprise: shape (wave, channels, sensors), each as if it were the only one.
        """
        these = at(rows)
        shelved = self._shelved[these]
        if np.count_nonzero(shelved):
            surprise = self._without(rows, shelved, surprise)
        top = np.maximum.reduce(surprise.reshape(len(rows), -1), axis=1)
        due = np.maximum(self._alarm[these] + STEP * self._ahead[these], STEP)
        if not any_of(self._opened[these] > 0.0) and not any_of(top > due):
            return self._pass(these, top, due, surprise)
        self._outgrow(rows, top, due)
        opened = self._opened[rows]
        is_open = opened > 0.0
        demanded = np.where(is_open, opened, due)
        # What opened while the stream listened closely is held by no less than any other.
        strange = top > np.where(is_open, HOLD * np.maximum(demanded, self._alarm[rows]), demanded)
        begins = strange & ~is_open
        self._count(these, begins)
        flagged = self._follow(rows, np.where(is_open | strange, demanded, 0.0), strange, surprise)
        self._grow_peak(rows, top, begins, flagged)
        ratio = top / demanded
        score = np.where(flagged, np.maximum(ratio, HELD), np.minimum(ratio, 1.0))
        return Judged(score, surprise, begins)

    def _pass(self, these: At, top: Doubles, due: Doubles, surprise: Doubles) -> Judged:
        """Let a step pass on which no event is open and none begins, as nearly always."""
        nothing = np.zeros(len(top), dtype=np.bool_)
        self._count(these, nothing)
        self._calm[these] += 1
        self._age[these] = 0
        self._grown[these] += 1
        ratio = top / due
        return Judged(np.minimum(ratio, 1.0, out=ratio), surprise, nothing)

    def _outgrow(self, rows: Rows, top: Doubles, due: Doubles) -> None:
        """End the open events that are outgrown by what begins with this sample."""
        outgrown = (self._opened[rows] > 0.0) & (self._grown[rows] >= GROWS) & (top > self._peak[rows] + HOLD * due)
        if outgrown.any():
            self._opened[rows[outgrown]] = 0.0
            self._age[rows[outgrown]] = 0

    def _grow_peak(self, rows: Rows, top: Doubles, begins: Bools, flagged: Bools) -> None:
        """Keep the peak of the open events, and how long ago it was."""
        grows = begins | (flagged & (top > self._peak[rows]))
        self._peak[rows] = np.where(grows, top, self._peak[rows])
        self._grown[rows] = np.where(grows, 0, self._grown[rows] + 1)

    def _count(self, these: At, begins: Bools) -> None:
        self._ahead[these] = np.maximum(self._ahead[these] - self._share[these], -BEHIND) + begins

    def _follow(self, rows: Rows, opened: Doubles, strange: Bools, surprise: Doubles) -> Bools:
        """Lead the open events on and tell which are still open; the surprises are those that count."""
        calm = np.where(strange, 0, self._calm[rows] + 1)
        age = np.where(opened > 0.0, self._age[rows] + 1, 0)
        over = calm >= self._patience[rows]
        stale = (age >= STALE) & ~over
        if (opened > 0.0).any():
            above = surprise > 0.5 * HOLD * np.where(opened > 0.0, opened, np.inf)[:, None, None]
            self._carries[rows] = above | (self._carries[rows] & (age > 1)[:, None, None])
        if stale.any():
            self._shelved[rows[stale]] = np.where(self._carries[rows[stale]], STALE, self._shelved[rows[stale]])
        self._calm[rows] = calm
        self._age[rows] = np.where(stale, 0, age)
        is_open = (opened > 0.0) & ~over
        self._opened[rows] = np.where(is_open & ~stale, opened, 0.0)
        return is_open

    def _without(self, rows: Rows, shelved: Rows, surprise: Doubles) -> Doubles:
        """Return the surprises without the shelved ones, whose time runs while they are calm."""
        calm = surprise < HOLD * self._alarm[rows, None, None]
        self._shelved[rows] = np.where(shelved > 0, np.where(calm, shelved - 1, STALE), 0)
        return np.where(shelved > 0, 0.0, surprise)
