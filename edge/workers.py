"""Let several processes judge: this one hears, shares out by stream, and looks after them.

It alone subscribes, so that a stream's order holds and there is one readiness; workers publish through connections of
their own, for one process that publishes everything is no faster than the echo. Each has a keeper (`edge.keeper`) in a
thread of its own.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from edge.addresses import Born
from edge.config import Config
from edge.connection import Connection
from edge.desk import LOOK_EVERY
from edge.doubted import merge as merge_doubts
from edge.health import Report, merge
from edge.keeper import GOODBYE, Keeper
from edge.learned import Learned
from edge.listening import Listening
from edge.retold import Retold
from edge.runtime import Model
from edge.shards import Shards
from edge.trust import Doubt
from edge.vigil import Vigil, Watched, patience
from edge.worker import Look


class Workers:
    """Do the daemon's work in processes of their own.

    Attributes:
        vigil: who has fallen silent.
        keepers: one for each worker.
    """

    def __init__(
        self,
        config: Config,
        bundles: Mapping[Path, tuple[Learned, Model]],
        connection: Connection,
        shards: Shards,
    ) -> None:
        """Prepare; nothing is started before `start`.

        Args:
            config: loaded and checked.
            bundles: for each bundle's path what it learned.
            connection: what hears; into its inboxes from the second on, one for each, falls what is the workers'.
            shards: which says so.
        """
        self._connection, self._shards = connection, shards
        self._listening = Listening()
        self._look_at = 0.0
        inboxes = connection.inboxes[1 : 1 + config.node.workers]
        self.keepers = [Keeper(config, number, inbox) for number, inbox in enumerate(inboxes, start=1)]
        self.vigil = Vigil(
            [
                Watched(name, table.template.filter, patience(bundles[table.bundle][0].period))
                for name, table in config.streams.items()
            ]
        )

    @property
    def born(self) -> Sequence[Born]:
        """The streams that came to life, in their order."""
        return self._shards.born

    @property
    def is_ready(self) -> bool:
        """Whether every worker is connected."""
        return all(keeper.told is not None and keeper.told.is_ready for keeper in self.keepers)

    @property
    def restarts(self) -> int:
        """How often a worker had to be replaced."""
        return sum(keeper.restarts for keeper in self.keepers)

    def start(self) -> None:
        """Start the workers."""
        for keeper in self.keepers:
            keeper.start()

    def stop(self) -> None:
        """Let the workers end."""
        for keeper in self.keepers:
            keeper.stop()
        deadline = time.monotonic() + 2.0 * GOODBYE
        for keeper in self.keepers:
            keeper.join(max(0.0, deadline - time.monotonic()))

    def work(self, timeout: float) -> None:
        """Look after the workers; wait up to `timeout` seconds.

        Raises:
            OperatorError: the broker refuses us, or one of them.
            RuntimeError: a worker cannot be kept alive.
        """
        self._connection.take(timeout)  # nothing goes into the first inbox: this waits, and raises
        now, steady = time.time(), time.monotonic()
        since = self._listening.since(is_ready=self._connection.ready, now=now, steady=steady)
        for keeper in self.keepers:
            keeper.kill_if_hung(steady)
            keeper.check()
            if steady >= self._look_at:
                keeper.look(Look(now, since))
        if steady >= self._look_at:
            self._look_at = steady + LOOK_EVERY
        payloads = self.report().payloads
        for table in self.vigil.tables:
            table.payloads = payloads.get(table.name, 0)

    def retell(self, asked: Sequence[Retold]) -> None:
        """Let the workers say what was said last again; each knows its own streams alone."""
        for keeper in self.keepers:
            keeper.retell(asked)

    def report(self) -> Report:
        """Return what was counted, all workers together."""
        readings, payloads = self._shards.counted()
        nobodys = Report(readings, payloads, (), {"p50_ms": None, "p99_ms": None})
        return merge([nobodys, *(keeper.report for keeper in self.keepers if keeper.report is not None)])

    def counters(self) -> dict[str, int]:
        """Return what became of all messages: of what is published, the workers' share too."""
        counted = {**asdict(self._connection.counters), "dropped_clock": self.doubt.dropped}
        for keeper in self.keepers:
            theirs = keeper.counters()
            counted["published"] += theirs.published
            counted["publish_dropped"] += theirs.publish_dropped
            counted["dropped_inbox"] += keeper.unjudged
            counted["dropped_poisonous"] = counted.get("dropped_poisonous", 0) + keeper.poisonous
        return counted

    @property
    def doubt(self) -> Doubt:
        """What waits for the clock, before all workers."""
        return merge_doubts(keeper.doubt for keeper in self.keepers)

    def refusals(self) -> list[str]:
        """Return what was refused for the first time since the last look."""
        told = self._shards.refusals()
        for keeper in self.keepers:
            while keeper.refusals:
                told.append(keeper.refusals.popleft())
        return told
