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
COUNT_EVERY = 256  # messages of QoS 0 between two looks at which of them are written
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
    """Hold what has arrived until somebody takes it; when it is full, the oldest makes room.

    Who puts says when it is time to take, so that messages which arrive together are taken together: two threads that
    wake each other for every message spend more time on that than on the messages.
    """

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._messages: deque[Message] = deque()  # its ends are safe to use from two threads
        self._put = 0  # messages since the last `hand_over`
        # A signal handler may put to a SimpleQueue while the very thread it interrupted waits in get.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    @property
    def unheard(self) -> int:
        """Return how many messages were put since the last `hand_over`."""
        return self._put

    def put(self, message: Message) -> int:
        """Add a message; return how many were dropped for it."""
        dropped = 0
        if len(self._messages) >= self._limit:
            with suppress(IndexError):  # the other thread has just taken it
                self._messages.popleft()
                dropped = 1
        self._messages.append(message)
        self._put += 1
        return dropped

    def hand_over(self) -> None:
        """End the present `take`, or the next one, if anything was put."""
        if self._put:
            self._put = 0
            if not self._calls.qsize():
                self._calls.put(None)

    def take(self, timeout: float) -> list[Message]:
        """Return all messages, oldest first; wait up to `timeout` seconds for `hand_over` or `wake`."""
        with suppress(queue.Empty):
            self._calls.get(timeout=max(0.0, timeout))
        taken: list[Message] = []
        for _ in range(len(self._messages)):
            with suppress(IndexError):  # the other thread has just dropped it
                taken.append(self._messages.popleft())
        return taken

    def wake(self) -> None:
        """End the present `take`, or the next one; safe in a signal handler."""
        self._calls.put(None)


class Outbox:
    """Pass messages on, and hold those of QoS 1 back that the server has no room for yet."""

    def __init__(self, counters: Counters) -> None:
        """Start closed: there is no connection."""
        self._counters = counters
        self._lock = threading.Lock()  # guards everything below; no lock of the client's is held where it is taken
        self._send: Send | None = None
        self._window = INFLIGHT
        self._waiting: deque[Outgoing] = deque()  # QoS 1
        self._unwritten: deque[Receipt] = deque()  # QoS 0, and some that are written
        self._count_at = COUNT_EVERY  # of these, when to look which are written: asking each time costs a lock
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
        if len(self._unwritten) >= self._count_at:
            self._count_at = min(_count_pending(self._unwritten) + COUNT_EVERY, OUTBOX)
        if self._send is not None and len(self._unwritten) < OUTBOX:
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
