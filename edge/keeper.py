"""Keep a worker at work, and let another go on where one has died.

Theory of operation. What waits for the worker is sent as numbered orders, `AHEAD` of them at a time; the rest waits in
its inbox, which drops what gets too old. All orders since the worker's last snapshot are kept. When a worker dies,
another takes its snapshot and is given these orders again: those whose messages the broker has had in silence, the
others aloud. Verdicts depend on nothing but the messages, so the new one is where the old one was. An order at which
two workers died is given to no third.

A snapshot is asked for when the orders that are kept have grown larger than the last one (as a database rewrites its
log): memory and time for it stay in proportion to what is remembered. Nothing else is under way meanwhile: two that
send to each other what the pipe cannot hold would wait for ever.

Disliked: what a worker said of its last orders may be said twice; events have stable ids.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from multiprocessing.connection import Connection as Pipe

from edge.config import Config
from edge.errors import OperatorError
from edge.health import Report
from edge.mailbox import Counters, Inbox, Message
from edge.retold import Retold
from edge.trust import Doubt, trust_of
from edge.worker import Look, Order, Start, Told

# With -m the classes that are sent would be called `__main__`, which is somebody else here.
MAIN = "from edge.worker import main; main()"
AHEAD = 2  # orders that are under way: one is judged while the next is sent
TICK = 0.25  # seconds between two looks at a worker while nothing arrives
HUNG = 30.0  # seconds of silence after which a worker is killed; it speaks every second, and after every order
AGAIN = 1.0  # seconds until a snapshot is asked for again that could not be taken
JOURNAL = 8 * 2**20  # bytes of payload that are kept at least before a snapshot is asked for
OVERHEAD = 150  # bytes of a message that is kept, beside its payload
ORDER = 300  # bytes of an order that is kept, beside its messages: where nobody speaks there is one a second
QUICK = 5.0  # seconds; a worker that dies sooner is given a pause
PAUSE = 0.5  # seconds
STILLBORN = 3  # deaths in a row before a first word, after which this process ends too
GOODBYE = 2.5  # seconds for a worker to deliver its last words

log = logging.getLogger(__name__)


class Keeper:
    """Keep one worker at work; everything here but `stop` runs in a thread of its own.

    Attributes:
        told: what the worker told last, with its last report.
        restarts: how often another had to take over.
        poisonous: messages that were given up because workers died of them.
        unjudged: messages that the last worker was given and did not get to.
        failure: why this process cannot go on; empty if it can.
    """

    def __init__(self, config: Config, number: int, inbox: Inbox) -> None:
        """Prepare; nothing is started before `start`."""
        self.told: Told | None = None
        self.report: Report | None = None
        self.restarts = 0
        self.poisonous = self.unjudged = 0
        self.failure = ""
        self.refusals: deque[str] = deque()
        self._config, self._number, self._inbox = config, number, inbox
        self._trust = trust_of(config)
        self._kept: bytes | None = None
        self._journal: deque[Order] = deque()  # since then
        self._bytes = 0  # of it
        self._ask_at = 0.0  # when to ask for the next snapshot, at the soonest
        self._last = self._done = self._delivered = 0  # orders that were sent, judged, and acknowledged by the broker
        self._suspect = 0  # the order at which the last worker died
        self._stillborn = 0
        self._is_new = True  # the present worker has said nothing yet
        self._heard_at = inf  # by the clock that never jumps
        self._gone = Counters()  # what workers published that are no more
        self._look: Look | None = None  # what to ask next
        self._retold: deque[Sequence[Retold]] = deque()  # what is to be said again next; few, the announcer paces it
        self._stopping = threading.Event()
        self._pipe: Pipe | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"worker {number}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look(self, look: Look) -> None:
        """Ask, with the next order, who has fallen silent."""
        self._look = look

    def retell(self, asked: Sequence[Retold]) -> None:
        """Ask, with the next orders, for what was said last."""
        self._retold.append(asked)

    def stop(self) -> None:
        """Let the worker end after what it is at; `join` waits for it."""
        self._stopping.set()
        self._inbox.wake()

    def join(self, timeout: float) -> None:
        """Wait until the worker has ended."""
        self._thread.join(timeout)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self._thread.join(GOODBYE)

    @property
    def doubt(self) -> Doubt:
        """What waits for the clock."""
        return self._trust.doubt

    def check(self) -> None:
        """Do nothing, as long as the work goes on; for the daemon's thread.

        Raises:
            OperatorError: the broker refuses the worker.
            RuntimeError: it cannot be kept alive.
        """
        if self.failure:
            raise RuntimeError(self.failure)
        if not self._thread.is_alive() and not self._stopping.is_set():
            raise RuntimeError(f"worker {self._number} has no keeper; if it died, its traceback stands above")
        if self.told is not None and self.told.failure:
            raise OperatorError(self.told.failure)

    def _keep(self) -> None:
        while not self._stopping.is_set() and not self.failure:
            self._live()
        self._trust.give_up()
        self.unjudged = sum(len(order.messages) for order in self._journal if order.number > self._done)

    def kill_if_hung(self, now: float) -> None:
        """Kill a worker that has been silent for too long; for the daemon's thread, ours may wait for it."""
        if now - self._heard_at > HUNG and self.process is not None:
            log.error("worker %d: said nothing for %g s", self._number, HUNG)
            self._heard_at = inf
            self.process.kill()

    def counters(self) -> Counters:
        """Return what its workers published."""
        now = self.told.counters if self.told is not None else Counters()
        return Counters(
            published=self._gone.published + now.published,
            publish_dropped=self._gone.publish_dropped + now.publish_dropped,
        )

    def _live(self) -> None:
        """Start a worker and keep it at work until it dies or shall end."""
        begun = time.monotonic()
        try:
            self._give_birth()
            while not self._stopping.is_set():
                self._turn()
            self._let_go()
        except (EOFError, OSError):
            self._bury(time.monotonic() - begun)
        finally:
            if self._pipe is not None:
                self._pipe.close()

    def _give_birth(self) -> None:
        """Start a worker where the last one was: nothing new is sent before it is connected."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", MAIN, str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        self._pipe = Pipe(ours.detach())
        self._is_new, self._heard_at = True, time.monotonic()
        self._pipe.send(Start(self._config, self._number, self._kept))
        self._done = self._journal[0].number - 1 if self._journal else self._last
        while not self._stopping.is_set() and (self._is_new or self.told is None or not self.told.is_ready):
            self._hear()
        for order in list(self._journal):
            self._pipe.send(order._replace(is_silent=order.number <= self._delivered))
            self._hear_all()

    def _turn(self) -> None:
        """Send what waits, unless enough is under way."""
        while self._last - self._done >= AHEAD:
            self._hear()
        if self._bytes > max(JOURNAL, len(self._kept or b"")) and time.monotonic() >= self._ask_at:
            self._ask()
        messages: Sequence[Message] = self._inbox.take(TICK)
        if not self._trust.is_trusted:
            messages = self._trust.pass_on(messages, time.time(), time.monotonic())
        look, self._look = self._look, None
        retold = self._retold.popleft() if self._retold else ()
        if messages or look is not None or retold:
            self._order(messages, look=look, retold=retold)
        self._hear_all()

    def _order(
        self,
        messages: Sequence[Message],
        *,
        look: Look | None = None,
        retold: Sequence[Retold] = (),
        wants_snapshot: bool = False,
        wants_report: bool = False,
    ) -> None:
        assert self._pipe is not None
        self._last += 1
        order = Order(self._last, messages, look, (), is_silent=False, wants_snapshot=False, wants_report=False)
        self._bytes += _size(order)
        self._journal.append(order)
        order = order._replace(retold=retold, wants_snapshot=wants_snapshot, wants_report=wants_report)
        self._pipe.send(order)

    def _ask(self) -> None:
        """Ask for a snapshot; it may be refused while the broker owes acknowledgements."""
        self._ask_at = time.monotonic() + AGAIN
        while self._last > self._done:
            self._hear()
        self._order((), wants_snapshot=True)
        while self._last > self._done:
            self._hear()

    def _hear_all(self) -> None:
        assert self._pipe is not None
        while self._pipe.poll():
            self._hear()

    def _hear(self) -> None:
        """Wait for the worker's next word."""
        assert self._pipe is not None
        told: Told = self._pipe.recv()
        self._is_new, self._heard_at = False, time.monotonic()
        self._done, self._delivered = max(self._done, told.done), max(self._delivered, told.delivered)
        self.report = told.report or self.report
        self.refusals.extend(told.refusals)
        if told.kept is not None:
            self._keep_state(told.kept, told.done)
        self.told = told._replace(kept=None)

    def _keep_state(self, kept: bytes, done: int) -> None:
        """Replace the last snapshot, and forget the orders that are in the new one."""
        self._kept = kept
        while self._journal and self._journal[0].number <= done:
            self._bytes -= _size(self._journal.popleft())

    def _let_go(self) -> None:
        """Hear the end of what is under way, and what was counted, and hang up."""
        assert self._pipe is not None
        assert self.process is not None
        deadline = time.monotonic() + GOODBYE
        with suppress(EOFError, OSError):
            self._order((), wants_report=True)
            while self._last > self._done and self._pipe.poll(max(0.0, deadline - time.monotonic())):
                self._hear()
        self._pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GOODBYE)
            return
        self.process.kill()

    def _bury(self, lasted: float) -> None:
        """Say that a worker died, and see to it that the next one does not die of the same."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.5)  # it has hung up already, as a rule because it is no more
        self.process.kill()
        status = self.process.wait()
        self._heard_at = inf
        self._gone, self.told = self.counters(), None
        if self._stopping.is_set():
            return
        self.restarts += 1
        log.error("worker %d: ended with status %d; another goes on in its place", self._number, status)
        self._stillborn = self._stillborn + 1 if self._is_new else 0
        if self._stillborn >= STILLBORN:
            self.failure = f"worker {self._number} ended {STILLBORN} times before its first word"
            return
        self._give_up_the_poisonous()
        if lasted < QUICK:
            self._stopping.wait(PAUSE)

    def _give_up_the_poisonous(self) -> None:
        """Take an order out of the journal that two workers in a row died of."""
        suspect = next((order for order in self._journal if order.number == self._done + 1), None)
        number = 0 if suspect is None else suspect.number
        if suspect is not None and number == self._suspect:
            self.poisonous += len(suspect.messages)
            log.error("worker %d: %d messages are given up, two died of them", self._number, len(suspect.messages))
            empty = suspect._replace(messages=(), look=None)
            self._bytes -= _size(suspect) - _size(empty)
            self._journal = deque(empty if order.number == number else order for order in self._journal)
        self._suspect = number


def _size(order: Order) -> int:
    """Return how many bytes an order takes that is kept."""
    return ORDER + sum(len(message.payload) + OVERHEAD for message in order.messages)
