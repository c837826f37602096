"""Put the readings of one stream on a regular grid of cells.

Theory of operation. The first reading of a stream sets the grid's phase: it lies in the middle of cell 0, and a
reading belongs to the cell whose middle is nearest. So a sensor that speaks every period may be early or late by
half a period without harm. One cell is open at a time. It is closed, and becomes a sample, when a payload that
carries the whole sample arrives, when every sensor was heard, or when a reading of a later cell arrives; where readings
are put together (`edge.pacing`), only then.

Late, duplicate, future and missing readings are decided here and nowhere else:

- a cell that nobody filled becomes an empty sample, up to `max_gap` of them in a row;
- a reading of an earlier cell is late, a second whole payload of a closed cell is a duplicate; both are dropped;
- a reading that claims to be from the future (beyond its arrival) is dropped, and so is one that arrives later than
  `lateness` allows: what a device that was offline had kept may come in bulk, but not the day before yesterday's;
- a reading further away than `max_gap` cells, ahead or behind, does not fit the stream's time line. It is held
  back. When `CONFIRMATIONS` such readings follow on each other the stream starts anew at the first of them,
  and its first sample says `restart`; when a fitting reading comes first, they are dropped. So one wrong time
  stamp neither stops a stream nor throws its memory away.

Disliked: a buffered device that delivers more than `max_gap` cells of its past in one go makes the stream start
anew twice, at the old readings and at the next live ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, isnan, nan

from edge.pacing import Combined, Holder, Pacing, Sample
from edge.reading import Readings

CONFIRMATIONS = 3  # two agreeing wrong clocks are still plausible at a boot, three in a row have not been seen


@dataclass(slots=True)
class GridCounts:
    """Count what the grids of a cohort did with their readings; a payload counts once."""

    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    future: int = 0
    unconfirmed: int = 0  # held back as not fitting the time line, then dropped
    empty: int = 0  # cells that nobody filled
    restarts: int = 0  # time lines begun anew, the first one not counted


class Grid:
    """Turn one stream's readings into samples, one a period.

    State kept: the phase, the open cell, and up to two readings that do not fit the time line.
    """

    __slots__ = (
        "_anchor",
        "_cell",
        "_closed",
        "_combined",
        "_counts",
        "_future",
        "_heard_at",
        "_holder",
        "_lateness",
        "_max_gap",
        "_period",
        "_restart",
        "_rivals",
        "_time",
        "_values",
    )

    def __init__(
        self, pacing: Pacing, period: float, *, max_gap: int, future: float, counts: GridCounts, lateness: float = inf
    ) -> None:
        """Start with no reading heard.

        Args:
            pacing: of the sensors.
            period: length of a cell in seconds, > 0.
            max_gap: how many empty cells in a row are bridged, >= 0.
            future: how many seconds a reading's time may lie beyond its arrival.
            counts: where to count; shared by the grids of a cohort.
            lateness: how many seconds a reading may arrive after its time.
        """
        sensors = len(pacing.hold)
        self._holder = Holder(pacing) if pacing.holds else None
        self._combined = [Combined(how) for how in pacing.combine] if pacing.combines else None
        self._period = period
        self._lateness = lateness
        self._max_gap = max_gap
        self._future = future
        self._counts = counts
        self._anchor = nan
        self._cell = 0
        self._time = -inf
        self._heard_at = [-inf] * sensors
        self._values = [nan] * sensors
        self._closed = False
        self._restart = False
        self._rivals: list[Readings] = []

    def push(self, readings: Readings) -> list[Sample]:
        """Take what was heard at one instant and return the samples that it completes, oldest first."""
        samples = self._push(readings)
        return samples if self._holder is None else [self._holder.fill(sample) for sample in samples]

    def _push(self, readings: Readings) -> list[Sample]:
        if readings.time > readings.received_at + self._future:
            self._counts.future += 1
            return []
        if readings.time < readings.received_at - self._lateness:
            self._counts.late += 1
            return []
        if isnan(self._anchor):
            self._begin(readings.time)
        ahead = self._cell_of(readings.time) - self._cell
        if not -self._max_gap <= ahead <= self._max_gap + 1:
            return self._hold_back(readings)
        if self._rivals:
            self._drop_rivals()
        return self._place(readings, ahead)

    def _cell_of(self, time: float) -> int:
        return floor((time - self._anchor) / self._period + 0.5)

    def _begin(self, time: float) -> None:
        self._anchor = time
        self._cell = 0
        self._open()

    def _open(self) -> None:
        self._time = -inf
        self._heard_at = [-inf] * len(self._values)
        self._values = [nan] * len(self._values)
        self._closed = False
        for combined in self._combined or ():
            combined.clear()

    def _close(self) -> Sample:
        sample = Sample(self._time, tuple(self._values), self._restart)
        self._closed = True
        self._restart = False
        return sample

    def _place(self, readings: Readings, ahead: int) -> list[Sample]:
        if ahead < 0:
            self._counts.late += 1
            return []
        if ahead == 0 and self._closed:
            self._counts.duplicate += 1
            return []
        self._counts.accepted += 1
        if self._combined is not None:  # others may follow in the same cell
            samples = self._advance(ahead) if ahead else []
            self._combine(readings, self._combined)
            return samples
        if readings.whole and self._closed:  # as nearly always where a payload speaks for all sensors
            return self._take_whole(readings, ahead)
        samples = self._advance(ahead) if ahead else []
        self._fill(readings)
        if readings.whole or not any(map(isnan, self._values)):
            samples.append(self._close())
        return samples

    def _take_whole(self, readings: Readings, ahead: int) -> list[Sample]:
        """Make a sample of a payload that fills a later cell by itself; that cell is closed as soon as it is open."""
        samples = self._bridge(ahead) if ahead > 1 else []
        self._cell += ahead
        samples.append(Sample(readings.time, tuple(readings.values), self._restart))
        self._restart = False
        return samples

    def _fill(self, readings: Readings) -> None:
        """Keep the newest value of each sensor in the open cell, in whatever order the readings arrive."""
        time = readings.time
        self._time = max(self._time, time)
        for sensor, value in enumerate(readings.values):
            if time >= self._heard_at[sensor] and not isnan(value):
                self._values[sensor] = value
                self._heard_at[sensor] = time

    def _combine(self, readings: Readings, combined: Sequence[Combined]) -> None:
        """Put readings together with those that the open cell has."""
        self._time = max(self._time, readings.time)
        for sensor, value in enumerate(readings.values):
            if not isnan(value):
                self._values[sensor] = combined[sensor].add(readings.time, value)

    def _advance(self, ahead: int) -> list[Sample]:
        """Close the open cell, bridge the empty ones, and open the cell `ahead` of it."""
        samples = [] if self._closed else [self._close()]
        samples += self._bridge(ahead)
        self._cell += ahead
        self._open()
        return samples

    def _bridge(self, ahead: int) -> list[Sample]:
        """Return an empty sample for each cell between the open one and the one `ahead` of it."""
        self._counts.empty += ahead - 1
        nothing = (nan,) * len(self._values)
        between = range(self._cell + 1, self._cell + ahead)
        return [Sample(self._anchor + cell * self._period, nothing, False) for cell in between]

    def _hold_back(self, readings: Readings) -> list[Sample]:
        """Keep readings that do not fit; enough of them that follow on each other begin the time line anew."""
        if self._rivals and not self._follows(readings.time - self._rivals[-1].time):
            self._drop_rivals()
        self._rivals.append(readings)
        if len(self._rivals) < CONFIRMATIONS:
            return []
        return self._restart_at_rivals()

    def _follows(self, seconds: float) -> bool:
        return 0 <= seconds <= (self._max_gap + 1) * self._period

    def _drop_rivals(self) -> None:
        self._counts.unconfirmed += len(self._rivals)
        self._rivals.clear()

    def _restart_at_rivals(self) -> list[Sample]:
        rivals, self._rivals = self._rivals, []
        self._counts.restarts += 1
        samples = [] if self._closed else [self._close()]
        self._begin(rivals[0].time)
        self._restart = True
        for rival in rivals:
            samples += self._place(rival, self._cell_of(rival.time) - self._cell)
        return samples
