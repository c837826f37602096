"""Notice sensors that fell silent, each by its own cadence.

Theory of operation. The longest time between two measurements is remembered for each sensor, and fades by half in a
week: what is silent every night is not told every night. A sensor is silent that has said nothing for `FACTOR` times
as long, and never sooner than ten steps or a minute. Of a sensor of which nothing is known an hour is supposed.

Silence is counted on the clock of arrivals, not of event times: a device whose own clock is behind is not silent. What
was silence is learned as a longer cadence by no more than `GROWTH` times, for an outage of a week is nobody's cadence;
and of the time in which nobody listened nothing is learned.
"""

from collections.abc import Sequence
from math import inf, log

import numpy as np

from edge.finding import Finding, over
from edge.listening import SET_BACK
from edge.patience import Patience
from edge.rows import At, Bools, Doubles, any_of, grow, some
from edge.vigil import patience

FACTOR = 3.0  # times the longest usual pause that are borne
HALF_LIFE = 7.0 * 86_400.0  # seconds after which a pause counts half
FADING = log(2.0) / HALF_LIFE  # share of it that is lost in a second
GROWTH = 2.0  # times the longest usual pause that are learned of one
SUPPOSED = 3600.0  # seconds, of a sensor that nobody knows


class Silence:
    """Watch the sensors of all streams of a cohort.

    Attributes:
        silent: rows of the streams of which a sensor is silent.

    State kept for each: when it was last heard, its longest pause, and whether it is silent; for all, since when
    anybody listens.
    """

    def __init__(self, period: float, pauses: Doubles) -> None:
        """Start with no stream.

        Args:
            period: seconds a step.
            pauses: shape (sensors,), seconds of the longest pause in the training data; nan where nobody knows.
        """
        sensors = len(pauses)
        self._least = patience(period)
        self._usual = np.where(np.isnan(pauses), SUPPOSED, pauses)
        self._since = -inf
        self._heard: Doubles = np.zeros((0, sensors))  # nan before the first time
        self._longest: Doubles = np.zeros((0, sensors))
        self._silent: Bools = np.zeros((0, sensors), dtype=np.bool_)
        self.silent: set[int] = set()
        self._wanted: Bools = np.zeros((0, sensors), dtype=np.bool_)
        self.patience = Patience(sensors)

    @property
    def capacity(self) -> int:
        """Return how many streams there is room for."""
        return len(self._heard)

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams, the ones held keep their state."""
        held = len(self._heard)
        self._heard = grow(self._heard, capacity, np.nan)
        self._longest = grow(self._longest, capacity, 0.0)
        self._longest[held:] = self._usual
        self._silent = grow(self._silent, capacity, 0)
        self._wanted = grow(self._wanted, capacity, 0)
        self.patience.admit(capacity)

    def want(self, row: int, wanted: Sequence[bool]) -> None:
        """Say of which sensors of a stream silence is told."""
        self._wanted[row] = wanted

    def hear(self, rows: At, arrivals: Doubles, measured: Bools) -> list[Finding]:
        """Take what arrived of some streams; return who speaks again.

        Args:
            rows: which streams; each at most once.
            arrivals: shape (wave,), Unix seconds UTC by our clock.
            measured: shape (wave, sensors).
        """
        before = self._heard[rows]
        now = np.where(measured, arrivals[:, None], before)
        pause = now - np.maximum(before, self._since)
        pause[~(pause >= 0.0)] = 0.0  # the first time, or nobody listened, or the clock was set back
        longest = self._longest[rows]
        learned = np.minimum(pause, GROWTH * np.maximum(longest, self._least / FACTOR))
        self._longest[rows] = np.maximum(longest * (1.0 - np.minimum(FADING * pause, 0.5)), learned)
        self._heard[rows] = now
        again = measured & self._silent[rows]
        if not any_of(again):
            return []
        self._silent[rows] &= ~measured
        self.silent = {row for row in self.silent if self._silent[row].any()}
        everyone = some(rows, np.ones(len(again), dtype=np.bool_))
        return [
            over(int(everyone[place]), sensor, "silence", float(arrivals[place]))
            for place, sensor in np.argwhere(again).tolist()
        ]

    def look(self, streams: int, now: float, since: float) -> list[Finding]:
        """Return who has fallen silent.

        Args:
            streams: how many there are.
            now: Unix seconds UTC by our clock.
            since: from when on anybody listens without a pause; before, there was nothing that could be heard.
        """
        self._since = since
        held = slice(0, streams)
        heard = np.where(self._heard[held] > now + SET_BACK, since, self._heard[held])
        quiet = now - np.maximum(heard, since)
        borne = self._borne(held, now)
        found = self._wanted[held] & ~self._silent[held] & (quiet > borne)  # nan is not larger
        findings = []
        for row, sensor in np.argwhere(found).tolist():
            self._silent[row, sensor] = True
            self.silent.add(row)
            self.patience.tell(row, sensor, now)
            most, seconds, begun = borne[row, sensor].item(), quiet[row, sensor].item(), heard[row, sensor].item()
            findings.append(Finding(row, sensor, "silence", True, begun, seconds / most, 0.0, seconds, most))
        return findings

    def _borne(self, rows: At, now: float) -> Doubles:
        longest = self._longest[rows]
        times = self.patience.times(rows, np.full(len(longest), now))
        borne: Doubles = np.maximum(FACTOR * longest, self._least) * times
        return borne
