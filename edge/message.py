"""Write down topics and payloads: the only place where they are.

Payloads are JSON, times ISO 8601 UTC, numbers in sensor units, absent numbers null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple, TypeAlias

import numpy as np
import orjson

from edge.clock import iso
from edge.cohort import Verdicts
from edge.event import Carrier, Event
from edge.learned import Learned

Bounds: TypeAlias = list[float]  # forecast, lower, upper
Json = str | int | float | bool | None | Mapping[str, "Json"] | Sequence["Json"]


class Outgoing(NamedTuple):
    """A message to be published; after `expiry` seconds the broker may forget it, None keeps it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry: float | None


def root(prefix: str, node: str) -> str:
    """Return what every topic of a node begins with.

    >>> root("tidegate", "edge1")
    'tidegate/edge1/'
    """
    return f"{prefix}/{node}/"


class Said(NamedTuple):
    """Hold the verdicts of a wave as lists: an array costs more to look into for every message than to unpack once.

    Attributes:
        times, values, measured, score: as in `edge.cohort.Verdicts`.
        expected: for each stream and sensor the forecast made for this sample, its lower and its upper bound.
        forecast: for each stream, horizon and sensor what comes next, its lower and its upper bound; the first horizon
            only, unless more were asked for.
    """

    times: list[float]
    values: list[list[float]]
    measured: list[list[bool]]
    score: list[float]
    expected: list[list[Bounds]]
    forecast: list[list[list[Bounds]]]


def said(verdicts: Verdicts, *, horizons: int | None = None) -> Said:
    """Unpack the verdicts of a wave, with so many of the horizons; None for all."""
    ahead = (verdicts.forecast, verdicts.forecast_lower, verdicts.forecast_upper)
    expected = np.stack((verdicts.expected, verdicts.lower, verdicts.upper), axis=-1)
    forecast = np.stack([each[:, :horizons] for each in ahead], axis=-1)
    return Said(
        verdicts.times.tolist(),
        verdicts.values.tolist(),
        verdicts.measured.tolist(),
        verdicts.score.tolist(),
        expected.tolist(),
        forecast.tolist(),
    )


def intervals(sensors: Sequence[str], bounds: Sequence[Bounds]) -> dict[str, Json]:
    """Lay out one forecast of every sensor with its interval."""
    return {
        sensor: {"forecast": middle, "lower": low, "upper": high}
        for sensor, (middle, low, high) in zip(sensors, bounds, strict=True)
    }


def state(base: str, stream: str, sensors: Sequence[str], wave: Said, place: int) -> Outgoing:
    """Say what was measured, how strange it was, and what comes next: topic `<stream>/state`."""
    score = wave.score[place]
    heard = zip(sensors, wave.values[place], wave.measured[place], strict=True)
    table: dict[str, Json] = {
        "time": iso(wave.times[place]),
        "values": {sensor: value if measured else None for sensor, value, measured in heard},
        "score": score,
        "anomaly": score > 1.0,
        "expected": intervals(sensors, wave.expected[place]),
        "next": intervals(sensors, wave.forecast[place][0]),
    }
    return Outgoing(f"{base}{stream}/state", orjson.dumps(table), 0, False, None)


def forecast(base: str, stream: str, learned: Learned, wave: Said, place: int) -> Outgoing:
    """Say what comes next at every horizon: topic `<stream>/forecast`."""
    made_at = wave.times[place]
    horizons: list[Json] = [
        {
            "steps": steps,
            "time": iso(made_at + steps * learned.period),
            "sensors": intervals(learned.sensors, bounds),
        }
        for steps, bounds in zip(learned.horizons, wave.forecast[place], strict=True)
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
        "feedback": news.feedback or None,
    }
    return Outgoing(f"{base}{news.stream}/event", orjson.dumps(table), 1, False, None)


def _carrier(carrier: Carrier) -> dict[str, Json]:
    """Lay out how a sensor carries an event."""
    return asdict(carrier)


def anomaly(base: str, news: Event, others: Sequence[Event]) -> Outgoing:
    """Say whether a stream has an open event: topic `<stream>/anomaly`, retained.

    Args:
        base: what every topic begins with.
        news: the event that opened or closed.
        others: what else is open, the oldest first: while anything is, the stream is anomalous.

    An event is not over because the daemon stops: what is kept then says `true` until an event of this stream closes
    again, or `calm` is said of it. Whether anybody watches says the topic `status`: with `stopped` or `offline` this is
    the last word, not the present.
    """
    left = others[0] if others and news.phase == "close" else news
    is_open = left.phase != "close"
    table: dict[str, Json] = {
        "anomaly": is_open,
        "since": iso(left.start) if is_open else iso(left.end),
        "event": left.id,
    }
    return Outgoing(f"{base}{news.stream}/anomaly", orjson.dumps(table), 1, True, None)


def calm(base: str, stream: str) -> Outgoing:
    """Say that nothing is open of a stream that has come to life: topic `<stream>/anomaly`, retained.

    For those who show what is kept: else they would know nothing of a stream before its first event, and of one that
    was open when we stopped, for ever the last word. Where nobody is known to show it, it is said of streams that the
    configuration names alone: a message that the broker keeps for each of thousands of others would be too much.
    """
    table: dict[str, Json] = {"anomaly": False, "since": None, "event": None}
    return Outgoing(f"{base}{stream}/anomaly", orjson.dumps(table), 1, True, None)


def health(base: str, table: Mapping[str, Json]) -> Outgoing:
    """Publish counters and gauges: topic `health`."""
    return Outgoing(f"{base}health", orjson.dumps(table), 0, False, None)
