"""Hold events to their life; in the drawings a column is a step of 10 s."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import nan

from edge.cohort import Verdicts
from edge.event import Carrier, Event, Events, Peak, event_id
from tests.edge.conftest import verdict

SENSORS = ("warm", "damp")


def events_of(streams: Sequence[str] = ("boiler", "cellar")) -> Events:
    return Events(streams, SENSORS)


def follow(
    events: Events, scores: Sequence[float], *, restarts: Sequence[int] = (), begins: Sequence[int] = (), row: int = 0
) -> str:
    """Follow the scores of one stream and draw its news: o open, u update, c close, - nothing; `co` is both."""
    drawn = []
    for step, score in enumerate(scores):
        news = events.advance(verdict(score, step, row=row, restarted=step in restarts, begins=step in begins))
        drawn.append("".join(one.phase[0] for one in news) or "-")
    return " ".join(drawn)


@pytest.mark.parametrize(
    ("scores", "news"),
    [
        ((0.5, 1.0, 0.9), "- - -"),  # a score of 1 is normal
        ((0.5, 1.5, 0.5, 0.5), "- o c -"),
        ((1.5, 1.2, 1.0, 1.0), "o - c -"),
        ((1.5, 1.6, 1.7, 0.0), "o - u c"),  # an update when the peak rose by a tenth
        ((1.5, 3.0, 2.0, 6.0, 0.0), "o u - u c"),
        ((2.0, 2.1, 2.19, 2.2, 2.3), "o - - u -"),  # small rises add up
        ((1.5, nan, nan, nan, 0.5, nan), "o - - - c -"),  # what was not measured is neither calm nor strange
        ((1.5, 0.5, 0.5, 1.5, 0.5), "o c - o c"),
        ((nan, nan, nan), "- - -"),
    ],
)
def test_the_life_of_an_event(scores: Sequence[float], news: str) -> None:
    assert follow(events_of(), scores) == news


def test_an_event_closes_when_the_streams_memory_begins_anew() -> None:
    assert follow(events_of(), (1.5, nan, 0.0), restarts=[1]) == "o c -"


def test_a_restart_without_an_event_is_no_news() -> None:
    assert follow(events_of(), (0.5, nan, 0.0), restarts=[1]) == "- - -"


def test_an_event_names_every_sensor_that_carries_a_tenth_of_it_the_strongest_first() -> None:
    for shares, named in (((0.2, 0.8), ["damp", "warm"]), ((0.95, 0.05), ["warm"]), ((0.5, 0.5), ["warm", "damp"])):
        (opened,) = events_of().advance(replace(verdict(1.5, 0), share=np.array([shares])))
        assert [(one.sensor, one.share) for one in opened.peak.carriers] == [
            (name, shares[("warm", "damp").index(name)]) for name in named
        ]


def test_a_restart_that_is_strange_itself_closes_one_event_and_opens_another() -> None:
    assert follow(events_of(), (1.5, 1.5, 0.0), restarts=[1]) == "o co c"


def test_an_event_that_is_outgrown_closes_and_another_opens_with_an_id_of_its_own() -> None:
    events = events_of()
    assert follow(events, (1.5, 1.2, 9.0, 0.0), begins=[0, 2]) == "o - co c"
    assert follow(events_of(), (1.5, 1.5, 0.0), begins=[0]) == "o - c"


def test_an_event_says_where_it_began_what_was_flagged_and_what_was_strangest() -> None:
    # step    0   1   2   3   4   5
    # score  .5 1.5   3 1.2  .5  .5
    events = events_of()
    scores, told = (0.5, 1.5, 3.0, 1.2, 0.5, 0.5), []
    for step, score in enumerate(scores):
        told += events.advance(verdict(score, step, sensor=1 if step == 2 else 0))
    opened, updated, closed = told
    damp = Carrier(sensor="damp", share=1.0, expected=50.0, lower=49.0, upper=51.0, actual=54.0)
    peak = Peak(time=20.0, score=3.0, carriers=(damp,))
    assert opened.peak == Peak(10.0, 1.5, (Carrier("warm", 1.0, 20.0, 19.5, 20.5, 23.0),))
    assert (opened.start, opened.end, opened.samples) == (10.0, 10.0, 1)
    assert (updated.start, updated.end, updated.samples, updated.peak) == (10.0, 20.0, 2, peak)
    assert closed == Event(
        id="boiler-forecast-19700101T000010Z", stream="boiler", kind="forecast", phase="close",
        start=10.0, end=30.0, samples=3, peak=peak,
    )  # fmt: skip


def test_news_of_an_event_share_its_id() -> None:
    events = events_of()
    told = [one for step, score in enumerate((1.5, 2.5, 0.0, 0.0)) for one in events.advance(verdict(score, step))]
    assert [one.phase for one in told] == ["open", "update", "close"]
    assert len({one.id for one in told}) == 1


def test_the_open_event_of_a_stream_is_known_by_its_id_while_it_lasts() -> None:
    events = events_of()
    ids = []
    for step, score in enumerate((0.0, 1.5, 1.5, 0.0)):
        events.advance(verdict(score, step, row=1))
        ids.append((events.open_id(1), events.open_id(0), events.count()))
    name = "cellar-forecast-19700101T000010Z"
    assert ids == [("", "", 0), (name, "", 1), (name, "", 1), ("", "", 0)]


def test_streams_have_events_of_their_own_and_news_come_in_the_order_of_the_wave() -> None:
    events = events_of()
    both = Verdicts(
        *(
            np.concatenate([getattr(verdict(1.5, 0, row=row), field.name) for row in (1, 0)])
            for field in fields(Verdicts)
        )
    )
    assert [one.stream for one in events.advance(both)] == ["cellar", "boiler"]
    assert [one.stream for one in events.advance(verdict(0.0, 1, row=0))] == ["boiler"]
    assert (events.open_id(0), events.count()) == ("", 1)


def test_streams_may_be_added_after_the_events_were_made() -> None:
    streams = ["boiler"]
    events = events_of(streams=streams)
    streams.append("attic")
    assert [one.stream for one in events.advance(verdict(1.5, 0, row=1))] == ["attic"]


# ---- ids


def test_an_id_is_the_same_for_the_same_readings_everywhere() -> None:
    ids = {events_of().advance(verdict(1.5, 7))[0].id for _ in range(3)}
    assert ids == {event_id("boiler", "forecast", 70.0)}


@pytest.mark.parametrize(
    ("start", "written"),
    [(0.0, "19700101T000000Z"), (1273374915.25, "20100509T031515.250Z"), (1273374915.0001, "20100509T031515Z")],
)
def test_an_id_tells_the_start_in_utc(start: float, written: str) -> None:
    assert event_id("boiler", "forecast", start) == f"boiler-forecast-{written}"


@given(st.floats(0.0, 4e9), st.floats(0.0, 4e9))
def test_events_of_one_stream_that_begin_at_different_milliseconds_have_different_ids(one: float, other: float) -> None:
    different = int(one * 1000) != int(other * 1000)
    if different and abs(one - other) > 0.002:
        assert event_id("boiler", "forecast", one) != event_id("boiler", "forecast", other)


# ---- whatever is said


@given(st.lists(st.sampled_from([0.0, 0.9, 1.1, 1.5, 4.0, nan]), max_size=60))
def test_every_event_opens_once_closes_at_most_once_and_never_overlaps(scores: list[float]) -> None:
    events = events_of()
    told = [one for step, score in enumerate(scores) for one in events.advance(verdict(score, step))]
    lives: dict[str, list[str]] = {}
    for one in told:
        lives.setdefault(one.id, []).append(one.phase)
    for number, phases in enumerate(lives.values(), start=1):
        assert phases[0] == "open"
        assert set(phases[1:-1]) <= {"update"}
        assert phases[-1] == "close" or number == len(lives)
    assert events.count() == sum(phases[-1] != "close" for phases in lives.values())


@given(st.lists(st.sampled_from([0.0, 1.1, 1.5, 4.0, nan]), max_size=40))
def test_an_event_counts_its_flags_and_knows_the_highest(scores: list[float]) -> None:
    events = events_of()
    for step, score in enumerate(scores):
        for one in events.advance(verdict(score, step)):
            flagged = [
                (score, 10.0 * place) for place, score in enumerate(scores[: step + 1])
                if score > 1.0 and one.start <= 10.0 * place
            ]  # fmt: skip
            assert one.samples == len(flagged)
            assert one.peak.score == max(flagged)[0]
            assert one.end == flagged[-1][1]
