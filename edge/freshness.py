"""Tell what was measured from what a payload only repeats.

Theory of operation. Zigbee2MQTT (`cache_state`, on by default) writes every field it knows into every message, so a
message that was sent because the humidity moved repeats a temperature that may be hours old, or of a sensor that is
dead. Of a dialect that repeats, a value is taken as measured

- if it is another one than before;
- if nothing in the payload is another one than before: then the device spoke, and said that all is as it was;
- and never if the payload's event time (`last_seen`) is one that was heard already: then nobody spoke at all.

Disliked: a sensor that stands still beside one that moves cannot be told from a dead one. It counts as unmeasured, its
last value is carried on, and if it stays so for longer than it ever did it is told as silent.
"""

from collections.abc import Sequence
from math import isnan, nan
from typing import NamedTuple


class Sifted(NamedTuple):
    """What is left of a payload: the values, nan where one is only repeated, and how many of those there are."""

    values: Sequence[float]
    repeated: int


class Freshness:
    """Follow the streams of a dialect that repeats.

    State kept for each stream: its newest values and event time.
    """

    def __init__(self) -> None:
        """Start with no stream heard."""
        self._last: dict[int, tuple[Sequence[float], float | None]] = {}

    def sift(self, row: int, time: float | None, values: Sequence[float]) -> Sifted:
        """Take a payload, and return what of it was measured.

        Args:
            row: which stream.
            time: Unix seconds UTC of the payload's own; None if it has none.
            values: of every sensor, sensor units; nan where it has none.

        >>> fresh = Freshness()
        >>> [fresh.sift(0, None, values).values for values in ((20.5, 41.0), (20.5, 42.0), (20.5, 42.0))]
        [(20.5, 41.0), (nan, 42.0), (20.5, 42.0)]
        """
        before = self._last.get(row)
        if before is None:
            self._last[row] = (values, time)
            return Sifted(values, 0)
        known, heard_at = before
        known = (*known, *[nan] * (len(values) - len(known)))  # where sensors are met one after the other
        if time is not None and time == heard_at:
            return Sifted((nan,) * len(values), sum(not isnan(value) for value in values))
        self._last[row] = (_newest(known, values), time)
        same = [value == old for value, old in zip(values, known, strict=True)]  # nan is not
        moved = any(not one and not isnan(value) for one, value in zip(same, values, strict=True))
        if not moved or not any(same):
            return Sifted(values, 0)
        return Sifted(tuple(nan if one else value for one, value in zip(same, values, strict=True)), sum(same))


def _newest(known: Sequence[float], values: Sequence[float]) -> Sequence[float]:
    """Return the values, and where there is none the one before."""
    return tuple(old if isnan(value) else value for value, old in zip(values, known, strict=True))
