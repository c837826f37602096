"""Turn findings into events: one for each stream and kind, which lasts while any sensor is strange in that way.

A house whose gateway died has one silence, and not twenty. Which sensors carry it is told with it, and again whenever
another joins or leaves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan

from edge.event import ACKNOWLEDGED, FALSE_ALARM, Carrier, Event, Peak, Phase, event_id
from edge.finding import Finding, Kind


class Conditions:
    """Follow the conditions of a cohort.

    State kept: at most one open event of each stream and kind, and the findings that carry it.
    """

    def __init__(self, streams: Sequence[str], sensors: Sequence[str]) -> None:
        """Start with none.

        Args:
            streams: their names by row; may grow.
            sensors: their names.
        """
        self._streams = streams
        self._sensors = sensors
        self._open: dict[tuple[int, Kind], Event] = {}
        self._carriers: dict[tuple[int, Kind], dict[int, Finding]] = {}

    def rows(self) -> set[int]:
        """Return the rows of the streams with an open event."""
        return {row for row, _ in self._open}

    def count(self) -> int:
        """Return how many events are open."""
        return len(self._open)

    def current(self, row: int) -> list[Event]:
        """Return the open events of a stream, the oldest first."""
        return [event for (owner, _), event in self._open.items() if owner == row]

    def acknowledge(self, row: int) -> list[Event]:
        """Take note that a person knows of a stream's open events; return what is new."""
        news = []
        for key, event in self._open.items():
            if key[0] == row and not event.feedback:
                self._open[key] = replace(event, phase="update", feedback=ACKNOWLEDGED)
                news.append(self._open[key])
        return news

    def dismiss(self, row: int) -> list[Event]:
        """Take a stream's open events for false alarms, which ends them; return what is new.

        Their sensors may well go on as they are: that is told again once they have been well in between.
        """
        keys = [key for key in self._open if key[0] == row]
        for key in keys:
            del self._carriers[key]
        return [replace(self._open.pop(key), phase="close", feedback=FALSE_ALARM) for key in keys]

    def advance(self, findings: Iterable[Finding]) -> list[Event]:
        """Take findings and return what is new, in their order; those of one stream, kind and moment are told once."""
        changed: dict[tuple[int, Kind], Finding] = {}
        for finding in findings:
            key = (finding.row, finding.kind)
            carriers = self._carriers.setdefault(key, {})
            if finding.is_on:
                carriers[finding.sensor] = finding
            else:
                carriers.pop(finding.sensor, None)
            changed[key] = finding
        return [event for key, finding in changed.items() for event in self._follow(key, finding)]

    def _follow(self, key: tuple[int, Kind], last: Finding) -> list[Event]:
        carriers = self._carriers[key]
        current = self._open.get(key)
        if not carriers:
            del self._carriers[key]
            return [] if current is None else [replace(self._open.pop(key), phase="close", end=last.time)]
        phase: Phase = "open" if current is None else "update"
        start = min(finding.time for finding in carriers.values()) if current is None else current.start
        stream, (_, kind) = self._streams[key[0]], key
        event = Event(
            id=event_id(stream, kind, start) if current is None else current.id,
            stream=stream,
            kind=kind,
            phase=phase,
            start=start,
            end=last.time,
            samples=0,
            peak=self._peak(carriers, last.time),
            feedback="" if current is None else current.feedback,
        )
        self._open[key] = event
        return [event]

    def _peak(self, carriers: dict[int, Finding], time: float) -> Peak:
        ordered = sorted(carriers.values(), key=lambda finding: (-finding.score, finding.sensor))
        share = 1.0 / len(ordered)
        told = tuple(
            Carrier(self._sensors[one.sensor], share, nan, one.lower, one.upper, one.actual) for one in ordered
        )
        return Peak(time, ordered[0].score, told)
