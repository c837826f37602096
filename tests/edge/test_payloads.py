"""Hold what each dialect makes of good and of bad payloads."""

import itertools
import json
import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError, ReadingError
from edge.payloads import NAMES, SPARKPLUG, Dialect, dialect
from edge.payloads.json import Json
from edge.payloads.plain import Plain, Switch
from edge.payloads.tasmota import Tasmota
from edge.payloads.zigbee2mqtt import Zigbee2mqtt
from edge.reading import REASONS, Decoded

CLIMATE = ("temperature", "humidity")
BERLIN = ZoneInfo("Europe/Berlin")


def climate(payload: bytes) -> Decoded:
    """Decode a payload as two sensors and a time would be."""
    return Json(CLIMATE, "time").decode(payload, 60.0)


def reason_of(decoder: Dialect, payload: bytes) -> str:
    with pytest.raises(ReadingError) as refused:
        decoder.decode(payload, 60.0)
    return refused.value.reason


def at_path(path: str, content: object) -> float:
    return Json([path], None).decode(json.dumps(content).encode(), 60.0).values[0]


def test_a_payload_speaks_for_several_sensors() -> None:
    decoded = climate(b'{"humidity": 44.72, "temperature": 27.34, "time": 60, "battery": 98}')
    assert decoded == Decoded(60.0, (27.34, 44.72), ())


def test_zero_is_a_value() -> None:
    assert climate(b'{"temperature": 0, "humidity": 0.0, "time": 0}') == Decoded(0.0, (0.0, 0.0), ())


def test_whole_numbers_are_numbers_and_huge_ones_are_finite() -> None:
    values = climate(b'{"temperature": 21, "humidity": 44.5}').values
    assert (values, [type(value) for value in values]) == ((21.0, 44.5), [float, float])
    assert climate(b'{"temperature": 1.1e308, "humidity": 1.2e308}').values == (1.1e308, 1.2e308)


def test_without_an_event_time_there_is_none() -> None:
    assert climate(b'{"temperature": 1, "humidity": 2}').time is None
    assert Json(CLIMATE, None).decode(b'{"temperature": 1, "time": "yesterday"}', 60.0).time is None


def test_a_missing_sensor_is_not_heard_and_not_refused() -> None:
    decoded = climate(b'{"temperature": 27.34}')
    assert decoded.values[0] == 27.34
    assert math.isnan(decoded.values[1])
    assert decoded.refused == ()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"null", "null"),
        (b'"unavailable"', "unavailable"),
        (b'"21,5"', "not_a_number"),
        (b"true", "wrong_type"),
        (b"[1]", "wrong_type"),
        (b"{}", "wrong_type"),
        (b"NaN", "not_finite"),
        (b"-Infinity", "not_finite"),
        (b"1e999", "not_finite"),
        (b"1" * 400, "not_finite"),
    ],
)
def test_a_broken_sensor_does_not_silence_the_one_beside_it(broken: bytes, reason: str) -> None:
    payload = b'{"temperature": ' + broken + b', "humidity": 44.72, "time": 60}'
    decoded = climate(payload)
    assert decoded.time == 60.0
    assert math.isnan(decoded.values[0])
    assert decoded.values[1] == 44.72
    assert [(refused.reason, refused.detail.split(":")[0]) for refused in decoded.refused] == [(reason, "temperature")]
    assert reason_of(Json(["temperature"], None), payload) == reason


def test_numbers_in_text_are_read() -> None:
    assert climate(b'{"temperature": "27.34", "humidity": " 44 "}').values == (27.34, 44.0)


def test_if_all_are_refused_the_first_says_why() -> None:
    assert reason_of(Json(CLIMATE, "time"), b'{"temperature": null, "humidity": "unknown"}') == "null"
    assert reason_of(Json(CLIMATE, "time"), b'{"humidity": "unknown"}') == "unavailable"


