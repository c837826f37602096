"""Say since when we listen without a pause, on a clock that did not jump: before, silence meant nothing."""

from math import inf

STEP = 5.0  # seconds by which the clock may drift between two looks; more is a jump
SET_BACK = 60.0  # seconds by which a look may be older than what was heard before it; more is a clock that was set back


class Listening:
    """Follow whether we listen.

    State kept: since when, and how far the two clocks were apart.
    """

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._since = inf
        self._apart = 0.0

    def since(self, *, is_ready: bool, now: float, steady: float) -> float:
        """Return the Unix seconds since when we listen; infinite if we do not.

        Args:
            is_ready: whether the broker serves us.
            now: Unix seconds UTC.
            steady: seconds of a clock that never jumps.
        """
        apart = now - steady
        if not is_ready:
            self._since = inf
        elif self._since == inf or abs(apart - self._apart) > STEP:
            self._since = now
        self._apart = apart
        return self._since
