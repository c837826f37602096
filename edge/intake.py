"""Turn what a broker delivers into what is recorded: by the daemon's addresses and dialects, and without a bundle.

Nothing here has a clock, a file or a log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from edge.addresses import MOST_TOPICS, Address, Addresses, Refused, Table
from edge.clock import MICROSECONDS
from edge.counts import ReadingCounts
from edge.errors import ConfigError, ReadingError
from edge.history import Heard, Source
from edge.intake_counts import IntakeCounts, Refuser
from edge.mailbox import Message
from edge.message import Outgoing
from edge.payloads import SPARKPLUG, Dialect
from edge.payloads.numbers import LONGEST, MOST, find_numbers
from edge.payloads.rules import find_zone
from edge.payloads.sparkplug import DEATHS, PREFIX, parse_topic
from edge.reading import Decoded
from edge.repetition import Repetition
from edge.sparkplug import Host
from edge.stream_config import StreamConfig
from edge.tables import join_path
from edge.topics import SENSOR
from edge.vigil import FirstRefusals

MOST_SENSORS = 10_000  # of all streams together; a stranger's million names must not fill the memory
OPEN = ("json", "zigbee2mqtt", "tasmota")  # dialects whose payloads are JSON, so that every number can be found
RESERVED = {"time", "stream"}  # columns of a recording that are no sensors


@dataclass(frozen=True, slots=True)
class Said:
    """What one payload said: Unix seconds UTC or None, and the number of each sensor."""

    time: float | None
    values: Mapping[str, float]


class Recorded:
    """One table [streams.NAME], and the sensors that are known of it.

    State kept: where each sensor has a topic of its own and none is named, those that were heard.
    """

    def __init__(self, name: str, config: StreamConfig, sensors: Sequence[str]) -> None:
        """Take a table.

        Args:
            name: NAME.
            config: the table.
            sensors: those to record; none: whatever speaks.

        Raises:
            ConfigError: none is named where some must be.
        """
        self.name = name
        self.config = config
        self.sensors = list(sensors)
        self.is_open = not sensors
        self.is_node = config.dialect == SPARKPLUG
        if self.is_node and self.is_open:
            rule = "must name the metrics to record, for a birth names all that a machine has"
            raise ConfigError(f"{join_path('streams', name)}.sensors: {rule}, got none")
        self.whole = not config.has_sensor_in_topic and not self.is_node  # Sparkplug says only what changed
        self._takes_all = self.is_open and config.dialect in OPEN and self.whole
        words = self.sensors or ["value"]  # of a bare payload that nobody has named
        self.decoder: Dialect | None = config.decoder(words)
        self.repeats = self.whole and self.decoder is not None and self.decoder.repeats
        self._zone = find_zone(config.timezone)

    def meet(self, topic: str) -> bool:
        """Learn the sensor that a topic names; return whether the topic is of this table."""
        words = self.config.template.match(topic)
        if words is None:
            return False
        if self.is_open and SENSOR in words and len(words[SENSOR]) <= LONGEST and len(self.sensors) < MOST_SENSORS:
            self.sensors += [] if words[SENSOR] in self.sensors else [words[SENSOR]]
        return True

    def decode(self, message: Message, sensor: int | None, refuse: Refuser) -> Said:
        """Read a payload.

        Raises:
            ReadingError: it holds no reading.
        """
        if self._takes_all:
            path, zone = self.config.time_path, self._zone
            numbers = find_numbers(message.payload, message.received_at, path, zone=zone)
            if numbers.left_out:
                rule = f"{MOST} numbers, each under a path of at most {LONGEST} letters"
                refuse(ReadingError("too_many", f"must have at most {rule}; {numbers.left_out} are left out"))
            return Said(numbers.time, numbers.values)
        assert self.decoder is not None  # only Sparkplug has none
        decoded = self.decoder.decode(message.payload, message.received_at)
        for wrong in decoded.refused:
            refuse(wrong)
        return self.named(decoded, sensor)

    def named(self, decoded: Decoded, sensor: int | None) -> Said:
        """Give values the names of the sensors that they are of: of all, or of the one that a topic names."""
        names = (self.sensors or ["value"]) if sensor is None else [self.sensors[sensor]]
        values = {name: value for name, value in zip(names, decoded.values, strict=False) if not isnan(value)}
        return Said(decoded.time, values)


class Intake:
    """Take messages.

    Attributes:
        counts: what became of them.
        firsts: what was refused for the first time.

    State kept: the addresses, and the sources so far.
    """

    def __init__(self, tables: Sequence[Recorded]) -> None:
        """Take the tables of a configuration, in their order."""
        self.counts = IntakeCounts()
        self.firsts = FirstRefusals()
        self._tables = tables
        places = [Table(one.name, one.config, one.sensors) for one in tables]
        self._addresses = Addresses(places)
        nodes = [place for place, one in zip(places, tables, strict=True) if one.is_node]
        self._host = Host(nodes, ReadingCounts()) if nodes else None
        self._found: dict[str, Address | None] = {}
        self._sources: dict[tuple[str, str], Source] = {}
        self._repetition = Repetition()

    def take(self, message: Message) -> list[Heard]:
        """Return what a message says."""
        self.counts.payloads += 1
        if message.retained:
            self.counts.retained += 1
            return []
        if self._host is not None and message.topic.startswith(PREFIX):
            return self._take_node(self._host, message)
        address = self._find(message.topic)
        if address is None:
            return []
        table = self._tables[address.table]
        refuse = Refuser(self.counts, self.firsts, table.name, message.topic)
        try:
            said = table.decode(message, address.sensor, refuse)
            return self._date(table, address.stream, said, message.received_at, refuse)
        except ReadingError as wrong:
            refuse(wrong)
            return []

    def requests(self) -> list[Outgoing]:
        """Return the births that Sparkplug nodes are to be asked for; a table must allow it."""
        return [] if self._host is None else self._host.take_requests()

    def _take_node(self, host: Host, message: Message) -> list[Heard]:
        """Return what a Sparkplug node or a device of it says."""
        at = parse_topic(message.topic)
        if at is None:
            self.counts.unrouted += 1
            return []
        is_streams = at.kind not in DEATHS and host.table(at) is not None
        address = self._find(at.stream) if is_streams else None
        name = "" if address is None else self._tables[address.table].name
        refuse = Refuser(self.counts, self.firsts, name, message.topic)
        heard: list[Heard] = []
        try:
            told = host.hear(at, message.payload, received_at=message.received_at)
            for wrong in told.refused:
                refuse(wrong)
            for decoded in told.instants if address is not None else ():
                assert address is not None
                table = self._tables[address.table]
                said = table.named(decoded, None)
                heard += self._date(table, address.stream, said, message.received_at, refuse)
        except ReadingError as wrong:
            refuse(wrong)
        return heard

    def _date(self, table: Recorded, stream: str, said: Said, received_at: float, refuse: Refuser) -> list[Heard]:
        time = received_at if said.time is None else said.time
        ahead = time - received_at
        if ahead > table.config.grid.future:  # it would be the newest for ever, and never deleted
            raise ReadingError("future", f"its time is {ahead:.0f} s after its arrival")
        lag = None if said.time is None else round(-1000.0 * ahead)
        when = round(time * MICROSECONDS)
        sources = [(self._source(table, stream, sensor), value) for sensor, value in said.values.items()]
        lost = sum(source is None for source, _ in sources)
        if lost:
            refuse(ReadingError("sensors_refused", f"{lost} beyond the first {MOST_SENSORS}"))
        heard = [Heard(source, when, value, lag) for source, value in sources if source is not None]
        return self._sift(stream, said.time, heard) if table.repeats else heard

    def _sift(self, stream: str, time: float | None, heard: list[Heard]) -> list[Heard]:
        fresh = self._repetition.sift(stream, time, heard)
        self.counts.repeated += len(heard) - len(fresh)
        return fresh

    def _source(self, table: Recorded, stream: str, sensor: str) -> Source | None:
        known = self._sources.get((stream, sensor))
        if known is None and len(self._sources) < MOST_SENSORS:
            name = f"value.{sensor}" if sensor in RESERVED else sensor
            known = self._sources[stream, sensor] = Source(stream, name, table.whole)
        return known

    def _find(self, topic: str) -> Address | None:
        """Return where a topic belongs; what belongs nowhere is counted."""
        if topic not in self._found:
            if len(self._found) >= MOST_TOPICS:
                self._found.clear()
            table = next((one for one in self._tables if one.meet(topic)), None)
            found = self._addresses.find(topic)
            if isinstance(found, Address):
                self._found[topic] = found
            else:
                self._refuse_topic(table, topic, found)
                return None
        return self._found[topic]

    def _refuse_topic(self, table: Recorded | None, topic: str, why: Refused | None) -> None:
        if table is None or why is None:
            self.counts.unrouted += 1
        else:
            Refuser(self.counts, self.firsts, table.name, topic)(ReadingError(why.reason, why.detail))
