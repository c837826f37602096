"""Notice what the operator should hear of once: what is refused for the first time, and who has fallen silent.

Both keep what they noticed until the daemon asks for it: nothing here has a clock or a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from edge.errors import quote

MOST = 50  # first refusals told; ten tables have some five kinds each, and the health message counts all of them
LEAST_PATIENCE = 60.0  # seconds; a sensor that restarts is back by then
PATIENT_PERIODS = 10  # steps without a payload before a table counts as silent: more than a few lost messages


@dataclass(slots=True)
class Watched:
    """Hold what is known of the payloads of one table [streams.NAME].

    Attributes:
        name: NAME.
        filter: what it subscribes to.
        patience: seconds of silence before it is told.
        payloads: how many came, readings or not; what the broker had kept does not count.
        heard_at: when they were last seen to have grown, by the clock of `Vigil.look`; -inf before the first.
        is_silent: whether its silence was told.
    """

    name: str
    filter: str
    patience: float
    payloads: int = 0
    heard_at: float = -inf
    is_silent: bool = False


class Notice(NamedTuple):
    """One line for the log; `is_trouble` tells a warning from a piece of news."""

    text: str
    is_trouble: bool


def patience(period: float) -> float:
    """Say how many seconds a table whose streams speak every `period` seconds may be silent.

    >>> patience(5.0), patience(600.0)
    (60.0, 6000.0)
    """
    return max(LEAST_PATIENCE, PATIENT_PERIODS * period)


class FirstRefusals:
    """Keep the first refusal of each table and reason until it is taken.

    State kept: which were noted, and those not taken yet; both are bounded.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._noted: set[tuple[str, str]] = set()
        self._waiting: list[str] = []

    def note(self, table: str, topic: str, reason: str, detail: str) -> None:
        """Keep a refusal, if it is the first of its kind."""
        kind = (table, reason)
        if kind not in self._noted and len(self._noted) < MOST:
            self._noted.add(kind)
            self._waiting.append(f"streams.{table}: no reading in {quote(topic[:81])}: {reason}: {detail}")

    def take(self) -> list[str]:
        """Return those that are new, oldest first."""
        taken, self._waiting = self._waiting, []
        return taken


class Vigil:
    """Notice which tables fall silent, and which speak again.

    State kept: what each table said, how many payloads it had at the last look, and since when anybody listens. Times
    are seconds of one clock that never jumps.
    """

    def __init__(self, tables: Sequence[Watched]) -> None:
        """Watch tables whose `payloads` somebody else counts."""
        self.tables = tables
        self._seen = [0] * len(tables)
        self._listening_since = inf
        self._looked_at = -inf

    def listen_from(self, now: float) -> None:
        """Count silence from now on: before, there was no broker that could be heard."""
        self._listening_since = now

    def look(self, now: float) -> list[Notice]:
        """Return who has fallen silent since the last look, and who has spoken again."""
        self._looked_at = now
        notices: list[Notice] = []
        for place, table in enumerate(self.tables):
            spoke, self._seen[place] = table.payloads != self._seen[place], table.payloads
            since = max(table.heard_at, self._listening_since)
            if spoke:
                table.heard_at = now
            if table.is_silent and spoke:
                notices.append(Notice(f"streams.{table.name}: {table.filter} speaks again", is_trouble=False))
            elif not table.is_silent and not spoke and now - since >= table.patience:
                text = f"streams.{table.name}: no payload on {table.filter} for {now - since:.0f} s"
                notices.append(Notice(text, is_trouble=True))
            else:
                continue
            table.is_silent = not spoke
        return notices

    def silences(self) -> dict[str, float | None]:
        """Return for each table the seconds from its last payload to the last look; None before the first payload."""
        return {
            table.name: None if table.heard_at == -inf else round(self._looked_at - table.heard_at, 1)
            for table in self.tables
        }
