"""Notice sensors whose payloads are worth little: malformed, partial, or without a value.

Theory of operation. The share of a sensor's newest payloads that held no reading of it is followed, each weighing a
tenth of what is left: five bad ones in six begin an event, and some good ones end it. A single one is nobody's event,
and a payload that does not speak of a sensor says nothing of its quality. Of a sensor that was told of too often, more
bad ones beyond that are borne (`edge.patience`).
"""

from collections.abc import Iterable, Sequence
from math import isnan

from edge.finding import Finding, over
from edge.patience import Streaks

WEIGHT = 0.15  # of the newest payload
BAD, GOOD = 0.6, 0.3  # shares of bad payloads at which an event begins, and below which it ends
LEAST = 0.01  # below which a share is forgotten


class Quality:
    """Follow the payloads of all streams of a cohort.

    Attributes:
        streaks: of bad payloads while their share is too large.

    State kept: the share of bad payloads of those sensors that had any of late.
    """

    def __init__(self, sensors: int) -> None:
        """Start with nothing bad."""
        self.streaks = Streaks(sensors)
        self._bad: dict[int, dict[int, float]] = {}  # by row and sensor

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams."""
        self.streaks.patience.admit(capacity)

    def refuse(self, row: int, time: float, sensors: Iterable[int]) -> list[Finding]:
        """Take a payload without a reading of some sensors that it should have spoken of; return who is bad now."""
        shares, findings = self._bad.setdefault(row, {}), []
        for sensor in sensors:
            share = shares.get(sensor, 0.0)
            shares[sensor] = share = share + WEIGHT * (1.0 - share)
            if share > BAD and self.streaks.add(row, sensor, time):
                findings.append(Finding(row, sensor, "quality", True, time, share / BAD, 0.0, share, BAD))
        return findings

    def accept(self, row: int, time: float, values: Sequence[float]) -> list[Finding]:
        """Take a payload with readings, nan where a sensor has none; return who is good again."""
        shares = self._bad.get(row)
        if shares is None:
            return []
        findings = []
        for sensor in [sensor for sensor in shares if not isnan(values[sensor])]:
            shares[sensor] *= 1.0 - WEIGHT
            if shares[sensor] < GOOD and self.streaks.end(row, sensor):
                findings.append(over(row, sensor, "quality", time))
            if shares[sensor] < LEAST:
                del shares[sensor]
        if not shares:
            del self._bad[row]
        return findings
