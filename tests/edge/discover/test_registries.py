"""Registries are somebody else's JSON: what is as documented is read, and anything else is survived."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.discover import homeassistant, sparkplug, zigbee2mqtt
from edge.discover.content import read
from edge.discover.facts import Fact
from edge.discover.proposal import propose
from edge.discover.sparkplug import Births
from edge.discover.survey import Survey
from edge.payloads.sparkplug import parse_topic
from tests.houses import zigbee

NOW = 1_700_000_000.0
KEYS = (
    "friendly_name", "type", "definition", "exposes", "features", "property", "access", "unit", "value_min", "category",
    "config", "advanced", "cache_state", "last_seen", "stat_t", "state_topic", "val_tpl", "unit_of_meas", "dev_cla",
    "ent_cat", "cmps", "p", "o", "name", "~", "Time", "ENERGY", "linkquality", "score", "anomaly", "expected",
)  # fmt: skip
TEXTS = (
    "numeric",
    "composite",
    "sensor",
    "~/state",
    "state/~",
    "a/b",
    "{{ value_json.a.b }}",
    "{{ value }}",
    "Time",
    "\ud800",
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TEXTS) | st.text(max_size=8)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=40,
)
TOPICS = st.sampled_from(
    (
        "zigbee2mqtt/bridge/devices", "zigbee2mqtt/bridge/groups", "zigbee2mqtt/bridge/info", "zigbee2mqtt/lamp", "a/b",
        "/bridge/devices", "homeassistant/sensor/x/config", "homeassistant/device/x/config", "config", "a/config", "",
        "homeassistant/sensor/n/x/config", "tele/x/SENSOR", "x/sensor/y/state", "sensor/y/state", "a/{b}/c", "/",
        "spBv1.0/g/DBIRTH/n/d", "spBv1.0/g/DDATA/n/d", "spBv1.0/g/NDEATH/n", "shed/temperature", "shed/humidity",
        "é/\x7f", "$SYS/x",
    )
)  # fmt: skip


def as_payload(tree: object) -> bytes:
    return json.dumps(tree).encode()


PAYLOADS = TREES.map(as_payload) | st.binary(max_size=60) | st.floats().map(lambda number: str(number).encode())


@given(TREES)
def test_no_tree_is_too_strange_for_a_registry(tree: object) -> None:
    for device in zigbee2mqtt.read_devices("z", tree):
        assert device.topic.startswith("z/")
    zigbee2mqtt.read_groups("z", tree)
    zigbee2mqtt.read_info(tree)
    for component in ("sensor", "device", ""):
        assert all(isinstance(fact, Fact) and fact.topic for fact in homeassistant.read_config(component, tree))


@given(st.lists(st.tuples(TOPICS, PAYLOADS, st.booleans()), max_size=30))
def test_whatever_comes_there_is_a_proposal(messages: list[tuple[str, bytes, bool]]) -> None:
    survey = Survey()
    for place, (topic, payload, retained) in enumerate(messages):
        survey.take(topic, payload, retained=retained, received_at=1.7e9 + place)
    for stream in propose(survey).streams:
        assert stream.voices
        assert stream.topic


@given(st.binary(max_size=200))
def test_what_is_no_protobuf_harms_nothing(payload: bytes) -> None:
    at = parse_topic("spBv1.0/plant/DDATA/line1/oven")
    assert at is not None
    Births().take(at, payload)


@given(st.binary(max_size=200) | TREES.map(as_payload))
def test_no_payload_is_too_strange(payload: bytes) -> None:
    content = read(payload, 1.7e9)
    assert all(number - number == 0.0 for _, number in content.numbers)


def test_what_zigbee2mqtt_exposes_is_read_down_to_the_features() -> None:
    (registry,) = [sent for sent in zigbee.kept() if sent.topic.endswith("bridge/devices")]
    devices = {device.topic: device for device in zigbee2mqtt.read_devices("zigbee2mqtt", json.loads(registry.payload))}
    lamp = {fact.path: fact.excluded for fact in devices["zigbee2mqtt/lamp"].facts}
    assert lamp == {
        "state": "no number", "brightness": "a setting", "color.x": "a setting", "color.y": "a setting",
        "linkquality": "",
    }  # fmt: skip
    warm = devices["zigbee2mqtt/Wohnzimmer/Süd"].facts[0]
    assert (warm.path, warm.unit, warm.low, warm.high, warm.excluded) == ("temperature", "°C", -20.0, 60.0, "")
    assert "zigbee2mqtt/Coordinator" not in devices


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{ value }}", ""),
        ("{{value|float}}", ""),
        ("{{ value_json.temperature }}", "temperature"),
        ("{{ value_json['ENERGY']['Power'][0] }}", "ENERGY.Power.0"),
        ('{{ value_json["a b"].c | float(0) | round(1) }}', "a b.c"),
        ("{{- value_json.a | is_defined -}}", "a"),
        ("{{ value_json }}", None),
        ("{{ value_json.a + 1 }}", None),
        ("{{ value_json.a | multiply(10) }}", None),
        ("{% if value_json.a %}1{% endif %}", None),
        ("{{ states('sensor.a') }}", None),
        (17, None),
    ],
)
def test_a_template_is_read_if_it_only_points(template: object, path: str | None) -> None:
    assert homeassistant.read_template(template) == path


def test_a_component_takes_from_its_device_what_it_does_not_say() -> None:
    config = {
        "~": "tank/1",
        "stat_t": "~/state",
        "dev": {"ids": "x"},
        "cmps": {
            "a": {"p": "sensor", "val_tpl": "{{ value_json.a }}", "unit_of_meas": "bar", "dev_cla": "pressure"},
            "b": {"p": "sensor", "stat_t": "other/~", "ent_cat": "diagnostic"},
            "c": {"p": "switch", "val_tpl": "{{ value_json.c }}"},
        },
    }
    told = [(fact.topic, fact.path, fact.unit, fact.excluded) for fact in homeassistant.read_config("device", config)]
    assert told == [
        ("tank/1/state", "a", "bar", ""),
        ("other/tank/1", "", "", "announced as diagnostic"),
        ("tank/1/state", "c", "", "announced as switch"),
    ]


def test_what_tidegate_announces_is_no_news() -> None:
    config = {"o": {"name": "tidegate"}, "stat_t": "tidegate/edge1/boiler/state", "cmps": {"a": {"p": "sensor"}}}
    assert homeassistant.read_config("device", config) == []


# A birth as Google's protobuf 7 writes it from the fields of Eclipse Tahu's sparkplug_b.proto.
BIRTH = bytes.fromhex(
    "08fbd095ffbc31126a0a104f76656e2f54656d7065726174757265100118fbd095ffbc3120094a460a07656e67556e69740a06656e674c6f77"
    "0a07656e67486967680a075175616c6974791207080c4203c2b043120b080a3100000000000044c012040803187d1205080318c001650000ac"
    "4112190a06546f72717565100218fbd095ffbc31200350f9ffffff0f12190a05436f756e74100318fbd095ffbc312008588080808080201216"
    "0a055374617465100418fbd095ffbc31200c7a024f4e12130a04476f6e65100518fbd095ffbc31200a38011800"
)


def test_a_birth_names_metrics_and_says_what_they_can_be() -> None:
    at = parse_topic("spBv1.0/plant/DBIRTH/line1/oven")
    assert at is not None
    taken = Births().take(at, BIRTH)
    assert taken is not None
    content, facts = taken
    assert content.times == [("timestamp", 1_700_000_000.123)]
    assert content.numbers == [("Oven/Temperature", 21.5), ("Torque", -7.0), ("Count", 2.0**40)]
    assert [(fact.path, fact.excluded) for fact in facts] == [
        ("Oven/Temperature", ""), ("Torque", ""), ("Count", ""), ("State", "no number"), ("Gone", ""),
    ]  # fmt: skip
    assert facts[0].topic == "spBv1.0/plant/line1/oven"
    assert (facts[0].unit, facts[0].low, facts[0].high) == ("°C", -40.0, 125.0)


def test_without_its_library_sparkplug_is_heard_and_the_remark_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sparkplug, "is_installed", lambda name: False)
    survey = Survey()
    survey.take("spBv1.0/plant/DBIRTH/line1/oven", BIRTH, retained=False, received_at=NOW)
    found = propose(survey)
    assert [(stream.topic, stream.sensors) for stream in found.streams] == [("spBv1.0/plant/line1/oven", ())]
    assert "1 message of Sparkplug not read for want of a library: pip install 'tidegate[sparkplug]'" in found.remarks


def test_what_hosts_say_and_order_is_no_stream() -> None:
    survey = Survey()
    for topic in ("spBv1.0/STATE/scada", "spBv1.0/plant/NCMD/line1", "spBv1.0/plant/DCMD/line1/oven"):
        survey.take(topic, b'{"online": true, "timestamp": 1700000000000}', retained=False, received_at=NOW)
    assert (dict(survey.heard), set(survey.aside.values())) == ({}, {"of Sparkplug's hosts"})
