"""Lay recorded streams side by side, so that one cohort replays them, and copies of them, in waves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle import Bundle
from edge.event import Event
from edge.recording import Recording
from edge.replay import Budget, Replay, align

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold consecutive rows of one stream.

    Attributes:
        name: of the stream that they become.
        times: shape (rows,), Unix seconds UTC.
        values: shape (rows, sensors of the bundle), sensor units, nan where missing.
    """

    name: str
    times: Doubles
    values: Doubles


@dataclass(frozen=True, slots=True)
class History:
    """Hold one stream, and what of it may be judged.

    Attributes:
        piece: all of its rows.
        newer: shape (rows,), which are newer than the training data.
        calibrated: shape (rows,), which the bundle's scores were calibrated on.
        labelled: shape (rows,), which lie in a labelled event.
    """

    piece: Piece
    newer: Bools
    calibrated: Bools
    labelled: Bools


@dataclass(frozen=True, slots=True)
class Heard:
    """Hold what the line said of one piece.

    Attributes:
        open: the id of the event that was open at each row, or an empty text; shape (rows,).
        score: shape (rows,); nan while warming up.
        events: its events as they were last told, in the order of their openings.
    """

    open: NDArray[np.str_]
    score: Doubles
    events: tuple[Event, ...]


def histories(
    bundle: Bundle,
    recordings: Sequence[Recording],
    after: float,
    calibrated: Mapping[str, tuple[float, float]],
    labels: Mapping[str, Spans],
) -> list[History]:
    """Take recordings apart into their streams.

    Args:
        bundle: names the sensors.
        recordings: recorded histories.
        after: rows later than this are newer than the training data, Unix seconds UTC.
        calibrated: for each stream that the bundle was calibrated on, first and last time.
        labels: for each stream, start and end of its labelled events, both inside.
    """
    found = []
    for recording in recordings:
        values = align(recording, bundle.manifest.learned())
        for place, name in enumerate(recording.stream_names):
            rows = np.flatnonzero(recording.streams == place)
            times = recording.times[rows]
            spans = [calibrated[name]] if name in calibrated else []
            found.append(
                History(
                    Piece(name, times, values[rows]), times > after, inside(times, spans),
                    inside(times, labels.get(name, ())),
                )
            )  # fmt: skip
    return found


def inside(times: Doubles, spans: Spans) -> Bools:
    """Tell which times lie in any of some spans, both ends of which belong to them.

    >>> inside(np.array([0.0, 1.0, 2.0]), [(1.0, 1.5)])
    array([False,  True, False])
    """
    found = np.zeros(len(times), np.bool_)
    for start, end in spans:
        found |= (times >= start) & (times <= end)
    return found


def replay(bundle: Bundle, pieces: Sequence[Piece], *, budget: Budget | None = None) -> list[Heard]:
    """Replay pieces through the real line, all of them at once; their names must differ.

    Args:
        bundle: what judges.
        pieces: one stream each.
        budget: alarm budget of a stream's name, see `edge.replay.Replay`.
    """
    learned = bundle.manifest.learned()
    recording = lay(pieces, learned.sensors)
    line = Replay(learned, bundle.model, bundle.model.units, budget=budget)
    with tqdm(total=len(recording.times), desc="replaying", unit="row", disable=None) as bar:
        said = line.run(recording, progress=bar.update)
    newest: dict[str, dict[str, Event]] = {one.name: {} for one in pieces}
    for event in said.news:
        newest[event.stream][event.id] = event
    events = np.array(said.events)
    order = np.argsort(recording.streams, kind="stable")
    places = np.split(order, np.cumsum([len(one.times) for one in pieces])[:-1])
    return [
        Heard(events[mine], said.score[mine], tuple(newest[one.name].values()))
        for one, mine in zip(pieces, places, strict=True)
    ]


def lay(pieces: Sequence[Piece], sensors: tuple[str, ...]) -> Recording:
    """Make one recording of pieces: first the first row of each, then the second of each, and so on.

    So the rows that the line takes at a time hold one of every stream, and travel through the model in one wave.
    """
    lengths = [len(one.times) for one in pieces]
    streams = np.repeat(np.arange(len(pieces)), lengths)
    order = np.lexsort((streams, np.concatenate([np.arange(length) for length in lengths])))
    times = np.concatenate([one.times for one in pieces])[order]
    return Recording(
        sensors=sensors,
        stream_names=tuple(one.name for one in pieces),
        streams=streams[order],
        times=times,
        values=np.concatenate([one.values for one in pieces])[order],
        written=("",) * len(times),
        refused=(),
        dropped=(),
    )
