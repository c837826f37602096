"""Hold what Home Assistant is told to its rules, and the daemon to a real mosquitto's memory."""

import itertools
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from edge import bundle as bundles_
from edge import cli, withdrawal
from edge.check import check
from edge.config import load
from edge.entities import Profile
from edge.errors import ConfigError
from edge.homeassistant import MOST_BYTES, Node, Stamp, announce, config_topic, object_id, read, withdraw
from edge.profiles import profiles
from edge.topics import is_stream_name
from tests.conftest import HOST, Mosquitto, free_port
from tests.edge.test_entities import PROFILE
from tests.served import WITHIN, Sensors, Served, climate, served, wait_until

NODE = Node("homeassistant", "tidegate", "edge1")
STREAMS = st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True).filter(is_stream_name)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)


def told(stream: str = "boiler", profile: Profile = PROFILE, **gone: str) -> Mapping[str, object]:
    """Return the message that describes a stream."""
    message: Mapping[str, object] = json.loads(announce(NODE, Stamp(stream, "t", 1), profile, gone=gone).news.payload)
    return message


def wide(sensors: int) -> Profile:
    """Return the profile of a stream with many sensors."""
    return replace(PROFILE, sensors={f"temperature_{place}": "°C" for place in range(sensors)})


# The rules


def test_a_device_says_who_it_is_who_speaks_and_where_it_is_known_whether_anybody_watches() -> None:
    table = told()
    assert table["dev"] == {
        "ids": ["tidegate_edge1_boiler"],
        "name": "boiler",
        "mf": "Tidegate",
        "mdl": "mote",
        "sw": "version 7",
    }
    assert table["o"]["name"] == "tidegate"  # type: ignore[index]
    assert [one["t"] for one in table["avty"]] == ["tidegate/edge1/status"]  # type: ignore[attr-defined]


@given(stream=STREAMS, sensors=st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=6))
def test_every_component_has_a_platform_and_an_id_of_its_own(stream: str, sensors: list[str]) -> None:
    components = told(stream, replace(PROFILE, sensors=dict.fromkeys(sensors, "")))["cmps"]
    assert isinstance(components, dict)
    ids = [one["uniq_id"] for one in components.values()]
    assert len(set(ids)) == len(ids) == 6 + 2 * len(sensors)
    assert {one["p"] for one in components.values()} <= {"binary_sensor", "sensor", "event", "button"}
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in (*ids, *components))
    assert all(re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", one["default_entity_id"]) for one in components.values())


@given(st.lists(st.tuples(NAMES, NAMES, STREAMS), unique=True, min_size=2, max_size=8))
def test_streams_that_look_the_same_without_dots_have_ids_of_their_own(names: list[tuple[str, str, str]]) -> None:
    ids = [object_id(Node("homeassistant", prefix, node), stream) for prefix, node, stream in names]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in ids)


@pytest.mark.parametrize("names", [("a.b", "a_b"), ("a-b.c", "a-b_c"), ("x_y", "x.y")])
def test_dots_and_underscores_do_not_collide(names: tuple[str, str]) -> None:
    one, other = (object_id(NODE, name) for name in names)
    assert one != other


@pytest.mark.parametrize("sensors", [1, 26, 500])
def test_a_message_stays_below_16_kib_and_counts_the_forecasts_that_it_has_no_room_for(sensors: int) -> None:
    said = announce(NODE, Stamp("s" * 64, "t", 1), wide(sensors), gone={"old": "sensor"})
    assert len(said.news.payload) < MOST_BYTES
    forecasts = [key for key in said.components if key.startswith("forecast_")]
    assert len(forecasts) + said.left_out == 2 * sensors
    assert (said.left_out == 0) == (sensors == 1)


def test_26_sensors_have_room_for_their_next_step() -> None:
    assert announce(NODE, Stamp("s", "t", 1), replace(wide(26), exposed=(1,)), gone={}).left_out == 0


