"""Notice sensors that are stuck: one that used to move and says the same, longer than it ever did.

Theory of operation. Many sensors say the same for hours and are well: a door, a rain gauge, a room at night. So the
longest run of one value is remembered for each sensor, from the training data on, and a sensor is frozen whose run is
`FACTOR` times as long. One that never moves is never frozen.

Source: the persistence test of meteorology (WMO 2018, Guide to Instruments, WMO-No. 8, volume V, 1.4.3), with a bound
that each sensor's own past sets.
"""

from collections.abc import Sequence

import numpy as np

from edge.finding import Finding, over
from edge.patience import Patience
from edge.rows import At, Bools, Doubles, Floats, any_of, grow, some

FACTOR = 3.0  # times the longest usual run that are borne
LEAST = 30.0  # samples that are borne of every sensor
MOVED = 20.0  # changes to hear before a sensor is judged that did not move in training
GROWTH = 1.5  # times the longest usual run that are learned of one that was told


class Frozen:
    """Watch the sensors of all streams of a cohort.

    State kept for each: its last value, the run of it, the longest run, the changes heard, and whether it is frozen.
    """

    def __init__(self, runs: Doubles, moved: Bools) -> None:
        """Start with no stream.

        Args:
            runs: shape (sensors,), samples of the longest run in the training data; nan where nobody knows.
            moved: shape (sensors,), whether a sensor moved there: one that stood all the time has no longest run.
        """
        sensors = len(runs)
        self._usual = np.where(np.isnan(runs), 0.0, runs)
        self._moved = moved
        self._last: Doubles = np.zeros((0, sensors))
        self._run: Floats = np.zeros((0, sensors), dtype=np.float32)
        self._longest: Floats = np.zeros((0, sensors), dtype=np.float32)
        self._changes: Floats = np.zeros((0, sensors), dtype=np.float32)
        self._begun: Doubles = np.zeros((0, sensors))  # when the run began
        self._frozen: Bools = np.zeros((0, sensors), dtype=np.bool_)
        self._wanted: Bools = np.zeros((0, sensors), dtype=np.bool_)
        self.patience = Patience(sensors)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        held = len(self._last)
        self._last = grow(self._last, capacity, np.nan)
        self._run = grow(self._run, capacity, 0.0)
        self._longest = grow(self._longest, capacity, 0.0)
        self._longest[held:] = self._usual
        self._changes = grow(self._changes, capacity, 0.0)
        self._changes[held:] = np.where(self._moved, MOVED, 0.0)
        self._begun = grow(self._begun, capacity, 0.0)
        self._frozen = grow(self._frozen, capacity, 0)
        self._wanted = grow(self._wanted, capacity, 0)
        self.patience.admit(capacity)

    def want(self, row: int, wanted: Sequence[bool]) -> None:
        """Say of which sensors of a stream it is told that they are frozen."""
        self._wanted[row] = wanted

    def advance(self, rows: At, times: Doubles, values: Doubles, measured: Bools) -> list[Finding]:
        """Take one sample of each of some streams; return who is frozen, and who moves again.

        Args:
            rows: which streams; each at most once.
            times: shape (wave,), Unix seconds UTC.
            values: shape (wave, sensors), sensor units.
            measured: shape (wave, sensors).
        """
        run, moved = self._run[rows], measured & (values != self._last[rows])
        if any_of(moved):
            self._move(rows, times, values, moved)
        stood = measured & ~moved
        run = np.where(moved, np.float32(1.0), run + stood)
        self._run[rows] = run
        if not any_of(stood) and not any_of(self._frozen[rows]):
            return []
        return self._judge(rows, times, stood, moved)

    def _move(self, rows: At, times: Doubles, values: Doubles, moved: Bools) -> None:
        """Learn the runs that ended, and begin new ones."""
        longest = self._longest[rows]
        most = np.where(self._frozen[rows], GROWTH * np.maximum(longest, LEAST / FACTOR), np.inf)
        learned = np.minimum(self._run[rows], most)
        self._longest[rows] = np.where(moved, np.maximum(longest, learned), longest)
        self._changes[rows] += moved
        self._begun[rows] = np.where(moved, times[:, None], self._begun[rows])
        self._last[rows] = np.where(moved, values, self._last[rows])

    def _judge(self, rows: At, times: Doubles, stood: Bools, moved: Bools) -> list[Finding]:
        frozen = self._frozen[rows]
        borne = np.maximum(FACTOR * self._longest[rows], LEAST) * self.patience.times(rows, times)
        is_judged = self._wanted[rows] & (self._changes[rows] >= MOVED) & ~frozen & stood
        stuck = is_judged & (self._run[rows] > borne)
        again = moved & frozen
        if not any_of(stuck | again):
            return []
        everyone = some(rows, np.ones(len(stuck), dtype=np.bool_)).tolist()
        findings = [
            over(everyone[place], sensor, "frozen", times[place].item())
            for place, sensor in np.argwhere(again).tolist()
        ]
        for place, sensor in np.argwhere(stuck).tolist():
            row, most = everyone[place], borne[place, sensor].item()
            self.patience.tell(row, sensor, times[place].item())
            run, begun = self._run[row, sensor].item(), self._begun[row, sensor].item()
            findings.append(Finding(row, sensor, "frozen", True, begun, run / most, 0.0, run, most))
        self._frozen[rows] = (frozen | stuck) & ~again
        return findings
