"""The command `tidegate discover` at a real mosquitto, in a house of 60 devices."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge import cli, discovery
from edge.errors import OperatorError
from tests.conftest import HOST, Mosquitto
from tests.houses import whole as house
from tests.houses.parts import Sent
from tests.judged_discovery import judge, load

ROOT = Path(__file__).parents[2]
WITHIN = 30.0


class Searched:
    """A discovery as a process of its own."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "edge.cli", "discover", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._told: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._told.append(line)
            if line.startswith("listening"):
                self._listening.set()

    def wait_until_listening(self) -> None:
        assert self._listening.wait(WITHIN), self._told

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return status, output and what it told on the side."""
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        status = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        return status, said, "".join(self._told)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WITHIN)


Search = Callable[..., Searched]


@pytest.fixture
def search() -> Iterator[Search]:
    made: list[Searched] = []

    def begin(*arguments: object) -> Searched:
        made.append(Searched(*arguments))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@contextmanager
def speaking(port: int) -> Iterator[Callable[[Sequence[Sent]], None]]:
    """Be somebody who publishes, and returns when the broker has it all."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect(HOST, port)
    client.loop_start()

    def send(messages: Sequence[Sent]) -> None:
        receipts = [client.publish(one.topic, one.payload, 1, one.retain) for one in messages]
        for receipt in receipts:
            receipt.wait_for_publish(WITHIN)

    yield send
    client.disconnect()
    client.loop_stop()


def test_a_house_of_60_devices_is_recognised_and_nothing_is_invented(
    broker: Mosquitto, search: Search, tmp_path: Path
) -> None:
    path = tmp_path / "tidegate.toml"
    sent = house.kept()
    with speaking(broker.port) as send:
        send(sent)
        searched = search("--broker", f"{HOST}:{broker.port}", "--for", "5m", "--out", path)
        searched.wait_until_listening()
        for step in range(4):
            spoken = house.said(step, time.time())
            send(spoken)
            sent = [*sent, *spoken]
        time.sleep(0.5)
        searched.process.send_signal(signal.SIGINT)  # early: what was found is written
        status, said, told = searched.end()
    assert status == 0, told
    tally = "60 streams (10 esphome, 10 json, 5 plain, 5 sparkplug, 10 tasmota, 20 zigbee2mqtt)"
    assert said == f"wrote {path}: {tally}\n"
    verdict = judge(load(path), house.devices(), sent)
    assert (verdict.missed, verdict.invented, verdict.recognised) == ([], [], 60)


def test_a_search_ends_by_itself_when_its_time_is_over(mosquitto: Mosquitto, search: Search, tmp_path: Path) -> None:
    path = tmp_path / "tidegate.toml"
    searched = search("--broker", f"{HOST}:{mosquitto.port}", "--for", "1s", "--out", path, "--topic", "mine/#")
    searched.wait_until_listening()
    with speaking(mosquitto.port) as send:
        send([Sent("mine/shed/temperature", b"21.5"), Sent("yours/shed/temperature", b"21.5")])
        status, _, told = searched.end()
    assert status == 0, told
    assert [table["topic"] for table in tomllib.loads(path.read_text())["streams"].values()] == [
        "mine/shed/temperature"
    ]


def test_a_search_publishes_nothing_and_leaves_no_session(broker: Mosquitto, search: Search, tmp_path: Path) -> None:
    heard: SimpleQueue[str] = SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    subscribed = threading.Event()
    client.on_message = lambda _, __, message: heard.put(message.topic)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(HOST, broker.port)
    client.loop_start()
    client.subscribe("#")
    assert subscribed.wait(WITHIN)
    searched = search("--broker", f"{HOST}:{broker.port}", "--for", "1s", "--out", tmp_path / "tidegate.toml")
    searched.wait_until_listening()
    with speaking(broker.port) as send:
        send([Sent("a/temperature", b"1.0")])
        status, _, told = searched.end()
        assert status == 0, told
        send([Sent("the/end", b"1")])
    topics = []
    while not topics or topics[-1] != "the/end":
        topics.append(heard.get(timeout=WITHIN))
    client.disconnect()
    client.loop_stop()
    assert topics == ["a/temperature", "the/end"]
    log = (tmp_path / "mosquitto.log").read_text()
    assert re.search(r"as tidegate-discover-\d+-[0-9a-f]{8} \(p5, c1,", log), log  # a clean start


