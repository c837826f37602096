"""The tables [streams.NAME] of the configuration: one frozen dataclass for each, where every default lives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from edge import payloads, topics
from edge.errors import quote
from edge.finding import KINDS, Kind
from edge.payloads import rules, sparkplug
from edge.tables import join_path, require
from edge.topics import SENSOR, TopicTemplate

NO_BUNDLE = "no bundle"  # stands where a table that is only recorded names none


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
    false_alarms_per_week: float | None = None  # the alarm budget of each kind but `forecast`, which is the stream's
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


@cache
def _template(topic: str) -> TopicTemplate:
    return TopicTemplate(topic)
