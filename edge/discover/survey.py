"""Take what a broker sends, message by message, and keep what is needed to say who speaks: bounded, whatever comes."""

from dataclasses import dataclass, field

from edge.discover import homeassistant, zigbee2mqtt
from edge.discover.content import parse, read
from edge.discover.excluded import why_no_stream
from edge.discover.facts import Fact
from edge.discover.heard import Heard
from edge.discover.sparkplug import Births
from edge.payloads.sparkplug import parse_topic

MOST_TOPICS = 10_000  # that speak; some 2 KB each
MOST_PATHS = 100_000  # in all their payloads together; some 0.3 KB each
MOST_ASIDE = 10_000  # topics that are known by name alone
MOST_FACTS = 50_000
LONGEST_TOPIC = 1000  # bytes are allowed 65 times as many, and nobody uses them
LARGE = 65_536  # bytes; only registries send more


@dataclass(slots=True)
class Ignored:
    """Messages of which nothing is kept, and why."""

    topics: int = 0  # more topics than are kept
    paths: int = 0  # with more in their payloads than is kept
    facts: int = 0  # what a registry said beyond what is kept
    long_topics: int = 0
    large: int = 0  # payloads


@dataclass(slots=True)
class Survey:
    """What was heard so far.

    Attributes:
        messages: all that came.
        ignored: those of which nothing is kept.
        heard: a record for each topic that spoke while we listened.
        aside: topics that are no streams, with the reason.
        kept: topics of which only messages came that the broker had kept.
        facts: what registries say, by topic and path.
        devices: of Zigbee2MQTT, by topic.
        groups: topics of groups of Zigbee2MQTT.
        bridges: settings of each Zigbee2MQTT, by its base topic.
        prefixes: of Home Assistant's discovery topics.
    """

    messages: int = 0
    ignored: Ignored = field(default_factory=Ignored)
    heard: dict[str, Heard] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    kept: dict[str, None] = field(default_factory=dict)
    facts: dict[str, dict[str | None, Fact]] = field(default_factory=dict)
    devices: dict[str, zigbee2mqtt.Device] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    bridges: dict[str, zigbee2mqtt.Bridge] = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=set)
    births: Births = field(default_factory=Births)
    _paths: int = 0
    _facts: int = 0

    def take(self, topic: str, payload: bytes, *, retained: bool, received_at: float) -> None:
        """Add a message.

        Args:
            topic: where it was sent.
            payload: what.
            retained: whether the broker had kept it, so that it is old.
            received_at: Unix seconds UTC.
        """
        self.messages += 1
        if len(topic) > LONGEST_TOPIC:
            self.ignored.long_topics += 1
        elif not payload:
            return  # somebody makes the broker forget
        elif not self._is_registry(topic, payload):
            self._take_reading(topic, payload, retained=retained, received_at=received_at)

    @property
    def topics(self) -> int:
        """Return how many topics are known."""
        return len(self.heard) + len(self.aside) + len(self.kept)

    def _is_registry(self, topic: str, payload: bytes) -> bool:
        """Take a registry; return whether it is one."""
        component = homeassistant.component_of(topic)
        if component is not None:
            facts = homeassistant.read_config(component, parse(payload))
            if facts:
                self.prefixes.add(homeassistant.prefix_of(topic))
            self._learn(facts)
            return True
        for kind in (zigbee2mqtt.DEVICES, zigbee2mqtt.GROUPS, zigbee2mqtt.INFO):
            base = zigbee2mqtt.base_of(topic, kind)
            if base is not None:
                self._take_bridge(base, kind, parse(payload))
                return True
        return False

    def _take_bridge(self, base: str, kind: str, registry: object) -> None:
        if len(self.bridges) >= MOST_ASIDE and base not in self.bridges:
            self.ignored.facts += 1
            return
        self.bridges.setdefault(base, zigbee2mqtt.Bridge())
        if kind == zigbee2mqtt.INFO:
            self.bridges[base] = zigbee2mqtt.read_info(registry)
        elif kind == zigbee2mqtt.GROUPS:
            self.groups.update(zigbee2mqtt.read_groups(base, registry)[: max(0, MOST_ASIDE - len(self.groups))])
        else:
            for device in zigbee2mqtt.read_devices(base, registry):
                if device.topic in self.devices or len(self.devices) < zigbee2mqtt.MOST_DEVICES:
                    self.devices[device.topic] = device
                else:
                    self.ignored.facts += 1

    def _learn(self, facts: list[Fact]) -> None:
        for fact in facts:
            known = self.facts.get(fact.topic, {})
            if fact.path not in known:
                if self._facts >= MOST_FACTS:
                    self.ignored.facts += 1
                    continue
                self._facts += 1
            # What one component calls a setting another may show as a sensor; the sensor is what is read.
            if fact.path not in known or known[fact.path].excluded:
                self.facts.setdefault(fact.topic, {})[fact.path] = fact

    def _take_reading(self, topic: str, payload: bytes, *, retained: bool, received_at: float) -> None:
        node = parse_topic(topic)
        why = "" if node is not None else why_no_stream(topic)
        if retained or why:
            self._put_aside(topic, why)
            return
        if node is None:
            if len(payload) > LARGE:
                self.ignored.large += 1
                return
            content = read(payload, received_at)
        else:
            topic = node.stream
            told = self.births.take(node, payload)
            if told is None:
                return
            content, facts = told
            self._learn(facts)
        if topic not in self.heard and len(self.heard) >= MOST_TOPICS:
            self.ignored.topics += 1
            return
        self.kept.pop(topic, None)
        heard = self.heard.setdefault(topic, Heard())
        self._paths += heard.take(content, received_at, max(0, MOST_PATHS - self._paths))
        self.ignored.paths += heard.cut > 0

    def _put_aside(self, topic: str, why: str) -> None:
        if topic in self.heard or topic in self.aside or topic in self.kept:
            return
        if len(self.aside) + len(self.kept) >= MOST_ASIDE:
            self.ignored.topics += 1
        elif why:
            self.aside[topic] = why
        else:
            self.kept[topic] = None