def test_a_refusal_says_whose_value_it_is_about_and_blames_nobody_who_is_not_in_the_payload() -> None:
    three = Json(["warm", "damp", "wind"], None)
    assert [one.places for one in three.decode(b'{"warm": 20.0, "damp": "broken"}', 60.0).refused] == [(1,)]
    for payload, places in ((b'{"damp": null, "wind": "broken"}', (1, 2)), (b"{", ())):
        with pytest.raises(ReadingError) as refused:
            three.decode(payload, 60.0)
        assert refused.value.places == places


@pytest.mark.parametrize(
    "payload", [b'{"pressure": 1013}', b"{}", b"[]", b"21.5", b'"online"', b"null", b"true", b'{"time": 60}']
)
def test_without_any_sensor_the_payload_is_missing(payload: bytes) -> None:
    assert reason_of(Json(CLIMATE, "time"), payload) == "missing"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b'{"temperature": 27.3',
        b'{"temperature": 27.34, "humidity": NaN',
        b"{'temperature': 27.34}",
        b'{"temperature": 27,34}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"[" * 100_000 + b"NaN" + b"]" * 100_000,
        b'{"temperature":' * 100_000 + b"1" + b"}" * 100_000,
        b"\x00" * 1_000,
    ],
    ids=lambda payload: repr(payload[:24]),
)
def test_what_is_not_json_is_malformed(payload: bytes) -> None:
    assert reason_of(Json(CLIMATE, "time"), payload) == "malformed"


@pytest.mark.parametrize(
    "time", [b"null", b'""', b'"yesterday"', b"-1", b'"1969-12-31T23:59:59Z"', b"true", b"[60]", b"1e999"]
)
def test_an_unreadable_time_refuses_the_payload(time: bytes) -> None:
    payload = b'{"temperature": 27.34, "time": ' + time + b"}"
    assert reason_of(Json(CLIMATE, "time"), payload) == "time"


def test_a_time_in_the_far_future_is_for_the_grid_to_judge() -> None:
    assert climate(b'{"temperature": 1, "time": "9999-12-31T23:59:59Z"}').time == 253402300799.0


@pytest.mark.parametrize(
    ("path", "content", "value"),
    [
        ("a", {"a": 1}, 1.0),
        ("a.b", {"a": {"b": 1}}, 1.0),
        ("a.b.c", {"a": {"b": {"c": 1}}}, 1.0),
        ("a.b", {"a.b": 1, "a": {"b": 2}}, 1.0),
        ("a.b.c", {"a": {"b.c": 1, "b": {"c": 2}}}, 1.0),
        ("a.b.c", {"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, 1.0),
        ("a.b.c", {"a.b": {"d": 1}, "a": {"b": {"c": 2}}}, 2.0),
        ("a.1", {"a": [5, 6]}, 6.0),
        ("1", [5, 6], 6.0),
        ("a.0.b", {"a": [{"b": 7}]}, 7.0),
        ("a.1", {"a": {"1": 8}}, 8.0),
        ("", {"": 9}, 9.0),
    ],
)
def test_a_path_goes_down_and_a_key_with_the_dot_wins(path: str, content: object, value: float) -> None:
    assert at_path(path, content) == value


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.b", {"a": 1}),
        ("a.b", {"a": {"c": 1}}),
        ("a.2", {"a": [5, 6]}),
        ("a.-1", {"a": [5, 6]}),
        ("a.b", {"a": [5, 6]}),
        ("a." + "9" * 5_000, {"a": [5, 6]}),
        ("a.²", {"a": [5, 6, 7]}),
        ("a.0", {"a": "text"}),
    ],
)
def test_a_path_that_leads_nowhere_is_missing(path: str, content: object) -> None:
    assert reason_of(Json([path], None), json.dumps(content).encode()) == "missing"


def test_a_path_of_many_dots_stays_cheap() -> None:
    # Every prefix of a.a.a… is a possible key; the payload offers each of them and none arrives.
    content: object = {}
    for _ in range(200):
        content = {"a": content, "a.a": 1}
    assert reason_of(Json([".".join("a" * 300)], None), json.dumps(content).encode()) == "missing"


