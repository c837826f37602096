"""What became of the payloads that were to be recorded."""

from collections import Counter
from dataclasses import dataclass, field

from edge.errors import ReadingError
from edge.vigil import FirstRefusals


@dataclass(slots=True)
class IntakeCounts:
    """What became of the payloads.

    Attributes:
        payloads: heard.
        retained: old values that the broker had kept; never taken as new measurements.
        unrouted: of no stream.
        refused: payloads, or values in them, that are no readings, by reason.
        repeated: values that a payload only repeats, `edge.freshness`.
    """

    payloads: int = 0
    retained: int = 0
    unrouted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    @property
    def all_refused(self) -> int:
        """How many were refused for whatever reason."""
        return self.retained + self.unrouted + sum(self.refused.values())


class Refuser:
    """Count what is refused of one table's topic."""

    def __init__(self, counts: IntakeCounts, firsts: FirstRefusals, table: str, topic: str) -> None:
        """Take whose it is."""
        self._counts, self._firsts, self._table, self._topic = counts, firsts, table, topic

    def __call__(self, wrong: ReadingError) -> None:
        """Count one."""
        self._counts.refused[wrong.reason] += 1
        self._firsts.note(self._table, self._topic, wrong.reason, wrong.detail)
