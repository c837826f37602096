"""Bring sensors of different units to one scale, and lay out what the network reads of them.

All sensors are centred and divided by their spread over the fit split. What the network reads is bounded: a level
that training never saw reaches it as the bound, while the linear highway and the last value follow it without one.
"""

from dataclasses import dataclass

import numpy as np

from edge.rows import Bools, Doubles, Floats
from edge.window import Past

LEVEL_BOUND = 4.0  # spreads; beyond it a level says no more than "higher than ever"
CHANGE_BOUND = 6.0  # spreads of the change from one step to the next
# Spreads; a value beyond it is judged as if it lay there. Float32 overflows at 3e38, and a double loses the interval
# beside a forecast of 1e16: either makes nan, which a recurrent state never forgets.
WILDEST = 1e6


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

    def bound(self, values: Doubles) -> Doubles:
        """Bring values of shape (…, sensors), sensor units, within `WILDEST` spreads of the centre."""
        far = WILDEST * self.spread
        return np.minimum(np.maximum(values, self.centre - far), self.centre + far)


def width(sensors: int, means: int, cycles: int) -> int:
    """Count the numbers that the network reads at one step, see `lay_out`.

    >>> width(2, 3, 1)
    14
    """
    return (3 + means) * sensors + 2 * cycles


def lay_out(
    scaled: Floats,
    past: Past,
    ratio: Floats,
    measured: Bools,
    phases: Floats,
) -> Floats:
    """Lay out what the network reads at one step.

    Args:
        scaled: shape (streams, sensors), the newest values.
        past: the values one step earlier, and the slow means.
        ratio: shape (sensors,), spread / change of each sensor.
        measured: shape (streams, sensors), which of the newest values were really measured.
        phases: shape (streams, 2 * cycles), what the clock knows.

    Returns:
        Shape (streams, inputs): bounded levels, bounded changes, mask, bounded distances of each slow mean, clock.
    """
    change = (scaled - past.before) * ratio
    distance = (past.means - scaled[:, None, :]).reshape(len(scaled), -1)
    level = np.maximum(scaled, -LEVEL_BOUND)
    # Two ufuncs cost a fifth of np.clip on a wave of one.
    np.minimum(level, LEVEL_BOUND, out=level)
    np.minimum(np.maximum(change, -CHANGE_BOUND, out=change), CHANGE_BOUND, out=change)
    np.minimum(np.maximum(distance, -LEVEL_BOUND, out=distance), LEVEL_BOUND, out=distance)
    x: Floats = np.concatenate((level, change, measured, distance, phases), axis=1, dtype=np.float32)
    return x
