"""Count how many injected faults a bundle finds, by kind and strength: its detection curves.

Every fault is injected into a copy of its own, cut out of the recording with some rows before it to prime the memory,
so that no fault touches another. All copies are streams of one cohort, and the line that judges them is the real one.
All kinds and strengths are injected at the same places, so that a curve shows what the strength does and nothing
else; the same places without a fault say how many would have been found by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from training.inject import Fault, Kind, inject, one_step_spread
from training.side_by_side import Heard, History, Piece, lay, replay

KINDS: tuple[Kind, ...] = get_args(Kind)
SIZES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # spreads of one-step changes
STRENGTHS: Mapping[Kind, tuple[float, ...]] = {
    "spike": SIZES,
    "level": SIZES,
    "drift": SIZES,
    "noise": (1.0, 2.0, 4.0, 8.0, 16.0),
    "stuck": (0.5, 0.9, 1.0),
    "dropout": (0.25, 0.5, 1.0),
    "swap": (0.01, 0.03, 0.1, 1.0),
}
PLACES = 40  # faults of each kind and strength: a share of one half is then known to ± 16 points (95 %)
PRIMING = 5  # windows of rows before a fault that prime the memory
PAST = 2000  # rows before a fault at most that say how much the sensor moves from one to the next
ECHO = 8  # rows after a spike in which it may still be found: smoothed scores need some
WEEK = 604_800.0


@dataclass(frozen=True, slots=True)
class Point:
    """Say how many faults of one kind and strength were found.

    Attributes:
        kind, strength: see `training.inject`.
        injected: how many there were.
        found: in how many an event opened between first and last row (of a spike, up to `ECHO` rows later).
        by_chance: at how many of the same places one opens in as many rows without the fault.
        median_delay: seconds from the first row to the opening, of those found; None if none was.
    """

    kind: Kind
    strength: float
    injected: int
    found: int
    by_chance: int
    median_delay: float | None


@dataclass(frozen=True, slots=True)
class Curves:
    """Hold the detection curves of a bundle.

    Attributes:
        unseen: whether faults were injected into rows that are newer than the training data.
        rows: how many rows a fault lasts; a spike is over after one.
        points: one for each kind and strength; none where no stretch of rows was calm enough.
        false_events: events of the rows as they were recorded, those that touch a labelled one left out.
        weeks: how long those rows are, over all streams.
    """

    unseen: bool
    rows: int
    points: tuple[Point, ...]
    false_events: int
    weeks: float


def detection_curves(bundle: Bundle, streams: Sequence[History], *, places: int = PLACES, seed: int = 1) -> Curves:
    """Inject faults and count which are found.

    Faults go into rows that are newer than the training data; where there are none, into those that the scores were
    calibrated on, and where there are none of these either, into all.

    Args:
        bundle: what judges.
        streams: history, with the rows before those judged: they prime the memory.
        places: faults of each kind and strength, at most.
        seed: of places and draws.
    """
    rows = bundle.manifest.window
    unseen = any(one.newer.any() for one in streams)
    free = [_free(one, streams) for one in streams]
    named = [Piece(f"{place} {one.piece.name}", one.piece.times, one.piece.values) for place, one in enumerate(streams)]
    heard = replay(bundle, named)
    events = sum(
        len(set(said.open[mine]) - {""} - set(said.open[one.labelled]))
        for one, said, mine in zip(streams, heard, free, strict=True)
    )
    weeks = sum(int(mine.sum()) for mine in free) * bundle.manifest.period / WEEK
    begins = [_begins(said, mine, rows, bundle.manifest.window) for said, mine in zip(heard, free, strict=True)]
    cuts = _draw(bundle, streams, begins, places, seed)
    return Curves(unseen, rows, tuple(_points(bundle, cuts, rows)), events, weeks)


def _free(one: History, streams: Sequence[History]) -> NDArray[np.bool_]:
    """Tell which rows of a stream faults may go into."""
    if any(each.newer.any() for each in streams):
        return one.newer & ~one.labelled
    if any(each.calibrated.any() for each in streams):
        return one.calibrated & ~one.labelled
    return ~one.labelled


def _begins(said: Heard, free: NDArray[np.bool_], rows: int, window: int) -> NDArray[np.intp]:
    """Return the rows with which a fault may begin: the line judges, nothing is open, and all that follows is free."""
    needed = max(rows, 1 + ECHO)
    occupied = np.cumsum(np.append(0, ~free))
    first: NDArray[np.intp] = np.arange(max(0, len(free) - needed + 1), dtype=np.intp)
    calm = (occupied[first + needed] == occupied[first]) & ~np.isnan(said.score[first])
    calm &= (said.open[first - 1] == "") & (first >= 2 * window)
    begins: NDArray[np.intp] = first[calm]
    return begins


class _Cut:
    """Cut copies of the rows around one place: what primes, what the fault changes, and what it echoes in."""

    def __init__(self, bundle: Bundle, piece: Piece, begin: int, seed: int) -> None:
        window = bundle.manifest.window
        rows = slice(max(0, begin - PAST), begin + max(window, 1 + ECHO))
        self._recording = lay([Piece("", piece.times[rows], piece.values[rows])], bundle.manifest.learned().sensors)
        self._begin = begin - rows.start
        self._primed = max(0, self._begin - PRIMING * window)
        self._window = window
        self._seed = seed
        moving = np.flatnonzero(one_step_spread(self._recording.values[: self._begin]) > 0.0)
        # A sensor that never moved has no spread to measure a fault in, and nothing was learned of it.
        chosen = int(np.random.default_rng(seed).choice(moving)) if len(moving) else 0
        self._sensor = self._recording.sensors[chosen]

    def copy(self, name: str, kind: Kind, strength: float) -> Piece:
        """Return a copy with a fault in it."""
        fault = Fault(
            kind=kind, strength=strength, stream="", sensor=self._sensor, begin=self._begin, rows=self._window,
            seed=self._seed,
        )  # fmt: skip
        broken = inject(self._recording, fault).recording
        return Piece(name, broken.times[self._primed :], broken.values[self._primed :])

    def delay(self, heard: Heard, rows: int) -> float | None:
        """Return the seconds from the fault's first row to the first event that opened within some rows, or None."""
        begin = self._begin - self._primed
        inside = heard.open[begin : begin + rows]
        opened = np.flatnonzero((inside != "") & ~np.isin(inside, heard.open[:begin]))
        if not len(opened):
            return None
        times = self._recording.times[self._begin :]
        return float(times[opened[0]] - times[0])


