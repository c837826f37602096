"""Inject faults into recorded history that is clean, so that what the flags catch can be counted.

| kind | what happens to the sensor | strength |
|---|---|---|
| `spike` | one row is off | spreads of its one-step changes |
| `level` | all rows are off by the same | the same |
| `drift` | rows move away evenly, and are off by the strength in the last one | the same |
| `noise` | rows are off by Gaussian noise of that standard deviation | the same |
| `stuck` | it hardly moves from the last value before the fault | share of its movement that is lost, 0..1 |
| `dropout` | rows are missing, chosen at random | share that is missing, 0..1 |
| `swap` | it and another sensor are mixed, at 1 exchanged | share of the other, 0..1 |

A spread is that of the sensor's changes from one row to the next, in the rows before the fault alone: what a fault
must rise above, whatever the unit. Strength 0 changes nothing. After the fault the sensor is what it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.recording import Recording

Doubles = NDArray[np.float64]
Kind = Literal["spike", "level", "drift", "noise", "stuck", "dropout", "swap"]
GAUSSIAN = 1.4826  # of the median of absolute deviations, see `one_step_spread`


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Say what goes wrong, where and how badly.

    Attributes:
        kind: what happens, see the table of this file.
        strength: how badly, >= 0; at most 1 where it is a share.
        stream: name of the stream.
        sensor: name of the sensor.
        begin: the stream's row with which it begins, >= 1: it needs a past.
        rows: how many rows it lasts; a spike is over after one.
        seed: decides direction, noise, which rows are missing, and the sensor that is swapped in.
    """

    kind: Kind
    strength: float
    stream: str
    sensor: str
    begin: int
    rows: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Injected:
    """Hold a recording with a fault in it.

    Attributes:
        recording: a copy; all rows outside of the fault are as they were.
        start, end: time of the fault's first and last row, Unix seconds UTC.
    """

    recording: Recording
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class _Site:
    """Hold what a fault works on.

    Attributes:
        healthy: shape (rows,), what the sensor said, nan where nothing.
        held: the last value before the fault; nan if there is none.
        other: shape (rows,), what the sensor that is swapped in said.
        spread: of the sensor's one-step changes, sensor units.
        strength: the fault's.
        random: draws.
    """

    healthy: Doubles
    held: float
    other: Doubles
    spread: float
    strength: float
    random: np.random.Generator


def inject(recording: Recording, fault: Fault) -> Injected:
    """Return a copy of a recording with a fault in it.

    Raises:
        ValueError: the fault does not lie inside of the stream, or has no sensor to swap in.
    """
    rows = rows_of(recording, fault.stream)
    length = 1 if fault.kind == "spike" else fault.rows
    if not 1 <= fault.begin <= len(rows) - length:
        raise ValueError(f"begin: must be in 1..{len(rows) - length} for {length} rows, got {fault.begin}")
    inside = rows[fault.begin : fault.begin + length]
    past = recording.values[rows[: fault.begin]]
    place = recording.sensors.index(fault.sensor)
    random = np.random.default_rng(fault.seed)
    partner = _partner(len(recording.sensors), place, random) if fault.kind == "swap" else place
    values = recording.values.copy()
    spread = float(one_step_spread(past[:, [place]])[0])
    healthy, other = recording.values[inside, place], recording.values[inside, partner]
    held = _last(past[:, place])
    values[inside, place] = EFFECTS[fault.kind](_Site(healthy, held, other, spread, fault.strength, random))
    if partner != place:
        values[inside, partner] = _swap(_Site(other, held, healthy, spread, fault.strength, random))
    times = recording.times[inside]
    return Injected(replace(recording, values=values), float(times[0]), float(times[-1]))


def rows_of(recording: Recording, stream: str) -> NDArray[np.intp]:
    """Return the rows of a stream, in order."""
    return np.flatnonzero(recording.streams == recording.stream_names.index(stream))


def one_step_spread(past: Doubles) -> Doubles:
    """Return the spread of each sensor's changes from one row to the next.

    It is robust, so that faults and rare jumps in the past do not hide those to come. A coarse sensor that stands still
    more often than not has no such spread; it is then the usual size of those changes that it makes.

    Args:
        past: shape (rows, sensors), sensor units, nan where nothing was measured.

    Returns:
        Shape (sensors,), sensor units; 0 for a sensor that never changed.

    Source: Rousseeuw & Croux (1993), JASA 88, 1273-1283: the MAD with b = 1.4826.

    >>> one_step_spread(np.array([[0.0, 5.0], [1.0, 5.0], [1.0, 5.0], [4.0, 5.0]]))
    array([1.4826, 0.    ])
    """
    return np.array([_spread(np.diff(column[~np.isnan(column)])) for column in past.T])


def _spread(changes: Doubles) -> float:
    if not len(changes):
        return 0.0
    robust = GAUSSIAN * float(np.median(np.abs(changes - np.median(changes))))
    made = np.abs(changes[changes != 0.0])
    return robust if robust > 0.0 or not len(made) else float(np.median(made))


def _last(past: Doubles) -> float:
    known = past[~np.isnan(past)]
    return float(known[-1]) if len(known) else float("nan")


def _partner(sensors: int, place: int, random: np.random.Generator) -> int:
    if sensors < 2:
        raise ValueError(f"swap: must have two sensors or more, got {sensors}")
    return int((place + random.integers(1, sensors)) % sensors)


def _off(site: _Site) -> float:
    """Return how far a sized fault is off, up or down."""
    return site.strength * site.spread * (1.0 if site.random.random() < 0.5 else -1.0)


def _shifted(site: _Site) -> Doubles:
    return site.healthy + _off(site)


def _drift(site: _Site) -> Doubles:
    count = len(site.healthy)
    return site.healthy + _off(site) * np.arange(1, count + 1) / count


def _noise(site: _Site) -> Doubles:
    return site.healthy + site.strength * site.spread * site.random.standard_normal(len(site.healthy))


def _stuck(site: _Site) -> Doubles:
    if site.strength == 0.0 or np.isnan(site.held):
        return site.healthy
    return site.held + (1.0 - site.strength) * (site.healthy - site.held)


def _dropout(site: _Site) -> Doubles:
    return np.where(site.random.random(len(site.healthy)) < site.strength, np.nan, site.healthy)


def _swap(site: _Site) -> Doubles:
    """Mix two sensors; a row in which either is missing stays as it is."""
    mixed = (1.0 - site.strength) * site.healthy + site.strength * site.other
    return np.where(np.isnan(mixed), site.healthy, mixed)


EFFECTS: Mapping[Kind, Callable[[_Site], Doubles]] = {
    "spike": _shifted,
    "level": _shifted,
    "drift": _drift,
    "noise": _noise,
    "stuck": _stuck,
    "dropout": _dropout,
    "swap": _swap,
}
