"""Say how the daemon is: counters and gauges for the `health` message, and one line for systemd."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

import edge
from edge.errors import counted
from edge.line import Line, ReadingCounts
from edge.message import Json, iso
from edge.mqtt import Connection

RECENT = 4096  # latencies that the percentiles are taken over


class Latencies:
    """Keep the newest latencies, from the arrival of a payload to the hand-over of what it caused."""

    def __init__(self) -> None:
        """Start with none."""
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        """Keep one."""
        self._recent.append(seconds)

    def percentiles(self) -> Mapping[str, float | None]:
        """Return the median and the 99th percentile in milliseconds, null where nothing was measured."""
        if not self._recent:
            return {"p50_ms": None, "p99_ms": None}
        middle, high = np.percentile(np.array(self._recent), (50, 99)).tolist()
        return {"p50_ms": 1e3 * middle, "p99_ms": 1e3 * high}


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what one line counted.

    Attributes:
        readings: what became of its payloads.
        payloads: how many each table [streams.NAME] had.
        bundles: of each bundle its streams, events and grid.
        latency: percentiles.
    """

    readings: ReadingCounts
    payloads: Mapping[str, int]
    bundles: Sequence[Mapping[str, Json]]
    latency: Mapping[str, float | None]


def report(line: Line, latencies: Latencies) -> Report:
    """Read the counters of a line."""
    bundles: list[Mapping[str, Json]] = [
        {
            "streams": len(service.cohort.streams),
            "events_open": service.events.count(),
            "shelved": service.cohort.shelved(),
            "grid": asdict(service.counts),
            "experts": {name: round(weight, 3) for name, weight in service.cohort.trust().items()},
        }
        for service in line.services
    ]
    payloads = {table.name: table.payloads for table in line.vigil.tables}
    return Report(line.counts, payloads, bundles, latencies.percentiles())


def table(
    told: Report,
    connection: Connection,
    *,
    silences: Mapping[str, Json],
    is_overloaded: bool,
    started_at: float,
    now: float,
) -> dict[str, Json]:
    """Lay out the health message; times are Unix seconds UTC."""
    counts = told.readings
    return {
        "time": iso(now),
        "version": edge.__version__,
        "uptime_s": round(now - started_at, 1),
        "overloaded": is_overloaded,
        "readings": {
            "received": counts.received,
            "retained": counts.retained,
            "unrouted": counts.unrouted,
            "streams_refused": counts.streams_refused,
            "refused": dict(counts.refused),
            "last_refused": counts.last_refused or None,
        },
        "silent_s": silences,
        "bundles": told.bundles,
        "connection": asdict(connection.counters),
        "latency": told.latency,
    }


def status(told: Report, *, ready: bool) -> str:
    """Say in words how the daemon is, for `systemctl status`."""
    if not ready:
        return "waiting for the broker"
    streams, events = (sum(int(str(bundle[name])) for bundle in told.bundles) for name in ("streams", "events_open"))
    return (
        f"{counted(streams, 'stream')}, {counted(told.readings.received, 'payload')}, {counted(events, 'event')} open"
    )
