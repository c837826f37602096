"""Lay what Home Assistant recorded of its entities on a table.

Home Assistant writes a state down when it changes, so a state holds until the next one: what has not changed was
measured all the same. A row is a multiple of the period, and holds the state that each sensor was in then. Nothing
holds while an entity is unavailable, while Home Assistant did not run, and longer than a day.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.clock import MICROSECONDS
from edge.errors import ConfigError, ReadingError, RecordingError, quote
from edge.pace import usual
from edge.reading import parse_value
from edge.recording import Recording
from edge.recording_arrays import Instants, from_arrays
from edge.rows import Bools, Doubles

LONGEST = 86_400.0  # seconds that a state holds: a sensor that has died says no more than one that rests
MOST_ROWS = 20_000_000  # of one stream: more would be a period of a hundredth of what is meant

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Entity:
    """What was recorded of one entity.

    Attributes:
        name: its id, as in sensor.kitchen_temperature.
        times: shape (states,), Unix seconds UTC, rising.
        values: shape (states,); nan where the state is no number.
    """

    name: str
    times: Doubles
    values: Doubles


@dataclass(frozen=True, slots=True)
class Listed:
    """One numeric entity that could be chosen; `interval` is the usual one between its states, in seconds."""

    name: str
    count: int
    unit: str
    interval: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which entities are read.

    Attributes:
        streams: for each stream's name its sensors, each with the id of its entity.
        statistics: read hourly means instead of states.
        period: seconds from row to row; None: found.
        until: Unix seconds UTC; a state at it or after it is not read.
    """

    streams: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    statistics: bool = False
    period: float | None = None
    until: float | None = None

    @property
    def entities(self) -> tuple[str, ...]:
        """The ids of all that are chosen."""
        return tuple(dict.fromkeys(name for sensors in self.streams.values() for name in sensors.values()))


def parse_choice(texts: Iterable[str], stream: str) -> dict[str, dict[str, str]]:
    """Read what `--sensor` says.

    Args:
        texts: each `SENSOR=ENTITY`, or `STREAM/SENSOR=ENTITY`.
        stream: the stream of those that name none.

    Raises:
        ConfigError: one says something else, or a sensor is there twice.

    >>> parse_choice(["warm=sensor.kitchen_temperature"], "home")
    {'home': {'warm': 'sensor.kitchen_temperature'}}
    """
    chosen: dict[str, dict[str, str]] = {}
    for text in texts:
        alias, _, entity = text.partition("=")
        before, slash, after = alias.rpartition("/")
        name, sensor = (before, after) if slash else (stream, alias)
        if not (name and sensor and entity):
            example = "temperature=sensor.kitchen_temperature"
            raise ConfigError(f"--sensor: must be SENSOR=ENTITY, as in {example}, got {quote(text)}")
        if sensor in chosen.setdefault(name, {}):
            raise ConfigError(f"--sensor: must name each sensor once, got {quote(alias)} twice")
        chosen[name][sensor] = entity
    return chosen


def numbers(states: Iterable[object]) -> Doubles:
    """Read states as numbers, nan where they are none: unknown, unavailable, on."""
    known: dict[object, float] = {}
    found = []
    for state in states:
        number = known.get(state)
        if number is None:
            number = known[state] = _number(state)
        found.append(number)
    return np.array(found, dtype=np.float64)


def _number(state: object) -> float:
    try:
        return parse_value(state)
    except ReadingError:
        return nan


def unchosen(path: Path, listed: Sequence[Listed]) -> RecordingError:
    """Say which entities there are, and how to choose among them."""
    if not listed:
        return RecordingError(f"{path}: must have numeric entities, got none")
    width = max(len(one.name) for one in listed)
    lines = [f"{'entity':<{width}}   states  usual interval  unit"]
    lines += [
        f"{one.name:<{width}}  {one.count:>7}  {'–' if one.interval is None else f'{one.interval:g} s':>14}  {one.unit}"
        for one in listed
    ]
    first = listed[0].name
    how = f"choose sensors among these, as in --sensor {first.partition('.')[2]}={first}"
    return RecordingError(f"{path}: is of Home Assistant: {how}", listing=lines)


