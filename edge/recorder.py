"""Record what sensors say into a database, until told to stop: the command `tidegate record`."""

import logging
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path
from types import FrameType

from edge import bundle, message
from edge.config import Config
from edge.connection import Connection
from edge.doubted import Doubted, words
from edge.errors import BundleError, ReadingError, counted
from edge.intake import Intake, Recorded
from edge.journal import Journal
from edge.mailbox import Message
from edge.notify import Notifier
from edge.recorder_config import RecorderConfig
from edge.stream_config import StreamConfig
from edge.suppressed import Suppressed
from edge.trust import trust_of

TOLD_EVERY = 60.0  # seconds between two lines about progress
TICK = 1.0  # seconds between two looks at the clock while nothing arrives

log = logging.getLogger(__name__)


class Recorder:
    """Carry messages from a connection into a journal.

    State kept: whether it was told to stop, and when what is next to be done.
    """

    def __init__(self, config: Config, journal: Journal, notifier: Notifier) -> None:
        """Prepare; nothing is asked for before `run`."""
        base = message.root(config.node.prefix, config.node.name)
        self._suppressed = Suppressed(base, hears_feedback=config.node.feedback)
        # A recorder wants every reading, however late: what waits is bounded by `inbox` alone.
        broker = replace(config.broker, max_latency=inf)
        self.connection = Connection(
            broker,
            client_id=f"{config.client_id}-recorder",  # beside the daemon's, which may run too
            status_topic=None,
            subscriptions=[*config.subscriptions, *self._suppressed.subscriptions],
        )
        self.intake = Intake([Recorded(name, table, _sensors(table)) for name, table in config.streams.items()])
        self._journal = journal
        self._trust, self._doubted = trust_of(config), Doubted()
        self._notifier = notifier
        self._commit_every = config.recorder.commit_every
        interval = notifier.watchdog_interval
        self._feed_every = inf if interval is None else interval / 4  # two turns fit into half of what it allows
        self._tick = min(TICK, self._commit_every, self._feed_every)
        self._commit_at = self._tell_at = self._feed_at = -inf
        self._ready = self._stopping = False

    def stop(self) -> None:
        """End the run soon; safe in a signal handler."""
        self._stopping = True
        self.connection.wake()

    def run(self, seconds: float) -> bool:
        """Record until told to stop, or for some seconds; return whether the broker could ever be heard.

        Raises:
            OperatorError: the broker refuses us, and only the user can change that.
        """
        begun = time.monotonic()
        self._commit_at, self._tell_at, self._feed_at = begun + self._commit_every, begun + TOLD_EVERY, begun
        self.connection.start()
        try:
            while not self._stopping and time.monotonic() - begun < seconds:
                self._turn(min(self._tick, max(0.0, begun + seconds - time.monotonic())))
        finally:
            self._notifier.stopping()
            self.connection.stop()
            while messages := self.connection.inboxes[0].take(0.0):  # what was acknowledged nobody sends again
                self._keep(messages)
            self._trust.give_up()
            self._journal.finish()
            told = self.status()
            self._journal.close()
            self._tell_notices()
            log.info("stopped: %s", told)
        return self._ready

    def status(self) -> str:
        """Say in words what was recorded."""
        counts, refused, lost = self._journal.counts, self.intake.counts.all_refused, self._count_lost()
        streams, sensors = self._journal.count_sources()
        waiting = f", {self._journal.waiting} wait" if self._journal.waiting else ""
        doubt = self._trust.doubt
        held = f", {words(doubt, time.time())}" if doubt.waiting else ""
        repeated, deleted = counts.repeated + self.intake.counts.repeated, counts.expired + counts.displaced
        return (
            f"{counted(counts.recorded, 'reading')} recorded{waiting}{held}, {counted(sensors, 'sensor')} in "
            f"{counted(streams, 'stream')}; {refused} refused, {repeated} repeated, {lost} dropped, "
            f"{deleted} deleted; {self._journal.bytes() / 1e6:.1f} MB{_written()}"
        )

    def _turn(self, timeout: float) -> None:
        self._take(timeout)
        now = time.monotonic()
        if now >= self._commit_at:
            self._commit_at = now + self._commit_every
            self._journal.commit()
        self._tell_notices()
        if self.connection.ready and not self._ready:
            self._ready = True
            log.info("ready: subscribed, recording")
            self._notifier.ready(self.status())
        if now >= self._feed_at:
            self._feed_at = now + self._feed_every
            self._notifier.watchdog()
        if now >= self._tell_at:
            self._tell_at = now + TOLD_EVERY
            log.info("%s", self.status())
            self._notifier.status(self.status() if self.connection.ready else "waiting for the broker")

    def _take(self, timeout: float) -> None:
        self._keep(self.connection.take(timeout))
        for news in self.intake.requests():
            self.connection.publish(*news)

    def _keep(self, messages: Sequence[Message]) -> None:
        for one in self._trust.pass_on(messages, time.time(), time.monotonic()):
            if self._suppressed.wants(one.topic):
                self._suppress(one)
            else:
                self._journal.add(self.intake.take(one))

    def _suppress(self, said: Message) -> None:
        try:
            span = self._suppressed.read(said)
        except ReadingError as wrong:
            self.intake.counts.refused[wrong.reason] += 1
            return
        if span is not None:
            self._journal.suppress(span)

    def _tell_notices(self) -> None:
        for refusal in self.intake.firsts.take():
            log.warning("%s; its like is only counted from now on", refusal)
        doubted = self._doubted.look(self._trust.doubt, time.time(), time.monotonic())
        for notice in [*doubted, *self._journal.notices()]:
            log.log(logging.WARNING if notice.is_trouble else logging.INFO, "%s", notice.text)

    def _count_lost(self) -> int:
        """Return how many messages and readings had to be dropped."""
        counters = self.connection.counters
        messages = counters.dropped_inbox + counters.dropped_superseded + counters.too_large + counters.bad_topic
        return messages + self._journal.counts.dropped + self._trust.dropped


def _sensors(table: StreamConfig) -> Sequence[str]:
    """Return which sensors a table means: its bundle's where there is one already, and those that it names."""
    with suppress(BundleError):
        manifest = bundle.read_manifest(table.bundle)
        return tuple(dict.fromkeys((*(sensor.name for sensor in manifest.sensors), *table.sensors)))
    return tuple(table.sensors)


def _written() -> str:
    """Say how much this process has given the disk to write, where the kernel tells."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    told = dict(line.split(": ") for line in lines)
    return f", {int(told['write_bytes']) / 1e6:.1f} MB given to the disk since the start"


def run(config: Config, *, seconds: float = inf) -> bool:
    """Record until SIGTERM or SIGINT, or for some seconds; return whether the broker could ever be heard.

    Raises:
        OperatorError: configuration, database or broker need the user.
    """
    settings: RecorderConfig = config.recorder
    recorder = Recorder(config, Journal(settings.database, settings), Notifier(os.environ, os.getpid()))

    def stop(number: int, frame: FrameType | None) -> None:
        recorder.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("recording into %s, at most %d s are lost", settings.database, settings.commit_every)
    return recorder.run(seconds)
