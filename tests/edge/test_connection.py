"""The connection against a real mosquitto; against bytes where mosquitto is too well-behaved to show what we fear."""

import itertools
import logging
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import paho.mqtt.client as paho
import pytest

from edge import embedded
from edge.config import BrokerConfig
from edge.connection import Connection
from edge.errors import OperatorError
from edge.mailbox import INFLIGHT, Message
from tests.conftest import HOST, Mosquitto, free_port

ROOT = Path(__file__).parents[2]
NUMBERS = itertools.count()

Dial = Callable[..., Connection]


@pytest.fixture
def node() -> str:
    """A name that no other test has: tests share a broker."""
    return f"node{next(NUMBERS)}"


@pytest.fixture
def dial(node: str) -> Iterator[Dial]:
    """Make connections that are started at once and stopped in the end."""
    made: list[Connection] = []

    def connect(port: int, *filters: tuple[str, int], **settings: object) -> Connection:
        quick = {"connect_timeout": 1.0, "reconnect_min": 0.05, "reconnect_max": 0.2, **settings}
        config = BrokerConfig(host=HOST, port=port, **quick)  # type: ignore[arg-type]
        made.append(
            Connection(
                config,
                client_id=config.client_id or f"tidegate-{node}",
                status_topic=f"tidegate/{node}/status",
                subscriptions=filters,
            )
        )
        made[-1].start()
        return made[-1]

    yield connect
    for connection in made:
        connection.stop()


class Observer:
    """Somebody else at the same broker, who speaks MQTT 5."""

    def __init__(self, port: int, topics: str) -> None:
        self.heard: queue.SimpleQueue[paho.MQTTMessage] = queue.SimpleQueue()
        subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = lambda client, userdata, message: self.heard.put(message)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect(HOST, port)
        self._client.loop_start()
        self._client.subscribe(topics, 1)
        assert subscribed.wait(5.0)

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Return when the broker has it."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(5.0)

    def hear(self) -> paho.MQTTMessage:
        return self.heard.get(timeout=5.0)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def observe() -> Iterator[Callable[[int, str], Observer]]:
    made: list[Observer] = []

    def make(port: int, topics: str) -> Observer:
        made.append(Observer(port, topics))
        return made[-1]

    yield make
    for observer in made:
        observer.close()


Observe = Callable[[int, str], Observer]


def wait_until(condition: Callable[[], bool], within: float = 20.0) -> None:
    give_up_at = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.005)


def wait_for_ready(connection: Connection) -> Connection:
    give_up_at = time.monotonic() + 20.0
    while not connection.ready:
        assert time.monotonic() < give_up_at, "never became ready"
        if connection.failure is not None:
            raise connection.failure
        time.sleep(0.005)  # not by taking: what is retained may come at once, and belongs to the test
    return connection


def take(connection: Connection, count: int) -> list[Message]:
    """Take until so many messages came."""
    give_up_at = time.monotonic() + 20.0
    messages: list[Message] = []
    while len(messages) < count:
        assert time.monotonic() < give_up_at, f"only {messages} came"
        messages += connection.take(0.1)
    return messages


def retained_status(port: int, node: str, observe: Observe) -> bytes:
    message = observe(port, f"tidegate/{node}/status").hear()
    assert message.retain
    return message.payload


# Being there, and not being there


