"""How often somebody speaks: the usual time between readings, rounded where it is nearly a nice one."""

import numpy as np

from edge.rows import Doubles

NICE = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800,
    3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800,
)  # fmt: skip
NICE_WITHIN = 0.02  # a period this close to a nice one is a nice one with jitter


def usual(steps: Doubles) -> float | None:
    """Return the median of the positive ones of some steps in time, rounded; None if there is none.

    >>> usual(np.array([59.0, 60.5, 0.0, 3600.0]))
    60.0
    """
    positive = steps[steps > 0]
    if not len(positive):
        return None
    median = float(np.median(positive))
    nearest = min(NICE, key=lambda nice: abs(nice - median))
    return float(nearest) if abs(nearest - median) <= NICE_WITHIN * nearest else median