def test_ten_megabytes_are_survived() -> None:
    filler = b'"' + b"x" * 10_000_000 + b'"'
    assert climate(b'{"note": ' + filler + b', "temperature": 1}').values[0] == 1.0
    assert reason_of(Json(CLIMATE, None), b'{"temperature": ' + filler + b"}") == "not_a_number"
    assert reason_of(Json(CLIMATE, None), filler[:-1]) == "malformed"
    assert reason_of(Plain(), filler) == "not_a_number"


def test_what_a_refusal_says_is_short() -> None:
    for decoder, payload in (
        (Plain(), b"\xff" * 100_000),
        (Json(["t" * 1_000], None), b'{"a": 1}'),
        (Json(["t"], None), b'{"t": "' + b"x" * 100_000 + b'"}'),
        (Json(["t"], None), b"NaN" + b"x" * 100_000),
    ):
        with pytest.raises(ReadingError) as refused:
            decoder.decode(payload, 60.0)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize(("payload", "value"), [(b"21.5", 21.5), (b" 7\n", 7.0), (b"0", 0.0), (b"-1e-3", -0.001)])
def test_a_plain_payload_is_one_value(payload: bytes, value: float) -> None:
    assert Plain().decode(payload, 60.0) == Decoded(None, (value,), ())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "null"),
        (b"null", "null"),
        (b"unavailable", "unavailable"),
        (b"unknown", "unavailable"),
        (b"NaN", "not_finite"),
        (b"inf", "not_finite"),
        (b"21,5", "not_a_number"),
        (b'{"value": 1}', "not_a_number"),
        (b"ON", "not_a_number"),
        (b"\xff\x00", "malformed"),
    ],
)
def test_any_other_plain_payload_is_refused(payload: bytes, reason: str) -> None:
    assert reason_of(Plain(), payload) == reason


def test_every_dialect_can_be_made_by_its_name() -> None:
    made = [dialect(name, ["value"], time_path=None, zone=None) for name in NAMES if name != SPARKPLUG]
    assert [type(one) for one in made] == [Json, Plain, Zigbee2mqtt, Tasmota, Switch]
    assert [one.repeats for one in made] == [False, False, True, False, False]


def test_an_unknown_dialect_is_the_operators_mistake() -> None:
    with pytest.raises(ConfigError, match=r"dialect: must be one of json, plain, .*, got 'yaml'"):
        dialect("yaml", ["value"], time_path=None, zone=None)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Take a good payload and cut it, or change one of its bytes."""
    good = b'{"temperature": 27.34, "humidity": "44", "time": "2017-02-16T10:13:52", "a": [{"b": NaN}]}'
    place = draw(st.integers(min_value=0, max_value=len(good)))
    return good[:place] + draw(st.binary(max_size=4)) + good[place + draw(st.integers(0, 4)) :]


CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["temperature", "a", "a.b", "b", "time", "0"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary() | damaged() | CONTENT.map(lambda content: json.dumps(content).encode()))
def test_any_bytes_decode_or_are_refused_for_a_known_reason(payload: bytes) -> None:
    for name, paths in itertools.product(NAMES, ([], ["temperature", "a.b", "a.0.b"])):
        if name == SPARKPLUG or (name in ("json", "tasmota") and not paths):
            continue
        decoder = dialect(name, paths, time_path="time", zone=BERLIN if paths else None)
        try:
            decoded = decoder.decode(payload, 60.0)
        except ReadingError as refused:
            assert refused.reason in REASONS
        else:
            assert not all(math.isnan(value) for value in decoded.values)
            assert not any(math.isinf(value) for value in decoded.values)
            assert decoded.time is None or decoded.time >= 0.0
            assert {refused.reason for refused in decoded.refused} <= set(REASONS)
