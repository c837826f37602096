"""Hear all that a broker sends for some time, show how far we are, and end early when somebody asks for it.

Nothing is published: the connection has no status topic, and so no will, birth or goodbye either.
"""

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from edge.config import BrokerConfig
from edge.connection import Connection
from edge.errors import OperatorError
from edge.mailbox import Counters, Message

TICK = 0.5  # seconds between two looks at the clock
SHOWN_EVERY = 2.0  # seconds, on a terminal
TOLD_EVERY = 60.0  # seconds, in a log
GRACE = 2.0  # seconds for what should be there at once: the word on the subscriptions, the last messages
WIPE = "\r\x1b[K"  # to the beginning of the terminal's line, and clear it


class Ending:
    """Know whether somebody asked for the end.

    Attributes:
        is_asked_for: whether a signal came.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """Take what ends the present wait."""
        self.is_asked_for = False
        self._wake = wake

    def take(self, number: int, frame: FrameType | None) -> None:
        """Be a signal's handler: the first asks for the end, a second Ctrl-C insists."""
        self.is_asked_for = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        self._wake()


class Progress:
    """Show how far we are: one line that changes on a terminal, a line a minute elsewhere."""

    def __init__(self, tell: Callable[[], str], lasts: float) -> None:
        """Begin to count down.

        Args:
            tell: says what was found so far.
            lasts: seconds.
        """
        self._tell = tell
        self._ends_at = time.monotonic() + lasts
        self._is_terminal = sys.stderr.isatty()
        self._every = SHOWN_EVERY if self._is_terminal else TOLD_EVERY
        self._next_at = time.monotonic() + self._every

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return max(0.0, self._ends_at - time.monotonic())

    def show(self) -> None:
        """Show it if it is time to."""
        begun = time.monotonic()
        if begun < self._next_at:
            return
        minutes, seconds = divmod(int(self.left), 60)
        line = f"{minutes}:{seconds:02} left, Ctrl-C ends early; {self._tell()}"
        if self._is_terminal:  # cut, for what goes on in a second line cannot be wiped
            line = f"{WIPE}{line[: shutil.get_terminal_size().columns - 1]}"
        print(line, end="" if self._is_terminal else "\n", file=sys.stderr, flush=True)
        took = time.monotonic() - begun
        self._next_at = time.monotonic() + max(self._every, 20.0 * took)  # listening has to go on

    def close(self) -> None:
        """Leave the line to others."""
        if self._is_terminal:
            print(WIPE, end="", file=sys.stderr, flush=True)


def listen(
    broker: BrokerConfig,
    filters: Sequence[str],
    *,
    lasts: float,
    take: Callable[[Message], None],
    tell: Callable[[], str],
) -> Counters:
    """Hear a broker, and return what the connection counted.

    Args:
        broker: where, and as whom.
        filters: of the topics.
        lasts: seconds from when the broker grants them.
        take: is given each message.
        tell: says what was found so far.

    Raises:
        OperatorError: the broker cannot be reached, or refuses.
    """
    subscriptions = [(one, 0) for one in filters]
    connection = Connection(broker, client_id=broker.client_id, status_topic=None, subscriptions=subscriptions)
    connection.start()
    try:
        with _ending(connection) as ending:
            _wait_until_ready(connection, broker, ending)
            progress = Progress(tell, lasts)
            print(f"listening to {', '.join(filters)} and publishing nothing", file=sys.stderr, flush=True)
            while not ending.is_asked_for and progress.left > 0.0:
                for message in connection.take(min(TICK, progress.left)):
                    take(message)
                progress.show()
            progress.close()
            _take_rest(connection, take)
    finally:
        connection.stop()
    return connection.counters


def _take_rest(connection: Connection, take: Callable[[Message], None]) -> None:
    """Take what has come already, unless that has no end."""
    give_up_at = time.monotonic() + GRACE
    while time.monotonic() < give_up_at and (waiting := connection.take(0.0)):
        for message in waiting:
            take(message)


@contextmanager
def _ending(connection: Connection) -> Iterator[Ending]:
    ending = Ending(connection.wake)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ending.take) for number in numbers]
    try:
        yield ending
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait_until_ready(connection: Connection, broker: BrokerConfig, ending: Ending) -> None:
    """Wait for the broker's word on the subscriptions; what it sends meanwhile waits too."""
    within = broker.connect_timeout + GRACE
    give_up_at = time.monotonic() + within
    while not connection.ready and not ending.is_asked_for:
        if connection.failure is not None:
            raise connection.failure
        if time.monotonic() > give_up_at:
            where = f"broker {broker.host}:{broker.port}"
            raise OperatorError(
                f"{where}: must be reachable and grant the subscriptions within {within:g} s; see above"
            )
        time.sleep(0.02)
    if not connection.ready:
        raise KeyboardInterrupt  # nothing was heard that could be told
