"""Hold the configuration to its rules, and the sample file to the defaults."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from edge.config import BrokerConfig, Config, HomeAssistantConfig, NodeConfig, load, load_to_record
from edge.errors import ConfigError, ReadingError
from edge.payloads.plain import Plain
from edge.recorder_config import RecorderConfig
from edge.stream_config import DetectionConfig, GridConfig, SensorDetectionConfig, StreamConfig
from edge.topics import stream_name

SAMPLE = Path(__file__).parents[2] / "deploy" / "tidegate.toml"
BOILER = {"bundle": "boiler.bundle", "topic": "plant/boiler/climate"}


def stream(**keys: object) -> StreamConfig:
    """Return the only stream of a configuration."""
    return Config.from_table({"streams": {"boiler": BOILER | keys}}).streams["boiler"]


def problems_of(table: Mapping[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        Config.from_table(table)
    return refused.value.problems


def problems_of_file(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load(path)
    return refused.value.problems


def write(folder: Path, text: str) -> Path:
    path = folder / "tidegate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def uncommented(text: str) -> str:
    """Take the one mark before every default away."""
    return re.sub(r"^#(?!#)", "", text, flags=re.MULTILINE)


def test_the_sample_loads_as_it_is() -> None:
    config = load(SAMPLE)
    assert config.streams["boiler"].bundle == SAMPLE.parent / "boiler.bundle"


def test_uncommenting_every_default_of_the_sample_gives_exactly_the_defaults() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    assert Config.from_table(tomllib.loads(uncommented(text))) == Config.from_table(tomllib.loads(text))
    assert Config.from_table(tomllib.loads(text)) == Config.from_table({"streams": {"boiler": BOILER}})


def test_the_sample_shows_every_key_that_has_a_default() -> None:
    table = tomllib.loads(uncommented(SAMPLE.read_text(encoding="utf-8")))
    boiler = table["streams"]["boiler"]
    shown = [table["node"], table["broker"], table["recorder"], table["homeassistant"], boiler, boiler["grid"]]
    shapes = (NodeConfig, BrokerConfig, RecorderConfig, HomeAssistantConfig, StreamConfig, GridConfig)
    # TOML has no word for None, so what the bundle or the dialect decides can only be explained.
    explained = set(re.findall(r"^##  +(\w+) = ", SAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    for keys, shape in zip(shown, shapes, strict=True):
        undecided = {key.name for key in fields(shape) if key.default is None}
        assert set(keys) == {key.name for key in fields(shape)} - undecided
        assert undecided <= explained
    detection = boiler["detection"]
    assert {key.name for key in fields(DetectionConfig)} <= explained | set(detection)
    assert detection["sensors"] == {}
    assert {key.name for key in fields(SensorDetectionConfig)} <= explained | set(detection)
    assert {key.name for key in fields(GridConfig)} <= explained | set(boiler["grid"])


def test_a_configuration_needs_a_stream_alone() -> None:
    config = Config.from_table({"streams": {"boiler": BOILER}})
    assert (config.node, config.broker) == (NodeConfig(), BrokerConfig())
    required = {key.name for key in fields(StreamConfig) if key.default is MISSING and key.default_factory is MISSING}
    assert required == set(BOILER)


def test_without_a_stream_there_is_nothing_to_do() -> None:
    assert problems_of({}) == ("streams: must have at least one table [streams.NAME], got none",)
    assert problems_of({"streams": {}}) == ("streams: must have at least one table [streams.NAME], got none",)


@pytest.mark.parametrize(
    ("table", "key", "value", "rule"),
    [
        ("node", "name", "", "must be 1 to 64"),
        ("node", "name", "edge 1", "must be 1 to 64"),
        ("node", "name", "edge1\n", "must be 1 to 64"),
        ("node", "name", "x" * 65, "must be 1 to 64"),
        ("node", "prefix", "", "must be levels"),
        ("node", "prefix", "a/+", "must be levels"),
        ("node", "prefix", "a/#", "must be levels"),
        ("node", "prefix", "/a", "must be levels"),
        ("node", "prefix", "a/", "must be levels"),
        ("node", "prefix", "$SYS", "must be levels"),
        ("node", "prefix", "a\0", "must be levels"),
        ("node", "health_every", 0, "must be > 0"),
        ("broker", "host", " ", "must be a host's name"),
        ("broker", "port", 0, "must be between 1 and 65535"),
        ("broker", "port", 65536, "must be between 1 and 65535"),
        ("broker", "port", "1883", "must be a whole number"),
        ("broker", "client_id", "\0", "must not hold a NUL"),
        ("broker", "protocol", "3.1", "must be one of 'auto', '5', '3.1.1'"),
        ("broker", "keepalive", 0, "must be between 1 and 65535"),
        ("broker", "connect_timeout", 0.0, "must be > 0"),
        ("broker", "reconnect_min", -1, "must be > 0"),
        ("broker", "reconnect_max", 0.5, "must be >= reconnect_min, 1.0"),
        ("broker", "session_expiry", 2**32, "must be between 0 and 4294967295"),
        ("broker", "inbox", 0, "must be at least 1"),
        ("broker", "payload_limit", 2**28, "must be between 1 and 268435455"),
        ("recorder", "database", "readings.csv", "must end in .db or .sqlite or .sqlite3"),
        ("recorder", "commit_every", 0, "must be > 0 and at most 3600"),
        ("recorder", "max_bytes", 3_999_999, "must be at least 4000000"),
        ("recorder", "max_age_days", 0, "must be > 0"),
        ("homeassistant", "prefix", "homeassistant/#", "must be levels"),
        ("homeassistant", "horizons", [0], "must be steps ahead"),
        ("homeassistant", "horizons", [1, 1], "must be steps ahead"),
        ("homeassistant", "forget_after", 0, "must be > 0"),
    ],
)
def test_every_value_is_held_to_its_rule(table: str, key: str, value: object, rule: str) -> None:
    (problem,) = problems_of({table: {key: value}, "streams": {"boiler": BOILER}})
    assert problem.startswith(f"{table}.{key}: {rule}")


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("bundle", "", "bundle: must name a file"),
        ("topic", "plant/+/climate", "topic: must name its levels: {placeholders} instead of + and #"),
        ("topic", "", "topic: must not be empty"),
        ("dialect", "yaml", "dialect: must be one of json, plain, "),
        ("stream", "{line}", "stream: must use the placeholders of the topic alone (none)"),
        ("stream", "a/b", "stream: must be 1 to 64"),
        ("qos", 3, "qos: must be one of 0, 1, 2"),
        ("value", "", "value: must not be empty"),
        ("max_streams", 0, "max_streams: must be at least 1"),
        ("publish", ["state", "state"], "publish: must not say the same twice"),
        ("publish", ["all"], "publish[0]: must be one of 'state', 'forecast', 'event', 'anomaly'"),
        ("sensors", {"t": ""}, "sensors: must have a path or a word for each"),
        ("grid", {"future": -1}, "grid.future: must be >= 0"),
        ("grid", {"lateness": -1}, "grid.lateness: must be >= 0"),
        ("detection", {"false_alarms_per_week": 0}, "detection.false_alarms_per_week: must be > 0"),
        ("detection", {"close_after": 0}, "detection.close_after: must be at least 1"),
        ("detection", {"kinds": ["range", "range"]}, "detection.kinds: must not say the same twice"),
        ("detection", {"kinds": ["odd"]}, "detection.kinds[0]: must be one of 'forecast', 'silence'"),
        ("detection", {"sensors": {"t": {"low": 2, "high": 1}}}, "detection.sensors.t.high: must be > low, 2"),
        ("detection", {"sensors": {"t": {"kinds": ["odd"]}}}, "detection.sensors.t.kinds[0]: must be one of"),
        ("colour", "red", "colour: must be one of bundle, detection, dialect"),
    ],
)
def test_every_value_of_a_stream_is_held_to_its_rule(key: str, value: object, problem: str) -> None:
    (only,) = problems_of({"streams": {"boiler": BOILER | {key: value}}})
    assert only.startswith(f"streams.boiler.{problem}")


def test_a_file_reports_every_problem_with_its_own_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [node]
        name = "edge 1"
        colour = "red"
        [broker]
        port = "1883"
        keepalive = 0
        [streams.boiler]
        topic = "plant/#"
        qos = 5
        [streams.press]
        bundle = "press.bundle"
        topic = "plant/{press"
        [streams.press.grid]
        future = nan
        [streams."a b"]
        bundle = "a.bundle"
        topic = "plant/a"
        """,
    )
    assert [problem.removeprefix(f"{path}: ").partition(": must ")[0] for problem in problems_of_file(path)] == [
        "node.colour",
        "node.name",
        "broker.port",
        "broker.keepalive",
        "streams.boiler.bundle",
        "streams.boiler.qos",
        "streams.boiler.topic",
        "streams.press.grid.future",
        "streams.press.topic",
        "streams.'a b'",
    ]


