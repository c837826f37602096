"""Write down topics and payloads: the only place where they are.

Payloads are JSON, times ISO 8601 UTC, numbers in sensor units, absent numbers null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from edge.cohort import Verdicts
from edge.event import Carrier, Event
from edge.learned import Learned

Doubles = NDArray[np.float64]
Json = str | int | float | bool | None | Mapping[str, "Json"] | Sequence["Json"]


class Outgoing(NamedTuple):
    """A message to be published; after `expiry` seconds the broker may forget it, None keeps it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry: float | None


def iso(time: float) -> str:
    """Write a time as ISO 8601 UTC, milliseconds only where there are any.

    >>> iso(1273363200.0), iso(1273363200.25)
    ('2010-05-09T00:00:00Z', '2010-05-09T00:00:00.250Z')
    """
    moment = datetime.fromtimestamp(round(time, 3), UTC)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def root(prefix: str, node: str) -> str:
    """Return what every topic of a node begins with.

    >>> root("tidegate", "edge1")
    'tidegate/edge1/'
    """
    return f"{prefix}/{node}/"


def intervals(sensors: Sequence[str], forecast: Doubles, lower: Doubles, upper: Doubles) -> dict[str, Json]:
    """Lay out one forecast of every sensor with its interval; each array has shape (sensors,)."""
    rows = zip(sensors, forecast.tolist(), lower.tolist(), upper.tolist(), strict=True)
    return {sensor: {"forecast": middle, "lower": low, "upper": high} for sensor, middle, low, high in rows}


def state(base: str, stream: str, sensors: Sequence[str], verdicts: Verdicts, place: int) -> Outgoing:
    """Say what was measured, how strange it was, and what comes next: topic `<stream>/state`."""
    score = float(verdicts.score[place])
    heard = zip(sensors, verdicts.values[place].tolist(), verdicts.measured[place].tolist(), strict=True)
    table: dict[str, Json] = {
        "time": iso(float(verdicts.times[place])),
        "values": {sensor: value if measured else None for sensor, value, measured in heard},
        "score": score,
        "anomaly": score > 1.0,
        "expected": intervals(sensors, verdicts.expected[place], verdicts.lower[place], verdicts.upper[place]),
        "next": intervals(
            sensors, verdicts.forecast[place, 0], verdicts.forecast_lower[place, 0], verdicts.forecast_upper[place, 0]
        ),
    }
    return Outgoing(f"{base}{stream}/state", orjson.dumps(table), 0, False, None)


def forecast(base: str, stream: str, learned: Learned, verdicts: Verdicts, place: int) -> Outgoing:
    """Say what comes next at every horizon: topic `<stream>/forecast`."""
    made_at = float(verdicts.times[place])
    horizons: list[Json] = [
        {
            "steps": steps,
            "time": iso(made_at + steps * learned.period),
            "sensors": intervals(
                learned.sensors,
                verdicts.forecast[place, index],
                verdicts.forecast_lower[place, index],
                verdicts.forecast_upper[place, index],
            ),
        }
        for index, steps in enumerate(learned.horizons)
    ]
    payload = orjson.dumps({"time": iso(made_at), "horizons": horizons})
    return Outgoing(f"{base}{stream}/forecast", payload, 0, False, learned.horizons[-1] * learned.period)


def event(base: str, news: Event) -> Outgoing:
    """Tell an event's news: topic `<stream>/event`, QoS 1."""
    first, *others = news.peak.carriers
    table: dict[str, Json] = {
        "id": news.id,
        "phase": news.phase,
        "kind": news.kind,
        "start": iso(news.start),
        "end": iso(news.end) if news.phase == "close" else None,
        "samples": news.samples,
        "peak": {"time": iso(news.peak.time), "score": news.peak.score},
        "explanation": {**_carrier(first), "others": [_carrier(other) for other in others]},
    }
    return Outgoing(f"{base}{news.stream}/event", orjson.dumps(table), 1, False, None)


def _carrier(carrier: Carrier) -> dict[str, Json]:
    """Lay out how a sensor carries an event."""
    return asdict(carrier)


def anomaly(base: str, news: Event) -> Outgoing:
    """Say whether a stream has an open event: topic `<stream>/anomaly`, retained.

    An event is not over because the daemon stops: what is kept then says `true` until an event of this stream closes
    again. Whether anybody watches says the topic `status`: with `stopped` or `offline` this is the last word, not the
    present.
    """
    is_open = news.phase != "close"
    table: dict[str, Json] = {
        "anomaly": is_open,
        "since": iso(news.start) if is_open else iso(news.end),
        "event": news.id,
    }
    return Outgoing(f"{base}{news.stream}/anomaly", orjson.dumps(table), 1, True, None)


def health(base: str, table: Mapping[str, Json]) -> Outgoing:
    """Publish counters and gauges: topic `health`."""
    return Outgoing(f"{base}health", orjson.dumps(table), 0, False, None)
