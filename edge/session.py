"""Keep a session with a broker: dial, listen, dial again; all of it in a thread of its own.

All that has come is heard before the daemon's thread is called, so that it judges many streams at once. With a call for
every message the two threads took turns at the interpreter's lock: at full load of 1,000 streams waves of 4 to 12 of
them (the median 1), now of 500.

Disliked: a server that knows MQTT 5 but hangs up on our first CONNECT hears 3.1.1 until we restart.
"""

import enum
import select
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.config import BrokerConfig
from edge.errors import OperatorError
from edge.mailbox import Counters, Inbox, Message, Outbox
from edge.message import Outgoing
from edge.mqtt import PROTOCOLS, Answer, Client
from edge.troubles import Troubles
from edge.waker import Waker
from edge.wire import Published, Wire

TICK = 0.25  # seconds between two looks at the deadlines while nothing arrives
TOGETHER = 1024  # messages that are handed over together, at most: hearing them takes some 20 ms on a slow machine
# Source: MQTT 5.0, section 3.2.2.2.
UNKNOWN_PROTOCOL = {0x81, 0x82, 0x84}  # malformed packet, protocol error, unsupported version
OPERATORS_FAULT = {*UNKNOWN_PROTOCOL, 0x85, 0x86, 0x87, 0x8A, 0x8C}  # client id, password, authorisation, ban, method


class Route(Protocol):
    """Say into which inbox a message goes; None into none."""

    def __call__(self, topic: str, *, retained: bool) -> int | None:
        """Return its place, by the message's topic and whether the broker had kept it."""


class Ending(enum.Enum):
    """How an attempt to be served ended."""

    SERVED = enum.auto()  # there was a connection, and it ended
    MISUNDERSTOOD = enum.auto()  # perhaps the server speaks another version of MQTT
    FAILED = enum.auto()


@dataclass(slots=True)
class Status:
    """What is kept of us at a topic; None where another connection speaks for this one."""

    topic: str | None
    word: bytes

    def message(self) -> Outgoing | None:
        """Return the message that says it."""
        return None if self.topic is None else Outgoing(self.topic, self.word, 1, True, None)