def test_a_file_that_is_not_toml_is_refused_with_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, "[node]\nname = \n")
    (problem,) = problems_of_file(path)
    assert problem.startswith(f"{path}: must be TOML, got Invalid value")
    assert "line 2, column 8" in problem


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert problems_of_file(tmp_path / "none.toml") == (
        f"{tmp_path / 'none.toml'}: must be a readable file, there is none",
    )
    assert problems_of_file(tmp_path) == (f"{tmp_path}: must be a file, got a folder",)
    (tmp_path / "latin.toml").write_bytes(b"[node]\nname = '\xe9'\n")
    assert "must be TOML, got 'utf-8' codec" in problems_of_file(tmp_path / "latin.toml")[0]


def test_an_empty_file_has_no_stream(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert problems_of_file(path) == (f"{path}: streams: must have at least one table [streams.NAME], got none",)


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\nrest\n")
    text = """
        [broker]
        username = "pi"
        password_file = "password"
        [streams.a]
        bundle = "bundles/a.bundle"
        topic = "a"
        [streams.b]
        bundle = "/var/b.bundle"
        topic = "b"
        """
    config = load(write(tmp_path, text))
    assert config.streams["a"].bundle == tmp_path / "bundles" / "a.bundle"
    assert config.streams["b"].bundle == Path("/var/b.bundle")
    assert config.broker.password_file == str(tmp_path / "password")
    assert config.broker.read_password() == "hunter2"
    assert "hunter2" not in repr(config)


def test_without_a_password_file_there_is_no_password() -> None:
    assert BrokerConfig().read_password() is None


@pytest.mark.parametrize("content", [None, b"", b"\nhunter2\n", b"hunter2\xff\n"])
def test_a_useless_password_file_is_refused_without_a_word_of_it(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    broker = f'[broker]\nusername = "pi"\npassword_file = "{file}"\n'
    (problem,) = problems_of_file(write(tmp_path, f'{broker}[streams.a]\nbundle = "a"\ntopic = "a"\n'))
    assert "broker.password_file: must be a text file with the password in its first line, got " in problem
    assert "hunter" not in problem


def test_a_password_needs_a_user() -> None:
    (problem,) = problems_of({"broker": {"password_file": "x"}, "streams": {"boiler": BOILER}})
    assert problem == "broker.username: must be set where password_file is, got ''"


def test_the_broker_knows_the_node_by_its_name_unless_told_otherwise() -> None:
    table: dict[str, object] = {"streams": {"boiler": BOILER}, "node": {"name": "attic"}}
    assert Config.from_table(table).client_id == "tidegate-attic"
    assert Config.from_table(table | {"broker": {"client_id": "x"}}).client_id == "x"


def test_two_tables_may_not_listen_to_the_same_topics() -> None:
    tables = {
        "a": {"bundle": "a", "topic": "plant/{line}/climate", "stream": "a-{line}"},
        "b": {"bundle": "b", "topic": "plant/{machine}/climate", "stream": "b-{machine}"},
    }
    assert problems_of({"streams": tables}) == (
        "streams.b.topic: must differ from streams.a.topic, got 'plant/+/climate' for both",
    )


def test_two_tables_may_not_make_the_same_names() -> None:
    tables = {
        "climate": {"bundle": "a", "topic": "climate/{machine}"},
        "power": {"bundle": "b", "topic": "power/{press}"},
        "boiler": {"bundle": "b", "topic": "boiler", "stream": "x"},
        "x": {"bundle": "b", "topic": "x"},
    }
    assert problems_of({"streams": tables}) == (
        "streams.power.stream: must differ from streams.climate.stream, got '{}' for both",
        "streams.x.stream: must differ from streams.boiler.stream, got 'x' for both",
    )


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".a", "a..b", "x" * 65])
def test_the_name_of_a_table_is_the_name_of_a_stream(name: str) -> None:
    (problem,) = problems_of({"streams": {name: BOILER}})
    assert ": must be 1 to 64 of A-Z a-z 0-9 _ . -" in problem


