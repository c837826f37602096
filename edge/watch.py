"""Watch the streams of a cohort for what no forecast tells: silence, frozen sensors, wrong values, bad payloads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from edge.cohort import Verdicts
from edge.condition import Conditions
from edge.event import Event
from edge.finding import Kind
from edge.frozen import Frozen
from edge.learned import Learned
from edge.limits import Bounds, Limits
from edge.pacing import Sample
from edge.quality import Quality
from edge.reading import Readings
from edge.rows import at
from edge.silence import Silence


@dataclass(frozen=True, slots=True)
class Wanted:
    """Say what is told of one sensor of a stream.

    Attributes:
        kinds: the kinds of anomaly.
        per_week: the alarm budget of each of them but `forecast`.
        bounds: the lowest and the highest value that are no anomaly, sensor units.
    """

    kinds: frozenset[Kind]
    per_week: float
    bounds: Bounds = (-inf, inf)


class Watch:
    """Follow all kinds of anomaly but `forecast`.

    Attributes:
        conditions: the open events.
        limits: what counts the values that are none.
    """

    def __init__(self, learned: Learned, streams: Sequence[str]) -> None:
        """Start with no stream.

        Args:
            learned: what training learned.
            streams: their names by row; may grow.
        """
        usual = learned.usual
        self._streams = streams
        self._silence = Silence(learned.period, np.where(usual.heard, usual.silent * learned.period, nan))
        self._frozen = Frozen(usual.flat, usual.moved)
        self.limits = Limits(len(learned.sensors))
        self._quality = Quality(len(learned.sensors))
        self._tells_quality: list[tuple[int, ...]] = []
        self.conditions = Conditions(streams, learned.sensors)

    def admit(self, row: int, wanted: Sequence[Wanted]) -> None:
        """Add a stream, with what is told of each of its sensors."""
        if row >= self._silence.capacity:
            for memory in (self._silence, self._frozen, self.limits, self._quality):
                memory.admit(row + max(8, row // 8))
        budget = np.array([one.per_week for one in wanted])
        for owner in (self._silence, self._frozen, self.limits.streaks, self._quality.streaks):
            owner.patience.allow(row, budget)
        self._silence.want(row, ["silence" in one.kinds for one in wanted])
        self._frozen.want(row, ["frozen" in one.kinds for one in wanted])
        self.limits.want([one.bounds if "range" in one.kinds else (-inf, inf) for one in wanted])
        self._tells_quality.append(tuple(place for place, one in enumerate(wanted) if "quality" in one.kinds))

    def check(self, row: int, readings: Readings) -> tuple[Sequence[float], list[Event]]:
        """Return the values of a payload of a stream, nan where one is impossible, and what is new."""
        values = readings.values
        kept, findings = self.limits.check(row, readings.time, values)
        findings += self._quality.accept(row, readings.time, values)
        is_silent = row in self._silence.silent
        if is_silent or kept is not values:
            # Who was silent is heard at once: after a long gap the grid waits for more before it believes a time. Who
            # says what cannot be is not silent either, though nothing else hears of it.
            spoke = ~np.isnan([values]) & (is_silent | np.isnan([kept]))
            findings += self._silence.hear(slice(row, row + 1), np.array([readings.received_at]), spoke)
        return kept, self.conditions.advance(findings) if findings else []

    def refuse(self, row: int, time: float, sensors: Iterable[int]) -> list[Event]:
        """Take a payload without a reading of some sensors that it should have spoken of; return what is new."""
        wanted = self._tells_quality[row]
        return self.conditions.advance(self._quality.refuse(row, time, [one for one in sensors if one in wanted]))

    def advance(self, wave: Sequence[tuple[int, Sample]], verdicts: Verdicts, arrivals: Sequence[float]) -> list[Event]:
        """Take a wave and return what is new.

        Args:
            wave: rows with their samples.
            verdicts: of the cohort.
            arrivals: when the samples arrived, Unix seconds UTC by our clock.
        """
        rows, heard = at(verdicts.rows), verdicts.measured
        if wave[0][1].heard is not None:  # what only holds was not said
            heard = np.array([sample.heard for _, sample in wave], dtype=np.bool_)
        findings = self._silence.hear(rows, np.array(arrivals), heard)
        findings += self._frozen.advance(rows, verdicts.times, verdicts.values, heard)
        return self.conditions.advance(findings) if findings else []

    def look(self, now: float, since: float) -> list[Event]:
        """Return what is new although nothing came: who has fallen silent.

        Args:
            now: Unix seconds UTC by our clock.
            since: from when on anybody listens without a pause.
        """
        return self.conditions.advance(self._silence.look(len(self._streams), now, since))