def missing(path: Path, name: str, present: Iterable[str]) -> RecordingError:
    """Say that an entity is not there, and which may be meant."""
    alike = difflib.get_close_matches(name, list(present), 1)
    return RecordingError(f"{path}: must have {name}, has not{f'; did you mean {alike[0]}?' if alike else ''}")


def lay(
    path: Path, found: Mapping[str, Entity], choice: Choice, *, asleep: Spans = (), longest: float = LONGEST
) -> Recording:
    """Lay entities on a table, a stream after the other.

    Args:
        path: where they are from, for errors.
        found: by their ids.
        choice: which sensors they are.
        asleep: start and end of the times in which Home Assistant did not run, in order.
        longest: seconds that a state holds.

    Raises:
        RecordingError: nothing is left, or far too much.
    """
    sensors = tuple(dict.fromkeys(sensor for chosen in choice.streams.values() for sensor in chosen))
    times: list[Instants] = []
    values: list[Doubles] = []
    streams: list[NDArray[np.intp]] = []
    for place, chosen in enumerate(choice.streams.values()):
        mine = {sensor: found[name] for sensor, name in chosen.items()}
        at = _multiples(path, list(mine.values()), choice.period)
        columns = np.full((len(at), len(sensors)), nan)
        for sensor, entity in mine.items():
            columns[:, sensors.index(sensor)] = in_force(entity, at / MICROSECONDS, asleep, longest)
        heard = np.any(~np.isnan(columns), axis=1)
        times.append(at[heard])
        values.append(columns[heard])
        streams.append(np.full(int(heard.sum()), place, dtype=np.intp))
    if not sum(map(len, times)):
        raise RecordingError(f"{path}: must have numbers in the states of {', '.join(choice.entities)}, got none")
    return from_arrays(
        sensors, tuple(choice.streams), np.concatenate(streams), np.concatenate(times), values=np.concatenate(values)
    )


def in_force(entity: Entity, times: Doubles, asleep: Spans, longest: float) -> Doubles:
    """Return which value an entity had at some times, nan where none is known.

    >>> entity = Entity("sensor.a", np.array([1.0, 4.0]), np.array([20.0, 21.0]))
    >>> in_force(entity, np.array([0.0, 2.0, 4.0, 9.0]), [(5.0, 8.0)], LONGEST)
    array([nan, 20., 21., nan])
    """
    if not len(entity.times):
        return np.full(len(times), nan)
    place = np.searchsorted(entity.times, times, side="right") - 1
    since = np.where(place >= 0, entity.times[place], -np.inf)
    known: Bools = (place >= 0) & (times - since <= longest)
    for begin, end in asleep:  # what was last said before it is not known in it, nor after it
        known &= ~((since < end) & (times > begin))
    return np.where(known, entity.values[place], nan)


def _multiples(path: Path, entities: Sequence[Entity], period: float | None) -> Instants:
    """Return the multiples of the period between the first state and the last, in microseconds."""
    spoken = [entity for entity in entities if len(entity.times)]
    if not spoken:
        return np.empty(0, dtype=np.int64)
    paces = [usual(np.diff(entity.times)) for entity in spoken]
    seconds = period or min((pace for pace in paces if pace is not None), default=60.0)
    step = max(1, round(seconds * MICROSECONDS))
    first = -(-round(min(entity.times[0] for entity in spoken) * MICROSECONDS) // step)
    last = round(max(entity.times[-1] for entity in spoken) * MICROSECONDS) // step
    if last - first >= MOST_ROWS:
        raise RecordingError(
            f"{path}: must be at most {MOST_ROWS} rows a stream, got {last - first} every {seconds:g} s; "
            "a recipe sets data.period"
        )
    return step * np.arange(first, last + 1, dtype=np.int64)