@pytest.mark.parametrize(
    ("topic", "pattern", "topic_heard", "name"),
    [
        ("plant/boiler", "", "plant/boiler", "boiler"),
        ("plant/{sensor}", "", "plant/temp", "boiler"),
        ("plant/{line}/{machine}", "", "plant/a/7", "a-7"),
        ("plant/{line}/{machine}", "{machine}.{line}", "plant/a/7", "7.a"),
        ("plant/boiler", "kettle", "plant/boiler", "kettle"),
    ],
)
def test_a_stream_is_named_by_pattern_placeholders_or_table(
    topic: str, pattern: str, topic_heard: str, name: str
) -> None:
    table = stream(topic=topic, stream=pattern)
    found = table.template.match(topic_heard)
    assert found is not None
    assert stream_name(table.pattern("boiler"), found) == name


def test_a_payload_is_decoded_in_the_order_of_the_bundle() -> None:
    decoder = stream(sensors={"temp": "climate.t"}, time="at").decoder(["humidity", "temp"])
    decoded = decoder.decode(b'{"climate": {"t": 21.5}, "humidity": 40, "temp": 0, "at": 60}', 60.0)
    assert (decoded.time, decoded.values) == (60.0, (40.0, 21.5))


def test_an_empty_time_is_the_time_of_arrival() -> None:
    assert stream(time="").decoder(["t"]).decode(b'{"t": 1, "time": "never", "": 5}', 60.0).time is None
    with pytest.raises(ReadingError, match="time: 'never'"):
        stream().decoder(["t"]).decode(b'{"t": 1, "time": "never"}', 60.0)


