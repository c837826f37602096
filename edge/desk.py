"""Judge what was heard, and publish what there is to say: the line between a connection's two ends."""

import time
from collections.abc import Sequence

from edge.health import Latencies, Report, report
from edge.line import Line
from edge.mailbox import Message
from edge.mqtt import Connection
from edge.vigil import Vigil


class Desk:
    """Do the daemon's work in its own process."""

    def __init__(self, line: Line, connection: Connection) -> None:
        """Begin with nothing to do.

        Args:
            line: what judges.
            connection: what speaks, and hears.
        """
        self.line = line
        self._connection = connection
        self._latencies = Latencies()

    @property
    def vigil(self) -> Vigil:
        """Who has fallen silent."""
        return self.line.vigil

    def work(self, timeout: float) -> None:
        """Judge what waits; wait up to `timeout` seconds when nothing does.

        Raises:
            OperatorError: the broker refuses us.
        """
        self.judge(self._connection.take(timeout))

    def judge(self, messages: Sequence[Message]) -> None:
        """Judge messages, and publish what there is to say."""
        for one in messages:
            self.line.receive(one.topic, one.payload, retained=one.retained, received_at=one.received_at)
        for news in self.line.advance():
            self._connection.publish(*news)
        if messages:
            self._latencies.add(max(0.0, time.time() - messages[0].received_at))

    def report(self) -> Report:
        """Return what was counted."""
        return report(self.line, self._latencies)

    def refusals(self) -> list[str]:
        """Return what was refused for the first time since the last look."""
        return self.line.firsts.take()
