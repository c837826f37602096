"""`tidegate record` as a process of its own at a real mosquitto, as systemd and the sensors see it."""

import itertools
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edge import cli, history_spans
from edge.clock import MICROSECONDS
from edge.config import load_to_record
from edge.history_spans import ACKNOWLEDGED, MAINTENANCE, Span
from edge.journal import Journal
from edge.mailbox import Message
from edge.notify import Notifier
from edge.recorder import Recorder
from edge.sqlite_reading import reading
from edge.trust import Trust
from edge.witnesses import Witnesses
from tests.conftest import HOST, Mosquitto, free_port
from tests.served import Sensors, Served, wait_until

NUMBERS = itertools.count()
Start = Callable[..., Served]


def rows(path: Path) -> list[tuple[str, str, float, float]]:
    """Return stream, sensor, time and value of each reading."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(
            "SELECT streams.name, sensors.name, time / 1e6, value FROM readings JOIN sensors ON sensors.id = sensor "
            "JOIN streams ON streams.id = stream ORDER BY time, sensor"
        ).fetchall()


@pytest.fixture
def node() -> str:
    """A name that no other test has: tests share a broker."""
    return f"recorder{next(NUMBERS)}"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def start(stack: ExitStack, tmp_path: Path, node: str) -> Start:
    """Start a recorder of this test's topics; its database is in the folder `recorder`."""

    def start(
        port: int,
        *,
        commit_every: float = 0.1,
        ready: bool = True,
        table: str = "",
        name: str = "recorder",
        before: str = "",
    ) -> Served:
        config = (
            f'[node]\nname = "{node}"\n{before}[broker]\nhost = "{HOST}"\nport = {port}\n'
            "reconnect_min = 0.05\nreconnect_max = 0.2\n"
            f"[recorder]\ncommit_every = {commit_every}\n"
            f'[streams.boiler]\ntopic = "{node}/boiler"\nqos = 1\n{table}\n'
        )
        recorder = Served(tmp_path / name, config, "record")
        stack.callback(recorder.close)
        recorder.start()
        if ready:
            recorder.wait_until_ready()
        return recorder

    return start


@pytest.fixture
def sensors(stack: ExitStack, mosquitto: Mosquitto, node: str) -> Sensors:
    found = Sensors(mosquitto.port, node)
    stack.callback(found.close)
    return found


def payload(at: float, **values: object) -> bytes:
    return json.dumps({"time": at, **values}).encode()


