"""Say which stream a topic belongs to, and which sensor speaks there; a new topic may bring a new stream to life."""

from collections.abc import Sequence
from typing import NamedTuple

from edge.errors import ReadingError
from edge.payloads import is_reading
from edge.stream_config import StreamConfig
from edge.topics import SENSOR, stream_name

MOST_TOPICS = 100_000  # whose address is remembered; a stranger's million topics must not fill the memory


class Table(NamedTuple):
    """One table [streams.NAME], and the sensors of its bundle in their order."""

    name: str
    config: StreamConfig
    sensors: Sequence[str]


class Address(NamedTuple):
    """Where the payloads of a topic belong: the place of the table, and the stream.

    `sensor` is the place of the one that speaks; None where a payload speaks for all.
    """

    table: int
    stream: str
    sensor: int | None


class Born(NamedTuple):
    """A stream that a topic brought to life, and the place of its table."""

    table: int
    stream: str


class Refused(NamedTuple):
    """Why a topic of a table belongs to no stream of it.

    `reason` is `unrouted` (its sensor is none of the bundle's), `stream_name` (it makes no name, or another topic's) or
    `streams_refused` (the table has as many streams as it may).
    """

    table: int
    reason: str
    detail: str


class Addresses:
    """Find addresses.

    Attributes:
        born: the streams so far, in their order; it only grows, so that another thread may read it.

    State kept: the streams so far, and by which words of a topic each came to life; `max_streams` bounds both.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        """Take the tables [streams.NAME] of a configuration, in their order."""
        self._tables = [(table, table.config.template, table.config.pattern(table.name)) for table in tables]
        self._owners: dict[str, tuple[int | str, ...]] = {}
        self._streams = [0] * len(tables)
        self.born: list[Born] = []

    def find(self, topic: str) -> Address | Refused | None:
        """Return where a topic belongs; None if it belongs to no table."""
        for place, (table, template, pattern) in enumerate(self._tables):
            words = template.match(topic)
            if words is None or not is_reading(table.config.dialect, words.values()):
                continue
            try:
                return self._address(place, table, pattern, words)
            except ReadingError as refused:
                return Refused(place, refused.reason, refused.detail)
        return None

    def _address(self, place: int, table: Table, pattern: str, words: dict[str, str]) -> Address:
        config, sensors = table.config, table.sensors
        sensor = config.sensor_of(words[SENSOR], sensors) if SENSOR in words else None
        if SENSOR in words and sensor is None:
            raise ReadingError("unrouted", f"must name one of {', '.join(map(config.word, sensors))}")
        name = stream_name(pattern, words)
        owner: tuple[int | str, ...] = (place, *(word for name, word in words.items() if name != SENSOR))
        if self._owners.get(name, owner) != owner:
            raise ReadingError("stream_name", f"{name} is the name of another topic's stream")
        if name not in self._owners:
            if self._streams[place] >= config.max_streams:
                raise ReadingError("streams_refused", f"max_streams is {config.max_streams}")
            self._streams[place] += 1
            self._owners[name] = owner
            self.born.append(Born(place, name))
        return Address(place, name, sensor)