def test_a_sensor_in_the_topic_speaks_for_itself() -> None:
    table = stream(topic="plant/{sensor}", sensors={"temperature": "t"})
    sensors = ["humidity", "temperature"]
    assert table.has_sensor_in_topic
    assert [table.sensor_of(word, sensors) for word in ("t", "humidity", "temperature", "")] == [1, 0, None, None]
    assert table.decoder(sensors).decode(b'{"value": 21.5, "t": 3}', 60.0).values == (21.5,)
    plain = stream(topic="plant/{sensor}", dialect="plain")
    assert isinstance(plain.decoder(sensors), Plain)


def test_a_plain_payload_speaks_for_one_sensor() -> None:
    assert stream(dialect="plain").check_sensors(["t"]) == []
    assert stream(dialect="plain", topic="plant/{sensor}").check_sensors(["t", "h"]) == []
    (problem,) = stream(dialect="plain").check_sensors(["t", "h"])
    assert problem == "dialect: must be json, or {sensor} be in the topic, to tell t, h apart, got 'plain'"
    (problem,) = problems_of({"streams": {"boiler": BOILER | {"dialect": "plain", "sensors": {"t": "a", "h": "b"}}}})
    assert problem.startswith(
        "streams.boiler.dialect: must not be plain or esphome unless a message speaks for one sensor"
    )


def test_sensors_are_held_against_those_of_the_bundle() -> None:
    assert stream(sensors={"t": "x.t"}).check_sensors(["t", "h"]) == []
    assert stream(sensors={"tt": "x.t", "h": "t"}).check_sensors(["t", "h"]) == [
        "sensors.tt: must be one of t, h, got an unknown sensor",
        "sensors.t: must be its own, got 't' twice",
        "sensors.h: must be its own, got 't' twice",
    ]


def test_a_table_that_is_only_recorded_needs_no_bundle_and_one_that_runs_does(tmp_path: Path) -> None:
    path = write(tmp_path, '[streams.boiler]\ntopic = "plant/boiler"\n')
    assert load_to_record(path).streams["boiler"].topic == "plant/boiler"
    assert load_to_record(path).recorder.database == tmp_path / "recorder.db"
    assert problems_of_file(path) == (f"{path}: streams.boiler.bundle: must be set, got nothing",)


@pytest.mark.parametrize(
    "text", ["", "streams = 5", "[streams]\nboiler = 5", '[streams.boiler]\nbundle = ""\ntopic = "a"']
)
def test_whoever_records_has_every_other_rule_to_keep(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="streams"):
        load_to_record(write(tmp_path, text))
