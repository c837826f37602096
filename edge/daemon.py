"""Run the line against a broker until told to stop."""

import gc
import logging
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from edge import bundle, health, message
from edge.addresses import Table
from edge.announcer import Announcer, announcer_for
from edge.aside import Aside
from edge.config import Config
from edge.connection import ONLINE, OVERLOADED, Connection
from edge.desk import Staff, desk_for
from edge.doubted import Doubted
from edge.errors import BundleError, ConfigError
from edge.feedback import FEEDBACK
from edge.learned import Learned
from edge.notify import Notifier
from edge.overload import Overload
from edge.runtime import Model
from edge.shards import Shards
from edge.stream_config import StreamConfig
from edge.tables import join_path
from edge.workers import Workers

FIRST_HEALTH = 3.0  # seconds from readiness to the first health message: whoever tries us out waits for it
TICK = 1.0  # seconds between two looks at the clock while nothing arrives, unless something is due sooner

log = logging.getLogger(__name__)


def open_bundles(streams: Mapping[str, StreamConfig], file: Path | None) -> dict[Path, bundle.Bundle]:
    """Load and prove every bundle that a stream names, each once.

    Args:
        streams: the tables [streams.NAME].
        file: the configuration they are from, for the errors.

    Raises:
        ConfigError: with every problem: bundles that must not serve, and sensors that do not fit them.
    """
    bundles: dict[Path, bundle.Bundle] = {}
    problems: list[str] = []
    first = {table.bundle: name for name, table in reversed(list(streams.items()))}
    for path in dict.fromkeys(table.bundle for table in streams.values()):
        try:
            bundles[path] = bundle.load(path)
        except BundleError as refused:
            by = "" if file is None else f" ({join_path('streams', first[path])}.bundle of {file})"
            problems += [f"{problem}{by}" for problem in refused.problems]
    where = "" if file is None else f"{file}: "
    for name, table in streams.items():
        if table.bundle in bundles:
            sensors = [sensor.name for sensor in bundles[table.bundle].manifest.sensors]
            problems += [f"{where}{join_path('streams', name)}.{problem}" for problem in table.check_sensors(sensors)]
    if problems:
        raise ConfigError(problems)
    return bundles


def _connection(config: Config, shards: Shards | None, announcer: Announcer | None) -> Connection:
    """Prepare the connection; its last inbox is the announcer's, where there is one."""
    base = message.root(config.node.prefix, config.node.name)
    readings = 1 if shards is None else 1 + config.node.workers  # inboxes of readings
    return Connection(
        config.broker,
        client_id=config.client_id,
        status_topic=f"{base}status",
        subscriptions=[*config.subscriptions, *[(f"{base}+{FEEDBACK}", 0)] * config.node.feedback],
        memories=() if announcer is None else announcer.subscriptions,
        inboxes=readings if announcer is None else readings + 1,
        route=shards if announcer is None else Aside(announcer.wants, readings, shards),
    )


