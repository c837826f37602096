"""The daemon as a process of its own at a real mosquitto, as systemd and the sensors see it."""

import itertools
import json
import random
import signal
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.config import Config
from edge.daemon import Daemon
from edge.desk import Desk
from edge.notify import Notifier
from edge.trust import Trust
from edge.witnesses import Witnesses
from tests.conftest import HOST, Mosquitto, free_port
from tests.edge.conftest import learned_by_hand
from tests.lines import BUNDLE, CLIMATE, ByHand
from tests.lines import climate as by_hand
from tests.served import Sensors, Served, climate, served, wait_until

WINDOW, PERIOD = 16, 5.0  # of the bundles that `tests.make_bundles` makes
NUMBERS = itertools.count()
Listen = Callable[..., Sensors]
Serve = Callable[..., Served]


@pytest.fixture
def node() -> str:
    """A name that no other test has: tests share a broker."""
    return f"daemon{next(NUMBERS)}"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def listen(stack: ExitStack, node: str) -> Listen:
    def listen(broker: Mosquitto) -> Sensors:
        sensors = Sensors(broker.port, node, broker.username, broker.password)
        stack.callback(sensors.close)
        return sensors

    return listen


@pytest.fixture
def config(bundles: Path, node: str) -> Callable[..., str]:
    """Write a configuration whose topics are this test's alone."""

    def write(port: int, broker: str = "", stream: str = "", **changes: str) -> str:
        known = {"bundle": str(bundles / "lstm-dynamic.bundle"), **changes}
        return (
            f'[node]\nname = "{node}"\nhealth_every = 0.1\n'
            f'[broker]\nhost = "{HOST}"\nport = {port}\nreconnect_min = 0.05\nreconnect_max = 0.2\n{broker}\n'
            f'[streams.motes]\nbundle = "{known["bundle"]}"\ntopic = "{node}/{{mote}}/climate"\nqos = 1\n{stream}\n'
        )

    return write


@pytest.fixture
def serve(stack: ExitStack, tmp_path: Path) -> Serve:
    """Start a daemon and wait for its readiness."""

    def start(config: str, **environment: str) -> Served:
        return stack.enter_context(served(tmp_path / "daemon", config, **environment))

    return start


@pytest.fixture
def run(stack: ExitStack, tmp_path: Path) -> Serve:
    """Start a daemon that will not become ready."""

    def start(config: str) -> Served:
        daemon = Served(tmp_path / "daemon", config)
        stack.callback(daemon.close)
        daemon.start()
        return daemon

    return start


def teach(sensors: Sensors, topic: str, steps: range) -> None:
    """Publish a calm reading for each step."""
    for step in steps:
        sensors.publish(topic, climate(PERIOD * step, 45.0 + 0.01 * (step % 3), 28.0 + 0.01 * (step % 2)))


def states(sensors: Sensors, stream: str, count: int) -> list[Mapping[str, object]]:
    return [json.loads(sensors.hear(f"{stream}/state")) for _ in range(count)]


# Being there, and not being there


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_daemon_is_online_until_a_signal_stops_it_within_two_seconds(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, number: signal.Signals
) -> None:
    sensors = listen(mosquitto)
    daemon = serve(config(mosquitto.port))
    assert sensors.hear("status") == b"online"
    status, took = daemon.end(number)
    assert status == 0
    assert took < 2.0
    assert sensors.hear("status") == b"stopped"
    assert daemon.said().endswith("INFO edge.daemon: stopped\n")
    assert daemon.wait_for_datagram("STOPPING=1")
    assert "Traceback" not in daemon.said()


def test_a_daemon_that_is_killed_leaves_offline_behind(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve
) -> None:
    sensors = listen(mosquitto)
    daemon = serve(config(mosquitto.port))
    daemon.end(signal.SIGKILL)
    assert [sensors.hear("status"), sensors.hear("status")] == [b"online", b"offline"]


@pytest.mark.parametrize("standing", ["still", "dead"])
def test_a_broker_that_is_gone_does_not_hold_up_the_end(
    broker: Mosquitto, config: Callable[..., str], serve: Serve, standing: str
) -> None:
    daemon = serve(config(broker.port))
    broker.pause() if standing == "still" else broker.kill()
    status, took = daemon.end(signal.SIGTERM)
    assert (status, took < 2.5) == (0, True), took  # 2 s for the goodbye, and the end of a Python


# What systemd hears


