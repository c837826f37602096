"""Say which worker a topic's messages go to: the same for all topics of one stream, so that their order holds."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

from edge.addresses import MOST_TOPICS, Address, Addresses, Born, Table
from edge.counts import ReadingCounts
from edge.feedback import FEEDBACK
from edge.payloads import SPARKPLUG
from edge.payloads.sparkplug import DEATHS, PREFIX, parse_topic
from edge.vigil import FirstRefusals

NODES = 1  # the worker that hears all of Sparkplug


class Shards:
    """Share the streams out among workers by a hash of their names.

    All of Sparkplug goes to one worker: what a message means was said by others before it, of which some are of no
    stream.

    What belongs to no stream is counted here and goes to nobody, for a worker sees its own share only: it could tell
    neither that a name is another topic's, nor that there are too many streams.
    """

    def __init__(self, tables: Sequence[Table], workers: int, base: str | None = None) -> None:
        """Take the tables [streams.NAME].

        Args:
            tables: all of the configuration.
            workers: how many there are.
            base: what our own topics begin with, where feedback is heard; None if it is not.
        """
        self._base = base
        self._firsts = FirstRefusals()
        self._tables = tables
        self._addresses = Addresses(tables)
        self._workers = workers
        self._of_nodes = {place for place, table in enumerate(tables) if table.config.dialect == SPARKPLUG}  # tables
        self._nodes: set[str] = set()  # their streams; `max_streams` bounds it
        self._known: dict[str, int] = {}
        self._lock = threading.Lock()  # guards the counts: the connection's thread asks, the daemon's reads
        self._counts = ReadingCounts()
        self._payloads: Counter[str] = Counter()

    def __call__(self, topic: str, *, retained: bool) -> int | None:
        """Return the number of the worker, from 1 on; None for nobody.

        A message that the broker had kept is no measurement, whoever counts it.
        """
        return self._known.get(topic) or (1 if retained else self._find(topic))

    @property
    def born(self) -> Sequence[Born]:
        """The streams that came to life, in their order."""
        return self._addresses.born

    def refusals(self) -> list[str]:
        """Return what was refused for the first time since the last look."""
        with self._lock:
            return self._firsts.take()

    def counted(self) -> tuple[ReadingCounts, dict[str, int]]:
        """Return what became of payloads that went to nobody, and how many each table had."""
        with self._lock:
            return replace(self._counts, refused=Counter(self._counts.refused)), dict(self._payloads)

    def _find(self, topic: str) -> int | None:
        if len(self._known) >= MOST_TOPICS:
            self._known.clear()
        if self._base is not None and topic.startswith(self._base) and topic.endswith(FEEDBACK):
            stream = topic[len(self._base) : -len(FEEDBACK)]
            return NODES if stream in self._nodes else self._share(stream)
        if self._of_nodes and topic.startswith(PREFIX):
            self._meet(topic)
            self._known[topic] = NODES
            return NODES
        found = self._addresses.find(topic)
        if isinstance(found, Address):
            self._known[topic] = self._share(found.stream)
            return self._known[topic]
        with self._lock:
            self._counts.received += 1
            if found is None:
                self._counts.unrouted += 1
            else:
                name = self._tables[found.table].name
                self._payloads[name] += 1
                self._counts.refuse(topic, found.reason, found.detail)
                self._firsts.note(name, topic, found.reason, found.detail)
        return None

    def _meet(self, topic: str) -> None:
        """Note the stream of a Sparkplug topic: people may speak of it, and Home Assistant is told that it is there."""
        at = parse_topic(topic)
        found = None if at is None or at.kind in DEATHS else self._addresses.find(at.stream)
        if isinstance(found, Address) and found.table in self._of_nodes:
            self._nodes.add(found.stream)

    def _share(self, stream: str) -> int:
        return crc32(stream.encode()) % self._workers + 1
