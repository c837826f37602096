"""A daemon as a process of its own, started as systemd would start it, and somebody else at the same broker."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import HOST

ROOT = Path(__file__).parent.parent
WITHIN = 20.0  # seconds that anything may take on a busy machine


def wait_until(condition: Callable[[], bool], within: float = WITHIN) -> None:
    """Return as soon as a condition holds."""
    give_up_at = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.005)


def climate(time_: float, humidity: object, temperature: object) -> bytes:
    """Return the payload of a mote."""
    return json.dumps({"time": time_, "humidity": humidity, "temperature": temperature}).encode()


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [int(line) for line in told.stdout.split()]


class Served:
    """A daemon of our own in a folder of its own.

    Attributes:
        config: the file it reads.
        datagrams: what it told systemd, in order.
    """

    def __init__(self, folder: Path, config: str, command: str = "run") -> None:
        folder.mkdir(exist_ok=True)
        self._command = command
        self.config = folder / "tidegate.toml"
        self.config.write_text(config)
        self.datagrams: list[str] = []
        self._log = folder / "daemon.log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(0.02)
        self._environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start, and return at once."""
        command = [sys.executable, "-m", "edge.cli", self._command, "--config", str(self.config)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**self._environment, **environment}, stdout=log, stderr=log
            )

    def wait_for_datagram(self, word: str) -> str:
        """Return the first datagram from now on that holds a word."""
        give_up_at = time.monotonic() + WITHIN
        while time.monotonic() < give_up_at:
            try:
                self.datagrams.append(self._socket.recv(4096).decode())
            except TimeoutError:
                assert self.process is None or self.process.poll() is None, self.said()
                continue
            if word in self.datagrams[-1]:
                return self.datagrams[-1]
        raise AssertionError(f"never said {word}; it said {self.datagrams}\n{self.said()}")

    def wait_until_ready(self) -> None:
        """Return when systemd would think that it serves."""
        self.wait_for_datagram("READY=1")

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit status and the seconds until the end."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(WITHIN)
        return status, time.monotonic() - begun

    def wait(self) -> int:
        """Return the exit status of a daemon that ends by itself."""
        assert self.process is not None
        return self.process.wait(WITHIN)

    def said(self) -> str:
        """Return what it wrote to its log."""
        return self._log.read_text()

    def errors(self) -> list[str]:
        """Return the lines for the operator."""
        return [line for line in self.said().splitlines() if line.startswith("error: ")]

    def close(self) -> None:
        """See to it that nothing of it is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(WITHIN)
        self._socket.close()


@contextmanager
def served(folder: Path, config: str, **environment: str) -> Iterator[Served]:
    """Let a daemon serve, from its readiness on."""
    daemon = Served(folder, config)
    try:
        daemon.start(**environment)
        daemon.wait_until_ready()
        yield daemon
    finally:
        daemon.close()


def _send_at_once(client: paho.Client, userdata: object, sock: object) -> None:
    assert isinstance(sock, socket.socket)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Sensors:
    """The sensors and the subscriber: publishes readings, and hears all that a node says.

    Attributes:
        node: its name.
    """

    def __init__(self, port: int, node: str, username: str = "", password: str = "") -> None:
        self.node = node
        self._root = f"tidegate/{node}/"
        self._heard: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.max_inflight_messages_set(200)
        self._client.on_socket_open = _send_at_once
        if username:
            self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, userdata, message: self._heard.put(
            (message.topic.removeprefix(self._root), bytes(message.payload), message.retain)
        )
        self._client.connect(HOST, port)
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN)

    def _subscribe(self, client: paho.Client, *_: object) -> None:
        client.subscribe(f"{self._root}#", 1)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Return when the broker has it."""
        self._client.publish(topic, payload, 1, retain).wait_for_publish(WITHIN)

    def post(self, topic: str, payload: bytes) -> None:
        """Publish without waiting."""
        self._client.publish(topic, payload, 1)

    def hear(self, topic: str) -> bytes:
        """Return the next payload of a topic of the node; what comes before it is forgotten."""
        give_up_at = time.monotonic() + WITHIN
        while True:
            heard, payload, _ = self._heard.get(timeout=max(0.0, give_up_at - time.monotonic()))
            if heard == topic:
                return payload

    def hear_all(self, until: Callable[[str, bytes], bool]) -> list[tuple[str, bytes]]:
        """Return all that comes, up to what fulfils a condition."""
        give_up_at = time.monotonic() + WITHIN
        all_heard: list[tuple[str, bytes]] = []
        while not (all_heard and until(*all_heard[-1])):
            topic, payload, _ = self._heard.get(timeout=max(0.0, give_up_at - time.monotonic()))
            all_heard.append((topic, payload))
        return all_heard

    def health(self, condition: Callable[[Mapping[str, object]], bool]) -> Mapping[str, object]:
        """Return the next health message that fulfils a condition."""
        while True:
            table: Mapping[str, object] = json.loads(self.hear("health"))
            if condition(table):
                return table

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()
