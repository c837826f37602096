"""Hold each dialect to payloads as its project documents them, and to the topics that hold no readings.

`tests/edge/payloads/<dialect>/` holds payloads, and in `expected.json` what is read of each. Sparkplug's are a
session of one node, written with the code that protoc makes of Eclipse Tahu's description.
"""

import itertools
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import config
from edge.addresses import Addresses, Table
from edge.config import Config
from edge.errors import ReadingError
from edge.payloads import TIME_PATHS, dialect
from edge.reading import parse_local_time
from edge.stream_config import StreamConfig

FOLDER = Path(__file__).parent / "payloads"
SAMPLES = Path(__file__).parents[2] / "deploy" / "samples"
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = {"tasmota": BERLIN}
ARRIVAL = 1_768_469_450.0
CASES = {
    f"{name}/{file}": expected
    for name in ("zigbee2mqtt", "tasmota", "esphome")
    for file, expected in json.loads((FOLDER / name / "expected.json").read_text(encoding="utf-8")).items()
}


def numbers(values: tuple[float, ...]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


@pytest.mark.parametrize(("file", "expected"), CASES.items(), ids=CASES)
def test_what_devices_send_is_read_as_their_makers_mean_it(file: str, expected: Mapping[str, object]) -> None:
    name = file.partition("/")[0]
    decoder = dialect(name, expected["sensors"], time_path=TIME_PATHS[name], zone=ZONES.get(name))  # type: ignore[arg-type]
    payload = (FOLDER / file).read_bytes()
    if "error" in expected:
        with pytest.raises(ReadingError) as refused:
            decoder.decode(payload, ARRIVAL)
        assert str(refused.value) == expected["error"]
        return
    decoded = decoder.decode(payload, float(expected.get("received_at", ARRIVAL)))  # type: ignore[arg-type]
    assert decoded.time == expected["time"]
    assert numbers(decoded.values) == expected["values"]
    assert [str(error) for error in decoded.refused] == expected["refused"]


def test_every_payload_has_an_expectation() -> None:
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*") if path.name != "expected.json"}
    session = json.loads((FOLDER / "sparkplug" / "expected.json").read_text(encoding="utf-8"))
    assert files == {*CASES, *(f"sparkplug/{step['file']}" for step in session)}


# Which topics are about something else


def table(topic: str, name: str, **keys: object) -> StreamConfig:
    stream = {"bundle": "x.bundle", "topic": topic, "dialect": name, **keys}
    return Config.from_table({"streams": {"x": stream}}).streams["x"]


@pytest.mark.parametrize(
    ("name", "template", "topic", "is_heard"),
    [
        ("zigbee2mqtt", "zigbee2mqtt/{device}", "zigbee2mqtt/fridge", True),
        ("zigbee2mqtt", "zigbee2mqtt/{room}/{device}", "zigbee2mqtt/kitchen/fridge", True),
        ("zigbee2mqtt", "zigbee2mqtt/{room}/{device}", "zigbee2mqtt/fridge/availability", False),
        ("zigbee2mqtt", "zigbee2mqtt/{room}/{device}", "zigbee2mqtt/fridge/set", False),
        ("zigbee2mqtt", "zigbee2mqtt/{room}/{device}", "zigbee2mqtt/fridge/get", False),
        ("zigbee2mqtt", "zigbee2mqtt/{room}/{device}", "zigbee2mqtt/bridge/devices", False),
        ("zigbee2mqtt", "zigbee2mqtt/{device}/{sensor}", "zigbee2mqtt/bridge/state", False),
        ("zigbee2mqtt", "zigbee2mqtt/{device}/{sensor}", "zigbee2mqtt/plug/state", True),
        ("zigbee2mqtt", "zigbee2mqtt/{a}/{b}/{sensor}", "zigbee2mqtt/plug/set/state", False),
        ("tasmota", "tele/{device}/{kind}", "tele/plug/LWT", False),
        ("tasmota", "{device}/tele/{kind}", "plug/tele/SENSOR", True),
        ("esphome", "{node}/sensor/{sensor}/state", "attic/sensor/state/state", True),
        ("esphome", "{node}/{sensor}", "attic/status", False),
        ("esphome", "{node}/sensor/{sensor}/{what}", "attic/sensor/state/command", False),
        ("json", "zigbee2mqtt/{room}/{device}", "zigbee2mqtt/fridge/set", True),
    ],
)
def test_topics_about_something_else_are_no_streams(name: str, template: str, topic: str, is_heard: bool) -> None:
    addresses = Addresses([Table("x", table(template, name), ["state"])])
    assert (addresses.find(topic) is not None) == is_heard


# Local time


@pytest.mark.parametrize(
    ("local", "arrival", "time_"),
    [
        ("2026-07-01T12:00:00", 0.0, 1782900000.0),
        ("2026-01-15T10:30:45", 0.0, 1768469445.0),
        ("2026-10-25T02:30:00", 1792888201.0, 1792888200.0),  # the first time
        ("2026-10-25T02:30:00", 1792891801.0, 1792891800.0),  # the second
        ("2026-03-29T02:30:00", 1774745999.0, 1774744200.0),  # it never was: clocks went from 02:00 to 03:00 at …6000
        ("2026-07-01T12:00:00Z", 0.0, 1782907200.0),
        ("2026-07-01T12:00:00+02:00", 0.0, 1782900000.0),
    ],
)
def test_a_local_time_means_the_instant_that_is_nearer_to_the_arrival(local: str, arrival: float, time_: float) -> None:
    assert parse_local_time(local, BERLIN, near=arrival) == time_


@pytest.mark.parametrize(
    "local", ["9999-12-31T23:59:59", "0001-01-01T00:00:00", "2026-13-01T00:00:00", "2026-07", None, 1e300]
)
def test_a_local_time_that_cannot_be_read_is_refused(local: object) -> None:
    try:
        assert parse_local_time(local, ZoneInfo("America/New_York"), near=0.0) >= 0.0
    except ReadingError as refused:
        assert refused.reason == "time"


# The configuration


def test_each_dialect_knows_where_its_time_stands_unless_it_is_told() -> None:
    for name, payload in (
        ("json", b'{"t": 1, "time": 60}'),
        ("zigbee2mqtt", b'{"t": 1, "last_seen": 60}'),
        ("tasmota", b'{"t": 1, "Time": 60}'),
    ):
        for keys, expected in (({}, 60.0), ({"time": ""}, None), ({"time": "t"}, 1.0)):
            decoder = table("x", name, **keys).decoder(["t"])
            assert decoder is not None
            assert decoder.decode(payload, ARRIVAL).time == expected


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"timezone": "Europe/Bärlin"}, "timezone: must be a time zone that this system knows, as in Europe/Berlin"),
        ({"timezone": "../passwd"}, "timezone: must be a time zone"),
        ({"timezone": "Europe"}, "timezone: must be a time zone"),
        ({"timezone": ""}, "timezone: must be a time zone"),
        ({"rebirth_requests": True}, "rebirth_requests: must be false unless the dialect is sparkplug"),
        ({"dialect": "sparkplug"}, "topic: must be spBv1.0/group/node or spBv1.0/group/node/device"),
        ({"dialect": "sparkplug", "topic": "spBv1.0/{group}/DDATA/{node}/{device}"}, "topic: must be spBv1.0/group"),
        ({"dialect": "sparkplug", "topic": "spBv1.0/{group}/{node}/{sensor}"}, "topic: must be spBv1.0/group"),
        ({"dialect": "esphome", "sensors": {"t": "a", "h": "b"}}, "dialect: must not be plain or esphome unless"),
    ],
)
def test_every_key_of_a_dialect_is_held_to_its_rule(keys: Mapping[str, object], problem: str) -> None:
    with pytest.raises(config.ConfigError) as refused:
        Config.from_table({"streams": {"x": {"bundle": "x.bundle", "topic": "x", **keys}}})
    (only,) = refused.value.problems
    assert only.startswith(f"streams.x.{problem}")


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_each_dialect_has_a_complete_sample(path: Path) -> None:
    streams = config.load(path).streams
    assert {stream.dialect for stream in streams.values()} == {path.stem}
    for stream in streams.values():
        assert stream.check_sensors(list(stream.sensors) or ["contact"]) == []


