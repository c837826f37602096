"""Tell the operator that readings wait for the clock, and when they do no longer: once each."""

from collections.abc import Iterable
from math import inf

from edge.clock import iso
from edge.errors import counted
from edge.trust import EARLIEST, Doubt
from edge.vigil import Notice

TOLD_AFTER = 120.0  # seconds: a boot with its time service takes one minute or two, and is nobody's business


def merge(doubts: Iterable[Doubt]) -> Doubt:
    """Return the doubt of all who wait for the same clock."""
    same = list(doubts)
    return Doubt(
        is_trusted=all(one.is_trusted for one in same),
        waiting=sum(one.waiting for one in same),
        dropped=sum(one.dropped for one in same),
    )


def words(doubt: Doubt, now: float) -> str:
    """Say what waits, for a status.

    >>> words(Doubt(is_trusted=False, waiting=3, dropped=0), 90.0)
    '3 messages wait for the clock to be set, which says 1970-01-01T00:01:30Z'
    """
    said = f", which says {iso(round(now))}" if now < EARLIEST else ""
    return f"{counted(doubt.waiting, 'message')} wait for the clock to be set{said}"


class Doubted:
    """Watch a doubt for the log.

    State kept: since when, and whether it was told.
    """

    def __init__(self) -> None:
        """Begin before the first look."""
        self._since = inf
        self._is_told = False

    def look(self, doubt: Doubt, now: float, steady: float) -> list[Notice]:
        """Return what is to be told since the last look.

        Args:
            doubt: as it is.
            now: Unix seconds UTC, perhaps wrong.
            steady: seconds of a clock that never jumps.
        """
        self._since = min(self._since, steady)
        if doubt.is_trusted and self._is_told:
            self._is_told = False
            text = f"clock: trusted, it says {iso(round(now))}; {doubt.dropped} dropped while it was not"
            return [Notice(text, is_trouble=False)]
        if not doubt.is_trusted and not self._is_told and steady - self._since >= TOLD_AFTER:
            self._is_told = True
            return [Notice(_reason(doubt, now), is_trouble=True)]
        return []


def _reason(doubt: Doubt, now: float) -> str:
    """Say why readings wait."""
    waiting = f"{counted(doubt.waiting, 'message')} wait, {doubt.dropped} dropped"
    if now < EARLIEST:
        return f"clock: must be set, got {iso(round(now))}: no reading has a time until it is; {waiting}"
    return f"clock: must be set by the time service that runs here, which has not done it; {waiting}"
