"""Count what became of the payloads that arrived."""

from collections import Counter
from dataclasses import dataclass, field

NAMED = 80  # characters kept of a refused payload


@dataclass(slots=True)
class ReadingCounts:
    """Count what became of the payloads that arrived.

    Attributes:
        received: payloads that reached the line.
        retained: old values that the broker kept; never taken as new measurements.
        unrouted: payloads whose topic belongs to no stream.
        refused: payloads, or values in them, that are no readings, by reason.
        streams_refused: payloads of streams beyond `max_streams`.
        repeated: values that a payload only repeats, `edge.freshness`.
        sequence_gaps: messages of Sparkplug nodes before which at least one is missing.
        rebirth_requests: births that Sparkplug nodes were asked for.
        last_refused: topic and reason of the newest refusal.
    """

    received: int = 0
    retained: int = 0
    unrouted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    streams_refused: int = 0
    repeated: int = 0
    sequence_gaps: int = 0
    rebirth_requests: int = 0
    last_refused: str = ""

    def refuse(self, topic: str, reason: str, detail: str) -> None:
        """Count a payload, or a value in it, that is refused; of what has a count of its own no text is kept."""
        if reason == "unrouted":
            self.unrouted += 1
        elif reason == "streams_refused":
            self.streams_refused += 1
        else:
            self.refused[reason] += 1
            self.last_refused = f"{topic}: {reason}: {detail}"[: 4 * NAMED]
