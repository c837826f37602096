"""Say how the daemon is: counters and gauges for the `health` message, and one line for systemd."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict, cast

import numpy as np

import edge
from edge.clock import iso
from edge.counts import ReadingCounts
from edge.doubted import words
from edge.errors import counted
from edge.line import Line
from edge.message import Json
from edge.trust import Doubt

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


class BundleReport(TypedDict):
    """What one bundle's streams counted."""

    streams: int
    events_open: int
    suppressed: int
    out_of_range: int
    shelved: int
    grid: dict[str, int]
    experts: dict[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what one line counted.

    Attributes:
        readings: what became of its payloads.
        payloads: how many each table [streams.NAME] had.
        bundles: of each bundle its streams, events and grid.
        latency: percentiles.
        retold: messages that were said again for Home Assistant.
    """

    readings: ReadingCounts
    payloads: Mapping[str, int]
    bundles: Sequence[BundleReport]
    latency: Mapping[str, float | None]
    retold: int = 0


def report(line: Line, latencies: Latencies, retold: int = 0) -> Report:
    """Read the counters of a line, and of what was said again."""
    bundles: list[BundleReport] = [
        {
            "streams": len(service.cohort.streams),
            "events_open": service.count(),
            "suppressed": service.maintenance.suppressed,
            "out_of_range": service.watch.limits.refused,
            "shelved": service.cohort.shelved(),
            "grid": asdict(service.counts),
            "experts": {name: round(weight, 3) for name, weight in service.cohort.trust().items()},
        }
        for service in line.services
    ]
    payloads = {table.name: table.payloads for table in line.vigil.tables}
    return Report(line.counts, payloads, bundles, latencies.percentiles(), retold)


def merge(reports: Sequence[Report]) -> Report:
    """Return the report of lines that share the streams of one configuration; latencies are those of the slowest."""
    payloads: Counter[str] = Counter()
    for one in reports:
        payloads.update(one.payloads)
    bundles = [_merge_bundle(same) for same in zip(*(one.bundles for one in reports if one.bundles), strict=True)]
    told = [one.latency for one in reports]
    slowest = {name: max((each[name] or 0.0 for each in told), default=0.0) or None for name in ("p50_ms", "p99_ms")}
    retold = sum(one.retold for one in reports)
    return Report(_merge_readings([one.readings for one in reports]), payloads, bundles, slowest, retold)


def _merge_readings(same: Sequence[ReadingCounts]) -> ReadingCounts:
    return ReadingCounts(
        received=sum(one.received for one in same),
        retained=sum(one.retained for one in same),
        unrouted=sum(one.unrouted for one in same),
        refused=sum((one.refused for one in same), Counter()),
        streams_refused=sum(one.streams_refused for one in same),
        repeated=sum(one.repeated for one in same),
        sequence_gaps=sum(one.sequence_gaps for one in same),
        rebirth_requests=sum(one.rebirth_requests for one in same),
        last_refused=next((one.last_refused for one in reversed(same) if one.last_refused), ""),
    )


def _merge_bundle(same: Sequence[BundleReport]) -> BundleReport:
    grid: Counter[str] = Counter()
    weights: dict[str, float] = {}
    streams = sum(one["streams"] for one in same)
    for one in same:
        grid.update(one["grid"])
        for name, weight in one["experts"].items():
            weights[name] = weights.get(name, 0.0) + weight * one["streams"] / max(streams, 1)
    return {
        "streams": streams,
        "events_open": sum(one["events_open"] for one in same),
        "suppressed": sum(one["suppressed"] for one in same),
        "out_of_range": sum(one["out_of_range"] for one in same),
        "shelved": sum(one["shelved"] for one in same),
        "grid": dict(grid),
        "experts": {name: round(weight, 3) for name, weight in weights.items()},
    }


def table(
    told: Report,
    counters: Mapping[str, int],
    doubt: Doubt,
    *,
    silences: Mapping[str, Json],
    is_overloaded: bool,
    workers: tuple[int, int],
    started_at: float,
    now: float,
) -> dict[str, Json]:
    """Lay out the health message; times are Unix seconds UTC, workers how many there are and were replaced."""
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
            "repeated": counts.repeated,
            "sequence_gaps": counts.sequence_gaps,
            "rebirth_requests": counts.rebirth_requests,
            "refused": dict(counts.refused),
            "last_refused": counts.last_refused or None,
        },
        "silent_s": silences,
        "bundles": cast(Sequence[Json], told.bundles),
        "workers": {"count": workers[0], "restarts": workers[1]},
        "connection": counters,
        "clock": {"trusted": doubt.is_trusted, "waiting": doubt.waiting},
        "latency": told.latency,
    }


def status(told: Report, doubt: Doubt, *, now: float, ready: bool) -> str:
    """Say in words how the daemon is, for `systemctl status`."""
    if not ready:
        return "waiting for the broker"
    if doubt.waiting:
        return words(doubt, now)
    streams = sum(bundle["streams"] for bundle in told.bundles)
    events = sum(bundle["events_open"] for bundle in told.bundles)
    return (
        f"{counted(streams, 'stream')}, {counted(told.readings.received, 'payload')}, {counted(events, 'event')} open"
    )
