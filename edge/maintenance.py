"""Remember which streams are being worked at: what is strange about them is judged on, and not told meanwhile."""

from collections.abc import Set
from dataclasses import replace
from math import nan
from typing import NamedTuple

from edge.event import Carrier, Event, Peak, event_id
from edge.listening import SET_BACK


class _Span(NamedTuple):
    event: Event
    asked_at: float
    until: float


class Maintenance:
    """Follow the maintenance of streams.

    State kept: until when each is worked at, as an event of its own, and which events began meanwhile.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._open: dict[str, _Span] = {}
        self._hidden: dict[str, set[str]] = {}
        self.suppressed = 0

    def is_on(self, stream: str) -> bool:
        """Return whether a stream is being worked at."""
        return stream in self._open

    def set(self, stream: str, now: float, seconds: float) -> list[Event]:
        """Let a stream be worked at for so many seconds from now on, or no longer; return what is new."""
        if seconds <= 0.0:
            return self._end(stream, now)
        current = self._open.get(stream)
        if current is not None:
            event = replace(current.event, phase="update", end=now)
        else:
            nobody = Carrier("", 0.0, nan, nan, nan, nan)
            name = event_id(stream, "maintenance", now)
            event = Event(name, stream, "maintenance", "open", now, now, 0, Peak(now, 0.0, (nobody,)))
        self._open[stream] = _Span(event, now, now + seconds)
        return [event]

    def look(self, now: float) -> list[Event]:
        """Return whose maintenance is over."""
        over = []
        for stream, (event, asked_at, until) in self._open.items():
            if now < asked_at - SET_BACK:  # the span counts anew, for else the stream would be mute that much longer
                self._open[stream] = _Span(event, now, now + until - asked_at)
            elif now >= until:
                over.append(stream)
        return [event for stream in over for event in self._end(stream, self._open[stream].until)]

    def is_told(self, event: Event) -> bool:
        """Say whether subscribers know of an event."""
        return event.id not in self._hidden.get(event.stream, ())

    def tell(self, event: Event) -> bool:
        """Take an event's news, and say whether to tell them: not if its stream was worked at when it began."""
        hidden = self._hidden.get(event.stream)
        if event.phase == "open" and self.is_on(event.stream):
            self._hidden.setdefault(event.stream, set()).add(event.id)
            self.suppressed += 1
            return False
        if hidden is None or event.id not in hidden:
            return True
        if event.phase == "close":
            hidden.discard(event.id)
            if not hidden:
                del self._hidden[event.stream]
        return False

    def reveal(self, stream: str) -> Set[str]:
        """Return the ids of the events that a stream has kept to itself, and keep them no longer."""
        return self._hidden.pop(stream, set())

    def _end(self, stream: str, now: float) -> list[Event]:
        found = self._open.pop(stream, None)
        return [] if found is None else [replace(found.event, phase="close", end=now)]
