"""Carry payloads between an MQTT broker and the daemon.

Theory of operation. One thread dials, listens and dials again; it alone reads and writes the socket. The daemon's
thread meets it at two queues: the inbox, where what waits too long makes room, and the outbox of QoS 1, which lets no
more messages go unacknowledged than the server's Receive Maximum allows.
"""

import threading
import time
from collections.abc import Sequence

from edge.config import BrokerConfig
from edge.errors import OperatorError
from edge.mailbox import Counters, Inbox, Message
from edge.message import Outgoing
from edge.session import Route, Session, Status

ONLINE, OVERLOADED, STOPPED = b"online", b"overloaded", b"stopped"


class Connection:
    """Keep one session with a broker, through every loss of the network, until it is stopped.

    Attributes:
        counters: what happened since the start.
        inboxes: where messages wait to be taken.
        session: the other thread's side.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        *,
        client_id: str,
        status_topic: str | None,
        subscriptions: Sequence[tuple[str, int]],
        memories: Sequence[tuple[str, int]] = (),
        inboxes: int = 1,
        route: Route | None = None,
    ) -> None:
        """Prepare a connection; nothing is sent before `start`.

        Args:
            broker: where to, and how.
            client_id: the name of the session.
            status_topic: where `online`, `overloaded`, `stopped` and, as last will, `offline` are kept; None for a
                connection that another one's status speaks for.
            subscriptions: pairs of topic filter and QoS.
            memories: such pairs too, of which the broker is to send at every connect what it keeps.
            inboxes: how many there are.
            route: says into which of them a message goes, None into none; without it, all go into the first.

        Raises:
            ConfigError: the password file cannot be read.
        """
        self.counters = Counters()
        self.inboxes = [Inbox(broker.inbox, self.counters, broker.max_latency) for _ in range(inboxes)]
        self.session = Session(
            broker,
            self.inboxes,
            self.counters,
            client_id=client_id,
            status=Status(status_topic, ONLINE),
            subscriptions=subscriptions,
            memories=memories,
            route=route,
        )
        self._thread = threading.Thread(target=self.session.serve, name="mqtt", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether we are connected, and every subscription is granted."""
        return self.session.ready

    @property
    def failure(self) -> OperatorError | None:
        """Why the operator must step in; `take` raises it."""
        return self.session.failure

    def start(self) -> None:
        """Begin to connect; the broker need not be there yet."""
        self._thread.start()

    def take(self, timeout: float) -> list[Message]:
        """Return what waits in the first inbox, oldest first; wait up to `timeout` seconds when nothing does.

        Also returns, perhaps with nothing, after `wake` and when the connection becomes ready or fails.

        Raises:
            OperatorError: the broker refuses us, and only the user can change that.
        """
        if self.failure is not None:
            raise self.failure
        if not self._thread.is_alive() and not self.session.stopping.is_set():
            raise RuntimeError("the MQTT thread is not running; if it died, its traceback stands above")
        return self.inboxes[0].take(timeout)

    def wake(self) -> None:
        """End the present `take`, or the next one; safe in a signal handler."""
        self.inboxes[0].wake()

    def publish(
        self, topic: str, payload: bytes, qos: int = 0, retain: bool = False, expiry: float | None = None
    ) -> None:
        """Send a message without waiting; not for signal handlers.

        Without a connection QoS 0 is dropped and counted; QoS 1 waits for the next one. Where too much waits, QoS 0
        drops the new message and QoS 1 the oldest: of what is retained, the newest matters.
        """
        self.session.outbox.put(Outgoing(topic, payload, qos, retain, expiry))

    def is_delivered(self) -> bool:
        """Return whether everything of QoS 1 is acknowledged, and everything of QoS 0 in the network's hands."""
        return self.session.is_delivered()

    def tell_status(self, status: bytes) -> None:
        """Keep another status with the broker, `ONLINE` or `OVERLOADED`; a new connection begins with it."""
        self.session.status.word = status
        told = self.session.status.message()
        if told is not None:
            self.publish(*told)

    def abandon(self) -> None:
        """Drop and count what waits in the inboxes: nobody will take it."""
        for inbox in self.inboxes:
            inbox.abandon()

    def stop(self, timeout: float = 2.0) -> None:
        """Deliver what waits and `stopped`, and disconnect; give up after `timeout` seconds."""
        if self.session.stopping.is_set() or not self._thread.is_alive():
            return
        deadline = time.monotonic() + timeout
        self.tell_status(STOPPED)
        self.session.stopping.set()
        self._thread.join(0.6 * timeout)
        self.session.abandoned.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))
