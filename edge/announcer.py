"""Decide when Home Assistant is told of which stream, and which it is to forget.

Theory of operation. After every connect the broker sends what it had kept of all devices; we listen for `SETTLE`
seconds, and then describe every stream that is there: those that the configuration names itself, and those that topics
have brought to life since we started. Later ones follow when they come to life; all of them again when Home Assistant
says that it is there, and once a day, for the day is part of what is kept. When it says so, or may have said so while
there was no connection, its entities know nothing: then streams' last states follow (`edge.retold`).

What was kept of our own node and is not there is cleared away when its table has left the configuration, or no longer
makes streams of that name, or when the day that was kept is `forget_after` days ago; until then it may come back.
What was kept of a stream that is there, and has components that it no longer has, is first told once more with these as
mere platforms, which removes them.

Disliked: a node or a discovery prefix that gets another name leaves its devices to the user, for they are then somebody
else's. A stream counts as heard on every day of the run in which it came to life.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from edge import homeassistant
from edge.addresses import Born
from edge.config import Config
from edge.entities import Profile, sources
from edge.homeassistant import Node, Remembered, Stamp
from edge.manifest import Manifest
from edge.message import Outgoing
from edge.profiles import profiles
from edge.retold import Retelling, Retold
from edge.topics import makes_name

SETTLE = 2.0  # seconds after a connect in which brokers have sent what they had kept
AT_ONCE = 50  # streams that are described in one look: some milliseconds, between two turns of the daemon
MOST_REMEMBERED = 100_000  # streams that were kept and are not there; others' messages must not fill the memory
THERE = b"online"  # what Home Assistant says when it has started


@dataclass(slots=True)
class Told:
    """Count what Home Assistant was told.

    Attributes:
        announced: messages that describe a device.
        removed: devices that were taken away.
        left_out: forecasts that there was no room for in the last message of their stream.
        not_remembered: kept streams beyond those that can be.
    """

    announced: int = 0
    removed: int = 0
    left_out: int = 0
    not_remembered: int = 0


class Announcer:
    """Say what Home Assistant is to be told.

    Attributes:
        told: what was counted.
        status_topic, kept_topics: what to subscribe to: where Home Assistant says that it is there, and where the
            broker keeps what it was told of all devices.

    State kept: which streams are there, which of them are to be described, and what the broker had kept of others.
    """

    def __init__(self, config: Config, profiles: Mapping[str, Profile]) -> None:
        """Begin with the streams that the configuration names itself.

        Args:
            config: loaded and checked.
            profiles: of each table [streams.NAME].
        """
        prefix = config.homeassistant.prefix
        self.told = Told()
        self.status_topic = f"{prefix}/status"
        self.kept_topics = f"{prefix}/device/+/config"
        self._beneath = f"{prefix}/"
        self._begins, self._ends = self.kept_topics.split("+")
        self._node = Node(prefix, config.node.prefix, config.node.name)
        self._profiles = profiles
        self._patterns = {name: table.pattern(name) for name, table in config.streams.items()}
        self._tables = list(config.streams)
        self._forget_after = config.homeassistant.forget_after
        self._there = {pattern: name for name, pattern in self._patterns.items() if "{" not in pattern}
        self._waiting: dict[str, None] = {}  # streams that are to be described, in order
        self._left_out: dict[str, int] = {}
        self._kept: dict[str, Remembered] = {}
        self._unjudged: dict[str, None] = {}  # those of them that may have to be cleared away
        self._born = 0  # how many of those that came to life were looked at
        self._retelling = Retelling()
        self._connects = 0
        self._settled_at = inf
        self._day = -1

    @property
    def subscriptions(self) -> Sequence[tuple[str, int]]:
        """Pairs of topic filter and QoS."""
        return (self.status_topic, 1), (self.kept_topics, 1)

    @property
    def has_more(self) -> bool:
        """Whether another look would say more at once."""
        return bool(self._waiting) and self._settled_at == -inf

    def wants(self, topic: str) -> bool:
        """Return whether a topic is for us."""
        if not topic.startswith(self._beneath):  # nearly all: this is asked of every message
            return False
        if topic == self.status_topic:
            return True
        middle = topic[len(self._begins) : -len(self._ends)]
        return topic == f"{self._begins}{middle}{self._ends}" and middle != "" and "/" not in middle

    def hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a message of Home Assistant, or one that the broker had kept for it."""
        if topic == self.status_topic:
            if payload.strip() == THERE:
                self._tell_all()
                self._retelling.ask(self._there)
            return
        remembered = homeassistant.read(self._node, topic, payload) if retained else None
        if remembered is None:
            return
        stream = remembered.stamp.stream
        if stream not in self._kept and len(self._kept) >= MOST_REMEMBERED:
            self.told.not_remembered += 1
            return
        self._kept[stream] = remembered
        if stream in self._there:
            self._waiting[stream] = None
        else:
            self._unjudged[stream] = None

    def look(self, born: Sequence[Born], *, connects: int, now: float, day: int) -> list[Outgoing]:
        """Return what is to be published.

        Args:
            born: all streams that came to life, in order; grows.
            connects: how often there was a new connection.
            now: seconds of a clock that never jumps.
            day: whole days since 1970, UTC.
        """
        if connects != self._connects:
            self._connects, self._settled_at = connects, now + SETTLE
        if len(born) > self._born:
            newcomers = born[self._born :]
            self._born += len(newcomers)
            self._greet(newcomers)
        if now < self._settled_at:
            return []
        is_first = self._settled_at != -inf
        self._settled_at = -inf
        if is_first and connects > 1:
            self._retelling.ask(self._there)
        if is_first or day != self._day:
            self._day = day
            self._tell_all()
        return [*self._clear_away(day), *self._describe(day, now)] if self._waiting or self._unjudged else []

    def retell(self, now: float) -> list[Retold]:
        """Return which states are to be said again; `now` is as of `look`."""
        return [one for stream in self._retelling.take(now) for one in self._retold(stream)]

    def _retold(self, stream: str) -> list[Retold]:
        profile = self._profiles[self._there[stream]]
        kinds = sources(profile.publish, profile.horizons, profile.exposed)
        return [Retold(f"{self._node.base}{stream}/{kind}", profile.expire_after) for kind in kinds]

    def _greet(self, newcomers: Sequence[Born]) -> None:
        """Describe those that came to life soon; what the configuration names itself was there before."""
        for table, stream in newcomers:
            if stream not in self._there:
                self._there[stream] = self._tables[table]
                self._waiting[stream] = None

    def _tell_all(self) -> None:
        self._waiting.update(dict.fromkeys(self._there))
        self._unjudged.update(dict.fromkeys(self._kept))

    def _describe(self, day: int, now: float) -> list[Outgoing]:
        """Describe some of those that wait."""
        news: list[Outgoing] = []
        for stream in list(self._waiting)[:AT_ONCE]:
            del self._waiting[stream]
            table, kept = self._there[stream], self._kept.pop(stream, None)
            # A machine that has just woken may not know the day yet.
            latest = day if kept is None else max(day, kept.stamp.day)
            stamp, profile = Stamp(stream, table, latest), self._profiles[table]
            told = homeassistant.announce(self._node, stamp, profile, gone={})
            if kept is not None:
                gone = {key: one for key, one in kept.components.items() if key not in told.components}
                if gone:
                    news.append(homeassistant.announce(self._node, stamp, profile, gone=gone).news)
            news.append(told.news)
            self._retelling.describe(stream, now)
            self.told.announced += 1
            self.told.left_out += told.left_out - self._left_out.pop(stream, 0)
            if told.left_out:
                self._left_out[stream] = told.left_out
        return news

    def _clear_away(self, day: int) -> list[Outgoing]:
        """Take away what was kept and will not come back."""
        unjudged, self._unjudged = self._unjudged, {}
        gone = [
            stream
            for stream in unjudged
            if stream in self._kept and stream not in self._there and self._is_over(self._kept[stream].stamp, day)
        ]
        for stream in gone:
            del self._kept[stream]
        self.told.removed += len(gone)
        return [homeassistant.withdraw(self._node, stream) for stream in gone]

    def _is_over(self, stamp: Stamp, day: int) -> bool:
        pattern = self._patterns.get(stamp.table)
        if pattern is None or not makes_name(pattern, stamp.stream):
            return True
        return day - stamp.day > self._forget_after


def announcer_for(config: Config, manifests: Mapping[Path, Manifest]) -> Announcer | None:
    """Return who knows what Home Assistant is to be told; None where it is not.

    Raises:
        ConfigError: what it is to be told does not fit the bundles.
    """
    return Announcer(config, profiles(config, manifests)) if config.homeassistant.enabled else None
