"""Hold what is recorded to what was heard."""

import json

import pytest

from edge import intake
from edge.errors import ConfigError
from edge.history import Source
from edge.intake import Intake, Recorded
from edge.mailbox import Message
from edge.stream_config import StreamConfig
from tests import nodes

NOW = 1_700_000_000.0


def listening(*sensors: str, **keys: object) -> Intake:
    table = StreamConfig(**{"bundle": intake_bundle(), "topic": "plant/boiler", **keys})  # type: ignore[arg-type]
    return Intake([Recorded("boiler", table, sensors)])


def intake_bundle() -> object:
    from pathlib import Path

    return Path("no bundle")


def heard(taken: Intake, topic: str, payload: object, *, retained: bool = False) -> dict[str, float]:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return {one.source.sensor: one.value for one in taken.take(Message(topic, content, retained, NOW))}


def test_without_named_sensors_every_number_is_recorded_under_its_path() -> None:
    taken = listening()
    assert heard(taken, "plant/boiler", {"climate": {"temp": 21.5}, "rh": 40, "on": True}) == {
        "climate.temp": 21.5,
        "rh": 40.0,
    }


def test_named_sensors_alone_are_recorded_where_there_are_some() -> None:
    taken = listening("warm", sensors={"warm": "climate.temp"})
    assert heard(taken, "plant/boiler", {"climate": {"temp": 21.5}, "rh": 40}) == {"warm": 21.5}


def test_a_partial_payload_is_recorded_and_what_is_refused_in_it_counted() -> None:
    taken = listening("warm", "damp")
    assert heard(taken, "plant/boiler", {"warm": 21.5}) == {"warm": 21.5}
    assert heard(taken, "plant/boiler", {"warm": 21.5, "damp": "unavailable"}) == {"warm": 21.5}
    assert taken.counts.refused == {"unavailable": 1}


def test_the_event_time_counts_and_the_lag_to_its_arrival_is_kept() -> None:
    (one,) = listening().take(Message("plant/boiler", b'{"time": 1699999990.25, "a": 1}', False, NOW))
    assert (one.time, one.lag) == (1_699_999_990_250_000, 9750)
    (one,) = listening().take(Message("plant/boiler", b'{"a": 1}', False, NOW))
    assert (one.time, one.lag) == (1_700_000_000_000_000, None)


def test_a_reading_from_the_future_is_refused_for_it_would_be_the_newest_for_ever() -> None:
    taken = listening()
    assert heard(taken, "plant/boiler", {"time": NOW + 61.0, "a": 1}) == {}
    assert heard(taken, "plant/boiler", {"time": NOW + 59.0, "a": 1}) == {"a": 1.0}
    assert taken.counts.refused == {"future": 1}


def test_what_the_broker_had_kept_is_counted_and_never_recorded() -> None:
    taken = listening()
    assert heard(taken, "plant/boiler", {"a": 1}, retained=True) == {}
    assert (taken.counts.retained, taken.counts.all_refused) == (1, 1)


def test_where_each_sensor_has_a_topic_any_may_speak_unless_some_are_named() -> None:
    taken = listening(topic="plant/{machine}/{sensor}", dialect="plain")
    assert heard(taken, "plant/press/warm", b"21.5") == {"warm": 21.5}
    (one,) = taken.take(Message("plant/press/damp", b"40", False, NOW))
    assert one.source == Source("press", "damp", False)
    taken = listening("warm", topic="plant/{machine}/{sensor}", dialect="plain", sensors={"warm": "t"})
    assert heard(taken, "plant/press/t", b"21.5") == {"warm": 21.5}
    assert heard(taken, "plant/press/damp", b"40") == {}
    assert taken.counts.refused == {"unrouted": 1}


def test_a_plain_payload_that_nobody_has_named_is_a_value() -> None:
    assert heard(listening(dialect="plain"), "plant/boiler", b"21.5") == {"value": 21.5}


def test_a_topic_of_no_table_is_counted() -> None:
    taken = listening()
    assert heard(taken, "elsewhere", {"a": 1}) == {}
    assert taken.counts.unrouted == 1


def test_a_sensor_is_never_called_as_a_column_that_is_none() -> None:
    assert set(heard(listening(time="at"), "plant/boiler", {"time": 1, "stream": 2})) == {"value.time", "value.stream"}


def test_sensors_beyond_the_bound_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_SENSORS", 2)
    taken = listening()
    assert heard(taken, "plant/boiler", {"a": 1, "b": 2, "c": 3}) == {"a": 1.0, "b": 2.0}
    assert heard(taken, "plant/boiler", {"a": 4}) == {"a": 4.0}
    assert taken.counts.refused == {"sensors_refused": 1}


