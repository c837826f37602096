"""Refuse values that a sensor cannot have measured: beyond what is physical, or what the operator says.

What is out of range is no measurement: neither the forecast nor what is learned of the sensor sees it. The first is
told at once; of a sensor that was told of too often, more of them in a row are borne (`edge.patience`).
"""

from collections.abc import Sequence
from math import inf, isnan, nan

from edge.finding import Finding, over
from edge.patience import Streaks

# Below or above which a number in this unit is no measurement of anything.
PHYSICAL = {
    "°C": (-273.15, inf),
    "°F": (-459.67, inf),
    "K": (0.0, inf),
    "hPa": (0.0, inf),
    "mbar": (0.0, inf),
    "bar": (-1.1, inf),
    "lx": (0.0, inf),
    "ppm": (0.0, 1e6),
    "ppb": (0.0, 1e9),
    "µg/m³": (0.0, inf),
    "%RH": (0.0, 100.0),
}
Bounds = tuple[float, float]  # the lowest and the highest value, sensor units; infinite where there is none


def physical(unit: str) -> Bounds:
    """Return between what values a number in a unit can lie.

    >>> physical("°C"), physical("furlong")
    ((-273.15, inf), (-inf, inf))
    """
    return PHYSICAL.get(unit, (-inf, inf))


class Limits:
    """Hold the values of all streams of a cohort to their limits.

    Attributes:
        refused: how many values were none.
        streaks: of values beyond the limits.

    State kept: the limits of each stream.
    """

    def __init__(self, sensors: int) -> None:
        """Start with no stream."""
        self.refused = 0
        self.streaks = Streaks(sensors)
        self._bounds: list[tuple[Bounds, ...] | None] = []

    def admit(self, capacity: int) -> None:
        """Make room for `capacity` streams."""
        self.streaks.patience.admit(capacity)

    def want(self, bounds: Sequence[Bounds]) -> None:
        """Add a stream with the limits of its sensors."""
        is_bounded = any(bound != (-inf, inf) for bound in bounds)
        self._bounds.append(tuple(bounds) if is_bounded else None)

    def check(self, row: int, time: float, values: Sequence[float]) -> tuple[Sequence[float], list[Finding]]:
        """Return the values, nan where one is out of range, and who is beyond the limits now, or no longer.

        Args:
            row: which stream.
            time: Unix seconds UTC.
            values: of every sensor, sensor units; nan where it was not heard.
        """
        bounds = self._bounds[row]
        if bounds is None:
            return values, []
        beyond = [
            sensor
            for sensor, (value, (low, high)) in enumerate(zip(values, bounds, strict=True))
            if value < low or value > high
        ]
        findings = self._leave(row, time, values, beyond) if self.streaks else []
        if not beyond:
            return values, findings
        kept = list(values)
        self.refused += len(beyond)
        for sensor in beyond:
            kept[sensor] = nan
            if self.streaks.add(row, sensor, time):
                value, (low, high) = values[sensor], bounds[sensor]
                findings.append(Finding(row, sensor, "range", True, time, _beyond(value, low, high), low, value, high))
        return kept, findings

    def _leave(self, row: int, time: float, values: Sequence[float], beyond: Sequence[int]) -> list[Finding]:
        """Return who is within its limits again."""
        back = [
            sensor
            for sensor, value in enumerate(values)
            if (row, sensor) in self.streaks and sensor not in beyond and not isnan(value)
        ]
        return [over(row, sensor, "range", time) for sensor in back if self.streaks.end(row, sensor)]


def _beyond(value: float, low: float, high: float) -> float:
    """Return a score above 1: by how much of its range, or of itself, a value is beyond it."""
    near = low if value < low else high
    width = high - low if high - low < inf else max(abs(near), 1.0)
    return 1.0 + min(abs(value - near) / max(width, 1e-12), 1e6)