def test_what_sensors_say_is_in_the_database_after_a_clean_end(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    recorder = start(mosquitto.port, commit_every=3600.0)
    begun = time.time() - 100.0
    for step in range(50):
        sensors.publish(f"{node}/boiler", payload(begun + step, warm=20 + step, climate={"damp": 40.5}))
    sensors.publish(f"{node}/boiler", b"{")
    wait_until(lambda: "no reading in" in recorder.said())  # so all before it has come from the broker
    status, seconds = recorder.end(signal.SIGTERM)
    assert (status, seconds < 5.0) == (0, True)
    found = rows(tmp_path / "recorder" / "recorder.db")
    assert len(found) == 100
    assert {(stream, sensor) for stream, sensor, _, _ in found} == {("boiler", "warm"), ("boiler", "climate.damp")}
    assert [value for _, sensor, _, value in found if sensor == "warm"] == [20.0 + step for step in range(50)]
    assert "stopped: 100 readings recorded, 2 sensors in 1 stream; 1 refused" in recorder.said()


def test_systemd_hears_of_readiness_and_of_the_end(start: Start, mosquitto: Mosquitto) -> None:
    recorder = start(mosquitto.port)
    assert recorder.datagrams[-1].startswith("READY=1\nSTATUS=")
    assert recorder.end(signal.SIGINT)[0] == 0
    recorder.process = None  # its datagrams are all there
    recorder.wait_for_datagram("STOPPING=1")


def test_a_kill_loses_no_more_than_the_seconds_that_are_stated(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    commit_every = 0.5
    recorder = start(mosquitto.port, commit_every=commit_every)
    published: list[float] = []
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        published.append(round(time.time(), 3))
        sensors.publish(f"{node}/boiler", payload(published[-1], warm=1.0))
        time.sleep(0.01)
    killed_at = time.time()
    recorder.end(signal.SIGKILL)
    kept = {round(at, 3) for _, _, at, _ in rows(tmp_path / "recorder" / "recorder.db")}
    lost = [at for at in published if at not in kept]
    assert kept
    assert all(killed_at - at < commit_every + 0.5 for at in lost)  # half a second for a busy machine
    assert lost == published[len(published) - len(lost) :]


def test_a_recorder_that_was_killed_goes_on_with_its_file_and_what_the_broker_kept(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    path, begun = tmp_path / "recorder" / "recorder.db", time.time() - 100.0
    recorder = start(mosquitto.port)
    sensors.publish(f"{node}/boiler", payload(begun, warm=1.0))
    wait_until(lambda: len(rows(path)) == 1)
    recorder.end(signal.SIGKILL)
    sensors.publish(f"{node}/boiler", payload(begun + 1.0, warm=2.0))  # nobody listens
    recorder.start()
    wait_until(lambda: len(rows(path)) == 2)


def test_a_retained_payload_is_no_reading_and_a_refused_one_is_told_once(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    sensors.publish(f"{node}/boiler", payload(time.time(), warm=1.0), retain=True)
    recorder = start(mosquitto.port)
    for _ in range(3):
        sensors.publish(f"{node}/boiler", b"{")
    sensors.publish(f"{node}/boiler", payload(time.time(), warm=2.0))
    wait_until(lambda: len(rows(tmp_path / "recorder" / "recorder.db")) == 1)
    recorder.end(signal.SIGTERM)
    assert [value for *_, value in rows(tmp_path / "recorder" / "recorder.db")] == [2.0]
    assert "1 reading recorded, 1 sensor in 1 stream; 4 refused" in recorder.said()
    assert recorder.said().count("its like is only counted from now on") == 1
    sensors.publish(f"{node}/boiler", b"", retain=True)


def test_sensors_with_topics_of_their_own_need_no_names(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    table = f'[streams.rooms]\ntopic = "{node}/home/{{room}}/{{sensor}}"\ndialect = "plain"\n'
    start(mosquitto.port, table=table)
    sensors.publish(f"{node}/home/kitchen/warm", b"21.5")
    sensors.publish(f"{node}/home/attic/damp", b"60")
    path = tmp_path / "recorder" / "recorder.db"
    wait_until(lambda: len(rows(path)) == 2)
    assert {(stream, sensor, value) for stream, sensor, _, value in rows(path)} == {
        ("kitchen", "warm", 21.5),
        ("attic", "damp", 60.0),
    }


def test_a_table_with_a_bundle_records_that_bundle_s_sensors(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, tmp_path: Path, bundles: Path
) -> None:
    table = f'bundle = "{bundles / "lstm-dynamic.bundle"}"\n[streams.boiler.sensors]\ntemperature = "t"\n'
    start(mosquitto.port, table=table)
    sensors.publish(f"{sensors.node}/boiler", payload(time.time(), t=20.0, humidity=40.0, linkquality=99))
    path = tmp_path / "recorder" / "recorder.db"
    wait_until(lambda: len(rows(path)) == 2)
    assert {sensor for _, sensor, _, _ in rows(path)} == {"temperature", "humidity"}


def test_a_second_recorder_of_the_same_file_is_told_so(start: Start, mosquitto: Mosquitto, tmp_path: Path) -> None:
    first = start(mosquitto.port)
    second = Served(tmp_path / "second", first.config.read_text(), "record")
    second.config.write_text(
        first.config.read_text().replace("[recorder]", f'[recorder]\ndatabase = "{tmp_path}/recorder/recorder.db"')
    )
    second.start()
    assert second.wait() == 2
    (error,) = second.errors()
    assert "must be written by one process alone, another one has it" in error
    second.close()


def test_a_broker_that_comes_later_is_waited_for(start: Start, tmp_path: Path) -> None:
    recorder = start(free_port(), ready=False)
    wait_until(lambda: "cannot be reached" in recorder.said())
    assert recorder.end(signal.SIGTERM)[0] == 0


def test_it_ends_by_itself_after_the_time_it_was_given(
    start: Start, mosquitto: Mosquitto, tmp_path: Path, node: str
) -> None:
    recorder = start(mosquitto.port)
    recorder.end(signal.SIGTERM)
    begun = time.monotonic()
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    arguments = ["record", "--config", str(recorder.config), "--for", "1s", "--database", str(tmp_path / "other.db")]
    try:
        assert cli.main(arguments) == 0
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
            signal.signal(number, handler)
    assert 0.9 < time.monotonic() - begun < 5.0
    assert (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--for", "soon"], "--for: must be a span of time such as 90s, 15m, 12h, 7d or 2w, got 'soon'"),
        (["--database", "readings.csv"], "--database: must end in .db or .sqlite or .sqlite3"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(
    tmp_path: Path, options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tidegate.toml"
    config.write_text('[streams.boiler]\ntopic = "plant/boiler"\n')
    assert cli.main(["record", "--config", str(config), *options]) == 2
    assert problem in capsys.readouterr().err


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Recorder]:
    """A recorder that finds no broker."""
    config = tmp_path / "tidegate.toml"
    config.write_text(f'[broker]\nport = {free_port()}\n[streams.boiler]\ntopic = "plant/boiler"\n')
    found = load_to_record(config)
    journal = Journal(found.recorder.database, found.recorder)
    yield Recorder(found, journal, Notifier({}, os.getpid()))
    journal.close()


def hear(recorder: Recorder, count: int) -> None:
    """Put messages of a hundred numbers each where the broker's would be."""
    values = {f"sensor{number}": number for number in range(100)}
    for step in range(count):
        message = Message("plant/boiler", payload(time.time() - step, **values), False, time.time())
        recorder.connection.inboxes[0].put(message)


def test_messages_that_wait_for_the_clock_at_the_end_are_counted(
    idle: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    idle._trust = Trust(
        1e9, started_at=0.0, witnesses=Witnesses(kernel=lambda: False, timesync=tmp_path)
    )  # nobody has set it
    hear(idle, 3)
    idle._keep(idle.connection.inboxes[0].take(0.0))
    assert "3 messages wait for the clock to be set" in idle.status()
    hear(idle, 2)
    with caplog.at_level("INFO"):
        idle.run(0.0)
    assert "stopped: 0 readings recorded, 0 sensors in 0 streams; 0 refused, 0 repeated, 5 dropped" in caplog.text


def test_what_cannot_be_written_at_the_end_is_told_as_dropped(idle: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    assert idle._journal._history is not None
    idle._journal._history._connection.execute("PRAGMA max_page_count = 10").fetchone()
    hear(idle, 40)
    with caplog.at_level("INFO"):
        idle.run(0.0)
    assert "stopped: 0 readings recorded, " in caplog.text
    assert " 4000 dropped" in caplog.text


def test_maintenance_and_what_is_acknowledged_are_remembered_beside_the_readings(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    recorder = start(mosquitto.port, before="feedback = true\n")
    begun = time.time()
    sensors.publish(f"tidegate/{node}/boiler/feedback", b'{"feedback": "maintenance", "for": 600}')
    event = {"start": int(begun), "end": int(begun) + 60, "feedback": "acknowledged"}
    sensors.publish(f"tidegate/{node}/boiler/event", json.dumps(event).encode())
    sensors.publish(f"tidegate/{node}/boiler/feedback", b"weekend")
    sensors.publish(f"{node}/boiler", payload(begun - 60.0, warm=20.0))
    database = tmp_path / "recorder" / "recorder.db"
    wait_until(lambda: len(rows(database)) == 1)
    recorder.end(signal.SIGTERM)
    assert "1 reading recorded, 1 sensor in 1 stream; 1 refused" in recorder.said()
    with reading(database) as connection:
        confirmed, work = history_spans.read(connection)
    assert confirmed == Span("boiler", ACKNOWLEDGED, int(begun) * MICROSECONDS, (int(begun) + 60) * MICROSECONDS)
    assert (work.stream, work.why, work.end - work.start) == ("boiler", MAINTENANCE, 600_000_000)
    assert begun - 5.0 < work.start / 1e6 < time.time()


def test_where_people_may_not_speak_of_streams_their_words_are_not_heard(
    start: Start, sensors: Sensors, mosquitto: Mosquitto, node: str, tmp_path: Path
) -> None:
    recorder = start(mosquitto.port)
    sensors.publish(f"tidegate/{node}/boiler/feedback", b"maintenance")
    sensors.publish(f"{node}/boiler", payload(time.time(), warm=20.0))
    database = tmp_path / "recorder" / "recorder.db"
    wait_until(lambda: len(rows(database)) == 1)
    recorder.end(signal.SIGTERM)
    with reading(database) as connection:
        assert history_spans.read(connection) == []


def test_a_time_in_which_no_broker_could_be_heard_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tidegate.toml"
    config.write_text(f'[broker]\nport = {(port := free_port())}\n[streams.boiler]\ntopic = "plant/boiler"\n')
    assert cli.main(["record", "--config", str(config), "--for", "1s"]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == f"error: broker localhost:{port}: could not be heard in all that time: nothing was recorded"
