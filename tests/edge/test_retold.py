"""Say again what was said last: of which topics, how old it may be, and at which pace."""

import time
import tomllib
from pathlib import Path

import pytest

from edge.config import BrokerConfig, Config
from edge.connection import Connection
from edge.desk import Desk
from edge.mailbox import Message
from edge.message import Outgoing
from edge.retold import AT_ONCE, PAUSE, SUBSCRIBED, SUBSCRIBED_EACH, LastSaid, Retelling, Retold, last_said_of
from tests.edge.conftest import learned_by_hand
from tests.lines import climate, line_of

BASE = "tidegate/edge1/"
STATE, FORECAST = f"{BASE}boiler/state", f"{BASE}boiler/forecast"


def said(topic: str, payload: bytes = b"1", expiry: float | None = None) -> Outgoing:
    return Outgoing(topic, payload, 0, False, expiry)


def test_of_each_topic_the_newest_is_said_again() -> None:
    last = LastSaid(BASE, ["state"])
    last.keep([said(STATE, b"1"), said(f"{BASE}attic/state", b"2"), said(STATE, b"3")], 100.0)
    last.keep([said(STATE, b"4")], 105.0)
    assert last.again([Retold(STATE, 60.0), Retold(f"{BASE}nobody/state", 60.0)], 110.0) == [said(STATE, b"4")]
    assert last.retold == 1


def test_what_is_as_old_as_its_entity_may_be_is_not_said_again() -> None:
    last = LastSaid(BASE, ["state"])
    last.keep([said(STATE)], 100.0)
    assert last.again([Retold(STATE, 60.0)], 160.0) == []
    assert last.again([Retold(STATE, 60.0)], 159.9) == [said(STATE)]


def test_events_and_whatever_else_is_said_are_never_said_again() -> None:
    last = LastSaid(BASE, ["state"])
    others = [f"{BASE}boiler/event", f"{BASE}boiler/anomaly", FORECAST, f"{BASE}health", "spBv1.0/g/NCMD/state"]
    last.keep([said(topic) for topic in others], 100.0)
    assert last.again([Retold(topic, 60.0) for topic in others], 100.0) == []


def test_a_forecast_that_is_said_again_expires_when_it_would_have() -> None:
    last = LastSaid(BASE, ["forecast", "state"])
    last.keep([said(FORECAST, expiry=30.0)], 100.0)
    assert [one.expiry for one in last.again([Retold(FORECAST, 60.0)], 110.0)] == [20.0]


def after(streams: int) -> float:
    """Return the seconds from the description of so many streams to their states."""
    return SUBSCRIBED + streams * SUBSCRIBED_EACH


def test_a_stream_is_told_again_some_time_after_its_description_if_that_was_asked_for() -> None:
    retelling = Retelling()
    retelling.describe("boiler", 100.0)
    retelling.ask(["boiler"])
    assert retelling.take(150.0) == []  # it was not described since
    retelling.describe("boiler", 200.0)
    assert retelling.take(199.9 + after(1)) == []
    assert retelling.take(200.1 + after(1)) == ["boiler"]
    retelling.describe("boiler", 300.0)
    assert retelling.take(400.0) == []  # once is enough


def test_a_stream_that_is_described_twice_waits_for_the_second_and_keeps_nobody_waiting() -> None:
    retelling = Retelling()
    for stream, now in (("boiler", 100.0), ("attic", 101.0), ("boiler", 104.0)):
        retelling.ask([stream])
        retelling.describe(stream, now)
    assert retelling.take(101.1 + after(2)) == ["attic"]
    assert retelling.take(104.1 + after(2)) == ["boiler"]


def test_many_streams_are_told_again_when_all_are_subscribed_to_at_a_pace_that_a_broker_bears() -> None:
    retelling = Retelling()
    streams = [f"mote-{number}" for number in range(2 * AT_ONCE + 1)]
    retelling.ask(streams)
    for stream in streams:
        retelling.describe(stream, 100.0)
    assert retelling.take(99.9 + after(len(streams))) == []
    now = 100.1 + after(len(streams))
    told = [len(retelling.take(now + look * PAUSE / 4)) for look in range(9)]  # a busy daemon looks more often
    assert told == [AT_ONCE, 0, 0, 0, AT_ONCE, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ("enabled = true", {"state"}),
        ("enabled = true\nhorizons = [1]", {"state"}),
        ("enabled = true\nhorizons = [1, 3]", {"state", "forecast"}),
        ("enabled = false", None),
        ("", None),
    ],
)
def test_only_what_entities_follow_is_kept_and_nothing_without_home_assistant(
    settings: str, kinds: set[str] | None
) -> None:
    text = f'[homeassistant]\n{settings}\n[streams.boiler]\nbundle = "/b"\ntopic = "plant/boiler"\n'
    last = last_said_of(Config.from_table(tomllib.loads(text)), {Path("/b"): learned_by_hand()})
    if last is None:
        assert kinds is None
        return
    last.keep([said(STATE), said(FORECAST)], 100.0)
    again = last.again([Retold(STATE, 60.0), Retold(FORECAST, 60.0)], 100.0)
    assert {one.topic.rpartition("/")[2] for one in again} == kinds


def test_a_worker_that_goes_on_for_another_does_not_make_its_states_younger(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(BrokerConfig(), client_id="n", status_topic=None, subscriptions=[])
    published: list[Outgoing] = []
    monkeypatch.setattr(connection, "publish", lambda *news: published.append(Outgoing(*news)))
    desk = Desk(line_of(), connection, last_said=LastSaid(BASE, ["state"]))
    topic, came_at = "plant/a/press/climate", time.time() - 100.0
    (state,) = [one for one in desk.judge([Message(topic, climate(1), False, came_at)]) if "/state" in one.topic]
    desk.retell([Retold(state.topic, 90.0)])
    assert published == []
    desk.retell([Retold(state.topic, 200.0)])
    assert published == [state]
    assert desk.report().retold == 1
