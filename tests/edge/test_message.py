"""Hold messages to the letter: what subscribers were promised."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import nan

from edge import message
from edge.event import Events
from tests.edge.conftest import learned_by_hand, verdict

BASE = "tidegate/edge1/"
SENSORS = ("warm", "damp")


def told(scores: tuple[float, ...]) -> list[message.Outgoing]:
    """Return the event messages of consecutive scores."""
    events = Events(["boiler"], SENSORS)
    return [
        message.event(BASE, one) for step, score in enumerate(scores) for one in events.advance(verdict(score, step))
    ]


def test_every_topic_of_a_node_begins_alike() -> None:
    assert message.root("tidegate", "edge1") == BASE


def test_the_state_of_a_sample_that_is_normal() -> None:
    assert message.state(BASE, "boiler", SENSORS, message.said(verdict(0.5, 1)), 0) == message.Outgoing(
        topic="tidegate/edge1/boiler/state",
        payload=b'{"time":"1970-01-01T00:00:10Z","values":{"warm":23.0,"damp":53.0},"score":0.5,"anomaly":false,'
        b'"expected":{"warm":{"forecast":20.0,"lower":19.5,"upper":20.5},'
        b'"damp":{"forecast":50.0,"lower":49.0,"upper":51.0}},'
        b'"next":{"warm":{"forecast":21.0,"lower":20.5,"upper":21.25},'
        b'"damp":{"forecast":51.0,"lower":50.5,"upper":51.25}}}',
        qos=0,
        retain=False,
        expiry=None,
    )


def test_a_score_of_1_is_normal_and_above_it_anomalous() -> None:
    anomalies = [orjson.loads(message.state(BASE, "b", SENSORS, message.said(verdict(score, 0)), 0).payload)["anomaly"]
                 for score in (1.0, 1.0001)]  # fmt: skip
    assert anomalies == [False, True]


def test_what_is_absent_is_null() -> None:
    said = verdict(nan, 0)
    said.measured[0, 1] = False
    for absent in (said.expected, said.lower, said.upper, said.forecast, said.forecast_lower, said.forecast_upper):
        absent[:] = nan
    assert message.state(BASE, "boiler", SENSORS, message.said(said), 0).payload == (
        b'{"time":"1970-01-01T00:00:00Z","values":{"warm":22.0,"damp":null},"score":null,"anomaly":false,'
        b'"expected":{"warm":{"forecast":null,"lower":null,"upper":null},'
        b'"damp":{"forecast":null,"lower":null,"upper":null}},'
        b'"next":{"warm":{"forecast":null,"lower":null,"upper":null},'
        b'"damp":{"forecast":null,"lower":null,"upper":null}}}'
    )


def test_a_forecast_tells_every_horizon_and_expires_when_the_last_has_come() -> None:
    assert message.forecast(BASE, "boiler", learned_by_hand(), message.said(verdict(0.5, 1)), 0) == message.Outgoing(
        topic="tidegate/edge1/boiler/forecast",
        payload=b'{"time":"1970-01-01T00:00:10Z","horizons":['
        b'{"steps":1,"time":"1970-01-01T00:00:20Z","sensors":{"warm":{"forecast":21.0,"lower":20.5,"upper":21.25},'
        b'"damp":{"forecast":51.0,"lower":50.5,"upper":51.25}}},'
        b'{"steps":3,"time":"1970-01-01T00:00:40Z","sensors":{"warm":{"forecast":23.0,"lower":22.5,"upper":23.25},'
        b'"damp":{"forecast":53.0,"lower":52.5,"upper":53.25}}}]}',
        qos=0,
        retain=False,
        expiry=30.0,
    )


def test_an_event_opens_with_its_explanation_and_has_no_end() -> None:
    assert told((0.5, 1.5)) == [
        message.Outgoing(
            topic="tidegate/edge1/boiler/event",
            payload=b'{"id":"boiler-forecast-19700101T000010Z","phase":"open","kind":"forecast",'
            b'"start":"1970-01-01T00:00:10Z","end":null,"samples":1,'
            b'"peak":{"time":"1970-01-01T00:00:10Z","score":1.5},'
            b'"explanation":{"sensor":"warm","share":1.0,"expected":20.0,"lower":19.5,"upper":20.5,"actual":23.0,"others":[]},'
            b'"feedback":null}',
            qos=1,
            retain=False,
            expiry=None,
        )
    ]


def test_an_event_closes_with_its_end_and_its_peak() -> None:
    *_, closed = told((0.5, 1.5, 3.0, 1.25, 0.0))
    assert closed.payload == (
        b'{"id":"boiler-forecast-19700101T000010Z","phase":"close","kind":"forecast",'
        b'"start":"1970-01-01T00:00:10Z","end":"1970-01-01T00:00:30Z","samples":3,'
        b'"peak":{"time":"1970-01-01T00:00:20Z","score":3.0},'
        b'"explanation":{"sensor":"warm","share":1.0,"expected":20.0,"lower":19.5,"upper":20.5,"actual":24.0,"others":[]},'
        b'"feedback":null}'
    )


def test_whether_a_stream_is_anomalous_is_retained_with_since_when() -> None:
    events = Events(["boiler"], SENSORS)
    news = [one for step, score in enumerate((0.5, 1.5, 1.5, 0.0)) for one in events.advance(verdict(score, step))]
    opened, closed = (message.anomaly(BASE, one, []) for one in news)
    topic = "tidegate/edge1/boiler/anomaly"
    assert opened == message.Outgoing(
        topic,
        b'{"anomaly":true,"since":"1970-01-01T00:00:10Z","event":"boiler-forecast-19700101T000010Z"}',
        qos=1, retain=True, expiry=None,
    )  # fmt: skip
    assert closed == message.Outgoing(
        topic,
        b'{"anomaly":false,"since":"1970-01-01T00:00:20Z","event":"boiler-forecast-19700101T000010Z"}',
        qos=1, retain=True, expiry=None,
    )  # fmt: skip


def test_health_is_json_and_not_retained() -> None:
    assert message.health(BASE, {"readings": 3, "queue": {"depth": 0}}) == message.Outgoing(
        "tidegate/edge1/health", b'{"readings":3,"queue":{"depth":0}}', 0, False, None
    )


def test_a_stream_may_have_a_name_of_several_levels() -> None:
    assert (
        message.state(BASE, "plant/a", SENSORS, message.said(verdict(0.5, 0)), 0).topic
        == "tidegate/edge1/plant/a/state"
    )


@pytest.mark.parametrize("place", [0, 1])
def test_a_message_speaks_of_its_place_in_the_wave(place: int) -> None:
    one, other = verdict(0.25, 0), verdict(0.75, 5)
    wave = type(one)(*(np.concatenate((getattr(one, name), getattr(other, name))) for name in type(one).__slots__))
    alone = message.state(BASE, "boiler", SENSORS, message.said((one, other)[place]), 0)
    assert message.state(BASE, "boiler", SENSORS, message.said(wave), place) == alone


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(0.0, 4e9))
def test_every_payload_is_json_whatever_the_numbers(number: float, time: float) -> None:
    said = verdict(number, 0)
    said.times[0] = time
    said.values[:] = said.forecast[:] = number
    for one in (
        message.state(BASE, "boiler", SENSORS, message.said(said), 0),
        message.forecast(BASE, "boiler", learned_by_hand(), message.said(said), 0),
    ):
        text = one.payload.decode()
        assert "NaN" not in text and "Infinity" not in text
        orjson.loads(text)
