"""Bring sensors of different units to one scale, and lay out what the network reads of them.

All sensors are centred and divided by their spread over the fit split. What the network reads is bounded: a level
that training never saw reaches it as the bound, while the linear highway and the last value follow it without one.
"""

from dataclasses import dataclass

import numpy as np

from edge.rows import Bools, Doubles, Floats

LEVEL_BOUND = 4.0  # spreads; beyond it a level says no more than "higher than ever"
CHANGE_BOUND = 6.0  # spreads of the change from one step to the next


@dataclass(frozen=True, slots=True)
class Scaling:
    """Hold the scale of each sensor; every array has shape (sensors,) and sensor units.

    Attributes:
        centre: the mean over the fit split.
        spread: the standard deviation over the fit split, > 0; 1 for a sensor that never moved.
        change: the standard deviation of the change from one step to the next, > 0.
    """

    centre: Doubles
    spread: Doubles
    change: Doubles

    def scale(self, values: Doubles) -> Floats:
        """Bring values of shape (…, sensors) from sensor units to spreads around the centre."""
        scaled: Floats = ((values - self.centre) / self.spread).astype(np.float32)
        return scaled


def width(sensors: int, cycles: int) -> int:
    """Count the numbers that the network reads at one step: level, change and mask of each sensor, and the clock.

    >>> width(2, 1)
    8
    """
    return 3 * sensors + 2 * cycles


def lay_out(
    scaled: Floats,
    before: Floats,
    ratio: Floats,
    measured: Bools,
    phases: Floats,
) -> Floats:
    """Lay out what the network reads at one step.

    Args:
        scaled: shape (streams, sensors), the newest values.
        before: shape (streams, sensors), the values one step earlier.
        ratio: shape (sensors,), spread / change of each sensor.
        measured: shape (streams, sensors), which of the newest values were really measured.
        phases: shape (streams, 2 * cycles), what the clock knows.

    Returns:
        Shape (streams, inputs): bounded levels, bounded changes, mask, clock.
    """
    sensors = scaled.shape[1]
    x = np.empty((len(scaled), 3 * sensors + phases.shape[1]), dtype=np.float32)
    # Two ufuncs cost a fifth of np.clip on a wave of one.
    np.minimum(np.maximum(scaled, -LEVEL_BOUND), LEVEL_BOUND, out=x[:, :sensors])
    change = (scaled - before) * ratio
    np.minimum(np.maximum(change, -CHANGE_BOUND), CHANGE_BOUND, out=x[:, sensors : 2 * sensors])
    x[:, 2 * sensors : 3 * sensors] = measured
    x[:, 3 * sensors :] = phases
    return x
