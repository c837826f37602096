"""Say what is told of each sensor of a stream: by what its operator wants, what training learned, and what can be."""

from collections.abc import Sequence
from math import inf

from edge.learned import Learned
from edge.limits import Bounds, physical
from edge.stream_config import DetectionConfig
from edge.watch import Wanted


def wanted(learned: Learned, detection: DetectionConfig) -> Sequence[Wanted]:
    """Return what is told of each sensor of a bundle."""
    return [_of_sensor(place, learned, detection) for place in range(len(learned.sensors))]


def _of_sensor(place: int, learned: Learned, detection: DetectionConfig) -> Wanted:
    own = detection.of_sensor(learned.sensors[place])
    low, high = physical(learned.units[place])
    least, most = learned.usual.low[place].item(), learned.usual.high[place].item()
    if detection.learned_limits and least <= most:
        low, high = max(low, 2.0 * least - most), min(high, 2.0 * most - least)
    bounds = _narrowed((low, high), own.low, own.high)
    assert own.kinds is not None  # the stream's, where it says none of its own
    budget = own.false_alarms_per_week or learned.false_alarms_per_week
    return Wanted(frozenset(own.kinds), budget, bounds)


def _narrowed(known: Bounds, low: float | None, high: float | None) -> Bounds:
    """Return the limits of a sensor; what the operator says holds, and what contradicts it or itself does not.

    >>> _narrowed((-21.0, -15.0), None, -22.0)
    (-inf, -22.0)
    """
    least, most = known if known[0] < known[1] else (-inf, inf)
    if low is not None:
        least, most = low, most if low < most else inf
    if high is not None:
        least, most = least if least < high else -inf, high
    return least, most
