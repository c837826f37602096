"""The two queues at which the daemon's thread meets the connection's: both bounded, and each counts what it drops."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from edge.message import Outgoing

OUTBOX = 20_000  # messages of each QoS that may wait to be sent: an event in each of 10,000 streams; some 10 MB
INFLIGHT = 20  # unacknowledged messages; mosquitto's own Receive Maximum


class Message(NamedTuple):
    """One payload as it arrived; `received_at` is in Unix seconds, by our clock."""

    topic: str
    payload: bytes
    retained: bool
    received_at: float


@dataclass(slots=True)
class Counters:
    """What happened since the start; each count is written by one thread, or under the lock."""

    received: int = 0
    dropped_inbox: int = 0  # the oldest waiting messages, when the inbox was full
    too_large: int = 0
    bad_topic: int = 0  # not UTF-8
    published: int = 0  # handed to the network, birth and goodbye among them
    publish_dropped: int = 0
    connects: int = 0
    disconnects: int = 0


class Receipt(Protocol):
    """What the client says of a message that it took."""

    @property
    def rc(self) -> int:
        """The return code: 0 unless the client refused the message."""

    def is_published(self) -> bool:
        """Return whether it is delivered: written for QoS 0, acknowledged for QoS 1."""


Send: TypeAlias = Callable[[Outgoing], Receipt]


class Inbox:
    """Hold what has arrived until somebody takes it; when it is full, the oldest makes room."""

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        # A signal handler may put to a SimpleQueue while the very thread it interrupted waits in get.
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def put(self, message: Message) -> int:
        """Add a message; return how many were dropped for it."""
        dropped = None
        if self._queue.qsize() >= self._limit:
            with suppress(queue.Empty):  # the other thread has just taken it
                dropped = self._queue.get_nowait()
        self._queue.put(message)
        return int(dropped is not None)

    def take(self, timeout: float) -> list[Message]:
        """Return all messages, oldest first; wait up to `timeout` seconds for one, or for `wake`."""
        waiting: list[Message | None] = []
        with suppress(queue.Empty):  # waited in vain, or the other thread has just dropped the oldest
            waiting.append(self._queue.get(timeout=max(0.0, timeout)))
            for _ in range(self._queue.qsize()):
                waiting.append(self._queue.get_nowait())
        return [message for message in waiting if message is not None]

    def wake(self) -> None:
        """End the present `take`, or the next one; safe in a signal handler."""
        self._queue.put(None)


class Outbox:
    """Pass messages on, and hold those of QoS 1 back that the server has no room for yet."""

    def __init__(self, counters: Counters) -> None:
        """Start closed: there is no connection."""
        self._counters = counters
        self._lock = threading.Lock()  # guards everything below; no lock of the client's is held where it is taken
        self._send: Send | None = None
        self._window = INFLIGHT
        self._waiting: deque[Outgoing] = deque()  # QoS 1
        self._unwritten: deque[Receipt] = deque()  # QoS 0
        self._unacknowledged: deque[Receipt] = deque()  # QoS 1

    def open(self, send: Send, window: int, birth: Outgoing) -> None:
        """Begin to send: the birth first, then what waits, up to `window` unacknowledged at a time."""
        with self._lock:
            self._send, self._window = send, window
            self._waiting.appendleft(birth)
            self._pump(send)

    def close(self) -> None:
        """Stop sending, for there is no connection; the client itself repeats what was not acknowledged."""
        with self._lock:
            self._send = None

    def put(self, news: Outgoing) -> None:
        """Send a message, or let it wait, or drop and count one."""
        with self._lock:
            if news.qos == 0:
                self._send_or_drop(news)
            else:
                self._enqueue(news)

    def pump(self) -> None:
        """Send what the server has made room for; to be called after every packet that came."""
        if self._waiting:
            with self._lock:
                if self._send is not None:
                    self._pump(self._send)

    def is_delivered(self) -> bool:
        """Return whether everything of QoS 1 is acknowledged."""
        with self._lock:
            return not self._waiting and _count_pending(self._unacknowledged) == 0

    def _send_or_drop(self, news: Outgoing) -> None:
        """Send a message of QoS 0, unless it would have to wait long."""
        if self._send is not None and _count_pending(self._unwritten) < OUTBOX:
            self._unwritten.append(self._hand_over(self._send, news))
        else:
            self._counters.publish_dropped += 1

    def _enqueue(self, news: Outgoing) -> None:
        """Add a message of QoS 1; the oldest makes room."""
        if len(self._waiting) >= OUTBOX:
            self._waiting.popleft()
            self._counters.publish_dropped += 1
        self._waiting.append(news)
        if self._send is not None:
            self._pump(self._send)

    def _pump(self, send: Send) -> None:
        """Keep the server's window full."""
        while self._waiting and _count_pending(self._unacknowledged) < self._window:
            self._unacknowledged.append(self._hand_over(send, self._waiting.popleft()))

    def _hand_over(self, send: Send, news: Outgoing) -> Receipt:
        self._counters.published += 1
        return send(news)


def _count_pending(receipts: deque[Receipt]) -> int:
    """Forget those messages at the head that are done with; return how many remain."""
    while receipts and (receipts[0].rc != 0 or receipts[0].is_published()):
        receipts.popleft()
    return len(receipts)
