"""The configuration: one frozen dataclass for each table of `tidegate.toml`, where every default lives.

`deploy/tidegate.toml` says the same to the operator, and a test holds the two together. Loading reads the file and
the first line of the password file; it connects to nothing and opens no bundle.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal, Self

from edge import payloads, topics
from edge.errors import ConfigError, quote, unreadable
from edge.finding import KINDS, Kind
from edge.payloads import rules, sparkplug
from edge.recorder_config import RecorderConfig
from edge.tables import join_path, require, structure
from edge.topics import SENSOR, TopicTemplate

NO_BUNDLE = "no bundle"  # stands where a table that is only recorded names none
MOST_WORKERS = 64  # each has a Python and a TFLite runtime of its own, some 50 MB
_PREFIX_RULE = "must be levels of a topic, as in site/tidegate, without + # NUL and $ in front"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Who this device is: the table [node]."""

    name: str = "edge1"  # the level after the prefix in every topic that is published
    prefix: str = "tidegate"
    health_every: float = 30.0  # seconds between health messages
    workers: int = 1  # processes that share the streams; 1: the daemon's own does all
    trust_clock_after: float = 600.0  # seconds to wait for systemd to set the clock; without it, it is trusted at once
    feedback: bool = False  # whether people may acknowledge, dismiss and suppress events through the broker

    def __post_init__(self) -> None:
        """Hold the rules."""
        require(
            self,
            name=(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.name) is not None, "must be 1 to 64 of A-Z a-z 0-9 _ -"),
            prefix=(_is_prefix(self.prefix), _PREFIX_RULE),
            health_every=(self.health_every > 0.0, "must be > 0"),
            trust_clock_after=(self.trust_clock_after >= 0.0, "must be >= 0"),
            workers=(1 <= self.workers <= MOST_WORKERS, f"must be between 1 and {MOST_WORKERS}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Where the sensors are heard: the table [broker]."""

    host: str = "localhost"
    port: int = 1883
    client_id: str = ""  # empty: "tidegate-" and the node's name, so that the broker knows the session after a restart
    username: str = ""  # empty: anonymous
    password_file: str = ""  # the password is its first line, so that this file can be shown to anybody
    protocol: Literal["auto", "5", "3.1.1"] = "auto"  # auto: MQTT 5, and 3.1.1 with a broker that refuses it
    keepalive: int = 60  # seconds of silence after which client and broker look for each other
    connect_timeout: float = 10.0  # seconds; a broker on the same network answers within one
    reconnect_min: float = 1.0  # seconds before the second attempt; doubled after each that fails
    reconnect_max: float = 60.0  # seconds between attempts at most: a broker that is back is found within a minute
    session_expiry: int = 86400  # seconds, a day, that the broker keeps what it could not deliver to us
    inbox: int = 10_000  # messages that wait before the oldest is dropped: a minute of 160 a second, a few megabytes
    max_latency: float = 5.0  # seconds a message may wait for us before newer ones of its topic are preferred
    payload_limit: int = 65_536  # bytes; sensors send some hundred

    def __post_init__(self) -> None:
        """Hold the rules."""
        require(
            self,
            host=(self.host.strip() != "", "must be a host's name or address"),
            port=(1 <= self.port <= 65535, "must be between 1 and 65535"),
            client_id=("\0" not in self.client_id, "must not hold a NUL"),
            username=(self.username != "" or self.password_file == "", "must be set where password_file is"),
            keepalive=(1 <= self.keepalive <= 65535, "must be between 1 and 65535"),
            connect_timeout=(self.connect_timeout > 0.0, "must be > 0"),
            reconnect_min=(self.reconnect_min > 0.0, "must be > 0"),
            reconnect_max=(self.reconnect_max >= self.reconnect_min, f"must be >= reconnect_min, {self.reconnect_min}"),
            session_expiry=(0 <= self.session_expiry < 2**32, "must be between 0 and 4294967295"),
            inbox=(self.inbox >= 1, "must be at least 1"),
            max_latency=(self.max_latency > 0.0, "must be > 0"),
            payload_limit=(1 <= self.payload_limit < 2**28, "must be between 1 and 268435455"),
        )

    def read_password(self) -> str | None:
        """Read the password, None if there is none; it is kept nowhere, and so in no log and no traceback.

        Raises:
            ConfigError: the file cannot be read, or its first line is empty.
        """
        if self.password_file == "":
            return None
        rule = "broker.password_file: must be a text file with the password in its first line"
        try:
            with open(self.password_file, encoding="utf-8") as lines:
                password = lines.readline().rstrip("\r\n")
        except OSError as error:
            raise ConfigError(f"{rule}, got {self.password_file}: {error.strerror}") from None
        except ValueError:  # its text would show a piece of the password
            raise ConfigError(f"{rule}, got bytes that are not UTF-8 in {self.password_file}") from None
        if password == "":
            raise ConfigError(f"{rule}, got an empty one in {self.password_file}")
        return password


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantConfig:
    """How streams appear in Home Assistant: the table [homeassistant]."""

    enabled: bool = False
    prefix: str = "homeassistant"  # Home Assistant's own discovery prefix; it says that it is there on PREFIX/status
    horizons: tuple[int, ...] = ()  # steps ahead whose forecasts become entities; empty: the first
    forget_after: float = 30.0  # days a stream that a placeholder brought to life may be gone before it is removed

    def __post_init__(self) -> None:
        """Hold the rules."""
        require(
            self,
            prefix=(_is_prefix(self.prefix), _PREFIX_RULE),
            horizons=(
                all(steps >= 1 for steps in self.horizons) and len(set(self.horizons)) == len(self.horizons),
                "must be steps ahead, at least 1 and none twice",
            ),
            forget_after=(self.forget_after > 0.0, "must be > 0"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfig:
    """What the bundle leaves open about time: the table [streams.NAME.grid]."""

    future: float = 60.0  # seconds a reading may be ahead of its arrival: clocks differ, but hardly by more
    lateness: float | None = None  # seconds that it may be behind; None: as long as it is in order

    def __post_init__(self) -> None:
        """Hold the rules."""
        late = self.lateness
        require(
            self, future=(self.future >= 0.0, "must be >= 0"), lateness=(late is None or late >= 0.0, "must be >= 0")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorDetectionConfig:
    """When one sensor is flagged: the table [streams.NAME.detection.sensors.SENSOR]; None leaves it to the stream."""

    kinds: tuple[Kind, ...] | None = None
    false_alarms_per_week: float | None = None  # the alarm budget of its silence, and of being frozen
    low: float | None = None  # sensor units; what is below is no measurement, and an anomaly of kind `range`
    high: float | None = None

    def __post_init__(self) -> None:
        """Hold the rules."""
        budget, low, high = self.false_alarms_per_week, self.low, self.high
        require(
            self,
            kinds=(self.kinds is None or len(set(self.kinds)) == len(self.kinds), "must not say the same twice"),
            false_alarms_per_week=(budget is None or budget > 0.0, "must be > 0"),
            high=(low is None or high is None or low < high, f"must be > low, {low}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionConfig:
    """When a stream is flagged: the table [streams.NAME.detection]; None leaves it to the bundle."""

    false_alarms_per_week: float | None = None  # the alarm budget
    close_after: int | None = None  # calm samples that end an event
    kinds: tuple[Kind, ...] = KINDS
    learned_limits: bool = False  # what is further out than the training data ever were, by their whole range, is none
    sensors: Mapping[str, SensorDetectionConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold the rules."""
        budget, calm = self.false_alarms_per_week, self.close_after
        require(
            self,
            false_alarms_per_week=(budget is None or budget > 0.0, "must be > 0"),
            close_after=(calm is None or calm >= 1, "must be at least 1"),
            kinds=(len(set(self.kinds)) == len(self.kinds), "must not say the same twice"),
        )

    def of_sensor(self, sensor: str) -> SensorDetectionConfig:
        """Return what holds for one sensor."""
        own = self.sensors.get(sensor, SensorDetectionConfig())
        return replace(
            own,
            kinds=self.kinds if own.kinds is None else own.kinds,
            false_alarms_per_week=own.false_alarms_per_week or self.false_alarms_per_week,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """Which topics feed which bundle: the table [streams.NAME]."""

    bundle: Path
    topic: str  # a template, see `edge.topics`
    dialect: str = "json"  # see `edge.payloads`
    stream: str = ""  # name pattern; empty: the placeholders joined by -, NAME if there are none
    qos: Literal[0, 1, 2] = 0  # a lost reading is soon followed by the next
    time: str | None = (
        None  # path of the event time; empty, or not in the payload: that of arrival; None: the dialect's
    )
    timezone: str = "UTC"  # of event times that name no offset
    value: str = "value"  # path of the value where the topic says which {sensor} speaks
    max_streams: int = 1000  # streams that topics may bring to life: a bound to memory that others would fill
    publish: tuple[Literal["state", "forecast", "event", "anomaly"], ...] = ("state", "forecast", "event", "anomaly")
    rebirth_requests: bool = False  # whether Sparkplug nodes may be asked for births that were not heard
    sensors: Mapping[str, str] = field(default_factory=dict)  # by sensor: its path or metric, or the word in the topic
    grid: GridConfig = field(default_factory=GridConfig)
    detection: DetectionConfig = field(default_factory=DetectionConfig)

    def __post_init__(self) -> None:
        """Hold the rules."""
        topic_rule = topics.broken_topic_rule(self.topic) or rules.broken_topic_rule(self.dialect, self.topic)
        is_template = topics.broken_topic_rule(self.topic) is None
        pattern_rule = topics.broken_pattern_rule(self.stream, self.template) if is_template else None
        dialect_rule = rules.broken_dialect_rule(self.dialect)
        if dialect_rule is None and self._is_one_value and len(self.sensors) > 1:
            dialect_rule = f"must not be {' or '.join(payloads.BARE)} unless a message speaks for one sensor"
        zone_rule = rules.broken_zone_rule(self.timezone)
        may_ask = not self.rebirth_requests or self.dialect == payloads.SPARKPLUG
        require(
            self,
            bundle=(self.bundle != Path(), "must name a file"),
            topic=(topic_rule is None, f"{topic_rule}"),
            dialect=(dialect_rule is None, f"{dialect_rule}"),
            timezone=(zone_rule is None, f"{zone_rule}"),
            rebirth_requests=(may_ask, f"must be false unless the dialect is {payloads.SPARKPLUG}"),
            stream=(pattern_rule is None, f"{pattern_rule}"),
            value=(self.value != "", "must not be empty"),
            max_streams=(self.max_streams >= 1, "must be at least 1"),
            publish=(len(set(self.publish)) == len(self.publish), "must not say the same twice"),
            sensors=(all(self.sensors.values()), "must have a path or a word for each"),
        )

    @property
    def template(self) -> TopicTemplate:
        """The topics of these streams."""
        return _template(self.topic)

    @property
    def has_sensor_in_topic(self) -> bool:
        """Whether a message speaks for one sensor, which its topic names."""
        return f"{{{SENSOR}}}" in self.topic

    @property
    def _is_one_value(self) -> bool:
        return rules.is_one_value(self.dialect, self.topic)

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        listened = self.template.filter
        return sparkplug.filters(listened) if self.dialect == payloads.SPARKPLUG else (listened,)

    def pattern(self, table: str) -> str:
        """Give the name pattern for `edge.topics.stream_name`; `table` is the NAME of this table."""
        return self.stream if self.stream != "" else topics.default_pattern(self.template) or table

    def decoder(self, sensors: Sequence[str]) -> payloads.Dialect | None:
        """Make the decoder: of all the bundle's sensors in their order, or of one value if the topic says whose.

        Returns:
            None for Sparkplug, whose payloads mean nothing without those before them.
        """
        if self.dialect == payloads.SPARKPLUG:
            return None
        paths = [self.word(sensor) for sensor in sensors]
        if self.has_sensor_in_topic:
            paths = [] if self.dialect == "zigbee2mqtt" else [self.value]
        return payloads.dialect(self.dialect, paths, time_path=self.time_path, zone=rules.find_zone(self.timezone))

    @property
    def time_path(self) -> str | None:
        """Where the event time stands in a payload; None if the time of arrival counts."""
        time = payloads.TIME_PATHS[self.dialect] if self.time is None else self.time
        return None if time == "" else time

    def word(self, sensor: str) -> str:
        """Say by which path or word a sensor is known here."""
        return self.sensors.get(sensor, sensor)

    def sensor_of(self, word: str, sensors: Sequence[str]) -> int | None:
        """Find which of the bundle's sensors a topic means by the word at {sensor}; None if it means none."""
        return next((place for place, sensor in enumerate(sensors) if self.word(sensor) == word), None)

    def check_sensors(self, bundle_sensors: Sequence[str]) -> list[str]:
        """List what in this table does not fit the bundle's sensors, relative to the table."""
        known = ", ".join(bundle_sensors)
        tables = {"sensors": self.sensors, "detection.sensors": self.detection.sensors}
        problems = [
            f"{join_path(table, name)}: must be one of {known}, got an unknown sensor"
            for table, names in tables.items()
            for name in names
            if name not in bundle_sensors
        ]
        words = [self.word(sensor) for sensor in bundle_sensors]
        twins = [(sensor, word) for sensor, word in zip(bundle_sensors, words, strict=True) if words.count(word) > 1]
        problems += [f"{join_path('sensors', name)}: must be its own, got {quote(word)} twice" for name, word in twins]
        if self._is_one_value and len(bundle_sensors) != 1:
            rule = f"must be json, or {{sensor}} be in the topic, to tell {known} apart"
            problems.append(f"dialect: {rule}, got {quote(self.dialect)}")
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    node: NodeConfig = field(default_factory=NodeConfig)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    recorder: RecorderConfig = field(default_factory=RecorderConfig)
    homeassistant: HomeAssistantConfig = field(default_factory=HomeAssistantConfig)
    streams: Mapping[str, StreamConfig]
    file: Path | None = field(default=None, init=False, compare=False)  # no key: where this was read, for errors

    def __post_init__(self) -> None:
        """Hold the rules that no table can hold alone."""
        problems = [] if self.streams else ["streams: must have at least one table [streams.NAME], got none"]
        first: dict[tuple[str, str], str] = {}
        for table, stream in self.streams.items():
            where = join_path("streams", table)
            if not topics.is_stream_name(table):
                problems.append(f"{where}: {topics.NAME_RULE}, got {quote(table)}")
            shape = topics.pattern_shape(stream.pattern(table))
            for key, value in (("topic", stream.template.filter), ("stream", shape)):
                other = first.setdefault((key, value), where)
                if other != where:
                    problems.append(f"{where}.{key}: must differ from {other}.{key}, got {quote(value)} for both")
                    break  # twin topics make twin names
        if problems:
            raise ConfigError(problems)

    @property
    def client_id(self) -> str:
        """By what name the broker knows this device."""
        return self.broker.client_id if self.broker.client_id != "" else f"tidegate-{self.node.name}"

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """What to subscribe to, each once: tables that share Sparkplug nodes share what those say of themselves."""
        wanted: dict[str, int] = {}
        for table in self.streams.values():
            for listened in table.filters:
                wanted[listened] = max(table.qos, wanted.get(listened, 0))
        return list(wanted.items())

    @classmethod
    def from_table(cls, table: Mapping[str, object], folder: Path = Path()) -> Self:
        """Build the configuration from a TOML table; relative paths in it start at `folder`.

        Raises:
            ConfigError: with every problem.
        """
        config = structure({"streams": {}, **table}, cls)  # if there is none, `__post_init__` says so
        password_file = config.broker.password_file
        streams = {name: replace(stream, bundle=folder / stream.bundle) for name, stream in config.streams.items()}
        broker = replace(config.broker, password_file=str(folder / password_file) if password_file != "" else "")
        recorder = replace(config.recorder, database=folder / config.recorder.database)
        return replace(config, broker=broker, recorder=recorder, streams=streams)


def load(path: Path) -> Config:
    """Read the configuration.

    Raises:
        ConfigError: with every problem, each as `file: path: rule, got value`.
    """
    return _build(path, _read(path))


def load_to_record(path: Path) -> Config:
    """Read the configuration of who only records: as `load`, but a table [streams.NAME] needs no bundle."""
    table = _read(path)
    streams = table.get("streams")
    if not isinstance(streams, dict):
        return _build(path, table)
    alone = {"bundle": NO_BUNDLE}
    filled = {name: alone | stream if isinstance(stream, dict) else stream for name, stream in streams.items()}
    return _build(path, {**table, "streams": filled})


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(unreadable(path, error)) from error
    except ValueError as error:  # not TOML, with its line and column, or not UTF-8
        raise ConfigError(f"{path}: must be TOML, got {error}") from error


def _build(path: Path, table: Mapping[str, object]) -> Config:
    try:
        config = Config.from_table(table, path.parent)
        config.broker.read_password()
        object.__setattr__(config, "file", path)  # the only one who knows it, before anybody else has the table
    except ConfigError as refused:
        raise ConfigError([f"{path}: {problem}" for problem in refused.problems]) from None
    return config


def _is_prefix(text: str) -> bool:
    return re.fullmatch(r"(?!\$)[^/+#\0]+(/[^/+#\0]+)*", text) is not None


@cache
def _template(topic: str) -> TopicTemplate:
    return TopicTemplate(topic)