def test_the_status_is_kept_online_while_connected_and_stopped_after_a_stop(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    connection = wait_for_ready(dial(mosquitto.port))
    assert retained_status(mosquitto.port, node, observe) == b"online"
    connection.stop()
    assert retained_status(mosquitto.port, node, observe) == b"stopped"


def test_a_daemon_that_is_killed_leaves_offline_behind(mosquitto: Mosquitto, observe: Observe, node: str) -> None:
    watcher = observe(mosquitto.port, f"tidegate/{node}/status")
    script = (
        "from edge.config import BrokerConfig; from edge.connection import Connection; import time\n"
        f"config = BrokerConfig(host={HOST!r}, port={mosquitto.port})\n"
        f"topic = 'tidegate/{node}/status'\n"
        f"Connection(config, client_id='tidegate-{node}', status_topic=topic, subscriptions=[]).start()\n"
        "time.sleep(60)"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert watcher.hear().payload == b"online"
    finally:
        daemon.kill()
        daemon.wait()
    assert watcher.hear().payload == b"offline"


def test_a_restarted_broker_is_found_and_subscribed_to_again(
    broker: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    connection = wait_for_ready(dial(broker.port, ("sensors/#", 1)))
    broker.stop()
    wait_until(lambda: not connection.ready)
    broker.start()
    wait_for_ready(connection)
    observer = observe(broker.port, f"tidegate/{node}/status")
    assert observer.hear().payload == b"online"
    observer.publish("sensors/a", b"1")
    assert [message.payload for message in take(connection, 1)] == [b"1"]
    assert (connection.counters.connects, connection.counters.disconnects) == (2, 1)


def test_a_broker_that_is_not_there_is_tried_until_it_comes_and_logged_once(
    broker: Mosquitto, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broker.kill()
    connection = dial(broker.port)
    assert connection.take(0.5) == []
    broker.start()
    wait_for_ready(connection)
    texts = [record.getMessage() for record in caplog.records if record.name == "edge.troubles"]
    where = f"broker {HOST}:{broker.port}"
    assert texts[0].startswith(f"{where}: cannot be reached: ")
    assert texts[1:2] == [f"{where}: connected, MQTT 5"]


def test_a_persistent_session_delivers_what_was_sent_while_we_were_away(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    topic = f"sensors/{node}"
    wait_for_ready(dial(mosquitto.port, (topic, 1))).stop()
    observe(mosquitto.port, "nothing").publish(topic, b"meanwhile")
    assert [message.payload for message in take(dial(mosquitto.port, (topic, 1)), 1)] == [b"meanwhile"]


def test_a_broker_that_stands_still_is_noticed_by_its_silence(
    broker: Mosquitto, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    connection = wait_for_ready(dial(broker.port, keepalive=1))
    broker.pause()
    wait_until(lambda: not connection.ready)
    broker.resume()
    wait_for_ready(connection)
    assert (connection.counters.connects, connection.counters.disconnects) == (2, 1)
    assert caplog.messages == [f"broker {HOST}:{broker.port}: connection lost: Keep alive timeout"]


# Messages in


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_messages_come_in_order_with_their_time_of_arrival(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str, protocol: str
) -> None:
    connection = wait_for_ready(dial(mosquitto.port, (f"{node}/a/#", 0), (f"{node}/b/#", 1), protocol=protocol))
    observer, before = observe(mosquitto.port, "nothing"), time.time()
    for number in range(50):
        observer.publish(f"{node}/{'ab'[number % 2]}/x", str(number).encode(), qos=number % 2)
    messages = take(connection, 50)
    assert [message.payload for message in messages] == [str(number).encode() for number in range(50)]
    assert messages[1].topic == f"{node}/b/x"
    assert before <= messages[0].received_at <= messages[-1].received_at <= time.time()
    assert connection.counters.received == 50


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_only_what_is_old_is_called_retained(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str, protocol: str
) -> None:
    topic = f"{node}/state"
    observer = observe(mosquitto.port, "nothing")
    observer.publish(topic, b"old", retain=True)
    connection = wait_for_ready(dial(mosquitto.port, (topic, 1), protocol=protocol))
    observer.publish(topic, b"live", retain=True)
    assert [message[1:3] for message in take(connection, 2)] == [(b"old", True), (b"live", False)]


def test_a_full_inbox_drops_the_oldest_and_counts_them(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    connection = wait_for_ready(dial(mosquitto.port, (f"{node}/#", 1), inbox=10))
    observer = observe(mosquitto.port, "nothing")
    for number in range(25):
        observer.publish(f"{node}/x", str(number).encode())
    wait_until(lambda: connection.counters.received == 25)
    assert [int(message.payload) for message in take(connection, 10)] == list(range(15, 25))
    assert connection.counters.dropped_superseded == 15


def test_a_message_that_is_too_large_is_counted_and_dropped(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    connection = wait_for_ready(dial(mosquitto.port, (f"{node}/#", 1), payload_limit=1000))
    observer = observe(mosquitto.port, "nothing")
    for size in (1000, 1001, 10_000_000, 1):
        observer.publish(f"{node}/x", b"x" * size)
    assert [len(message.payload) for message in take(connection, 2)] == [1000, 1]
    assert (connection.counters.received, connection.counters.too_large) == (4, 2)


def test_a_signal_handler_ends_a_waiting_take(mosquitto: Mosquitto, dial: Dial) -> None:
    connection = wait_for_ready(dial(mosquitto.port))
    previous = signal.signal(signal.SIGALRM, lambda *_: connection.wake())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        began = time.monotonic()
        assert connection.take(30.0) == []
        assert time.monotonic() - began < 5.0
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_a_wake_before_the_take_is_not_lost(mosquitto: Mosquitto, dial: Dial) -> None:
    connection = wait_for_ready(dial(mosquitto.port))
    connection.wake()
    began = time.monotonic()
    assert connection.take(30.0) == []
    assert time.monotonic() - began < 5.0


def test_a_connection_that_does_not_run_is_not_waited_for() -> None:
    connection = Connection(BrokerConfig(), client_id="n", status_topic="n/status", subscriptions=[])
    with pytest.raises(RuntimeError, match="not running"):
        connection.take(30.0)


# Messages out


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_publish_arrives_as_it_was_asked_for(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str, protocol: str
) -> None:
    connection = wait_for_ready(dial(mosquitto.port, protocol=protocol))
    observer = observe(mosquitto.port, f"{node}/#")
    for qos, retain in itertools.product((0, 1), (False, True)):
        connection.publish(f"{node}/{qos}/{retain}", b"news", qos, retain)
        message = observer.hear()
        assert (message.topic, message.payload, message.qos) == (f"{node}/{qos}/{retain}", b"news", qos)
    late = observe(mosquitto.port, f"{node}/#")
    assert {late.hear().topic, late.hear().topic} == {f"{node}/0/True", f"{node}/1/True"}
    assert connection.counters.published == 5  # and the birth


def test_an_expiry_travels_with_the_message_in_mqtt_5(
    mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    observer = observe(mosquitto.port, f"{node}/#")
    wait_for_ready(dial(mosquitto.port)).publish(f"{node}/forecast", b"soon", expiry=59.2)
    assert observer.hear().properties.MessageExpiryInterval in {59, 60}  # the broker counts down


def test_without_a_broker_qos_0_is_dropped_and_qos_1_waits(
    broker: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    connection = wait_for_ready(dial(broker.port, reconnect_min=1.0, reconnect_max=1.0))
    broker.kill()
    wait_until(lambda: not connection.ready)
    for number in range(100):
        connection.publish(f"{node}/state", b"0")
        connection.publish(f"{node}/event", str(number).encode(), 1)
    broker.start()
    observer = observe(broker.port, f"{node}/#")
    assert [int(observer.hear().payload) for _ in range(100)] == list(range(100))
    assert connection.counters.publish_dropped == 100


def test_a_full_outbox_drops_the_oldest_and_counts_them(
    broker: Mosquitto, dial: Dial, observe: Observe, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.mailbox.OUTBOX", 200)
    broker.kill()
    connection = dial(broker.port, reconnect_min=0.5, reconnect_max=0.5)
    for number in range(205):
        connection.publish(f"{node}/{number}", str(number).encode(), 1, True)
    broker.start()
    observer = observe(broker.port, f"{node}/#")
    assert [int(observer.hear().payload) for _ in range(200)] == list(range(5, 205))
    assert connection.counters.publish_dropped == 5


def test_what_was_not_acknowledged_is_sent_again_to_the_next_broker(
    broker: Mosquitto, dial: Dial, observe: Observe, node: str
) -> None:
    connection = wait_for_ready(dial(broker.port))
    broker.pause()
    for number in range(5 * INFLIGHT):
        connection.publish(f"{node}/{number}", str(number).encode(), 1, True)
    broker.kill()
    broker.start()
    wait_for_ready(connection)
    observer = observe(broker.port, f"{node}/#")
    assert {int(observer.hear().payload) for _ in range(5 * INFLIGHT)} == set(range(5 * INFLIGHT))
    assert connection.counters.publish_dropped == 0


def test_no_message_lies_about_until_the_next_look_at_the_deadlines(
    mosquitto: Mosquitto, node: str, dial: Dial, observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.session.TICK", 12.0)
    connection = wait_for_ready(dial(mosquitto.port, (f"{node}/#", 0)))
    observer = observe(mosquitto.port, f"out/{node}")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the threads are to meet in the middle of everything
    try:
        for _ in range(400):
            for _ in range(60):
                connection.publish(f"out/{node}", b"burst")
            time.sleep(0.005)
            connection.publish(f"out/{node}", b"alone")
            begun = time.monotonic()
            while observer.hear().payload != b"alone":
                pass
            assert time.monotonic() - begun < 6.0  # half of a look: far more than a busy machine needs
    finally:
        sys.setswitchinterval(interval)


def test_a_broker_that_stands_still_neither_blocks_a_publish_nor_fills_the_memory(
    broker: Mosquitto, dial: Dial, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.mailbox.OUTBOX", 1000)
    connection = wait_for_ready(dial(broker.port))
    broker.pause()
    began = time.monotonic()
    for _ in range(3000):
        connection.publish(f"{node}/state", b"x" * 10_000)
    assert time.monotonic() - began < 2.0
    assert 1000 < connection.counters.publish_dropped <= 2000  # what fits into the sockets is not ours to count
    broker.resume()


# Stopping


def timed_stop(connection: Connection) -> float:
    began = time.monotonic()
    connection.stop()
    return time.monotonic() - began


def test_a_stop_is_quick_and_may_be_repeated(mosquitto: Mosquitto, dial: Dial) -> None:
    connection = wait_for_ready(dial(mosquitto.port))
    assert timed_stop(connection) < 0.5
    assert timed_stop(connection) < 0.1
    assert connection.take(0.0) == []


def test_a_stop_delivers_what_still_waits(mosquitto: Mosquitto, dial: Dial, observe: Observe, node: str) -> None:
    connection = wait_for_ready(dial(mosquitto.port))
    for number in range(5 * INFLIGHT):
        connection.publish(f"{node}/{number}", b"x", 1, True)
    connection.stop()
    observer = observe(mosquitto.port, f"{node}/#")
    assert len({observer.hear().topic for _ in range(5 * INFLIGHT)}) == 5 * INFLIGHT
    assert retained_status(mosquitto.port, node, observe) == b"stopped"


def test_a_stop_takes_at_most_two_seconds_when_the_broker_stands_still(broker: Mosquitto, dial: Dial) -> None:
    connection = wait_for_ready(dial(broker.port))
    broker.pause()
    assert timed_stop(connection) < 2.0
    broker.resume()


def test_a_stop_is_quick_when_the_broker_is_gone_or_never_was(broker: Mosquitto, dial: Dial) -> None:
    connection, lost = dial(free_port()), wait_for_ready(dial(broker.port, reconnect_min=30.0, reconnect_max=30.0))
    broker.kill()
    wait_until(lambda: not lost.ready)
    assert timed_stop(lost) < 0.5
    assert timed_stop(connection) < 0.5


def test_a_stop_is_quick_while_a_broker_does_not_answer_our_connect(broker: Mosquitto, dial: Dial) -> None:
    broker.pause()
    connection = dial(broker.port, connect_timeout=30.0)
    connection.take(0.2)
    assert timed_stop(connection) < 2.0
    broker.resume()


# Who may come in


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_a_wrong_password_is_the_operators_fault(
    password_broker: Mosquitto, dial: Dial, tmp_path: Path, protocol: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong")
    connection = dial(password_broker.port, username="edge", password_file=str(secret), protocol=protocol)
    with pytest.raises(OperatorError, match=rf"broker {HOST}:{password_broker.port}: .*Not authorized"):
        wait_for_ready(connection)
    assert connection.counters.connects == 0


def test_the_right_password_lets_us_in(password_broker: Mosquitto, dial: Dial, tmp_path: Path, node: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(password_broker.password + "\n")
    wait_for_ready(dial(password_broker.port, ("sensors/#", 1), username="edge", password_file=str(secret)))


# A server of our own, for what mosquitto does not do


class Stub:
    """A server of one client at a time that answers as it is told.

    Attributes:
        levels: the protocol level of each CONNECT that came: 5, or 4 for MQTT 3.1.1.
        published: how many messages of QoS 1 came.
        acknowledges: whether they are answered.
        left: set when a connection has ended.
    """

    def __init__(self, connack: Callable[[int, int], bytes | None], granted: int = 1) -> None:
        """Take what is answered to the CONNECT of some number and level (None hangs up), and to a subscription."""
        self.levels: list[int] = []
        self.published = 0
        self.acknowledges = True
        self.left = threading.Event()
        self._connack = connack
        self._granted = granted
        self._sock: socket.socket | None = None
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End the present connection without a word."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                self._sock, _ = self._listener.accept()
            except OSError:
                return
            with self._sock as sock, sock.makefile("rb") as stream, suppress(OSError):
                self._talk(sock, stream)
            self.left.set()

    def _talk(self, sock: socket.socket, stream: BinaryIO) -> None:
        level = read_packet(stream)[1][6]
        self.levels.append(level)
        connack = self._connack(len(self.levels), level)
        if connack is None:
            return
        sock.sendall(connack)
        no_properties = b"\0" if level == 5 else b""
        while (packet := read_packet(stream))[0]:
            kind, body = packet
            if kind == 0x82:
                answer = body[:2] + no_properties + bytes([self._granted])
                sock.sendall(bytes([0x90, len(answer)]) + answer)
            elif kind & 0xF2 == 0x32:
                self.published += 1
                (length,) = struct.unpack_from("!H", body)
                if self.acknowledges:
                    sock.sendall(b"\x40\x02" + body[2 + length : 4 + length])


def read_packet(stream: BinaryIO) -> tuple[int, bytes]:
    """Read one packet of MQTT; its kind is 0 at the end."""
    kind, length, shift = stream.read(1), 0, 0
    while kind and (byte := stream.read(1)):
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return kind[0], stream.read(length)
    return 0, b""


WELCOME_5, WELCOME_3 = b"\x20\x03\x00\x00\x00", b"\x20\x02\x00\x00"


@pytest.fixture
def stub() -> Iterator[Callable[..., Stub]]:
    made: list[Stub] = []

    def make(connack: Callable[[int, int], bytes | None], granted: int = 1) -> Stub:
        made.append(Stub(connack, granted))
        return made[-1]

    yield make
    for server in made:
        server.close()


Server = Callable[..., Stub]


@pytest.mark.parametrize(
    "to_mqtt_5",
    [None, b"", b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b"HTTP/1.1 400 Bad Request\r\n"],
    ids=["hangs up", "never answers", "refuses as 3.1.1 does", "refuses as 5 does", "talks nonsense"],
)
def test_a_server_without_mqtt_5_is_spoken_to_in_3_1_1_from_then_on(
    stub: Server, dial: Dial, to_mqtt_5: bytes | None
) -> None:
    server = stub(lambda number, level: to_mqtt_5 if level == 5 else WELCOME_3)
    connection = wait_for_ready(dial(server.port, ("sensors/#", 1), connect_timeout=0.2))
    server.hang_up()
    wait_until(lambda: len(server.levels) == 3)
    wait_for_ready(connection)
    assert server.levels == [5, 4, 4]


def test_a_server_that_once_spoke_mqtt_5_is_never_spoken_to_in_3_1_1(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: None if number == 2 else WELCOME_5)
    connection = wait_for_ready(dial(server.port))
    server.hang_up()
    wait_until(lambda: len(server.levels) == 3)
    wait_for_ready(connection)
    assert server.levels == [5, 5, 5]


def test_a_server_that_speaks_neither_is_tried_in_both_with_pauses(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: None)
    dial(server.port, reconnect_min=0.2, reconnect_max=0.2).take(0.3)
    assert server.levels in ([5, 4, 5, 4], [5, 4])


def test_a_server_that_refuses_3_1_1_is_not_asked_for_3_1(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: b"\x20\x02\x00\x01")
    dial(server.port, protocol="3.1.1").take(0.0)
    wait_until(lambda: len(server.levels) == 3)
    assert server.levels == [4, 4, 4]


def test_a_version_that_the_operator_chose_and_the_server_refuses_is_the_operators_fault(
    stub: Server, dial: Dial
) -> None:
    server = stub(lambda number, level: b"\x20\x03\x00\x84\x00")
    with pytest.raises(OperatorError, match="Unsupported protocol version"):
        wait_for_ready(dial(server.port, protocol="5"))
    assert server.levels == [5]


@pytest.mark.parametrize(("welcome", "refusal"), [(WELCOME_5, 0x87), (WELCOME_3, 0x80)], ids=["5", "3.1.1"])
def test_a_refused_subscription_is_the_operators_fault(stub: Server, dial: Dial, welcome: bytes, refusal: int) -> None:
    server = stub(lambda number, level: welcome, granted=refusal)
    connection = dial(server.port, ("sensors/#", 1), protocol="5" if welcome is WELCOME_5 else "3.1.1")
    with pytest.raises(OperatorError, match=f"broker {HOST}:{server.port}: must grant every .*'sensors/#': "):
        wait_for_ready(connection)
    assert server.left.wait(2.0)
    with pytest.raises(OperatorError):
        connection.take(0.2)
    assert (connection.ready, len(server.levels)) == (False, 1)


def test_a_password_that_is_refused_later_is_tried_again(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: b"\x20\x03\x00\x87\x00" if number == 2 else WELCOME_5)
    connection = wait_for_ready(dial(server.port))
    server.hang_up()
    wait_until(lambda: len(server.levels) == 3)
    wait_for_ready(connection)
    assert connection.failure is None


def test_a_connection_that_breaks_at_once_is_not_taken_for_success(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: WELCOME_5 + b"\xf0\x00")  # and a packet that no server may send
    dial(server.port, reconnect_min=0.1, reconnect_max=60.0).take(0.0)
    wait_until(lambda: len(server.levels) == 3)
    began = time.monotonic()
    wait_until(lambda: len(server.levels) == 4)
    assert time.monotonic() - began > 0.2  # 0.1, 0.2, 0.4: the pause grows although each CONNECT was accepted


def test_two_clients_of_one_name_are_told_what_is_wrong_and_not_at_every_turn(
    mosquitto: Mosquitto, dial: Dial, node: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one, other = dial(mosquitto.port), dial(mosquitto.port)
    wait_until(lambda: min(one.counters.disconnects, other.counters.disconnects) >= 4)
    told = [record.getMessage() for record in caplog.records if record.name == "edge.troubles"]
    hints = [text for text in told if text.endswith(f"; another client may use client_id 'tidegate-{node}'")]
    assert 2 <= len(hints) <= 4
    assert len(told) <= 12


def test_a_connection_that_lasts_after_some_that_did_not_is_told(
    stub: Server, dial: Dial, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("edge.troubles.SHORT", 0.5)
    server = stub(lambda number, level: WELCOME_5)
    connection = dial(server.port)
    for number in (1, 2):
        wait_for_ready(connection)
        server.hang_up()
        wait_until(lambda number=number: connection.counters.disconnects == number)  # type: ignore[misc]
    where = f"broker {HOST}:{server.port}"
    wait_until(lambda: caplog.records[-1].getMessage() == f"{where}: connected, and stays so")
    assert sum("another client may use" in record.getMessage() for record in caplog.records) == 1


def test_the_server_sees_no_more_unacknowledged_messages_than_it_asked_for(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: b"\x20\x06\x00\x00\x03\x21\x00\x05")  # Receive Maximum 5
    connection = wait_for_ready(dial(server.port))
    wait_until(lambda: server.published == 1)  # the birth
    server.acknowledges = False
    for _ in range(20):
        connection.publish("event", b"x", 1)
    wait_until(lambda: server.published == 6)
    assert connection.take(0.1) == []
    assert server.published == 6


def test_a_topic_that_is_not_utf_8_is_counted(stub: Server, dial: Dial) -> None:
    server = stub(lambda number, level: WELCOME_3 + b"\x30\x04\x00\x01\xff1" + b"\x30\x04\x00\x01a1")
    connection = dial(server.port, protocol="3.1.1")
    assert [message.topic for message in take(connection, 1)] == ["a"]
    assert connection.counters.bad_topic == 1


@pytest.mark.training
def test_amqtt_which_never_answers_mqtt_5_serves_us_in_3_1_1(dial: Dial, node: str) -> None:
    with embedded.broker() as (_, port):
        connection = wait_for_ready(dial(port, (f"{node}/#", 1), connect_timeout=0.5))
        connection.publish(f"{node}/x", b"1", 1)
        assert [message.payload for message in take(connection, 1)] == [b"1"]
        connection.stop()