def _draw(
    bundle: Bundle, streams: Sequence[History], begins: Sequence[NDArray[np.intp]], places: int, seed: int
) -> list[_Cut]:
    """Draw places among all rows of all streams with which a fault may begin."""
    whose = np.repeat(np.arange(len(begins)), [len(rows) for rows in begins])
    rows = np.concatenate(begins)
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(len(rows), min(places, len(rows)), replace=False))
    seeds = random.integers(2**32, size=len(drawn)).tolist()
    return [
        _Cut(bundle, streams[whose[place]].piece, int(rows[place]), one)
        for place, one in zip(drawn, seeds, strict=True)
    ]


def _points(bundle: Bundle, cuts: Sequence[_Cut], rows: int) -> list[Point]:
    if not cuts:
        return []
    kinds = [kind for kind in KINDS if kind != "swap" or len(bundle.manifest.sensors) > 1]
    wanted: list[tuple[Kind, float]] = [("level", 0.0)]
    wanted += [(kind, strength) for kind in kinds for strength in STRENGTHS[kind]]
    copies = [
        cut.copy(f"{kind} {strength:g} {number}", kind, strength)
        for kind, strength in wanted
        for number, cut in enumerate(cuts)
    ]
    heard = replay(bundle, copies)
    clean, *faulty = (heard[place : place + len(cuts)] for place in range(0, len(heard), len(cuts)))
    return [_point(one, cuts, said, clean, rows) for one, said in zip(wanted[1:], faulty, strict=True)]


def _point(
    wanted: tuple[Kind, float], cuts: Sequence[_Cut], heard: Sequence[Heard], clean: Sequence[Heard], rows: int
) -> Point:
    kind, strength = wanted
    looked = 1 + ECHO if kind == "spike" else rows
    delays = [cut.delay(said, looked) for cut, said in zip(cuts, heard, strict=True)]
    found = [delay for delay in delays if delay is not None]
    chance = sum(cut.delay(said, looked) is not None for cut, said in zip(cuts, clean, strict=True))
    return Point(kind, strength, len(cuts), len(found), chance, float(np.median(found)) if found else None)