def test_the_samples_are_those_of_the_dialects_with_an_own_world() -> None:
    assert {path.stem for path in SAMPLES.glob("*.toml")} == set(TIME_PATHS) - {"json", "plain"}


# Whatever comes


def stretched(good: bytes) -> st.SearchStrategy[bytes]:
    """Take a good payload, cut it or change a piece of it."""
    places = st.integers(min_value=0, max_value=len(good))
    return st.builds(
        lambda place, put, skip: good[:place] + put + good[place + skip :],
        places,
        st.binary(max_size=6),
        st.integers(0, 6),
    )


GOOD = [
    path.read_bytes()
    for path in FOLDER.glob("*/*")
    if path.suffix in (".json", ".txt") and path.name != "expected.json"
]


@given(st.one_of(st.binary(), *map(stretched, GOOD)))
def test_any_bytes_are_read_or_refused_in_bounded_time(payload: bytes) -> None:
    paths = ["temperature", "ENERGY.Power.0", "DS18B20-1.Temperature", "state"]
    begun = time.process_time()
    for name, known in itertools.product(("json", "zigbee2mqtt", "tasmota", "esphome", "plain"), (paths, [])):
        if name in ("json", "tasmota") and not known:
            continue
        decoder = dialect(name, known, time_path="Time", zone=BERLIN)
        try:
            decoded = decoder.decode(payload, ARRIVAL)
        except ReadingError:
            continue
        assert any(map(math.isfinite, decoded.values))
    assert time.process_time() - begun < 2.0