class Session:
    """Keep one session with a broker through every loss of the network, until it is told to stop.

    Attributes:
        ready: connected, and every subscription granted.
        failure: why the operator must step in.
        status: what is kept at the status topic; a new connection begins with it.
        outbox: what waits to be sent.
        stopping: set to end when everything is delivered.
        abandoned: set to end now.

    State kept: the client of this attempt and the answer to it, and which versions of MQTT may be the server's.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        inboxes: Sequence[Inbox],
        counters: Counters,
        *,
        client_id: str,
        status: Status,
        subscriptions: Sequence[tuple[str, int]],
        memories: Sequence[tuple[str, int]],
        route: Route | None,
    ) -> None:
        """Prepare; nothing is sent before `serve`. The arguments are those of `edge.connection.Connection`.

        Raises:
            ConfigError: the password file cannot be read.
        """
        self.ready = False
        self.failure: OperatorError | None = None
        self.status = status
        self.outbox = Outbox(counters)
        self.stopping, self.abandoned = threading.Event(), threading.Event()
        self._inboxes, self._counters, self._route = inboxes, counters, route
        self._broker, self._client_id = broker, client_id
        self._troubles = Troubles(f"broker {broker.host}:{broker.port}", client_id)
        self._subscriptions, self._memories = list(subscriptions), list(memories)
        self._clients = [  # that may be understood
            Client(self, broker, protocol, client_id=client_id, status_topic=status.topic)
            for protocol in PROTOCOLS[broker.protocol]
        ]
        self._client = self._clients[0]  # of this attempt
        self._answer: Answer | None = None  # to it
        self._waker: Waker | None = None  # of our thread, while it runs

    def serve(self) -> None:
        """Serve until told to stop."""
        with Waker() as self._waker:
            self._dial_on()

    def is_delivered(self) -> bool:
        """Return whether everything of QoS 1 is acknowledged, and everything of QoS 0 in the network's hands."""
        wire = self._client.socket()
        return self.outbox.is_delivered() and not (wire is not None and wire.has_unsent)

    def _dial_on(self) -> None:
        """Dial until told to stop; the pause doubles until a connection outlasts it."""
        pause, least, most = 0.0, self._broker.reconnect_min, self._broker.reconnect_max
        while self.failure is None and not self.stopping.wait(pause):
            began = time.monotonic()
            served = self._dial_each()
            outlasted = served and time.monotonic() - began > pause
            pause = least if outlasted else min(most, max(least, 2 * pause))

    def _dial_each(self) -> bool:
        """Try every version of MQTT that may be the server's; return whether one served us."""
        for client in self._clients:
            ending = self._dial(client)
            if ending is Ending.SERVED:
                self._clients = [client]
            if ending is not Ending.MISUNDERSTOOD or self.stopping.is_set():
                return ending is Ending.SERVED
        return False

    def _dial(self, client: Client) -> Ending:
        """Connect, and serve until the connection ends."""
        self._client, self._answer = client, None
        try:
            client.dial()
        except (OSError, UnicodeError) as error:  # no such host, nobody listens; a name that DNS cannot encode
            self._troubles.tell(f"cannot be reached: {error}; trying until it can")
            return Ending.FAILED
        self._listen(client)
        if self._answer is None:
            self._troubles.tell("took the connection and gave no answer in MQTT")
            return Ending.MISUNDERSTOOD
        if self._answer.is_failure:
            return self._judge_refusal(self._answer)
        self._counters.disconnects += 1
        if not self.stopping.is_set():
            self._troubles.lose()
        return Ending.SERVED

    def _listen(self, client: Client) -> None:
        """Serve one connection to its end, and close its socket."""
        answer_by = time.monotonic() + self._broker.connect_timeout
        while self._turn(client) and not self._is_done():
            if self._answer is None and time.monotonic() > answer_by:
                break
            if self._answer is not None:
                self._troubles.settle()
            self.outbox.pump()
        self.ready = False
        self.outbox.close()
        if self.stopping.is_set():
            client.disconnect()
            self._turn(client)
        sock = client.socket()
        if sock is not None:
            sock.close()

    def _turn(self, client: Client) -> bool:
        """Wait for the network; send all that waits, then hear all that has come, and hand it over together.

        Returns:
            Whether the connection stands.
        """
        wire = client.socket()
        if wire is None:
            return False
        assert self._waker is not None
        ours: list[Wire | Waker] = [wire, self._waker]
        wants_write = client.want_write() or wire.has_unsent
        readable, writable, _ = select.select(ours, [wire] if wants_write else [], [], 0.0 if wire.has_unread else TICK)
        self._waker.hush()
        # Also when what we were woken for is written already: only then does paho call us for the next message again.
        must_write = bool(writable) or self._waker in readable or client.want_write()
        stands = client.write() if must_write else True
        if stands and (wire in readable or wire.has_unread):
            stands = self._hear(client)
        else:
            for inbox in self._inboxes:
                inbox.expect_no_more()
        stands = stands and client.keep_alive()
        wire.flush()
        return stands

    def _hear(self, client: Client) -> bool:
        for inbox in self._inboxes:
            inbox.expect_more()
        begun = self._counters.received
        stands = is_more = True
        while stands and is_more and self._counters.received < begun + TOGETHER:
            before = self._counters.received
            stands = client.read()
            wire = client.socket()
            is_more = wire is not None and (wire.has_unread or self._counters.received > before)
        for inbox in self._inboxes:
            inbox.hand_over()
        return stands

    def _is_done(self) -> bool:
        """Return whether we want this connection to end."""
        if self.abandoned.is_set() or self.failure is not None:
            return True
        return self.stopping.is_set() and self.is_delivered()

    def _judge_refusal(self, answer: Answer) -> Ending:
        """Decide whether a refused CONNECT is the protocol's fault, the operator's, or passes."""
        if answer.code in UNKNOWN_PROTOCOL and len(self._clients) > 1:
            return Ending.MISUNDERSTOOD
        if answer.code in OPERATORS_FAULT and self._counters.connects == 0:
            self._fail(f"must let client {self._client_id!r} in, got {answer.text!r}")
        else:
            self._troubles.tell(f"refused the connection: {answer.text}")
        return Ending.FAILED

    def _fail(self, problem: str) -> None:
        """Hand a problem to whoever takes next."""
        self.failure = OperatorError(f"{self._troubles.where}: {problem}")
        self._inboxes[0].wake()

    # What follows, the client calls.

    def turn_soon(self) -> None:
        """Let our thread write what another has published."""
        if self._waker is not None:
            self._waker.wake()

    def be_answered(self, client: Client, answer: Answer) -> None:
        """Say that we are here, send what has waited, and subscribe."""
        self._answer = answer
        if answer.is_failure:
            return
        self._counters.connects += 1
        self._troubles.begin(client.version, is_resumed=answer.is_resumed)
        self.outbox.open(client.send, answer.window, self.status.message())
        if self._subscriptions or self._memories:
            client.ask_for(self._subscriptions, self._memories)
        else:
            self._become_ready()

    def be_granted(self, refusals: Sequence[str | None]) -> None:
        """Become ready, or fail for what was refused."""
        answers = zip([*self._subscriptions, *self._memories], refusals, strict=False)
        refused = [f"{topic!r}: {why}" for (topic, _), why in answers if why is not None]
        if refused:
            self._fail(f"must grant every subscription, got {', '.join(refused)}")
        else:
            self._become_ready()

    def be_left(self, reason: str) -> None:
        """Remember why the connection ended."""
        self._troubles.part(reason)

    def take_in(self, heard: Published) -> None:
        """Put a message into the inbox that it belongs to."""
        self._counters.received += 1
        if len(heard.payload) > self._broker.payload_limit:
            self._counters.too_large += 1
            return
        try:
            topic = heard.topic.decode()
        except UnicodeDecodeError:
            self._counters.bad_topic += 1
            return
        place = self._route(topic, retained=heard.retained) if self._route is not None else 0
        if place is not None:
            self._inboxes[place].put(Message(topic, heard.payload, heard.retained, time.time()))

    def _become_ready(self) -> None:
        """Let the daemon know at once."""
        self.ready = True
        self._inboxes[0].wake()
