"""Hold what a recorded history showed of each sensor beside its forecasts: its range, and how still it may be."""

from dataclasses import dataclass

import numpy as np

from edge.rows import Bools, Doubles


@dataclass(frozen=True, slots=True)
class Usual:
    """Hold what is usual; every array has shape (sensors,), nan where nobody knows.

    Attributes:
        low, high: the smallest and the largest value, sensor units.
        flat: steps of the longest run of one value.
        silent: steps of the longest time without a measurement.
    """

    low: Doubles
    high: Doubles
    flat: Doubles
    silent: Doubles

    @property
    def heard(self) -> Bools:
        """Say which sensors were measured at all."""
        return self.low <= self.high  # nan is not

    @property
    def moved(self) -> Bools:
        """Say which sensors showed more than one value."""
        return self.low < self.high


def unknown(sensors: int) -> Usual:
    """Return what is usual of sensors that nobody knows."""
    nothing = np.full(sensors, np.nan)
    return Usual(nothing, nothing, nothing, nothing)
