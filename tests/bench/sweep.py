"""What a message costs as streams become more: from 1 to 10,000, each beside 10 streams in the same run.

    python -m tests.bench.sweep                                       # the line alone, some 3 minutes
    python -m tests.bench.sweep --streams 1 100 --sensors 8 --waiting 1 64 512
    python -m tests.bench.sweep --broker                              # through a real mosquitto too, some 20 minutes

The line alone is `Line.receive` for each message that waits, then `Line.advance`: all the daemon does but for the
network. Streams speak in turn. One message that waits is a daemon with time on its hands, 512 a daemon that is behind;
a stream that said several of them is taken in several waves. Told is the processor time of a message, and of a
reading where a message carries several: what one sensor said at one instant.

With --broker a daemon and the paho echo, with the same streams, sensors and QoS, are measured in turn as in
`tests.bench.throughput`.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice

import orjson

from edge.config import Config
from edge.line import Line
from tests.bench.common import (
    PERIOD,
    START,
    WINDOW,
    Figure,
    bundle,
    bundle_path,
    parser,
    recording,
    resident_kb,
    tell,
)
from tests.bench.throughput import WARM, compare

BESIDE = 10  # streams of the reference
MESSAGES = 10_000  # in a run, but no more waves than
WAVES = 1_000
MANY = 5000  # streams from which on memory tells more than what was freed before and is used again
APART = 7  # rows between what a stream and the next one say: no two are strange at once


class Load:
    """A line whose streams are warm, and what they say from then on.

    State kept: the line, and how far the streams are.

    Attributes:
        streams: how many there are.
    """

    def __init__(self, streams: int, sensors: int) -> None:
        """Warm the line up."""
        self.streams = streams
        loaded = bundle(sensors)
        table = {
            "bundle": str(bundle_path(sensors)),
            "topic": "bench/{stream}",
            "max_streams": streams,
            "publish": ["state", "event", "anomaly"],
            "grid": {"future": 1e9},
        }
        config = Config.from_table({"streams": {"bench": table}})
        self._line = Line(config, {bundle_path(sensors): (loaded.manifest.learned(), loaded.model)})
        there = recording(sensors, 8 * WINDOW, seed=3).values.tolist()
        topics = [f"bench/m{number}" for number in range(streams)]
        self._said = speech(topics, there + there[::-1])  # there and back: a jump would be an event
        for _ in range(WARM):
            self.run(streams, 512)

    def run(self, messages: int, waiting: int) -> float:
        """Return the microseconds of processor time that a message takes, so many of them waiting at a time.

        Raises:
            SystemExit: not every message was answered by a state, so that something else was measured.
        """
        said = list(islice(self._said, messages))
        line, states = self._line, 0
        begun = time.process_time()
        for begin in range(0, messages, waiting):
            for topic, payload in said[begin : begin + waiting]:
                line.receive(topic, payload, retained=False, received_at=START)
            states += sum(news.topic.endswith("/state") for news in line.advance())
        taken = time.process_time() - begun
        if states != messages:
            raise SystemExit(f"{messages} messages had {states} states")
        return 1e6 * taken / messages


def speech(topics: Sequence[str], values: Sequence[Sequence[float]]) -> Iterator[tuple[str, bytes]]:
    """Yield topics and payloads, the streams in turn, sample by sample, without end.

    Args:
        topics: of the streams.
        values: what the first stream says, again and again; the next says the same `APART` samples earlier.
    """
    names = [f"s{number}" for number in range(len(values[0]))]
    for sample in count():
        at = START + PERIOD * sample
        for number, topic in enumerate(topics):
            said = values[(sample + APART * number) % len(values)]
            yield topic, orjson.dumps({"time": at, **dict(zip(names, said, strict=True))})


def grown(streams: Sequence[int], sensors: int, waiting: Sequence[int], runs: int) -> list[Figure]:
    """Measure lines of several sizes beside one of `BESIDE` streams, in turn."""
    beside, figures = Load(BESIDE, sensors), []
    for size in streams:
        before = resident_kb(os.getpid())
        load = Load(size, sensors)
        each = (resident_kb(os.getpid()) - before) / size
        for together in waiting:
            case = f"{size} streams, {sensors} sensors, {together} waiting"
            figures += _cost(load, beside, case, waiting=together, sensors=sensors, runs=runs)
        if size >= MANY:
            figures.append(Figure(name=f"memory a stream, {size} streams, {sensors} sensors", unit="KB", ours=(each,)))
    return figures


def _messages(streams: int, waiting: int) -> int:
    """Return how many messages are enough: a wave of one takes as long as one of fifty."""
    return min(MESSAGES, WAVES * min(streams, waiting))


def _cost(load: Load, beside: Load, case: str, *, waiting: int, sensors: int, runs: int) -> list[Figure]:
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(load.run(_messages(load.streams, waiting), waiting))
        theirs.append(beside.run(_messages(BESIDE, waiting), waiting))
    units = ("message", "reading")[: 1 + (sensors > 1)]
    return [
        Figure(
            name=f"CPU a {unit}, {case}",
            unit="us",
            ours=tuple(run / carried for run in ours),
            reference=tuple(run / carried for run in theirs),
            bound="must 1, goal less",
        )
        for unit, carried in zip(units, (1, sensors), strict=False)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--streams", type=int, nargs="+", default=[1, 10, 100, 1000, 10_000])
    built.add_argument("--sensors", type=int, nargs="+", default=[1, 8])
    built.add_argument("--waiting", type=int, nargs="+", default=[1, 512], help="messages that are taken together")
    built.add_argument("--broker", action="store_true", help="go through a real mosquitto too")
    built.add_argument("--qos", type=int, nargs="+", choices=(0, 1), default=[0, 1], help="of the broker's messages")
    options = built.parse_args(arguments)
    figures = []
    for sensors in options.sensors:
        figures += grown(options.streams, sensors, options.waiting, options.runs)
        if options.broker:
            for qos in options.qos:
                for streams in options.streams:
                    figures += compare(streams, sensors, qos, options.runs)
    tell(figures, as_json=options.json, runtime=bundle(options.sensors[-1]).model.runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
