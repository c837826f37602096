"""The two queues at which the daemon's thread meets the connection's: both bounded, and each counts what it drops."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, Protocol, TypeAlias

from edge.message import Outgoing

OUTBOX = 20_000  # messages of each QoS that may wait to be sent: an event in each of 10,000 streams; some 10 MB
TAKEN = 1024  # messages taken at once, at most: some 0.1 s of work, for there is more to do than to judge
MANY = 32  # messages of one `take` that show that there is much to do
LISTEN = 0.02  # seconds that the next one then waits for all to be put, at most: some thousands are heard in it
MOST_BYTES = 64 * 2**20  # of payload that wait; ten thousand messages of the usual size have 4 MB
COUNT_EVERY = 256  # messages of QoS 0 between two looks at which of them are written
INFLIGHT = 20  # unacknowledged messages; mosquitto's own Receive Maximum

_counting = threading.Lock()  # several inboxes may share their counters


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
    dropped_superseded: int = 0  # messages that waited too long with a newer one of their topic behind them
    dropped_inbox: int = 0  # the newest of their topic that waited too long, when the inbox was full, or at the end
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
    """Hold what has arrived until somebody takes it; what cannot be taken in time is dropped and counted.

    Who puts says when it is time to take, so that messages which arrive together are taken together: two threads that
    wake each other for every message spend more time on that than on the messages.

    Once the oldest has waited `max_latency`, every message with a newer one of its topic behind it is dropped, until
    none of those has waited longer than half of that: a stream then misses some samples in a row, as in a gap, and is
    judged on the newest. Whole spans are dropped and not every second sample, so that forecasts can be held against
    samples in between. What is the newest of its topic may wait twice as long. A full inbox drops the oldest.
    """

    def __init__(
        self,
        limit: int,
        counters: Counters,
        max_latency: float = inf,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty.

        Args:
            limit: how many messages may wait.
            counters: where to count what is dropped.
            max_latency: seconds that a message may wait.
            clock: one that never jumps, in seconds.
        """
        self._limit = limit
        self._counters = counters
        self._max_latency = max_latency
        self._clock = clock
        self._lock = threading.Lock()  # guards the next three
        self._messages: deque[tuple[float, Message]] = deque()  # each with when it was put
        self._waiting: dict[str, int] = {}  # how many of each topic
        self._bytes = 0
        self._put = 0  # messages since the last `hand_over`
        self._taken = 0  # messages of the last `take`
        self._listened = threading.Event()  # all has been put that has come
        self._listened.set()
        # A signal handler may put to a SimpleQueue while the very thread it interrupted waits in get.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, message: Message) -> None:
        """Add a message; where there is no room, the oldest is dropped for it."""
        with self._lock:
            while self._messages and (len(self._messages) >= self._limit or self._bytes > MOST_BYTES):
                self._drop(self._pop()[1])
            self._messages.append((self._clock(), message))
            self._account(message)
        self._put += 1

    def hand_over(self) -> None:
        """End the present `take`, or the next one, if anything was put."""
        if self._put:
            self._put = 0
            self._call()

    def expect_more(self) -> None:
        """Say that more has come than was put so far."""
        self._listened.clear()

    def expect_no_more(self) -> None:
        """Say that all was put that has come."""
        self._listened.set()

    def take(self, timeout: float, most: int = TAKEN) -> list[Message]:
        """Return messages, oldest first and so many at most; wait up to `timeout` seconds for `hand_over` or `wake`.

        Where many were taken the last time, all that has come is put first. Else who takes would keep who puts from
        the interpreter's lock, and what is too much would wait in the network, where nobody knows how old it is.
        """
        with suppress(queue.Empty):
            self._calls.get(timeout=max(0.0, timeout))
        if self._taken >= MANY:
            self._listened.wait(LISTEN)
        with self._lock:
            now = self._clock()
            if self._messages and now - self._messages[0][0] > self._max_latency:
                self._shed(now)
            taken = [self._pop()[1] for _ in range(min(most, len(self._messages)))]
            if self._messages:
                self._call()
        self._taken = len(taken)
        return taken

    def abandon(self) -> None:
        """Drop and count what waits: nobody will take it."""
        with self._lock:
            while self._messages:
                self._drop(self._pop()[1])

    def wake(self) -> None:
        """End the present `take`, or the next one; safe in a signal handler."""
        self._calls.put(None)

    def _call(self) -> None:
        if not self._calls.qsize():
            self._calls.put(None)

    def _account(self, message: Message) -> None:
        self._waiting[message.topic] = self._waiting.get(message.topic, 0) + 1
        self._bytes += len(message.payload)

    def _pop(self) -> tuple[float, Message]:
        oldest = self._messages.popleft()
        topic, payload, *_ = oldest[1]
        self._bytes -= len(payload)
        left = self._waiting[topic] - 1
        if left:
            self._waiting[topic] = left
        else:
            del self._waiting[topic]
        return oldest

    def _drop(self, oldest: Message) -> None:
        """Count a message that will not be taken."""
        with _counting:
            if oldest.topic in self._waiting:
                self._counters.dropped_superseded += 1
            else:
                self._counters.dropped_inbox += 1

    def _shed(self, now: float) -> None:
        """Drop what has waited too long."""
        kept: list[tuple[float, Message]] = []
        while self._messages and now - self._messages[0][0] > 0.5 * self._max_latency:
            put_at, message = self._pop()
            if message.topic in self._waiting or now - put_at > 2.0 * self._max_latency:
                self._drop(message)
            else:
                kept.append((put_at, message))
        for put_at, message in reversed(kept):
            self._messages.appendleft((put_at, message))
            self._account(message)


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

    def open(self, send: Send, window: int, birth: Outgoing | None) -> None:
        """Begin to send: the birth first if there is one, then what waits, up to `window` unacknowledged at a time."""
        with self._lock:
            self._send, self._window = send, window
            if birth is not None:
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
        """Return whether everything of QoS 1 is acknowledged, and everything of QoS 0 written."""
        with self._lock:
            pending = _count_pending(self._unacknowledged) + _count_pending(self._unwritten)
            return not self._waiting and pending == 0

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
