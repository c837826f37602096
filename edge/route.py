"""Bind the tables [streams.NAME], and then topics, to what serves them."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.freshness import Freshness
from edge.service import Service
from edge.stream_config import StreamConfig
from edge.topics import SENSOR
from edge.vigil import Watched, patience


class Route:
    """Bind a table [streams.NAME] to the bundle that serves it.

    Attributes:
        stream: the name of its stream; of several, the pattern of their names.
        names_one_stream: whether the configuration itself gives the stream's name: no placeholder stands in it.
        first_topic: a topic of that stream, if the configuration gives that too; else empty.
    """

    def __init__(self, name: str, table: StreamConfig, service: Service) -> None:
        """Prepare the decoder (Sparkplug has none), and what tells its repetitions from measurements."""
        self.table = table
        self.service = service
        self.sensors = service.cohort.learned.sensors
        self.decoder = table.decoder(self.sensors)
        # Where a topic speaks for one sensor, there is nothing beside it that could have moved.
        tells_all = self.decoder is not None and self.decoder.repeats and not table.has_sensor_in_topic
        self.freshness = Freshness() if tells_all else None
        self.stream = table.pattern(name)
        self.names_one_stream = "{" not in self.stream
        template = table.template
        is_known = self.names_one_stream and set(template.names) <= {SENSOR}
        self.first_topic = template.fill({SENSOR: table.word(self.sensors[0])}) if is_known else ""
        self.watched = Watched(name, table.template.filter, patience(service.cohort.learned.period))


@dataclass(frozen=True, slots=True)
class Target:
    """Say where the payloads of one topic go.

    Attributes:
        route: of the table.
        row: of the stream.
        sensor: which one speaks; None where a payload may speak for all.
        is_whole: whether a payload says all that there is to say of its instant.
    """

    route: Route
    row: int
    sensor: int | None
    is_whole: bool

    @property
    def sensors(self) -> Sequence[int]:
        """Which sensors a payload speaks for."""
        return range(len(self.route.sensors)) if self.sensor is None else (self.sensor,)
