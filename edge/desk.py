"""Judge what was heard, and publish what there is to say: the line between a connection's two ends."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from edge.addresses import Born
from edge.config import Config
from edge.connection import Connection
from edge.health import Latencies, Report, report
from edge.learned import Learned
from edge.line import Line
from edge.listening import Listening
from edge.mailbox import Message
from edge.message import Outgoing
from edge.retold import LastSaid, Retold, last_said_of
from edge.runtime import Model
from edge.trust import NO_DOUBT, Doubt, Trust, trust_of
from edge.vigil import Vigil

LOOK_EVERY = 1.0  # seconds between two looks for who has fallen silent


class Staff(Protocol):
    """Whoever does the daemon's work: a `Desk` in its own process, or `edge.workers.Workers`."""

    @property
    def vigil(self) -> Vigil:
        """Who has fallen silent."""

    @property
    def born(self) -> Sequence[Born]:
        """The streams that came to life, in their order."""

    @property
    def is_ready(self) -> bool:
        """Whether the work can begin."""

    @property
    def restarts(self) -> int:
        """How often a worker had to be replaced."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""

    def work(self, timeout: float) -> None:
        """Do what there is to do, or look after those who do; wait up to `timeout` seconds when there is nothing.

        Raises:
            OperatorError: the broker refuses us.
        """

    def retell(self, asked: Sequence[Retold]) -> None:
        """Say what was said last again."""

    def report(self) -> Report:
        """Return what was counted."""

    def counters(self) -> dict[str, int]:
        """Return what became of the messages."""

    @property
    def doubt(self) -> Doubt:
        """What waits for the clock."""

    def refusals(self) -> list[str]:
        """Return what was refused for the first time since the last look."""


class Desk:
    """Do the daemon's work in its own process."""

    is_ready, restarts = True, 0

    def __init__(
        self, line: Line, connection: Connection, trust: Trust | None = None, *, last_said: LastSaid | None = None
    ) -> None:
        """Begin with nothing to do.

        Args:
            line: what judges.
            connection: what speaks, and hears.
            trust: what holds messages back whose time nobody knows yet; None for none.
            last_said: who knows what was said last, if it may have to be said again.
        """
        self._trust, self._last_said = trust, last_said
        self.line = line
        self._connection = connection
        self._latencies = Latencies()
        self._listening = Listening()
        self._look_at = 0.0

    @property
    def vigil(self) -> Vigil:
        """Who has fallen silent."""
        return self.line.vigil

    @property
    def born(self) -> Sequence[Born]:
        """The streams that came to life, in their order."""
        return self.line.born

    def start(self) -> None:
        """Begin: there is nothing to prepare."""

    def stop(self) -> None:
        """End: what waits for the time is counted, for nobody will ever know it."""
        if self._trust is not None:
            self._trust.give_up()

    def work(self, timeout: float) -> None:
        """Judge what waits; wait up to `timeout` seconds when nothing does.

        Raises:
            OperatorError: the broker refuses us.
        """
        messages: Sequence[Message] = self._connection.take(timeout)
        steady = time.monotonic()
        if self._trust is not None and not self._trust.is_trusted:
            messages = self._trust.pass_on(messages, time.time(), steady)
        self.serve(messages)
        if steady >= self._look_at:
            self._look_at = steady + LOOK_EVERY
            now = time.time()
            self.look(now, self._listening.since(is_ready=self._connection.ready, now=now, steady=steady))

    def look(self, now: float, since: float) -> None:
        """Publish what there is to say although nothing came; see `Line.look`."""
        for news in self.line.look(now, since):
            self._connection.publish(*news)

    def serve(self, messages: Sequence[Message]) -> None:
        """Judge messages, and publish what there is to say."""
        for news in self.judge(messages):
            self._connection.publish(*news)
        if messages:
            self._latencies.add(max(0.0, time.time() - messages[0].received_at))

    def judge(self, messages: Sequence[Message]) -> list[Outgoing]:
        """Judge messages, and return what there would be to say."""
        for one in messages:
            self.line.receive(one.topic, one.payload, retained=one.retained, received_at=one.received_at)
        news = self.line.advance()
        if self._last_said is not None and messages:
            # Who goes on where a worker died is given messages that came long ago.
            age = max(0.0, time.time() - messages[-1].received_at)
            self._last_said.keep(news, time.monotonic() - age)
        return news

    def retell(self, asked: Sequence[Retold]) -> None:
        """Say what was said last again."""
        if self._last_said is not None:
            for news in self._last_said.again(asked, time.monotonic()):
                self._connection.publish(*news)

    def report(self) -> Report:
        """Return what was counted."""
        retold = 0 if self._last_said is None else self._last_said.retold
        return report(self.line, self._latencies, retold)

    def counters(self) -> dict[str, int]:
        """Return what became of the messages."""
        return {**asdict(self._connection.counters), "dropped_clock": self.doubt.dropped}

    @property
    def doubt(self) -> Doubt:
        """What waits for the clock."""
        return NO_DOUBT if self._trust is None else self._trust.doubt

    def refusals(self) -> list[str]:
        """Return what was refused for the first time since the last look."""
        return self.line.firsts.take()


def desk_for(config: Config, bundles: Mapping[Path, tuple[Learned, Model]], connection: Connection) -> Desk:
    """Return a desk that does all of a configuration's work.

    Args:
        config: loaded and checked.
        bundles: for each bundle's path what it learned, and its graph.
        connection: what speaks, and hears.
    """
    last_said = last_said_of(config, {path: learned for path, (learned, _) in bundles.items()})
    return Desk(Line(config, bundles), connection, trust_of(config), last_said=last_said)
