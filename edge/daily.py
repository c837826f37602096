"""Know what each hour of the day usually brings, and how surprising it is when it brings something else.

Theory of operation. A house, an office, a server has its day: what is ordinary at noon may be strange at three in the
morning, though neither level nor change is. For each stream, sensor and hour of the day (UTC) the mean level of past
days is kept, and how far a new day's was from it. When an hour ends, its mean level is held against the same hour of
the days before; if those were drawn alike, the quotient has Student's law. The hours of one sensor lend each other
their spread, worth `LENT` days, because a new stream has few days of its own; freedom is bounded at `MOST_FREEDOM`,
because hours have wider tails than Gaussians. An hour with a flagged sample in it is judged and never learned, and no
hour is learned as farther away than `WILDEST` spreads.

Source: the predictive distribution of a Gaussian of unknown mean and variance (Geisser 1993, Predictive inference,
2.1): (x - mean) / (s sqrt(1 + 1/n)) is Student's with n - 1 degrees of freedom.
"""

import numpy as np

from edge.clock import DAY
from edge.rows import At, Bools, Doubles, Floats, Rows, all_of, any_of, grow, some
from edge.tail import student

HOURS = 24
HOUR = DAY / HOURS  # seconds
BOUND = 6.0  # spreads of a level: one wild value must not make its hour
HEARD = 0.5  # share of an hour's samples that make it count
LEAST_DAYS = 3.0  # before an hour is judged
MOST_DAYS = 14.0  # over which an hour is remembered
LENT = 3.0  # days that the other hours' spread is worth
LENT_OVER = 200.0  # hours over which that spread is remembered
MOST_FREEDOM = 6.0
WILDEST = 3.0  # spreads that are learned of one hour at most
LEAST_SPREAD = 0.01  # of a level
DAYS, MEAN, SQUARE = range(3)  # what is kept of an hour of the day


class DailyProfile:
    """Judge the hours of all streams of a cohort.

    State kept for each stream: the three numbers of each hour of the day and sensor, the sums of the hour under way,
    and the surprise of the last one that ended.
    """

    def __init__(self, period: float, sensors: int) -> None:
        """Start with no stream; with a period of more than an hour nothing is kept, and nothing is surprising.

        Args:
            period: seconds a step.
            sensors: how many there are.
        """
        self._samples = HOUR / period
        hours = HOURS if self._samples >= 1.0 else 0
        self._kept: Floats = np.zeros((0, hours, 3, sensors), dtype=np.float32)
        self._lent: Floats = np.zeros(
            (0, 2, sensors), dtype=np.float32
        )  # hours that were learned, and their mean square
        self._hour: Rows = np.zeros(0, dtype=np.intp)  # since 1970; 0 for none
        self._sum: Floats = np.zeros((0, sensors), dtype=np.float32)
        self._count: Floats = np.zeros((0, sensors), dtype=np.float32)
        self._flagged: Bools = np.zeros(0, dtype=np.bool_)  # whether a sample of this hour was
        self._surprise: Floats = np.zeros((0, sensors), dtype=np.float32)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        self._kept = grow(self._kept, capacity, 0.0)
        self._lent = grow(self._lent, capacity, 0.0)
        self._hour = grow(self._hour, capacity, 0.0)
        self._sum = grow(self._sum, capacity, 0.0)
        self._count = grow(self._count, capacity, 0.0)
        self._flagged = grow(self._flagged, capacity, 0.0)
        self._surprise = grow(self._surprise, capacity, 0.0)

    def forget(self, rows: At) -> None:
        """Forget the hour under way and the last one; what is known of the days is kept."""
        self._begin(rows, 0)
        self._surprise[rows] = 0.0

    def advance(self, rows: At, times: Doubles, level: Doubles, measured: Bools) -> Floats:
        """Take one sample of each of some streams.

        Args:
            rows: which streams; each at most once.
            times: shape (wave,), Unix seconds UTC.
            level: shape (wave, sensors), spreads around the centre.
            measured: shape (wave, sensors).

        Returns:
            Shape (wave, sensors): the surprise of the last hour that ended, >= 0; may be a view.
        """
        if self._samples < 1.0:
            return np.zeros_like(level)
        hour = np.floor(times / HOUR).astype(np.intp)
        before = self._hour[rows]
        new = before != hour
        if any_of(new):
            ended = new & (before > 0)
            if any_of(ended):
                self._end(some(rows, ended))
            self._begin(some(rows, new), hour[new])
        bounded = np.minimum(level, BOUND)
        np.maximum(bounded, -BOUND, out=bounded)
        if not all_of(measured):
            bounded *= measured
        self._sum[rows] += bounded
        self._count[rows] += measured
        return self._surprise[rows]

    def flagged(self, rows: Rows) -> None:
        """Say which streams' newest sample was flagged: their hour is not learned."""
        self._flagged[rows] = True

    def _begin(self, rows: At, hour: Rows | int) -> None:
        self._hour[rows] = hour
        self._sum[rows] = self._count[rows] = 0.0
        self._flagged[rows] = False

    def _end(self, rows: Rows) -> None:
        """Judge the hour that ended, then learn it."""
        place = (rows, self._hour[rows] % HOURS)
        days, mean, square = (self._kept[place][:, kind].astype(np.float64) for kind in (DAYS, MEAN, SQUARE))
        heard = self._count[rows] >= max(1.0, HEARD * self._samples)
        away = np.where(heard, self._sum[rows] / np.maximum(self._count[rows], 1.0) - mean, 0.0)
        known = np.maximum(days - 1.0, 0.0)
        spread = (known * square + LENT * self._lent[rows, 1]) / (known + LENT)
        spread = np.sqrt(np.maximum(spread * (1.0 + 1.0 / np.maximum(days, 1.0)), LEAST_SPREAD**2))
        judged = heard & (days >= LEAST_DAYS)
        surprise = student(away / spread, np.minimum(known + LENT, MOST_FREEDOM))
        self._surprise[rows] = np.where(judged, surprise, 0.0)
        bounded = np.where(judged, np.maximum(np.minimum(away, WILDEST * spread), -WILDEST * spread), away)
        self._learn(place, bounded, heard & ~self._flagged[rows, None])

    def _learn(self, place: tuple[Rows, Rows], away: Doubles, learned: Bools) -> None:
        """Learn one hour of some streams; what is not learned is left as it was. All shapes (wave, sensors)."""
        rows, _ = place
        kept = self._kept[place]
        days = kept[:, DAYS].astype(np.float64)
        again = learned & (days >= 1.0)  # the first day has nothing to be away from
        moved = away**2 * days / (days + 1.0)
        kept[:, MEAN] += learned * away / np.minimum(days + 1.0, MOST_DAYS)
        kept[:, SQUARE] += again * (moved - kept[:, SQUARE]) / np.minimum(np.maximum(days, 1.0), MOST_DAYS)
        kept[:, DAYS] += learned
        self._kept[place] = kept
        hours, lent = self._lent[rows, 0], self._lent[rows, 1]
        hours = np.minimum(hours + again, LENT_OVER)
        self._lent[rows, 0] = hours
        self._lent[rows, 1] = lent + again * (moved - lent) / np.maximum(hours, 1.0)
