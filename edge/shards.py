"""Say which worker a topic's messages go to: the same for all topics of one stream, so that their order holds."""

from collections.abc import Mapping
from zlib import crc32

from edge.config import StreamConfig
from edge.errors import quote
from edge.topics import SENSOR

MOST_TOPICS = 100_000  # remembered; a stranger's million topics must not fill the memory


class Shards:
    """Share the streams out among workers by a hash of what their topics say.

    A stream beyond `max_streams` of its table belongs to nobody: each worker sees its own share only and could not
    tell. So do topics of no stream.

    Attributes:
        streams_refused: messages of streams beyond `max_streams`.
        refusals: first refusals that nobody has told yet, a line each.
    """

    def __init__(self, streams: Mapping[str, StreamConfig], workers: int) -> None:
        """Take the tables [streams.NAME].

        Args:
            streams: by name.
            workers: how many there are.
        """
        self.streams_refused = 0
        self.refusals: list[str] = []
        self._tables = [(name, table, table.template) for name, table in streams.items()]
        self._streams: list[set[tuple[str, ...]]] = [set() for _ in self._tables]
        self._workers = workers
        self._known: dict[str, int] = {}

    def __call__(self, topic: str) -> int | None:
        """Return the number of the worker, from 1 on; None for nobody.

        A topic of no stream goes to the first, which counts it.
        """
        return self._known.get(topic) or self._find(topic)

    def _find(self, topic: str) -> int | None:
        if len(self._known) >= MOST_TOPICS:
            self._known.clear()
        place, stream = self._stream(topic)
        if place is None:
            return 1
        name, table, _ = self._tables[place]
        streams = self._streams[place]
        if stream not in streams and len(streams) >= table.max_streams:
            if not self.streams_refused:
                reason = f"streams_refused: max_streams is {table.max_streams}"
                self.refusals.append(f"streams.{name}: no reading in {quote(topic[:81])}: {reason}")
            self.streams_refused += 1
            return None
        streams.add(stream)
        worker = crc32("/".join((str(place), *stream)).encode()) % self._workers + 1
        self._known[topic] = worker
        return worker

    def _stream(self, topic: str) -> tuple[int | None, tuple[str, ...]]:
        for place, (_, _, template) in enumerate(self._tables):
            words = template.match(topic)
            if words is not None:
                return place, tuple(word for name, word in words.items() if name != SENSOR)
        return None, ()
