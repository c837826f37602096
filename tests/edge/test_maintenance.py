"""Streams that are being worked at."""

from dataclasses import replace
from math import nan

from edge.event import Carrier, Event, Peak, Phase
from edge.maintenance import Maintenance


def event(phase: Phase, stream: str = "boiler", start: float = 50.0) -> Event:
    peak = Peak(start, 2.0, (Carrier("warm", 1.0, nan, nan, nan, nan),))
    return Event(f"{stream}-forecast-{start}", stream, "forecast", phase, start, start, 1, peak)


def test_maintenance_is_an_event_of_its_own_from_its_beginning_to_its_end() -> None:
    worked_at = Maintenance()
    (opened,) = worked_at.set("boiler", 100.0, 60.0)
    assert (opened.kind, opened.phase, opened.start) == ("maintenance", "open", 100.0)
    assert worked_at.look(159.0) == []
    (closed,) = worked_at.look(161.0)
    assert (closed.id, closed.phase, closed.end) == (opened.id, "close", 160.0)
    assert not worked_at.is_on("boiler")
    assert worked_at.look(200.0) == []


def test_maintenance_can_be_made_longer_and_ended_early() -> None:
    worked_at = Maintenance()
    (opened,) = worked_at.set("boiler", 100.0, 60.0)
    (longer,) = worked_at.set("boiler", 150.0, 60.0)
    assert (longer.id, longer.phase) == (opened.id, "update")
    assert worked_at.look(200.0) == []
    (closed,) = worked_at.set("boiler", 205.0, 0.0)
    assert closed.end == 205.0
    assert worked_at.set("boiler", 206.0, 0.0) == []


def test_what_begins_meanwhile_is_never_told_and_counted() -> None:
    worked_at = Maintenance()
    worked_at.set("boiler", 0.0, 60.0)
    assert not worked_at.tell(event("open"))
    assert not worked_at.is_told(event("open"))
    worked_at.look(61.0)
    assert not worked_at.tell(event("update"))
    assert not worked_at.tell(event("close"))
    assert worked_at.tell(event("open", start=70.0))
    assert worked_at.suppressed == 1
    assert worked_at._hidden == {}


def test_what_began_before_and_other_streams_are_told() -> None:
    worked_at = Maintenance()
    assert worked_at.tell(event("open"))
    worked_at.set("boiler", 60.0, 60.0)
    assert worked_at.tell(replace(event("open"), phase="close"))
    assert worked_at.tell(event("open", stream="press"))


def test_a_clock_that_is_set_back_makes_maintenance_hardly_longer() -> None:
    worked_at = Maintenance()
    worked_at.set("boiler", 1e9, 3600.0)
    assert worked_at.look(1e9 - 1.0) == []
    assert worked_at.look(1000.0) == []
    assert worked_at.look(4599.0) == []
    (closed,) = worked_at.look(4601.0)
    assert (closed.phase, closed.end) == ("close", 4600.0)
