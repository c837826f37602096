"""Which topics are put together, and how what was found is written."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence

import pytest

from edge.config import BrokerConfig, Config
from edge.discover.page import page, quoted
from edge.discover.proposal import propose
from edge.discover.survey import Survey
from edge.reading import parse_time
from tests.houses import sparkplug

NOW = parse_time("2026-06-01T12:00:00Z")
CLIMATE = b'{"temperature": 20.5, "humidity": 40}'
ENERGY = b'{"power": 12, "energy": 3}'


def survey_of(messages: Mapping[str, bytes], kept: Mapping[str, bytes] | None = None, rounds: int = 2) -> Survey:
    survey = Survey()
    for topic, payload in (kept or {}).items():
        survey.take(topic, payload, retained=True, received_at=NOW)
    for step in range(rounds):
        for topic, payload in messages.items():
            survey.take(topic, payload, retained=False, received_at=NOW + 10.0 * step)
    return survey


def topics_of(messages: Mapping[str, bytes], kept: Mapping[str, bytes] | None = None) -> list[str]:
    return [stream.topic for stream in propose(survey_of(messages, kept)).streams]


def written(messages: Mapping[str, bytes], kept: Mapping[str, bytes] | None = None) -> str:
    broker = BrokerConfig(host="pi.local", username="edge", password_file="/etc/secret")
    return page(propose(survey_of(messages, kept)), broker, told=["2 messages"], file="tidegate.toml")


def climate(*places: str) -> dict[str, bytes]:
    return {f"plant/{place}/climate": CLIMATE for place in places}


def test_devices_with_the_same_values_share_a_placeholder() -> None:
    assert topics_of(climate("a", "b", "c")) == ["plant/{device}/climate"]


def test_two_levels_may_differ() -> None:
    assert topics_of(climate("x/a", "x/b", "y/a")) == ["plant/{place}/{device}/climate"]


def test_one_device_is_named_as_it_is() -> None:
    assert topics_of(climate("a")) == ["plant/a/climate"]


def test_a_placeholder_never_stands_for_a_topic_without_readings() -> None:
    assert topics_of({**climate("a", "b"), "plant/gate/climate": b'{"state": "open"}'}) == [
        "plant/a/climate", "plant/b/climate",
    ]  # fmt: skip


def test_a_placeholder_never_stands_for_a_topic_that_only_the_broker_knows() -> None:
    assert topics_of(climate("a", "b"), {"plant/old/climate": CLIMATE}) == ["plant/a/climate", "plant/b/climate"]


def test_a_device_of_other_values_has_a_table_before_the_placeholder() -> None:
    assert topics_of({**climate("a", "b"), "plant/meter/climate": ENERGY}) == [
        "plant/meter/climate", "plant/{device}/climate",
    ]  # fmt: skip


def test_of_two_kinds_with_one_shape_the_larger_has_the_placeholder() -> None:
    messages = {**climate("a", "b", "c"), "plant/d/climate": ENERGY, "plant/e/climate": ENERGY}
    assert topics_of(messages) == ["plant/d/climate", "plant/e/climate", "plant/{device}/climate"]


def test_words_that_make_no_stream_name_are_no_placeholders() -> None:
    assert topics_of(climate("a", "the hall")) == ["plant/a/climate", "plant/the hall/climate"]


def test_topics_that_share_no_level_are_not_put_together() -> None:
    assert topics_of({"a/b": CLIMATE, "c/d": CLIMATE}) == ["a/b", "c/d"]


def test_devices_that_are_alike_share_a_bundle_though_they_have_tables_of_their_own() -> None:
    streams = propose(survey_of({"a/b": CLIMATE, "c/d": CLIMATE, "e/f": ENERGY})).streams
    assert [stream.bundle for stream in streams] == ["temperature-humidity", "temperature-humidity", "e-f"]


def test_devices_that_measure_in_other_units_share_neither_a_topic_nor_a_bundle() -> None:
    payload = '{"Time": "2026-06-01T12:00:00", "AM2301": {"Temperature": 20}, "TempUnit": "%s"}'
    messages = {f"tele/{unit}/SENSOR": (payload % unit).encode() for unit in "CF"}
    streams = propose(survey_of(messages)).streams
    assert [(stream.topic, stream.bundle) for stream in streams] == [("tele/C/SENSOR", "C"), ("tele/F/SENSOR", "F")]


def test_quantities_beside_each_other_are_sensors_of_one_device() -> None:
    assert topics_of({"shed/temperature": b"1", "shed/humidity": b"2", "shed/door": b"3"}) == [
        "shed/door",
        "shed/{sensor}",
    ]


def test_places_below_a_quantity_are_devices() -> None:
    (stream,) = propose(survey_of({"temperature/attic": b"1", "temperature/cellar": b"2"})).streams
    assert (stream.topic, [sensor.name for sensor in stream.sensors]) == ("temperature/{device}", ["temperature"])


def test_what_home_assistant_repeats_of_its_own_states_is_no_esphome() -> None:
    messages = {"homeassistant/sensor/warm/state": b"1", "homeassistant/sensor/damp/state": b"2"}
    streams = propose(survey_of(messages)).streams
    assert {stream.voices[0].dialect for stream in streams} == {"plain"}


def test_attributes_of_zigbee2mqtt_with_topics_of_their_own_are_one_device() -> None:
    exposes = [{"type": "numeric", "property": word, "access": 1} for word in ("temperature", "humidity")]
    registry = json.dumps([{"friendly_name": "hall", "definition": {"exposes": exposes}}]).encode()
    messages = {"z/hall/temperature": b"20", "z/hall/humidity": b"40", "z/hall/linkquality": b"90"}
    (stream,) = propose(survey_of(messages, {"z/bridge/devices": registry})).streams
    assert (stream.topic, stream.voices[0].dialect) == ("z/hall/{sensor}", "zigbee2mqtt")
    assert [sensor.path for sensor in stream.sensors] == ["humidity", "temperature"]


def test_a_device_of_the_registry_that_said_nothing_is_told_and_no_placeholder_means_it() -> None:
    registry = json.dumps([{"friendly_name": name} for name in ("hall", "attic", "lamp")]).encode()
    messages = {f"z/{name}": b'{"temperature": 20, "linkquality": 9}' for name in ("hall", "attic")}
    proposal = propose(survey_of(messages, {"z/bridge/devices": registry}))
    assert [stream.topic for stream in proposal.streams] == ["z/attic", "z/hall"]
    assert proposal.left_out["z/lamp"] == "in the registry of Zigbee2MQTT, and said nothing"


def test_a_zigbee2mqtt_without_its_registry_is_known_by_its_link_quality() -> None:
    (stream,) = propose(survey_of({"z/hall": b'{"temperature": 20, "linkquality": 90}'})).streams
    assert (stream.voices[0].dialect, [sensor.path for sensor in stream.sensors]) == ("zigbee2mqtt", ["temperature"])


@pytest.mark.parametrize("topic", ["tele/kitchen/SENSOR", "kitchen/tele/SENSOR", "home/kitchen/tele/SENSOR"])
def test_a_tasmota_is_known_by_its_shape(topic: str) -> None:
    payload = b'{"Time": "2026-06-01T14:00:00", "AM2301": {"Temperature": 20.6}, "ESP32": {"Temperature": 53}}'
    (stream,) = propose(survey_of({topic: payload})).streams
    assert (stream.voices[0].dialect, stream.topic) == ("tasmota", topic)
    assert [sensor.path for sensor in stream.sensors] == ["AM2301.Temperature"]


def test_an_offset_of_whole_hours_is_told_to_be_a_time_zone() -> None:
    text = written({"tele/kitchen/SENSOR": b'{"Time": "2026-06-01T14:00:05", "AM2301": {"Temperature": 20.6}}'})
    assert "That is +2 h: local time" in text
    assert '#timezone = "Europe/Berlin"' in text


def test_a_word_that_is_no_time_where_times_are_expected_is_told() -> None:
    text = written({"kiln": b'{"time": 12, "warm": 700}'})
    assert tomllib.loads(text)["streams"]["kiln"]["time"] == ""


NAMES = (
    "Küche",
    "客厅",
    'a"b',
    "a\\b",
    "a'b",
    "back`tick",
    "x" * 300,
    "..",
    "ends.",
    "\x7f",
    "🌡",
    "#hash".replace("#", "n"),
)


def test_any_name_makes_a_file_that_loads() -> None:
    messages: dict[str, bytes] = {f"house/{name}/report": CLIMATE for name in NAMES}
    messages |= {f"other/{name}": json.dumps({name: 1.5, "ok": 2.0}).encode() for name in NAMES}
    exposes = [{"type": "numeric", "property": "warm", "unit": "\n[x]\r°", "access": 1}]
    model = {"vendor": "A\nB", "model": "\x00", "exposes": exposes}
    registry = json.dumps([{"friendly_name": name, "definition": model} for name in NAMES]).encode()
    messages |= {f"z/{name}": b'{"warm": 1}' for name in NAMES}
    table = tomllib.loads(written(messages, {"z/bridge/devices": registry}))
    config = Config.from_table(accepted(table))
    assert {stream.topic for stream in config.streams.values()} >= set(messages)


def accepted(table: dict[str, object]) -> dict[str, object]:
    streams = table["streams"]
    assert isinstance(streams, dict)
    for one in streams.values():
        one["dialect"] = "json"
    return table


def test_two_sensors_with_one_last_word_have_names_of_their_own() -> None:
    (stream,) = propose(survey_of({"a/b": b'{"in": {"temp": 1}, "out": {"temp": 2}, "temp": 3}'})).streams
    names: Sequence[str] = [sensor.name for sensor in stream.sensors]
    assert names == ["in_temp", "out_temp", "temp"]


def test_the_broker_is_written_as_it_was_reached_and_the_password_is_not() -> None:
    broker = tomllib.loads(written({"a/b": CLIMATE}))["broker"]
    assert broker == {"host": "pi.local", "port": 1883, "username": "edge", "password_file": "/etc/secret"}


def test_limits_of_the_registry_are_comments_that_load_when_they_are_none() -> None:
    exposes = [
        {"type": "numeric", "property": "temperature", "unit": "°C", "value_min": -20, "value_max": 60, "access": 1}
    ]
    registry = json.dumps([{"friendly_name": "hall", "definition": {"exposes": exposes}}]).encode()
    text = written({"z/hall": b'{"temperature": 20}'}, {"z/bridge/devices": registry})
    assert 'temperature = "temperature"  # °C; 20 heard; 100% unchanged\n' in text
    uncommented = text.replace("#[streams", "[streams").replace("#low", "low").replace("#high", "high")
    limits = Config.from_table(accepted(tomllib.loads(uncommented))).streams["z-hall"].detection.sensors["temperature"]
    assert (limits.low, limits.high) == (-20.0, 60.0)


def test_limits_that_what_was_heard_is_beyond_are_not_proposed() -> None:
    exposes = [{"type": "numeric", "property": "temperature", "value_max": 10, "access": 1}]
    registry = json.dumps([{"friendly_name": "hall", "definition": {"exposes": exposes}}]).encode()
    assert "#high" not in written({"z/hall": b'{"temperature": 20}'}, {"z/bridge/devices": registry})


def test_texts_are_written_as_toml_wants_them() -> None:
    text = 'a"b\\c\x7f\n€🌡\ud800'
    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text.replace("\ud800", "?")


def test_a_sparkplug_table_without_metrics_is_switched_off_and_says_how_to_switch_it_on() -> None:
    text = written({sent.topic: sent.payload for sent in sparkplug.said(1, NOW)})
    assert "streams" not in tomllib.loads(text)
    named = re.sub(r"(?m)^#(?!#)", "", text).replace(".sensors]\n", '.sensors]\nwarm = "Boiler/Temperature"\n')
    config = tomllib.loads(named)
    assert len(config["streams"]) == 5
    assert Config.from_table(config).streams
