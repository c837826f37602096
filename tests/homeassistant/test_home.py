"""What a real Home Assistant shows of a real daemon at a real mosquitto: `make test-homeassistant`."""

import itertools
import json
import re
import signal
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from edge.bundle import MEMBERS
from tests.conftest import HOST, Mosquitto, serve
from tests.edge.test_homeassistant import Kept
from tests.homeassistant.home import Home
from tests.served import Sensors, Served, climate, served, wait_until

NUMBERS = itertools.count()
CALM = 40  # readings after which the small bundle knows what is normal
PERIOD, SLOW = 5.0, 60.0  # of the bundles, seconds
UNITS = {"temperature": "°C", "humidity": "%"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    yield from serve(Mosquitto(tmp_path_factory.mktemp("mosquitto"), "allow_anonymous true\nmax_queued_messages 0\n"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    try:
        home.start()
        home.set_up(broker)
        yield home
    finally:
        home.stop()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Path:
    """A small bundle whose manifest names the units of its sensors."""
    return changed(bundles, tmp_path_factory.mktemp("bundle") / "mote.bundle", PERIOD)


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Path:
    """A bundle whose values expire after ten minutes: longer than Home Assistant takes to start."""
    return changed(bundles, tmp_path_factory.mktemp("bundle") / "slow.bundle", SLOW)


def changed(bundles: Path, path: Path, period: float) -> Path:
    """Write the small bundle with units and a period of our own."""
    with zipfile.ZipFile(bundles / "lstm-dynamic.bundle") as known, zipfile.ZipFile(path, "w") as written:
        for name in MEMBERS:
            content = known.read(name)
            if name == "manifest.json":
                table = json.loads(content)
                table["sensors"] = [{**one, "unit": UNITS[one["name"]]} for one in table["sensors"]]
                table["period"] = period
                content = json.dumps(table).encode()
            written.writestr(name, content)
    return path


@pytest.fixture
def node() -> str:
    return f"n{next(NUMBERS)}"


@pytest.fixture
def sensors(broker: Mosquitto, node: str) -> Iterator[Sensors]:
    with closing(Sensors(broker.port, node)) as sensors:
        yield sensors


@pytest.fixture
def config(bundle: Path, slow_bundle: Path, broker: Mosquitto, node: str) -> Callable[..., str]:
    """Write a configuration: the stream `boiler-NODE`, and streams of placeholders that are called after the node."""

    def write(*, boiler: str = "boiler", settings: str = "", horizons: str = "[]", period: float = PERIOD) -> str:
        judge = bundle if period == PERIOD else slow_bundle
        return (
            f'[node]\nname = "{node}"\nhealth_every = 0.2\nfeedback = true\n'
            f'[broker]\nhost = "{HOST}"\nport = {broker.port}\n{settings}\n'
            f"[homeassistant]\nenabled = true\nhorizons = {horizons}\n"
            f'[streams."{boiler}-{node}"]\nbundle = "{judge}"\ntopic = "{node}/boiler"\nqos = 1\n'
            f'[streams.motes]\nbundle = "{bundle}"\ntopic = "{node}/m/{{mote}}"\nstream = "{node}.{{mote}}"\nqos = 1\n'
        )

    return write


@pytest.fixture
def daemon(config: Callable[..., str], tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "daemon", config(horizons="[1, 3]")) as daemon:
        yield daemon


def say_calm(sensors: Sensors, first: int = 0, count: int = CALM, period: float = PERIOD) -> None:
    for step in range(first, first + count):
        reading = climate(period * step, 45.0 + 0.01 * (step % 3), 28.0 + 0.01 * (step % 2))  # neither stands still
        sensors.publish(f"{sensors.node}/boiler", reading)


def say_strange(sensors: Sensors, step: int = CALM) -> None:
    sensors.publish(f"{sensors.node}/boiler", climate(PERIOD * step, 45.0, 60.0))


def appear(home: Home, stream: str) -> None:
    """Wait until a stream is there, and its topics are listened to: the status among them was heard."""
    home.wait_for(f"button.{stream}_acknowledge", "unknown")


def described(home: Home, entity: str, *keys: str) -> Mapping[str, object]:
    attributes = home.attributes(entity)
    return {key: attributes.get(key) for key in keys}


def test_entities_appear_with_the_right_units_and_classes(
    home: Home, daemon: Served, sensors: Sensors, node: str
) -> None:
    anomaly, score = f"binary_sensor.boiler_{node}_anomaly", f"sensor.boiler_{node}_anomaly_score"
    appear(home, f"boiler_{node}")
    assert (home.state(anomaly), home.state(score)) == ("unknown", "unavailable")  # nothing was said yet
    say_calm(sensors, 0, 1)
    home.wait_for(anomaly, "off")
    home.wait_for(score, "unknown")  # warming up
    say_calm(sensors, 1)
    home.wait(lambda: re.fullmatch(r"0\.\d+", home.state(score)) is not None)
    assert described(home, anomaly, "device_class") == {"device_class": "problem"}
    assert described(home, score, "state_class", "unit_of_measurement") == {
        "state_class": "measurement",
        "unit_of_measurement": None,
    }
    for steps in (1, 3):
        ahead = f"sensor.boiler_{node}_temperature_in_{5 * steps}_s"
        home.wait(lambda entity=ahead: home.state(entity).startswith("2"))  # type: ignore[misc]
        assert described(home, ahead, "device_class", "unit_of_measurement", "state_class") == {
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
        }
    damp = described(home, f"sensor.boiler_{node}_humidity_in_5_s", "device_class", "unit_of_measurement")
    assert damp == {"device_class": "humidity", "unit_of_measurement": "%"}
    assert home.state(f"event.boiler_{node}_event") == "unknown"
    assert {f"button.boiler_{node}_{one}" for one in ("acknowledge", "false_alarm", "maintenance_for_an_hour")} <= (
        home.entities()
    )
    assert home.complaints() == []


def test_a_stream_of_a_placeholder_appears_when_it_is_first_heard(
    home: Home, daemon: Served, sensors: Sensors, node: str
) -> None:
    appear(home, f"boiler_{node}")
    assert home.state(f"binary_sensor.{node}_attic_anomaly") == ""
    sensors.publish(f"{node}/m/attic", climate(5.0, 45.0, 28.0))
    appear(home, f"{node}_attic")
    sensors.publish(f"{node}/m/attic", climate(10.0, 45.0, 28.0))
    home.wait_for(f"binary_sensor.{node}_attic_anomaly", "off")


def test_a_faulty_reading_turns_the_anomaly_on_and_tells_an_event(
    home: Home, daemon: Served, sensors: Sensors, node: str
) -> None:
    anomaly, event = f"binary_sensor.boiler_{node}_anomaly", f"event.boiler_{node}_event"
    appear(home, f"boiler_{node}")
    say_calm(sensors)
    home.wait_for(anomaly, "off")
    say_strange(sensors)
    home.wait_for(anomaly, "on")
    home.wait(lambda: home.attributes(event).get("event_type") == "open")
    told = home.attributes(event)
    assert (told["kind"], told["explanation"]["sensor"]) == ("forecast", "temperature")  # type: ignore[index]
    assert float(home.state(f"sensor.boiler_{node}_anomaly_score")) > 1.0


def test_an_anomaly_that_was_open_when_the_daemon_died_is_over_when_it_hears_again(
    home: Home, daemon: Served, sensors: Sensors, node: str
) -> None:
    anomaly = f"binary_sensor.boiler_{node}_anomaly"
    appear(home, f"boiler_{node}")
    say_calm(sensors)
    say_strange(sensors)
    home.wait_for(anomaly, "on")
    daemon.end(signal.SIGKILL)
    home.wait_for(anomaly, "unavailable")
    daemon.start()
    home.wait_for(anomaly, "on")  # what the broker kept
    say_calm(sensors, CALM + 1, 1)
    home.wait_for(anomaly, "off")


def test_a_button_says_what_the_user_thinks(home: Home, daemon: Served, sensors: Sensors, node: str) -> None:
    appear(home, f"boiler_{node}")
    heard = []
    for button in ("acknowledge", "false_alarm", "maintenance_for_an_hour"):
        home.press(f"button.boiler_{node}_{button}")
        heard.append(json.loads(sensors.hear(f"boiler-{node}/feedback")))
    assert heard == [
        {"feedback": "acknowledge"},
        {"feedback": "false_alarm"},
        {"feedback": "maintenance", "for": 3600},
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_available_when_the_daemon_ends_and_all_is_when_it_is_back(
    home: Home, daemon: Served, sensors: Sensors, number: signal.Signals
) -> None:
    anomaly, button = f"binary_sensor.boiler_{sensors.node}_anomaly", f"button.boiler_{sensors.node}_acknowledge"
    appear(home, f"boiler_{sensors.node}")
    say_calm(sensors)
    home.wait_for(anomaly, "off")
    daemon.end(number)
    home.wait_for(anomaly, "unavailable")
    home.wait_for(button, "unavailable")
    daemon.start()
    home.wait_for(anomaly, "off")
    home.wait_for(button, "unknown")


def test_an_overloaded_daemon_is_available(
    home: Home, config: Callable[..., str], sensors: Sensors, node: str, tmp_path: Path
) -> None:
    anomaly = f"binary_sensor.boiler_{node}_anomaly"
    with served(tmp_path / "daemon", config(settings="inbox = 1")):
        appear(home, f"boiler_{node}")
        say_calm(sensors, 0, 1)
        home.wait_for(anomaly, "off")
        for step in range(1, 2000):
            sensors.post(f"{node}/boiler", climate(PERIOD * step, 45.0, 28.0 + 0.01 * (step % 2)))
        while sensors.hear("status") != b"overloaded":
            pass
        seen = {home.state(anomaly) for _ in range(20)}
        while sensors.hear("status") != b"online":
            pass
        assert "unavailable" not in seen | {home.state(anomaly)}
        assert seen & {"on", "off"}


def test_a_stream_that_leaves_the_configuration_leaves_home_assistant(
    home: Home, config: Callable[..., str], daemon: Served, sensors: Sensors, node: str
) -> None:
    sensors.publish(f"{node}/m/attic", climate(5.0, 45.0, 28.0))
    appear(home, f"{node}_attic")
    appear(home, f"boiler_{node}")
    daemon.end(signal.SIGTERM)
    daemon.config.write_text(config(boiler="kettle"))
    daemon.start()
    appear(home, f"kettle_{node}")
    for entity in (f"binary_sensor.boiler_{node}_anomaly", f"button.boiler_{node}_acknowledge"):
        home.wait_for(entity, "")
    appear(home, f"{node}_attic")  # its table is still there


def test_a_forecast_that_is_no_longer_exposed_goes_alone(
    home: Home, config: Callable[..., str], daemon: Served, node: str
) -> None:
    soon, late = (f"sensor.boiler_{node}_temperature_in_{seconds}_s" for seconds in (5, 15))
    home.wait_for(late, "unavailable")
    daemon.end(signal.SIGTERM)
    daemon.config.write_text(config(horizons="[1]"))
    daemon.start()
    home.wait_for(late, "")
    home.wait_for(soon, "unavailable")  # it is still there


def test_all_is_told_again_when_home_assistant_starts_though_the_broker_forgot(
    home: Home, broker: Mosquitto, daemon: Served, sensors: Sensors, node: str
) -> None:
    anomaly = f"binary_sensor.boiler_{node}_anomaly"
    appear(home, f"boiler_{node}")
    say_calm(sensors)
    home.wait_for(anomaly, "off")
    home.stop()
    with closing(Kept(broker.port, "homeassistant")) as kept:
        wait_until(lambda: any(f"_{node}_boiler-{node}/" in topic for topic in kept.devices))
        for topic in list(kept.devices):
            kept.say(topic, b"", retain=True)
        wait_until(lambda: kept.devices == {})
        home.start()
        wait_until(lambda: any(f"_{node}_boiler-{node}/" in topic for topic in kept.devices))
    home.wait(lambda: anomaly in home.entities())
    say_calm(sensors, CALM, 1)
    home.wait_for(anomaly, "off")


def test_a_value_that_home_assistant_missed_is_told_when_it_starts_though_no_sample_comes(
    home: Home, config: Callable[..., str], sensors: Sensors, tmp_path: Path
) -> None:
    node = sensors.node
    score = f"sensor.boiler_{node}_anomaly_score"

    def told() -> float:
        return float(json.loads(sensors.hear(f"boiler-{node}/state"))["score"] or 0.0)

    def shows(value: float) -> bool:
        shown = home.state(score)
        return re.match(r"\d", shown) is not None and float(shown) == pytest.approx(value, rel=1e-6)

    with served(tmp_path / "daemon", config(period=SLOW)):
        appear(home, f"boiler_{node}")
        say_calm(sensors, period=SLOW)
        before = [told() for _ in range(CALM)][-1]
        home.wait(lambda: shows(before))
        home.stop()
        sensors.publish(f"{node}/boiler", climate(SLOW * CALM, 45.0, 60.0))
        missed = told()
        assert missed > 1.0 > before  # what Home Assistant itself remembers is not it
        home.start()
        home.wait(lambda: shows(missed))