def test_readiness_is_told_when_the_subscriptions_are_granted_and_not_before(
    config: Callable[..., str], run: Serve, tmp_path: Path
) -> None:
    late = Mosquitto(tmp_path, "allow_anonymous true\n")
    daemon = run(config(late.port))
    wait_until(lambda: "cannot be reached" in daemon.said())
    late.start()
    try:
        daemon.wait_until_ready()
    finally:
        late.kill()
    assert [text for text in daemon.datagrams if "READY=1" in text] == [
        "READY=1\nSTATUS=0 streams, 0 payloads, 0 events open"
    ]
    assert all("waiting for the broker" in text for text in daemon.datagrams if text.startswith("STATUS="))
    log = daemon.said()
    assert log.index("cannot be reached") < log.index("connected, MQTT 5") < log.index("ready: subscribed")


def test_the_watchdog_is_fed_more_often_than_it_asks_for_though_nothing_arrives(
    mosquitto: Mosquitto, config: Callable[..., str], serve: Serve
) -> None:
    daemon = serve(config(mosquitto.port), WATCHDOG_USEC="600000")
    told = []
    for _ in range(4):
        daemon.wait_for_datagram("WATCHDOG=1")
        told.append(time.monotonic())
    assert max(after - before for before, after in itertools.pairwise(told)) < 0.6