class Daemon:
    """Carry messages between the connection and the line.

    State kept: whether it was told to stop, and when health and silence are next to be looked at.
    """

    def __init__(
        self,
        config: Config,
        bundles: Mapping[Path, tuple[Learned, Model]],
        notifier: Notifier,
        *,
        announcer: Announcer | None = None,
    ) -> None:
        """Prepare; nothing is sent before `run`.

        Args:
            config: loaded and checked.
            bundles: for each bundle's path what it learned, and its graph.
            notifier: who tells systemd.
            announcer: who knows what Home Assistant is to be told; None where it is not.
        """
        self._base = message.root(config.node.prefix, config.node.name)
        self._workers = config.node.workers
        tables = [Table(name, table, bundles[table.bundle][0].sensors) for name, table in config.streams.items()]
        shards = (
            Shards(tables, self._workers, self._base if config.node.feedback else None) if self._workers > 1 else None
        )
        self.connection = _connection(config, shards, announcer)
        self._announcer, self._kept = announcer, self.connection.inboxes[-1]
        self.staff: Staff = (
            desk_for(config, bundles, self.connection)
            if shards is None
            else Workers(config, bundles, self.connection, shards)
        )
        self._overload, self._doubted = Overload(), Doubted()
        self._notifier = notifier
        interval = notifier.watchdog_interval
        self._feed_every = None if interval is None else interval / 4  # two turns fit into half of what it allows
        self._fed_at = 0.0
        self._health_every = config.node.health_every
        self._health_at = time.monotonic() + self._health_every
        self._look_at = 0.0
        self._tick = min(TICK, self._health_every, self._feed_every or TICK)
        self._stopping = False
        self._ready = False

    def stop(self) -> None:
        """End the run soon; safe in a signal handler."""
        self._stopping = True
        self.connection.wake()

    def run(self) -> None:
        """Serve until told to stop.

        Raises:
            OperatorError: the broker refuses us, and only the user can change that.
        """
        started_at = time.time()
        self.staff.vigil.listen_from(time.monotonic())
        self.staff.start()
        self.connection.start()
        gc.freeze()  # what was loaded lives as long as we do: it need not be searched for garbage
        try:
            while not self._stopping:
                self._turn()
                if time.monotonic() >= self._health_at:
                    self._health_at = time.monotonic() + self._health_every
                    self._tell_health(started_at)
        finally:
            self._notifier.stopping()
            self.staff.stop()
            self.connection.abandon()
            if self.connection.failure is None:
                self._tell_health(started_at)
            self.connection.stop()
        log.info("stopped")

    def _turn(self) -> None:
        """Do what waits, and look around."""
        self.staff.work(self._tick)
        self._feed_watchdog()
        now = time.monotonic()
        self.tell_notices(now)
        self._notice_overload(now)
        self._announce(now)
        if self.connection.ready and self.staff.is_ready and not self._ready:
            self._ready = True
            self._health_at = min(self._health_at, time.monotonic() + FIRST_HEALTH)
            log.info("ready: subscribed, bundles serve")
            self._notifier.ready(health.status(self.staff.report(), self.staff.doubt, now=time.time(), ready=True))

    def tell_notices(self, now: float) -> None:
        """Log what is refused for the first time, and now and then look for tables that fell silent, and at the clock.

        Args:
            now: seconds of the clock that never jumps.
        """
        for refusal in self.staff.refusals():
            log.warning("%s; its like is only counted from now on, see the health message", refusal)
        if now < self._look_at:
            return
        self._look_at = now + TICK
        doubt = self.staff.doubt
        if not self.connection.ready or not doubt.is_trusted:  # what waits for its time was not read yet
            self.staff.vigil.listen_from(now)
        doubted = self._doubted.look(doubt, time.time(), now) if self.staff.is_ready else []
        for notice in [*doubted, *self.staff.vigil.look(now)]:
            log.log(logging.WARNING if notice.is_trouble else logging.INFO, "%s", notice.text)

    def _feed_watchdog(self) -> None:
        """Tell systemd that a turn was made, if it wants to hear that, and not at every payload."""
        now = time.monotonic()
        if self._feed_every is not None and now - self._fed_at >= self._feed_every:
            self._fed_at = now
            self._notifier.watchdog()

    def _notice_overload(self, now: float) -> None:
        """Tell when there begins to be more to do than we can, and when that is over."""
        counters, before = self.connection.counters, self._overload.is_on
        dropped = counters.dropped_superseded + counters.dropped_inbox
        is_overloaded = self._overload.look(dropped, now)
        if is_overloaded == before:
            return
        self.connection.tell_status(OVERLOADED if is_overloaded else ONLINE)
        if is_overloaded:
            log.warning("overloaded: more arrives than can be judged; what waits too long is dropped and counted")
        else:
            log.info("no longer overloaded; %d messages were dropped since the start", dropped)

    def _announce(self, now: float) -> None:
        """Tell Home Assistant of streams, where it is to be told."""
        if self._announcer is None or not self.connection.ready:
            return
        for heard in self._kept.take(0.0):
            self._announcer.hear(heard.topic, heard.payload, retained=heard.retained)
        day, connects = int(time.time() // 86_400), self.connection.counters.connects
        for news in self._announcer.look(self.staff.born, connects=connects, now=now, day=day):
            self.connection.publish(*news)
        asked = self._announcer.retell(now)
        if asked:
            self.staff.retell(asked)
        if self._announcer.has_more:
            self.connection.wake()

    def _tell_health(self, started_at: float) -> None:
        told, doubt, now = self.staff.report(), self.staff.doubt, time.time()
        table = health.table(
            told,
            self.staff.counters(),
            doubt,
            silences=self.staff.vigil.silences(),
            is_overloaded=self._overload.is_on,
            workers=(self._workers, self.staff.restarts),
            started_at=started_at,
            now=now,
        )
        if self._announcer is not None:
            table["homeassistant"] = {**asdict(self._announcer.told), "retold": told.retold}
        self.connection.publish(*message.health(self._base, table))
        # Until readiness was told, the status is that we wait, though the connection be ready in the middle of this.
        self._notifier.status(health.status(told, doubt, now=now, ready=self._ready and self.connection.ready))


def run(config: Config) -> None:
    """Load the bundles and serve until SIGTERM or SIGINT.

    Raises:
        OperatorError: configuration, bundles or broker need the user.
    """
    bundles = open_bundles(config.streams, config.file)
    for path, loaded in bundles.items():
        log.info(
            "bundle %s: %s version %d, %s", path, loaded.manifest.name, loaded.manifest.version, loaded.model.runtime
        )
    serving = {path: (loaded.manifest.learned(), loaded.model) for path, loaded in bundles.items()}
    announcer = announcer_for(config, {path: loaded.manifest for path, loaded in bundles.items()})
    daemon = Daemon(config, serving, Notifier(os.environ, os.getpid()), announcer=announcer)

    def stop(number: int, frame: FrameType | None) -> None:
        daemon.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    daemon.run()