def test_what_is_removed_is_named_by_its_platform_alone() -> None:
    assert told(forecast_old_1="sensor")["cmps"]["forecast_old_1"] == {"p": "sensor"}  # type: ignore[index]


def test_what_was_said_is_read_as_it_was_meant_and_what_was_removed_is_forgotten() -> None:
    said = announce(NODE, Stamp("boiler", "t", 7), PROFILE, gone={"old": "sensor"})
    kept = read(NODE, said.news.topic, said.news.payload)
    assert kept is not None
    assert kept.stamp == Stamp("boiler", "t", 7)
    assert kept.components == said.components
    assert "old" not in kept.components
    assert read(NODE._replace(name="edge2"), said.news.topic, said.news.payload) is None
    assert read(NODE, "homeassistant/device/x/config", said.news.payload) is None


@pytest.mark.parametrize("publish", [("state",), ("forecast",), ("event", "state"), ("anomaly",)])
@pytest.mark.parametrize("feedback", [False, True])
def test_whatever_a_stream_publishes_it_is_known_again(publish: tuple[str, ...], feedback: bool) -> None:
    said = announce(NODE, Stamp("b", "t", 7), replace(PROFILE, publish=publish, feedback=feedback), gone={}).news
    kept = read(NODE, said.topic, said.payload)
    assert kept is not None
    assert kept.stamp == Stamp("b", "t", 7)


def test_there_are_buttons_only_where_people_are_heard() -> None:
    platforms = announce(NODE, Stamp("b", "t", 7), replace(PROFILE, feedback=False), gone={}).components
    assert "button" not in platforms.values()


def test_a_device_is_taken_away_by_an_empty_message_that_is_kept() -> None:
    assert withdraw(NODE, "boiler")[:4] == (config_topic(NODE, "boiler"), b"", 1, True)


# A real daemon and a real mosquitto


class Kept:
    """What a broker keeps below a prefix, as somebody sees it who comes later."""

    def __init__(self, port: int, prefix: str) -> None:
        self.devices: dict[str, Mapping[str, object]] = {}
        self.count = 0
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, userdata, message: self._take(message.topic, message.payload)
        self._client.connect(HOST, port)
        self._client.subscribe(f"{prefix}/#", 1)
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN)

    def names(self) -> set[str]:
        return {str(device["dev"]["name"]) for device in self.devices.values()}  # type: ignore[index]

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(WITHIN)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, topic: str, payload: bytes) -> None:
        if not topic.endswith("/config"):
            return
        self.count += 1
        self.devices.pop(topic, None)
        if payload:
            self.devices[topic] = json.loads(payload)


NUMBERS = itertools.count()
Serve = Callable[[str], AbstractContextManager[Served]]


@pytest.fixture
def node() -> str:
    """A name that no other test has: tests share a broker, and what it keeps."""
    return f"homes{next(NUMBERS)}"


@pytest.fixture
def kept(mosquitto: Mosquitto, node: str) -> Iterator[Kept]:
    with closing(Kept(mosquitto.port, f"ha-{node}")) as kept:
        yield kept


@pytest.fixture
def sensors(mosquitto: Mosquitto, node: str) -> Iterator[Sensors]:
    with closing(Sensors(mosquitto.port, node)) as sensors:
        yield sensors


@pytest.fixture
def config(bundles: Path, mosquitto: Mosquitto, node: str) -> Callable[..., str]:
    def write(*streams: str, workers: int = 1, homeassistant: str = "") -> str:
        bundle = f'bundle = "{bundles}/lstm-dynamic.bundle"\nqos = 1\n'
        tables = {
            "boiler": f'[streams.boiler]\n{bundle}topic = "{node}/boiler"\n',
            "motes": f'[streams.motes]\n{bundle}topic = "{node}/m/{{mote}}"\n',
        }
        return (
            f'[node]\nname = "{node}"\nhealth_every = 0.1\nworkers = {workers}\n'
            f'[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n'
            f'[homeassistant]\nenabled = true\nprefix = "ha-{node}"\n{homeassistant}\n'
            + "".join(tables[name] for name in streams)
        )

    return write


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    def start(text: str) -> AbstractContextManager[Served]:
        return served(tmp_path / f"daemon{time.monotonic_ns()}", text)

    return start