def test_a_watchdog_that_nobody_asked_for_is_not_fed(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    daemon = serve(config(mosquitto.port))
    sensors = listen(mosquitto)
    teach(sensors, f"{node}/m1/climate", range(3))
    daemon.wait_for_datagram("STATUS=1 stream, 3 payloads, 0 events open")
    assert [text for text in daemon.datagrams if "WATCHDOG" in text] == []


# What comes in and what goes out


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_readings_become_forecasts_with_either_protocol(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, protocol: str
) -> None:
    sensors = listen(mosquitto)
    daemon = serve(config(mosquitto.port, broker=f'protocol = "{protocol}"'))
    assert f"connected, MQTT {protocol}" in daemon.said()
    teach(sensors, f"{sensors.node}/m1/climate", range(WINDOW + 2))
    said = states(sensors, "m1", WINDOW + 2)
    assert [state["next"]["humidity"]["forecast"] is None for state in said] == [True] * (WINDOW - 1) + [False] * 3
    assert [state["score"] is None for state in said] == [True] * WINDOW + [False] * 2
    assert said[-1]["expected"] == said[-2]["next"]


TOLD = {
    "time", "version", "uptime_s", "overloaded", "readings", "silent_s", "bundles", "workers", "connection", "clock",
    "latency",
}  # fmt: skip


def test_health_tells_what_became_of_every_payload(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(mosquitto)
    sensors.publish(f"{node}/m1/climate", climate(0.0, 1.0, 1.0), retain=True)  # kept from before the daemon's start
    serve(config(mosquitto.port))
    teach(sensors, f"{node}/m1/climate", range(4))
    for payload in (b"no json", climate(5.0, 45.0, 28.0), climate(15.0, 45.0, 28.0), climate(9e9, 45.0, 28.0)):
        sensors.publish(f"{node}/m1/climate", payload)
    sensors.publish(f"{node}/../climate", climate(0.0, 1.0, 1.0))
    health = sensors.health(
        lambda table: table["readings"]["received"] == 10 and table["silent_s"]["motes"] is not None  # type: ignore[index]
    )
    assert set(health) == TOLD
    assert 0.0 <= health["silent_s"]["motes"] < 20.0  # type: ignore[index]
    readings = dict(health["readings"])  # type: ignore[call-overload]
    assert readings.pop("last_refused").startswith(f"{node}/../climate: stream_name: ")
    assert readings == {
        "received": 10,
        "retained": 1,
        "unrouted": 0,
        "streams_refused": 0,
        "repeated": 0,
        "sequence_gaps": 0,
        "rebirth_requests": 0,
        "refused": {"malformed": 1, "stream_name": 1},
    }
    bundle = health["bundles"][0]  # type: ignore[index]
    assert (bundle["streams"], bundle["events_open"]) == (1, 0)
    assert {name: count for name, count in bundle["grid"].items() if count} == {
        "accepted": 4,
        "late": 1,
        "duplicate": 1,
        "future": 1,
    }
    connection = health["connection"]
    assert connection["received"] == 10  # type: ignore[index]
    assert (connection["connects"], connection["disconnects"], connection["too_large"]) == (1, 0, 0)  # type: ignore[index]
    latency = health["latency"]
    assert 0.0 < latency["p50_ms"] <= latency["p99_ms"] < 5e3  # type: ignore[index]


def test_the_last_health_message_comes_with_the_end(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(mosquitto)
    daemon = serve(config(mosquitto.port).replace("health_every = 0.1", "health_every = 3600.0"))
    teach(sensors, f"{node}/m1/climate", range(3))
    states(sensors, "m1", 3)
    daemon.end(signal.SIGTERM)
    *_, (topic, last), _ = sensors.hear_all(lambda topic, payload: (topic, payload) == ("status", b"stopped"))
    assert topic == "health"
    assert json.loads(last)["readings"]["received"] == 3


def test_the_first_health_message_comes_soon_after_the_readiness(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve
) -> None:
    sensors = listen(mosquitto)
    serve(config(mosquitto.port).replace("health_every = 0.1", "health_every = 3600.0"))
    assert json.loads(sensors.hear("health"))["uptime_s"] < 10.0


# What the log says of sensors


def test_what_is_no_reading_is_logged_once_for_each_kind(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(mosquitto)
    daemon = serve(config(mosquitto.port))
    for payload in (b"no json", b"{}", b"no json", climate(9e9, 45.0, 28.0)):
        sensors.publish(f"{node}/m1/climate", payload)
    wait_until(lambda: ": future: " in daemon.said())
    warnings = [line for line in daemon.said().splitlines() if line.startswith("WARNING")]
    place = f"WARNING edge.daemon: streams.motes: no reading in '{node}/m1/climate': "
    assert [line.removeprefix(place).partition(":")[0] for line in warnings] == ["malformed", "missing", "future"]


@pytest.fixture
def unheard() -> Daemon:
    """A daemon that trusts its clock, and whose broker is silent."""
    daemon = Daemon(Config.from_table(tomllib.loads(CLIMATE)), {BUNDLE: (learned_by_hand(), ByHand())}, Notifier({}, 1))
    assert isinstance(daemon.staff, Desk)
    daemon.staff._trust = None
    daemon.connection.session.ready = True
    return daemon


def test_a_table_is_not_called_silent_while_what_it_said_waits_for_the_clock(
    unheard: Daemon, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "timesync").mkdir()
    assert isinstance(unheard.staff, Desk)
    awaited = Witnesses(kernel=lambda: False, timesync=tmp_path / "timesync")
    unheard.staff._trust = Trust(1e9, started_at=0.0, witnesses=awaited)
    for steady in range(0, 300, 30):
        unheard.tell_notices(float(steady))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("clock: must be set by the time service that runs here, ")


def test_a_table_that_falls_silent_is_logged_once_and_again_when_it_speaks(
    unheard: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    daemon = unheard
    assert isinstance(daemon.staff, Desk)
    line = daemon.staff.line
    clock = itertools.count(0.0, 30.0)
    line.vigil.listen_from(0.0)
    for _ in range(10):
        daemon.tell_notices(next(clock))
    line.receive("plant/a/press/climate", by_hand(0), retained=False, received_at=0.0)
    daemon.tell_notices(next(clock))
    assert [record.getMessage() for record in caplog.records] == [
        "streams.plant: no payload on plant/+/+/climate for 120 s",
        "streams.plant: plant/+/+/climate speaks again",
    ]


def test_ten_megabytes_are_counted_unread_and_survived(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(mosquitto)
    serve(config(mosquitto.port))
    sensors.publish(f"{node}/m1/climate", b"9" * 10_000_000)
    teach(sensors, f"{node}/m1/climate", range(2))
    states(sensors, "m1", 2)
    health = sensors.health(lambda table: table["readings"]["received"] == 2)  # type: ignore[index]
    assert health["connection"]["too_large"] == 1  # type: ignore[index]


def test_a_storm_of_bad_payloads_is_counted_and_the_good_streams_are_answered_as_if_it_were_calm(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(mosquitto)
    serve(config(mosquitto.port))
    chance = random.Random(1)
    calm, stormy = f"{node}/calm/climate", f"{node}/stormy/climate"
    teach(sensors, calm, range(WINDOW + 4))
    expected = states(sensors, "calm", WINDOW + 4)
    for step in range(WINDOW + 4):
        for _ in range(20):
            bad = chance.choice([chance.randbytes(40), b"{" * 2000, b'{"humidity": "unavailable"}', climate(-1, 1, 1)])
            sensors.post(chance.choice([stormy, f"{node}/bad/climate"]), bad)
        teach(sensors, stormy, range(step, step + 1))
    assert states(sensors, "stormy", WINDOW + 4) == expected
    health = sensors.health(lambda table: sum(table["readings"]["refused"].values()) == 20 * (WINDOW + 4))  # type: ignore[index]
    assert set(health["readings"]["refused"]) == {"malformed", "unavailable", "time"}  # type: ignore[index]


def test_an_event_is_told_by_the_sensor_that_caused_it_and_kept_while_it_lasts(
    mosquitto: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(mosquitto)
    serve(config(mosquitto.port))
    teach(sensors, f"{node}/m1/climate", range(40))
    sensors.publish(f"{node}/m1/climate", climate(200.0, 45.0, 60.0))
    event = json.loads(sensors.hear("m1/event"))
    assert (event["phase"], event["explanation"]["sensor"]) == ("open", "temperature")
    later = listen(mosquitto)
    kept = json.loads(later.hear("m1/anomaly"))
    assert (kept["anomaly"], kept["event"]) == (True, event["id"])


def test_forecasts_flow_again_when_the_broker_is_back_after_its_death(
    broker: Mosquitto, listen: Listen, config: Callable[..., str], serve: Serve, node: str
) -> None:
    sensors = listen(broker)
    daemon = serve(config(broker.port))
    teach(sensors, f"{node}/m1/climate", range(WINDOW + 1))
    states(sensors, "m1", WINDOW + 1)
    broker.kill()
    wait_until(lambda: "connection lost" in daemon.said())
    broker.start()
    wait_until(lambda: daemon.said().count("connected, MQTT 5") == 2)
    again = listen(broker)
    assert again.hear("status") == b"online"
    teach(again, f"{node}/m1/climate", range(WINDOW + 1, WINDOW + 2))
    state = states(again, "m1", 1)[0]
    assert (state["score"] is None, state["next"]["humidity"]["forecast"] is None) == (False, False)  # type: ignore[index]
    health = again.health(lambda table: table["readings"]["received"] == WINDOW + 2)  # type: ignore[index]
    assert (health["connection"]["connects"], health["connection"]["disconnects"]) == (2, 1)  # type: ignore[index]


# What the operator must change


def test_a_missing_configuration_ends_the_daemon_with_one_line(run: Serve, config: Callable[..., str]) -> None:
    daemon = run(config(free_port()))
    daemon.end(signal.SIGKILL)
    daemon.config.unlink()
    daemon.start()
    assert daemon.wait() == 2
    assert daemon.said() == f"error: {daemon.config}: must be a readable file, there is none\n"


def test_broken_toml_ends_the_daemon_with_one_line_that_names_the_place(run: Serve) -> None:
    daemon = run("[node\n")
    assert daemon.wait() == 2
    assert len(daemon.said().splitlines()) == 1
    assert daemon.said().startswith(f"error: {daemon.config}: must be TOML, got ")
    assert "line 1" in daemon.said()


def test_a_missing_bundle_ends_the_daemon_with_one_line(run: Serve, config: Callable[..., str]) -> None:
    daemon = run(config(free_port(), bundle="nowhere.bundle"))
    assert daemon.wait() == 2
    missing = daemon.config.parent / "nowhere.bundle"
    named_by = f"streams.motes.bundle of {daemon.config}"
    assert daemon.said() == f"error: {missing}: must be a readable file, there is none ({named_by})\n"


def test_an_unknown_sensor_ends_the_daemon_with_one_line(run: Serve, config: Callable[..., str]) -> None:
    daemon = run(config(free_port(), stream='sensors = { pressure = "p" }'))
    assert daemon.wait() == 2
    assert daemon.said().splitlines()[-1:] == [
        f"error: {daemon.config}: streams.motes.sensors.pressure: "
        "must be one of humidity, temperature, got an unknown sensor"
    ]
    assert len(daemon.errors()) == 1


def test_a_wrong_password_ends_the_daemon_with_one_line_that_does_not_show_it(
    password_broker: Mosquitto, run: Serve, config: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("wrong horse\n")
    login = f'username = "edge"\npassword_file = "{tmp_path / "secret"}"'
    daemon = run(config(password_broker.port, broker=login))
    assert daemon.wait() == 2
    assert len(daemon.errors()) == 1
    assert daemon.errors()[0].startswith(f"error: broker {HOST}:{password_broker.port}: must let client ")
    assert "horse" not in daemon.said()
    assert "Traceback" not in daemon.said()


def test_the_right_password_lets_the_daemon_in(
    password_broker: Mosquitto, serve: Serve, config: Callable[..., str], tmp_path: Path, node: str
) -> None:
    (tmp_path / "secret").write_text(f"{password_broker.password}\n")
    login = f'username = "{password_broker.username}"\npassword_file = "{tmp_path / "secret"}"'
    text = config(password_broker.port, broker=login).replace(f'"{node}/{{mote}}', '"sensors/{mote}')
    assert serve(text).end(signal.SIGTERM)[0] == 0
