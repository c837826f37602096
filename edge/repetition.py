"""Leave out what a payload only repeats, by the rule of `edge.freshness`; nobody need have named the sensors."""

from collections.abc import Sequence
from math import isnan, nan

from edge.freshness import Freshness
from edge.history import Heard, Source


class Repetition:
    """Follow the streams of dialects that repeat.

    State kept: the sensors of each stream, in the order in which they were first heard, and what they said last.
    """

    def __init__(self) -> None:
        """Start with no stream heard."""
        self._freshness = Freshness()
        self._rows: dict[str, int] = {}
        self._places: dict[Source, int] = {}
        self._counts: list[int] = []  # of the sensors of each stream

    def sift(self, stream: str, time: float | None, heard: Sequence[Heard]) -> list[Heard]:
        """Return what of a payload was measured.

        Args:
            stream: who spoke.
            time: Unix seconds UTC of the payload's own; None if it has none.
            heard: all that it says.
        """
        row = self._rows.setdefault(stream, len(self._rows))
        self._counts += [0] * (len(self._rows) - len(self._counts))
        for one in heard:
            if one.source not in self._places:
                self._places[one.source] = self._counts[row]
                self._counts[row] += 1
        values = [nan] * self._counts[row]
        for one in heard:
            values[self._places[one.source]] = one.value
        kept = self._freshness.sift(row, time, values).values
        return [one for one in heard if not isnan(kept[self._places[one.source]])]
