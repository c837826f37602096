"""Hold one bundle in service: from readings of its streams to verdicts and events."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple, TypeAlias

from edge.cohort import Cohort, Verdicts, waves
from edge.event import Event, Events
from edge.feedback import Feedback
from edge.grid import Grid, GridCounts
from edge.learned import Learned
from edge.maintenance import Maintenance
from edge.pacing import Sample
from edge.reading import Readings
from edge.runtime import Model
from edge.stream_config import StreamConfig
from edge.wanted import wanted
from edge.watch import Watch

Wave: TypeAlias = list[tuple[int, Sample]]  # rows with their samples; each row at most once


class Judged(NamedTuple):
    """What one wave gave: what is new of events, and the verdicts."""

    news: list[Event]
    verdicts: Verdicts


class Service:
    """Serve the streams of one bundle.

    Attributes:
        cohort, events, watch, maintenance: what remembers the streams.
        counts: what the grids did.
        rows: of the streams, by name.
        publish: by row, which messages are wanted.
        tells_forecasts: whether any stream wants all horizons.
    """

    def __init__(self, learned: Learned, model: Model) -> None:
        """Start with no stream."""
        self.cohort = Cohort(learned, model, model.units)
        self.events = Events(self.cohort.streams, learned.sensors)
        self.watch = Watch(learned, self.cohort.streams)
        self.maintenance = Maintenance()
        self.counts = GridCounts()
        self.rows: dict[str, int] = {}
        self.publish: list[tuple[str, ...]] = []
        self.tells_forecasts = False
        self._grids: list[Grid] = []
        self._arrived: list[float] = []  # by row, when its newest readings did
        self._waiting: list[tuple[int, Sample]] = []
        self._news: list[Event] = []

    def admit(self, stream: str, table: StreamConfig) -> int:
        """Add a stream and return its row."""
        learned, detection = self.cohort.learned, table.detection
        told = wanted(learned, detection)
        row = self.rows[stream] = self.cohort.admit(
            stream,
            detection.false_alarms_per_week,
            detection.close_after,
            ignored=["forecast" not in one.kinds for one in told],
        )
        self.watch.admit(row, told)
        self._grids.append(
            Grid(
                learned.pacing,
                learned.period,
                max_gap=learned.max_gap,
                future=table.grid.future,
                counts=self.counts,
                lateness=inf if table.grid.lateness is None else table.grid.lateness,
            )
        )
        self._arrived.append(0.0)
        self.publish.append(table.publish)
        self.tells_forecasts |= "forecast" in table.publish
        return row

    def take(self, row: int, readings: Readings) -> None:
        """Take what was heard of a stream at one instant; the samples that it completes wait for `take_waves`."""
        values, news = self.watch.check(row, readings)
        if values is not readings.values:
            readings = readings._replace(values=values)
        if news:
            self._news += news
        self._arrived[row] = readings.received_at
        for sample in self._grids[row].push(readings):
            self._waiting.append((row, sample))

    def refuse(self, row: int, time: float, sensors: Iterable[int]) -> None:
        """Take a payload without a reading of some sensors that it should have spoken of."""
        self._news += self.watch.refuse(row, time, sensors)

    def hear(self, stream: str, said: Feedback, now: float) -> None:
        """Take what a person says of a stream that is served here."""
        row = self.rows[stream]
        if said.is_work:
            self._news += self.maintenance.set(stream, now, said.seconds)
        elif said.word == "acknowledge":
            self._news += self.events.acknowledge(row) + self.watch.conditions.acknowledge(row)
        else:
            self.cohort.dismiss(row)
            self._news += self.events.dismiss(row) + self.watch.conditions.dismiss(row)

    def look(self, now: float, since: float) -> list[Event]:
        """Return what is new although nothing came; see `Watch.look`."""
        return self._told([*self.maintenance.look(now), *self.watch.look(now, since)])

    def take_waves(self) -> list[Wave]:
        """Return the samples that wait, wave by wave; they are to be judged in this order."""
        waiting, self._waiting = self._waiting, []
        return waves(waiting)

    def judge(self, wave: Wave) -> Judged:
        """Judge one wave."""
        verdicts = self.cohort.advance(wave)
        news = self.events.advance(verdicts)
        news += self.watch.advance(wave, verdicts, [self._arrived[row] for row, _ in wave])
        return Judged(self._told(news), verdicts)

    def news(self) -> list[Event]:
        """Return what is new of events without a sample: what payloads and people said."""
        news, self._news = self._news, []
        return self._told(news) if news else news

    def open_events(self, stream: str) -> list[Event]:
        """Return the open events of a stream, without those that nobody is told of."""
        row = self.rows[stream]
        both = [*self.events.current(row), *self.watch.conditions.current(row)]
        return sorted(filter(self.maintenance.is_told, both), key=lambda event: event.start)

    def count(self) -> int:
        """Return how many events are open."""
        return self.events.count() + self.watch.conditions.count()

    def _told(self, news: Sequence[Event]) -> list[Event]:
        told = []
        for event in news:
            if event.kind == "maintenance":
                told += [event, *(self._outlasting(event.stream) if event.phase == "close" else ())]
            elif self.maintenance.tell(event):
                told.append(event)
        return told

    def _outlasting(self, stream: str) -> list[Event]:
        """Return the events that began while a stream was worked at and go on: they are news when the work is over."""
        hidden, row = self.maintenance.reveal(stream), self.rows[stream]
        both = [*self.events.current(row), *self.watch.conditions.current(row)]
        return [replace(event, phase="open") for event in both if event.id in hidden]
