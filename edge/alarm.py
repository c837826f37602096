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

from edge.rows import At, Bools, Doubles, Floats, Shorts, any_of, grow, grow_planes, pick

WEEK = 604_800.0
RAREST, COMMONEST = 1e-9, 0.02  # shares of the steps between which an alarm budget can be honoured
HOLD = 0.6  # share of the demanded surprise that keeps an event open
HELD = 1.001  # the score of a sample that would not have opened the event that it belongs to
STEP = 1.0  # surprise that one alarm ahead of the budget adds to what is demanded: the next must be e times as rare
BEHIND = 4.0  # alarms behind the budget that make a stream listen more closely, at most
GROWS = 12  # steps without a new peak, after which what outgrows an event is another
STALE = 480  # steps: ten times the longest span over which anything is judged
# What is kept of a stream, a column each: the share of the steps at which an alarm may begin, and its surprise; calm
# samples that end an event; alarms ahead of the budget; what was demanded of the open event (0: none is open); surprise
# of its strangest sample; its age; how many statistics are shelved; calm samples, and steps since that strangest one.
SHARE, ALARM, PATIENCE, AHEAD, OPENED, PEAK, AGE, SHELVED, CALM, GROWN = range(10)


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
        counted: shape (channels, wave, sensors), the surprises without those that are shelved.
        begins: shape (wave,), whether an event begins.
    """

    score: Doubles
    counted: Floats
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
        self._kept: Doubles = np.zeros((0, GROWN + 1))
        self._carries: Bools = np.zeros((channels, 0, sensors), dtype=np.bool_)  # has carried the open event
        self._shelved: Shorts = np.zeros((channels, 0, sensors), dtype=np.int16)  # calm samples until it counts again

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        held = len(self._kept)
        self._kept = grow(self._kept, capacity, 0.0)
        self._kept[held:, [SHARE, ALARM, PATIENCE]] = 1.0, 1.0, self._close_after
        self._carries = grow_planes(self._carries, capacity, 0)
        self._shelved = grow_planes(self._shelved, capacity, 0)

    def allow(self, row: int, share: float, close_after: int | None) -> None:
        """Set the share of the steps at which a stream may be flagged by chance, and what ends its events."""
        patience = self._close_after if close_after is None else close_after
        self._kept[row, [SHARE, ALARM, PATIENCE]] = share, -np.log(share), patience

    def forget(self, rows: At) -> None:
        """End the open events of some streams; what they are ahead of their budget is kept."""
        self._kept[rows, OPENED] = 0.0

    def dismiss(self, row: int) -> None:
        """End the open event of a stream, and shelve the statistics that carry it as if it were stale."""
        if self._kept[row, OPENED] > 0.0:
            rows = slice(row, row + 1)
            mine = self._kept[rows]
            self._shelve(rows, mine, np.where(pick(self._carries, rows), STALE, pick(self._shelved, rows)))
            mine[:, OPENED] = mine[:, AGE] = 0.0

    def shelved(self) -> int:
        """Count the statistics that are shelved, over all streams: they are watched, and not told."""
        return int(self._kept[:, SHELVED].sum())

    def due(self, rows: At) -> Doubles:
        """Return the surprise that streams demand that are just within their budget, shape (wave,)."""
        return self._kept[rows, ALARM]

    def judge(self, rows: At, surprise: Floats) -> Judged:
        """Judge one sample of each of some streams.

        Args:
            rows: which streams; each at most once.
            surprise: shape (channels, wave, sensors), each as if it were the only one.
        """
        mine = self._kept[rows]
        if np.count_nonzero(mine[:, SHELVED]):
            surprise = self._without(rows, mine, surprise)
        top = np.maximum.reduce(np.maximum.reduce(surprise, axis=0), axis=1).astype(np.float64)
        due = np.maximum(mine[:, ALARM] + STEP * mine[:, AHEAD], STEP)
        if not np.count_nonzero(mine[:, OPENED]) and not any_of(top > due):
            judged = _pass(mine, top, due, surprise)
        else:
            judged = self._lead(rows, mine, top, due, surprise)
        if not isinstance(rows, slice):
            self._kept[rows] = mine
        return judged

    def _lead(self, rows: At, mine: Doubles, top: Doubles, due: Doubles, surprise: Floats) -> Judged:
        """Open, lead on and close the events of some streams."""
        outgrown = (mine[:, OPENED] > 0.0) & (mine[:, GROWN] >= GROWS) & (top > mine[:, PEAK] + HOLD * due)
        mine[outgrown, OPENED] = mine[outgrown, AGE] = 0.0
        is_open = mine[:, OPENED] > 0.0
        demanded = np.where(is_open, mine[:, OPENED], due)
        # What opened while the stream listened closely is held by no less than any other.
        strange = top > np.where(is_open, HOLD * np.maximum(demanded, mine[:, ALARM]), demanded)
        begins = strange & ~is_open
        _count(mine)
        mine[:, AHEAD] += begins
        mine[:, OPENED] = np.where(is_open | strange, demanded, 0.0)
        flagged = self._follow(rows, mine, strange, surprise)
        grows = begins | (flagged & (top > mine[:, PEAK]))
        mine[:, PEAK] = np.where(grows, top, mine[:, PEAK])
        mine[:, GROWN] = np.where(grows, 0.0, mine[:, GROWN] + 1.0)
        ratio = top / demanded
        score = np.where(flagged, np.maximum(ratio, HELD), np.minimum(ratio, 1.0))
        return Judged(score, surprise, begins)

    def _follow(self, rows: At, mine: Doubles, strange: Bools, surprise: Floats) -> Bools:
        """Lead the open events on and tell which are still open; the surprises are those that count."""
        opened = mine[:, OPENED].copy()
        is_open = opened > 0.0
        age = np.where(is_open, mine[:, AGE] + 1.0, 0.0)
        mine[:, CALM] = np.where(strange, 0.0, mine[:, CALM] + 1.0)
        over = mine[:, CALM] >= mine[:, PATIENCE]
        stale = (age >= STALE) & ~over
        if any_of(is_open):
            above = surprise > 0.5 * HOLD * np.where(is_open, opened, np.inf)[:, None]
            self._carries[:, rows] = above | (pick(self._carries, rows) & (age > 1.0)[:, None])
        if any_of(stale):
            self._shelve(
                rows, mine, np.where(pick(self._carries, rows) & stale[:, None], STALE, pick(self._shelved, rows))
            )
        mine[:, AGE] = np.where(stale, 0.0, age)
        is_open &= ~over
        mine[:, OPENED] = np.where(is_open & ~stale, opened, 0.0)
        return is_open

    def _without(self, rows: At, mine: Doubles, surprise: Floats) -> Floats:
        """Return the surprises without the shelved ones, whose time runs while they are calm."""
        shelved = pick(self._shelved, rows)
        is_shelved = shelved > 0
        calm = surprise < HOLD * mine[:, ALARM, None]
        self._shelve(rows, mine, np.where(is_shelved, np.where(calm, shelved - 1, STALE), 0))
        return np.where(is_shelved, np.float32(0.0), surprise)

    def _shelve(self, rows: At, mine: Doubles, shelved: Shorts) -> None:
        self._shelved[:, rows] = shelved
        mine[:, SHELVED] = np.count_nonzero(shelved, axis=(0, 2))


def _pass(mine: Doubles, top: Doubles, due: Doubles, surprise: Floats) -> Judged:
    """Let a step pass on which no event is open and none begins, as nearly always."""
    _count(mine)
    mine[:, CALM:] += 1.0  # and the steps since the last peak
    mine[:, AGE] = 0.0
    ratio = top / due
    return Judged(np.minimum(ratio, 1.0, out=ratio), surprise, np.zeros(len(top), dtype=np.bool_))


def _count(mine: Doubles) -> None:
    """Let the time of one step take its share off what the streams are ahead of their budget."""
    mine[:, AHEAD] = np.maximum(mine[:, AHEAD] - mine[:, SHARE], -BEHIND)
