"""A worker's own process: it judges the streams that fall to it, and publishes what there is to say of them.

It hears nobody but its supervisor (`edge.workers`), through a pipe, and ends when that is closed: signals are the
supervisor's to understand.
"""

import gc
import logging
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe
from typing import NamedTuple

from edge import snapshot
from edge.bundle import load
from edge.config import Config
from edge.connection import Connection
from edge.desk import Desk
from edge.health import Report
from edge.line import Line
from edge.mailbox import Counters, Message
from edge.retold import Retold, last_said_of

TICK = 1.0  # seconds between two reports


class Start(NamedTuple):
    """Tell a worker who it is: its number, and the line it goes on with, None for a new one."""

    config: Config
    number: int
    kept: bytes | None


class Look(NamedTuple):
    """Ask who has fallen silent, see `edge.line.Line.look`."""

    now: float
    since: float


class Order(NamedTuple):
    """Tell a worker what to judge.

    Attributes:
        number: counted from 1 on.
        messages: oldest first.
        look: what to look for afterwards; None for nothing.
        retold: what to say again afterwards.
        is_silent: whether what there is to say of them was said before.
        wants_snapshot: whether the line shall be sent back afterwards.
        wants_report: whether the counters shall be told afterwards, however short the last report is ago.
    """

    number: int
    messages: Sequence[Message]
    look: Look | None
    retold: Sequence[Retold]
    is_silent: bool
    wants_snapshot: bool
    wants_report: bool


class Told(NamedTuple):
    """What a worker tells.

    Attributes:
        done: number of the last order that was judged.
        delivered: number of the last order of which every event was acknowledged.
        is_ready: whether it is connected.
        failure: why the operator must step in; empty if there is no need.
        report: its counters; None where it told them within the last `TICK`.
        counters: its connection's.
        refusals: what was refused for the first time.
        kept: the line after the last order, if that was asked for and all its events were acknowledged.
    """

    done: int
    delivered: int
    is_ready: bool
    failure: str
    report: Report | None
    counters: Counters
    refusals: Sequence[str]
    kept: bytes | None


class Worker:
    """Judge what is ordered."""

    def __init__(self, pipe: Pipe, start: Start) -> None:
        """Load the bundles, and take up the line."""
        self._pipe = pipe
        config = start.config
        self._bundles = {}
        for path in dict.fromkeys(table.bundle for table in config.streams.values()):
            loaded = load(path)
            self._bundles[path] = (loaded.manifest.learned(), loaded.model)
        is_new = start.kept is None
        line = Line(config, self._bundles) if is_new else snapshot.restore(start.kept or b"", self._bundles)
        self._connection = Connection(
            config.broker, client_id=f"{config.client_id}-{start.number}", status_topic=None, subscriptions=[]
        )
        learned = {path: pair[0] for path, pair in self._bundles.items()}
        self._desk = Desk(line, self._connection, last_said=last_said_of(config, learned))
        self._done = self._delivered = 0
        self._wants_snapshot = self._wants_report = False
        self._reported_at = 0.0

    def serve(self) -> None:
        """Judge until the supervisor hangs up."""
        self._connection.start()
        gc.freeze()  # as the daemon does
        try:
            while True:
                self._tell()
                if self._pipe.poll(TICK):
                    self._follow(self._pipe.recv())
        except (EOFError, ConnectionError):
            pass
        finally:
            self._connection.stop()

    def _follow(self, order: Order) -> None:
        if order.is_silent:
            self._desk.judge(order.messages)
        else:
            self._desk.serve(order.messages)
        if order.look is not None:
            news = self._desk.line.look(*order.look)
            for one in [] if order.is_silent else news:
                self._connection.publish(*one)
        self._desk.retell(order.retold)
        self._done = order.number
        self._wants_snapshot, self._wants_report = order.wants_snapshot, order.wants_report

    def _tell(self) -> None:
        if self._connection.is_delivered():
            self._delivered = self._done
        # A snapshot stands for the orders before it: it must not be taken while an event of theirs may still be lost.
        can_keep = self._wants_snapshot and self._delivered == self._done
        kept = snapshot.save(self._desk.line, self._bundles) if can_keep else None
        self._wants_snapshot = False
        report, now = None, time.monotonic()
        if self._wants_report or now - self._reported_at >= TICK:
            report, self._reported_at = self._desk.report(), now
        self._wants_report = False
        failure = self._connection.failure
        self._pipe.send(
            Told(
                self._done,
                self._delivered,
                self._connection.ready,
                "" if failure is None else "\n".join(failure.problems),
                report,
                self._connection.counters,
                self._desk.refusals(),
                kept,
            )
        )


def main() -> None:
    """Serve at the pipe whose file descriptor is the argument."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with Pipe(int(sys.argv[1])) as pipe:
        start: Start = pipe.recv()
        form = f"%(levelname)s worker {start.number}, %(name)s: %(message)s"
        logging.basicConfig(level=logging.WARNING, format=form, stream=sys.stderr)
        Worker(pipe, start).serve()
