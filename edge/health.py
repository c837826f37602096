"""Say how the daemon is: counters and gauges for the `health` message, and one line for systemd."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

import edge
from edge.errors import counted
from edge.line import Line
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

    def percentiles(self) -> Mapping[str, Json]:
        """Return the median and the 99th percentile in milliseconds, null where nothing was measured."""
        if not self._recent:
            return {"p50_ms": None, "p99_ms": None}
        middle, high = np.percentile(np.array(self._recent), (50, 99)).tolist()
        return {"p50_ms": 1e3 * middle, "p99_ms": 1e3 * high}


def table(
    line: Line, connection: Connection, latencies: Latencies, *, started_at: float, now: float
) -> dict[str, Json]:
    """Gather the health message.

    Args:
        line: whose counters are gathered.
        connection: likewise.
        latencies: likewise.
        started_at: Unix seconds UTC.
        now: Unix seconds UTC.
    """
    counts = line.counts
    bundles: list[Json] = [
        {
            "streams": len(service.cohort.streams),
            "events_open": service.events.count(),
            "shelved": service.cohort.shelved(),
            "grid": asdict(service.counts),
            "experts": {name: round(weight, 3) for name, weight in service.cohort.trust().items()},
        }
        for service in line.services
    ]
    return {
        "time": iso(now),
        "version": edge.__version__,
        "uptime_s": round(now - started_at, 1),
        "readings": {
            "received": counts.received,
            "retained": counts.retained,
            "unrouted": counts.unrouted,
            "streams_refused": counts.streams_refused,
            "refused": dict(counts.refused),
            "last_refused": counts.last_refused or None,
        },
        "silent_s": line.vigil.silences(),
        "bundles": bundles,
        "connection": asdict(connection.counters),
        "latency": dict(latencies.percentiles()),
    }


def status(line: Line, *, ready: bool) -> str:
    """Say in words how the daemon is, for `systemctl status`."""
    streams = sum(len(service.cohort.streams) for service in line.services)
    events = sum(service.events.count() for service in line.services)
    if not ready:
        return "waiting for the broker"
    return f"{counted(streams, 'stream')}, {counted(line.counts.received, 'payload')}, {counted(events, 'event')} open"
