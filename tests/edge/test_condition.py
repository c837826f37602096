"""From findings to events: one for each stream and kind."""

from edge.condition import Conditions
from edge.event import Event
from edge.finding import Finding, Kind, over


def on(sensor: int, time: float, score: float = 2.0, kind: Kind = "silence", row: int = 0) -> Finding:
    return Finding(row, sensor, kind, True, time, score, 0.0, 100.0, 50.0)


def conditions() -> Conditions:
    return Conditions(["boiler", "press"], ["warm", "damp"])


def phases(news: list[Event]) -> list[tuple[str, str, list[str]]]:
    return [(one.stream, one.phase, [carrier.sensor for carrier in one.peak.carriers]) for one in news]


def test_sensors_that_are_strange_in_one_way_at_once_are_one_event() -> None:
    follow = conditions()
    (opened,) = follow.advance([on(0, 10.0), on(1, 5.0, 3.0)])
    assert (opened.id, opened.phase, opened.start, opened.samples) == (
        "boiler-silence-19700101T000005Z",
        "open",
        5.0,
        0,
    )
    assert [(one.sensor, one.share) for one in opened.peak.carriers] == [("damp", 0.5), ("warm", 0.5)]
    assert opened.peak.score == 3.0
    assert follow.count() == 1
    assert follow.current(0) == [opened]


def test_an_event_is_updated_as_sensors_join_and_leave_and_closes_with_the_last() -> None:
    follow = conditions()
    news = follow.advance([on(0, 10.0)])
    news += follow.advance([on(1, 20.0)])
    news += follow.advance([over(0, 0, "silence", 30.0)])
    news += follow.advance([over(0, 1, "silence", 40.0)])
    assert phases(news) == [
        ("boiler", "open", ["warm"]),
        ("boiler", "update", ["warm", "damp"]),
        ("boiler", "update", ["damp"]),
        ("boiler", "close", ["damp"]),
    ]
    assert len({one.id for one in news}) == 1
    assert news[-1].end == 40.0
    assert (follow.count(), follow.current(0)) == (0, [])


def test_kinds_and_streams_have_events_of_their_own() -> None:
    follow = conditions()
    news = follow.advance([on(0, 1.0), on(0, 2.0, kind="frozen"), on(0, 3.0, row=1)])
    assert [(one.stream, one.kind) for one in news] == [
        ("boiler", "silence"),
        ("boiler", "frozen"),
        ("press", "silence"),
    ]


def test_an_end_of_what_was_never_told_is_nothing() -> None:
    assert conditions().advance([over(0, 0, "silence", 1.0)]) == []


def test_what_a_person_knows_of_says_so_to_its_end() -> None:
    follow = conditions()
    follow.advance([on(0, 10.0)])
    (known,) = follow.acknowledge(0)
    assert (known.phase, known.feedback) == ("update", "acknowledged")
    assert follow.acknowledge(0) == []
    assert follow.acknowledge(1) == []
    (closed,) = follow.advance([over(0, 0, "silence", 20.0)])
    assert closed.feedback == "acknowledged"


def test_a_false_alarm_ends_at_once_and_its_own_end_is_not_told_again() -> None:
    follow = conditions()
    follow.advance([on(0, 10.0)])
    (closed,) = follow.dismiss(0)
    assert (closed.phase, closed.feedback) == ("close", "false_alarm")
    assert follow.advance([over(0, 0, "silence", 20.0)]) == []
    assert len(follow.advance([on(0, 30.0)])) == 1
