"""The configuration: one frozen dataclass for each table of `tidegate.toml`, where every default lives.

`deploy/tidegate.toml` says the same to the operator, and a test holds the two together. Loading reads the file and
the first line of the password file; it connects to nothing and opens no bundle.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from edge import topics
from edge.errors import ConfigError, quote, unreadable
from edge.recorder_config import RecorderConfig
from edge.stream_config import NO_BUNDLE, StreamConfig
from edge.tables import join_path, require, structure

MOST_WORKERS = 64  # each has a Python and a TFLite runtime of its own, some 50 MB
_PREFIX_RULE = "must be levels of a topic, as in site/tidegate, without + # NUL and $ in front"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Who this device is: the table [node]."""

    name: str = "edge1"  # the level after the prefix in every topic that is published
    prefix: str = "tidegate"
    health_every: float = 30.0  # seconds between health messages
    workers: int = 1  # processes that share the streams; 1: the daemon's own does all
    trust_clock_after: float = 600.0  # seconds to wait for a time service that runs and has not set the clock
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
