"""Say whether there is more to do than can be done: whether messages were dropped for want of time."""

from math import inf

CALM = 3.0  # seconds without a drop after which the overload is over


class Overload:
    """Follow the drops.

    Attributes:
        is_on: whether there was a drop within the last `CALM` seconds.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.is_on = False
        self._dropped = 0
        self._dropped_at = -inf

    def look(self, dropped: int, now: float) -> bool:
        """Take the number of drops so far, and the time of a clock that never jumps; return whether we are overloaded.

        >>> overload = Overload()
        >>> overload.look(0, 10.0), overload.look(5, 11.0), overload.look(5, 13.9), overload.look(5, 14.1)
        (False, True, True, False)
        """
        if dropped != self._dropped:
            self._dropped, self._dropped_at = dropped, now
        self.is_on = now - self._dropped_at < CALM
        return self.is_on