def test_nothing_heard_is_told_and_no_file_is_written(mosquitto: Mosquitto, search: Search, tmp_path: Path) -> None:
    path = tmp_path / "tidegate.toml"
    status, said, told = search(
        "--broker", f"{HOST}:{mosquitto.port}", "--for", "0.5s", "--out", path, "--topic", "nobody/here"
    ).end()
    assert (status, said, path.exists()) == (1, "", False)
    assert told.splitlines()[-1].startswith("nothing to propose of 0 messages on 0 topics")


def test_the_proposal_can_go_to_the_terminal(mosquitto: Mosquitto, search: Search) -> None:
    searched = search("--broker", f"{HOST}:{mosquitto.port}", "--for", "1s", "--out", "-", "--topic", "term/#")
    searched.wait_until_listening()
    with speaking(mosquitto.port) as send:
        send([Sent("term/kiln", json.dumps({"warm": 700.5}).encode())])
        status, said, _ = searched.end()
    assert status == 0
    assert tomllib.loads(said)["streams"]["term-kiln"]["sensors"] == {"warm": "warm"}


def test_the_password_is_read_from_its_file_and_never_told(
    password_broker: Mosquitto, search: Search, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{password_broker.password}\n")
    out = tmp_path / "tidegate.toml"
    searched = search(
        "--broker", f"{HOST}:{password_broker.port}", "--for", "2s", "--out", out, "--topic", "tidegate/#",
        "--username", password_broker.username, "--password-file", secret,
    )  # fmt: skip
    searched.wait_until_listening()
    status, _, told = searched.end()
    assert (status, out.exists()) == (1, False), told
    assert password_broker.password not in told


def test_a_terminal_sees_how_far_it_is_in_one_line(mosquitto: Mosquitto, search: Search) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    command = [sys.executable, "-m", "edge.cli", "discover", "--broker", f"{HOST}:{mosquitto.port}", "--for", "4s"]
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [*command, "--out", "-", "--topic", "nobody/there"],
        cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with suppress(OSError), open(ours, "rb", buffering=0) as terminal:  # EIO: the other end has closed
        while piece := terminal.read(4096):
            said += piece
    assert process.wait(WITHIN) == 1
    (line,) = re.findall(rb"\r\x1b\[K([^\r\n]+left[^\r\n]*)\r\x1b\[K", said)
    assert line.startswith(b"0:0")
    assert len(line) <= 39


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--broker :1883", "--broker: must be HOST or HOST:PORT, got ':1883'"),
        ("--broker pi:mqtt", "--broker: must be HOST or HOST:PORT, got 'pi:mqtt'"),
        ("--broker pi:70000", "--broker: must be HOST or HOST:PORT, got 'pi:70000'"),
        ("--broker pi --for ever", "--for: must be a span of time such as 90s, 15m, 12h, 7d or 2w, got 'ever'"),
        ("--broker pi --for 0m", "--for: must be a span of time such as 90s, 15m, 12h, 7d or 2w, got '0m'"),
        ("--broker pi --password-file x", "--username: must be set where --password-file is, got ''"),
        ("--broker pi --out no/where.toml", "--out: must be a file in a folder that exists, got no/where.toml"),
        (
            "--broker pi --out there.toml",
            "--out: must be a new file unless --force is given, got there.toml, which exists",
        ),
    ],
)
def test_a_mistake_is_one_line(
    arguments: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.toml").write_text("")
    assert cli.main(["discover", *arguments.split()]) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_broker_that_is_not_there_is_the_operators_to_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.hearing.GRACE", -9.0)
    search = discovery.Search(broker=f"{HOST}:1", lasts=1.0, out=tmp_path / "tidegate.toml")
    with pytest.raises(OperatorError, match=rf"broker {HOST}:1: must be reachable and grant"):
        discovery.run(search)


@pytest.mark.parametrize("wanted", ["a/#/b", "a+/b", "", "#a"])
def test_a_filter_that_is_none_is_told_in_one_line(wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["discover", "--broker", "127.0.0.1:1", "--topic", wanted]) == 2
    told = f"error: --topic: must be a topic with + for a level and # for the rest, got {wanted!r}\n"
    assert capsys.readouterr().err == told
