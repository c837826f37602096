"""Put the stations together: payload, readings, grid, cohort, events, messages.

This is the whole line without a broker and without a clock: `receive` takes what arrived, `advance` says what is to
be published. The daemon and the tests drive the same object.
"""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path

import numpy as np

from edge import feedback, message
from edge.addresses import MOST_TOPICS, Addresses, Born, Refused, Table
from edge.cohort import Verdicts
from edge.config import Config
from edge.counts import ReadingCounts
from edge.errors import ReadingError
from edge.event import Event
from edge.feedback import FEEDBACK
from edge.learned import Learned
from edge.message import Outgoing
from edge.payloads import SPARKPLUG
from edge.payloads.sparkplug import DEATHS, PREFIX, parse_topic
from edge.reading import Decoded, Readings
from edge.route import Route, Target
from edge.runtime import Model
from edge.service import Service
from edge.sparkplug import Heard, Host
from edge.vigil import FirstRefusals, Vigil


class Line:
    """Turn payloads into messages.

    Attributes:
        counts: what became of the payloads.
        services: the bundles.
        firsts: what was refused for the first time.
        vigil: who has fallen silent.

    State kept: the services, the addresses, and which topic belongs to which stream.
    """

    def __init__(self, config: Config, bundles: Mapping[Path, tuple[Learned, Model]]) -> None:
        """Prepare every stream of the configuration.

        Args:
            config: loaded and checked.
            bundles: for each bundle's path what it learned, and its graph.
        """
        self.counts = ReadingCounts()
        self.services = [Service(learned, model) for learned, model in bundles.values()]
        by_path = dict(zip(bundles, self.services, strict=True))
        self._routes = [Route(name, table, by_path[table.bundle]) for name, table in config.streams.items()]
        self.firsts = FirstRefusals()
        tables = [Table(route.watched.name, route.table, route.sensors) for route in self._routes]
        self._addresses = Addresses(tables)
        nodes = [table for table in tables if table.config.dialect == SPARKPLUG]
        self._host = Host(nodes, self.counts) if nodes else None
        self.vigil = Vigil([route.watched for route in self._routes])
        self._base = message.root(config.node.prefix, config.node.name)
        self._hears_feedback = config.node.feedback
        self._is_shown = config.homeassistant.enabled
        self._calm: list[Outgoing] = []  # what there is to say of streams that came to life
        self._targets: dict[str, Target] = {}

    @property
    def born(self) -> Sequence[Born]:
        """The streams that came to life, in their order."""
        return self._addresses.born

    def receive(self, topic: str, payload: bytes, *, retained: bool, received_at: float) -> None:
        """Take one payload; the samples it completes wait for `advance`.

        Args:
            topic: where it was published.
            payload: as it arrived.
            retained: whether the broker had kept it.
            received_at: Unix seconds UTC.
        """
        self.counts.received += 1
        if retained:
            self.counts.retained += 1
            return
        if self._host is not None and topic.startswith(PREFIX):
            self._hear_node(self._host, topic, payload=payload, received_at=received_at)
            return
        target = self._targets.get(topic)
        if target is None and self._hears_feedback and topic.startswith(self._base) and topic.endswith(FEEDBACK):
            self._take_feedback(topic, payload, received_at)
            return
        target = target or self._find(topic)
        if target is None:
            return
        target.route.watched.payloads += 1
        decoder = target.route.decoder
        assert decoder is not None  # only Sparkplug has none
        try:
            decoded = decoder.decode(payload, received_at)
            self._take(target, topic, decoded=decoded, received_at=received_at)
        except ReadingError as refused:
            self._refuse(target.route, topic, refused.reason, refused.detail)
            if refused.reason != "missing":  # that one speaks of something else
                target.route.service.refuse(target.row, received_at, _unread(target, refused) or target.sensors)

    def advance(self) -> list[Outgoing]:
        """Judge all samples that wait and return what is to be published, in order."""
        news, self._calm = self._calm, []
        news += [] if self._host is None else self._host.take_requests()
        for service in self.services:
            for event in service.news():
                news += self._tell_event(service, event)
            for wave in service.take_waves():
                judged = service.judge(wave)
                for event in judged.news:
                    news += self._tell_event(service, event)
                news += self._tell_states(service, judged.verdicts)
        return news

    def look(self, now: float, since: float) -> list[Outgoing]:
        """Return what is to be published although nothing came: silence, and the end of maintenance.

        Args:
            now: Unix seconds UTC by our clock.
            since: from when on we listen without a pause; infinite if we do not.
        """
        return [
            told
            for service in self.services
            for event in service.look(now, since)
            for told in self._tell_event(service, event)
        ]

    def _take(self, target: Target, topic: str, *, decoded: Decoded, received_at: float) -> None:
        route = target.route
        values: Sequence[float] = decoded.values
        if target.sensor is not None:
            heard = [nan] * len(route.sensors)
            heard[target.sensor] = values[0]
            values = tuple(heard)
        time = received_at if decoded.time is None else decoded.time
        service = route.service
        if decoded.refused:
            for refused in decoded.refused:
                self._refuse(route, topic, refused.reason, refused.detail)
            service.refuse(target.row, time, [sensor for one in decoded.refused for sensor in _unread(target, one)])
        if route.freshness is not None:
            values, repeated = route.freshness.sift(target.row, decoded.time, values)
            self.counts.repeated += repeated
            if all(map(isnan, values)):
                return
        future = service.counts.future
        service.take(target.row, Readings(time, values, received_at, whole=target.is_whole))
        if service.counts.future != future:
            self._note(route, topic, "future", f"its time is {time - received_at:.0f} s after its arrival")

    def _hear_node(self, host: Host, topic: str, *, payload: bytes, received_at: float) -> None:
        """Take what a Sparkplug node says, of a stream or of the node alone."""
        at = parse_topic(topic)
        if at is None:
            self.counts.unrouted += 1
            return
        is_streams = at.kind not in DEATHS and host.table(at) is not None
        target = (self._targets.get(at.stream) or self._find(at.stream)) if is_streams else None
        try:
            heard = host.hear(at, payload, received_at=received_at)
        except ReadingError as error:
            unread = () if target is None or error.reason == "unborn" else target.sensors  # unborn: perhaps our fault
            heard = Heard((), (error,), unread)
        for refused in heard.refused:
            if target is not None:
                self._note(target.route, topic, refused.reason, refused.detail)
            self.counts.refuse(topic, refused.reason, refused.detail)
        if target is not None:
            target.route.watched.payloads += 1
            if heard.unread:
                target.route.service.refuse(target.row, received_at, heard.unread)
            for decoded in heard.instants:
                self._take(target, topic, decoded=decoded, received_at=received_at)

    def _take_feedback(self, topic: str, payload: bytes, received_at: float) -> None:
        """Take what a person says of a stream."""
        stream = topic[len(self._base) : -len(FEEDBACK)]
        self._awaken(stream)
        service = next((service for service in self.services if stream in service.rows), None)
        if service is None:
            self.counts.unrouted += 1
            return
        try:
            service.hear(stream, feedback.parse(payload), received_at)
        except ReadingError as refused:
            self.firsts.note(stream, topic, refused.reason, refused.detail)
            self.counts.refuse(topic, refused.reason, refused.detail)

    def _awaken(self, stream: str) -> None:
        """Bring a stream to life before its first reading, if the configuration itself names it and its topic."""
        for route in self._routes:
            if route.first_topic and route.stream == stream and stream not in route.service.rows:
                self._find(route.first_topic)

    def _note(self, route: Route, topic: str, reason: str, detail: str) -> None:
        self.firsts.note(route.watched.name, topic, reason, detail)

    def _refuse(self, route: Route, topic: str, reason: str, detail: str) -> None:
        self._note(route, topic, reason, detail)
        self.counts.refuse(topic, reason, detail)

    def _find(self, topic: str) -> Target | None:
        """Find the stream of a topic that was not heard before; a new one becomes a stream of its cohort."""
        if len(self._targets) >= MOST_TOPICS:
            self._targets.clear()
        found = self._addresses.find(topic)
        if found is None:
            self.counts.unrouted += 1
            return None
        route = self._routes[found.table]
        if isinstance(found, Refused):
            route.watched.payloads += 1  # nothing for us, but somebody speaks
            self._refuse(route, topic, found.reason, found.detail)
            return None
        row = route.service.rows.get(found.stream)
        if row is None:
            row = route.service.admit(found.stream, route.table)
            if (self._is_shown or route.names_one_stream) and "anomaly" in route.table.publish:
                self._calm.append(message.calm(self._base, found.stream))
        is_whole = found.sensor is None and route.decoder is not None  # Sparkplug says only what changed
        self._targets[topic] = Target(route, row, found.sensor, is_whole)
        return self._targets[topic]

    def _tell_event(self, service: Service, event: Event) -> list[Outgoing]:
        wanted = service.publish[service.rows[event.stream]]
        news = [message.event(self._base, event)] if "event" in wanted else []
        if "anomaly" in wanted and event.phase != "update" and event.kind != "maintenance":
            news.append(message.anomaly(self._base, event, service.open_events(event.stream)))
        return news

    def _tell_states(self, service: Service, verdicts: Verdicts) -> list[Outgoing]:
        learned, streams = service.cohort.learned, service.cohort.streams
        news = []
        wave = message.said(verdicts, horizons=None if service.tells_forecasts else 1)
        heard: list[bool] = np.any(verdicts.measured, axis=1).tolist()
        primed: list[bool] = np.any(np.isfinite(verdicts.forecast[:, 0]), axis=1).tolist()
        for place, row in enumerate(verdicts.rows.tolist()):
            if not heard[place]:
                continue
            wanted = service.publish[row]
            if "state" in wanted:
                news.append(message.state(self._base, streams[row], learned.sensors, wave, place))
            if primed[place] and "forecast" in wanted:
                news.append(message.forecast(self._base, streams[row], learned, wave, place))
        return news


def _unread(target: Target, refused: ReadingError) -> list[int]:
    """Return the sensors whose values are refused; none where it is the payload."""
    return [target.sensors[place] for place in refused.places]