@pytest.mark.parametrize("workers", [1, 2])
def test_streams_appear_as_they_come_to_life_whoever_judges_them(
    kept: Kept, config: Callable[..., str], serve: Serve, sensors: Sensors, workers: int
) -> None:
    node = sensors.node
    with serve(config("boiler", "motes", workers=workers)):
        wait_until(lambda: kept.names() == {"boiler"})
        sensors.publish(f"{node}/m/3", climate(5.0, 45.0, 28.0))
        wait_until(lambda: kept.names() == {"boiler", "3"})
        health = sensors.health(lambda table: table["homeassistant"]["announced"] == 2)  # type: ignore[index]
        counted = {"announced": 2, "removed": 0, "left_out": 0, "not_remembered": 0, "retold": 0}
        assert health["homeassistant"] == counted
        # Readings are what they were, and nothing of Home Assistant's is taken for one.
        wanted = {"received": 1, "unrouted": 0}
        sensors.health(lambda table: wanted.items() <= table["readings"].items())  # type: ignore[attr-defined]


def test_home_assistant_that_starts_is_told_again(
    kept: Kept, config: Callable[..., str], serve: Serve, node: str
) -> None:
    with serve(config("boiler")):
        wait_until(lambda: kept.count == 1)
        kept.say(f"ha-{node}/status", b"online")
        wait_until(lambda: kept.count == 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_home_assistant_that_starts_hears_the_last_states_again_and_no_event_whoever_judges(
    kept: Kept, config: Callable[..., str], serve: Serve, sensors: Sensors, workers: int
) -> None:
    node, streams = sensors.node, ("boiler", "4", "5", "8")  # names whose hashes fall to both workers
    with serve(config("boiler", "motes", workers=workers)):
        for step in range(2):
            for stream in streams:
                topic = f"{node}/boiler" if stream == "boiler" else f"{node}/m/{stream}"
                sensors.publish(topic, climate(5.0 * (step + 1), 45.0, 28.0))
        last = {f"{stream}/state": b"" for stream in streams}
        for _ in range(2 * len(streams)):
            last |= sensors.hear_all(until=lambda topic, _: topic.endswith("/state"))[-1:]
        wait_until(lambda: kept.names() == set(streams))
        kept.say(f"ha-{node}/status", b"online")
        again = sensors.hear_all(until=lambda topic, payload: topic == "health" and b'"retold":4' in payload)
        again = [one for one in again if one[0] not in ("health", "status")]
        assert sorted(again) == sorted(last.items())


def test_streams_that_left_the_configuration_vanish_and_those_of_a_placeholder_stay(
    kept: Kept, config: Callable[..., str], serve: Serve, sensors: Sensors
) -> None:
    with serve(config("boiler", "motes")) as daemon:
        sensors.publish(f"{sensors.node}/m/3", climate(5.0, 45.0, 28.0))
        wait_until(lambda: kept.names() == {"boiler", "3"})
        assert daemon.end(signal.SIGTERM)[0] == 0
    with serve(config("motes")):  # the session is resumed: what the broker keeps is asked for nevertheless
        wait_until(lambda: kept.names() == {"3"})
    with serve(config("boiler")):
        wait_until(lambda: kept.names() == {"boiler"})


def test_forecasts_that_are_no_longer_exposed_are_removed(kept: Kept, config: Callable[..., str], serve: Serve) -> None:
    with serve(config("boiler", homeassistant="horizons = [1, 3]")):
        wait_until(lambda: kept.count == 1)
    (topic,) = kept.devices
    assert {"forecast_temperature_1", "forecast_temperature_3"} <= set(kept.devices[topic]["cmps"])  # type: ignore[arg-type]
    with serve(config("boiler")):
        wait_until(lambda: kept.count == 3)  # once to remove, once as it is
    assert "forecast_temperature_3" not in kept.devices[topic]["cmps"]  # type: ignore[operator]


def test_withdraw_takes_all_devices_of_the_node_away_and_no_others(
    kept: Kept, config: Callable[..., str], serve: Serve, node: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = f"ha-{node}/device/other/config"
    kept.say(theirs, b'{"dev":{"name":"other"},"o":{"name":"other"}}', retain=True)
    with serve(config("boiler")) as daemon:
        wait_until(lambda: kept.names() == {"boiler", "other"})
        daemon.end(signal.SIGTERM)
        assert cli.main(["withdraw", "--config", str(daemon.config)]) == 0
    assert capsys.readouterr().out == "boiler: removed\n"
    wait_until(lambda: kept.names() == {"other"})


def test_withdraw_says_in_one_line_that_there_is_no_broker(
    config: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(withdrawal, "ANSWERS_WITHIN", 0.5)
    file, nobody = tmp_path / "tidegate.toml", free_port()
    file.write_text(re.sub(r"port = \d+", f"port = {nobody}", config("boiler")))
    assert cli.main(["withdraw", "--config", str(file)]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert said == [f"error: broker {HOST}:{nobody}: must answer within 0.5 s, got nothing"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stream_that_comes_to_life_is_calm_whoever_judges_it(
    config: Callable[..., str], serve: Serve, sensors: Sensors, workers: int
) -> None:
    with serve(config("motes", workers=workers)):
        sensors.publish(f"{sensors.node}/m/3", climate(5.0, 45.0, 28.0))
        assert json.loads(sensors.hear("3/anomaly")) == {"anomaly": False, "since": None, "event": None}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_anomaly_of_an_earlier_run_ends_with_the_first_reading_of_a_stream_that_the_configuration_names(
    mosquitto: Mosquitto, config: Callable[..., str], serve: Serve, sensors: Sensors, workers: int
) -> None:
    node = sensors.node
    for stream in ("boiler", "3"):
        sensors.publish(f"tidegate/{node}/{stream}/anomaly", b'{"anomaly":true}', retain=True)
    with serve(config("boiler", "motes", workers=workers).replace("enabled = true", "")):
        for stream, topic in (("3", f"{node}/m/3"), ("boiler", f"{node}/boiler")):
            sensors.publish(topic, climate(5.0, 45.0, 28.0))
            sensors.hear(f"{stream}/state")
        with closing(Sensors(mosquitto.port, node)) as later:
            heard = dict(later.hear_all(until=lambda topic, _: topic == "health"))
    kept = {stream: json.loads(heard[f"{stream}/anomaly"])["anomaly"] for stream in ("boiler", "3")}
    assert kept == {"boiler": False, "3": True}


def test_nothing_is_said_unless_it_is_enabled(
    kept: Kept, config: Callable[..., str], serve: Serve, sensors: Sensors
) -> None:
    with serve(config("motes").replace("enabled = true", "")):
        sensors.publish(f"{sensors.node}/m/3", climate(5.0, 45.0, 28.0))
        heard = sensors.hear_all(until=lambda topic, _: topic == "3/state")
        assert "3/anomaly" not in [topic for topic, _ in heard]
        assert "homeassistant" not in sensors.health(lambda _: True)
    assert kept.count == 0


def test_a_horizon_that_no_bundle_has_is_the_operators_mistake(config: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text(config("boiler", homeassistant="horizons = [1, 2]"))
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert refused.value.problems == (f"{file}: homeassistant.horizons: must be horizons of a bundle (1, 3), got [2]",)


def test_a_unit_of_the_manifest_is_told(bundles: Path, config: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text(config("boiler"))
    settings = load(file)
    path = settings.streams["boiler"].bundle
    manifest = bundles_.load(path).manifest
    manifest = replace(manifest, sensors=tuple(replace(sensor, unit="°C") for sensor in manifest.sensors))
    assert set(profiles(settings, {path: manifest})["boiler"].sensors.values()) == {"°C"}