def test_a_million_topics_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_TOPICS", 3)
    taken = listening(topic="plant/{machine}", max_streams=5)
    for number in range(20):
        heard(taken, f"plant/m{number}", {"a": 1})
        heard(taken, f"nobody/m{number}", {"a": 1})
    assert len(taken._found) <= 3
    assert taken.counts.refused == {"streams_refused": 15}


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[" * 100_000, b'{"time": 1e400, "a": 1}', b"null", b"true", b'"x"', b'{"\\ud800": 1, "b": 2}'],
)
def test_no_payload_ends_the_recording(payload: bytes) -> None:
    taken = listening()
    assert taken.take(Message("plant/boiler", payload, False, NOW)) == []
    assert taken.counts.all_refused == 1


def test_a_name_as_long_as_a_payload_is_left_out_and_counted() -> None:
    taken = listening()
    assert heard(taken, "plant/boiler", {"a" * 200: 1, "b" * 201: 2}) == {"a" * 200: 1.0}
    assert taken.counts.refused == {"too_many": 1}
    taken = listening(topic="plant/{machine}/{sensor}", dialect="plain")
    assert heard(taken, f"plant/press/{'b' * 201}", b"1") == {}
    assert taken.counts.refused == {"unrouted": 1}


def test_every_number_is_found_in_the_dialects_that_write_json_each_with_its_own_event_time() -> None:
    taken = listening(topic="tele/{name}/SENSOR", dialect="tasmota", timezone="Europe/Berlin")
    content = b'{"Time": "2023-11-14T23:13:15", "AM2301": {"Temperature": 20.6}}'
    (one,) = taken.take(Message("tele/attic/SENSOR", content, False, NOW))
    assert (one.source.sensor, one.value, one.time) == ("AM2301.Temperature", 20.6, 1_699_999_995_000_000)
    taken = listening(topic="zigbee2mqtt/{name}", dialect="zigbee2mqtt")
    assert heard(taken, "zigbee2mqtt/fridge", {"temperature": 4.5, "last_seen": 1_699_999_990_000}) == {
        "temperature": 4.5
    }


@pytest.mark.parametrize("names", [(), ("temperature", "humidity")])
def test_what_zigbee2mqtt_only_repeats_is_no_more_recorded_than_it_is_judged(names: tuple[str, ...]) -> None:
    taken = listening(*names, topic="zigbee2mqtt/{name}", dialect="zigbee2mqtt")
    said = [
        heard(taken, f"zigbee2mqtt/{stream}", content)
        for stream, content in (
            ("fridge", {"temperature": 4.5}),
            ("fridge", {"temperature": 4.5, "humidity": 60}),  # the first that is heard of the humidity
            ("fridge", {"temperature": 4.5, "humidity": 61}),
            ("attic", {"temperature": 4.5, "humidity": 61}),
            ("fridge", {"temperature": 4.5, "humidity": 61}),  # nothing moved: the device spoke
            ("fridge", {"temperature": 4.75, "humidity": 61, "last_seen": 1_699_999_990_000}),
            ("fridge", {"temperature": 5.0, "humidity": 62, "last_seen": 1_699_999_990_000}),  # nobody spoke
        )
    ]
    assert said == [
        {"temperature": 4.5},
        {"humidity": 60.0},
        {"humidity": 61.0},
        {"temperature": 4.5, "humidity": 61.0},
        {"temperature": 4.5, "humidity": 61.0},
        {"temperature": 4.75},
        {},
    ]
    assert taken.counts.repeated == 5


def test_a_bare_dialect_is_recorded_sensor_by_sensor() -> None:
    taken = listening(topic="{node}/sensor/{sensor}/state", dialect="esphome")
    assert heard(taken, "attic/sensor/warm/state", b"19.4") == {"warm": 19.4}


def test_a_sparkplug_device_is_recorded_by_the_metrics_that_are_named() -> None:
    keys = {"topic": "spBv1.0/{group}/{node}/{device}", "dialect": "sparkplug"}
    taken = listening("warm", "damp", **keys)
    payloads = (("NBIRTH/press", nodes.payload(0, nodes.session(0))), ("DBIRTH/press/drive", nodes.birth(1)))
    for topic, content in (*payloads, ("DDATA/press/drive", nodes.data(2, 21.5))):
        found = taken.take(Message(f"spBv1.0/plant/{topic}", content, False, nodes.START + 1.0))
    assert [(one.source, one.value) for one in found] == [(Source("plant-press-drive", "warm", False), 21.5)]
    taken.take(Message("spBv1.0/plant/DDATA/saw/drive", b"\xff", False, nodes.START))
    assert taken.counts.all_refused == 1
    with pytest.raises(ConfigError, match=r"streams.boiler.sensors: must name the metrics to record"):
        listening(**keys)
