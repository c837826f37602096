"""Compare the flags of one recording with its labelled spans: row by row, and event by event.

Three things are told apart. *Flagged rows* are those whose score is above 1: they are right or wrong row by row, and
one in a labelled event finds it. *Episodes* are the detector's own events, as a user is told of them: from the row
at which one opens to its last flagged row; one that overlaps no label is false, and one that begins before
a label and reaches into it is not. *Runs* are flagged rows next to each other, whatever the detector makes of
them: a detector that chatters has many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training import nab

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Flags:
    """Hold what a detector said of each row.

    Attributes:
        flagged: shape (rows,).
        episode: shape (rows,), which of its events was open at each row, counted from 0; -1 for none.
    """

    flagged: Bools
    episode: Rows

    def openings(self) -> Rows:
        """Return the rows at which episodes open."""
        known, first = np.unique(self.episode, return_index=True)
        opened: Rows = np.sort(first[known >= 0])
        return opened


def from_events(flagged: Bools, ids: Sequence[str]) -> Flags:
    """Take flags with the id of the event that was open at each row, or an empty text.

    A run of flagged rows that belongs to no event is an episode of its own, so that nothing is hidden.
    """
    place: dict[str, int] = {}
    named = np.array([place.setdefault(name, len(place)) if name else -1 for name in ids], dtype=np.intp)
    loose = flagged & (named < 0)
    run = np.cumsum(np.diff(loose, prepend=False) & loose) - 1
    return Flags(flagged, np.where(loose, len(place) + run, named).astype(np.intp))


def from_flags(flagged: Bools, *, calm: int) -> Flags:
    """Make episodes of flags as the line does: one ends with its last flag before `calm` rows without one."""
    rows = np.flatnonzero(flagged)
    episode = np.full(len(flagged), -1, dtype=np.intp)
    if len(rows):
        begins = np.flatnonzero(np.diff(rows, prepend=-calm - 1) > calm)
        for number, piece in enumerate(np.split(rows, begins[1:])):
            episode[piece[0] : piece[-1] + 1] = number
    return Flags(flagged, episode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Count one detector's rights and wrongs over the judged rows; tallies of several recordings add up.

    Attributes:
        hits, false_rows, missed_rows, calm_rows: flagged or not, inside and outside of labels.
        labels, found: labelled events, and those with a flagged row in them.
        episodes, false_episodes: the detector's events, and those that overlap no label.
        worst_episodes: most false episodes of one recording.
        false_runs: runs of flagged rows with no row in a label.
        normal_days: time outside of labels.
        delays: seconds from the start of each found event to its first flagged row.
        openings, rows: what NAB gives for the opening of each episode, and for each flagged row.
        files: how many recordings.
    """

    hits: int
    false_rows: int
    missed_rows: int
    calm_rows: int
    labels: int
    found: int
    episodes: int
    false_episodes: int
    worst_episodes: int
    false_runs: int
    normal_days: float
    delays: tuple[float, ...]
    openings: nab.Earned
    rows: nab.Earned
    files: int


def tally(flags: Flags, times: Doubles, labels: Sequence[tuple[float, float]], *, begin: int) -> Tally:
    """Count the rights and wrongs of one recording.

    Args:
        flags: what the detector said of every row.
        times: shape (rows,), Unix seconds UTC.
        labels: start and end of each labelled event, both inside it; those that end before `begin` are left out.
        begin: first row that is judged.
    """
    judged = np.arange(len(times)) >= begin
    inside, windows, starts = _labelled(times, labels, judged)
    flagged, normal = flags.flagged & judged, judged & ~inside
    spans = [span for span in _spans(flags) if span[1] >= begin]
    false = sum(not inside[max(first, begin) : last + 1].any() for first, last in spans)
    found = [_first(flagged, window) for window in windows]
    return Tally(
        hits=int((flagged & inside).sum()),
        false_rows=int((flagged & normal).sum()),
        missed_rows=int((~flagged & inside).sum()),
        calm_rows=int((~flagged & normal).sum()),
        labels=len(windows),
        found=sum(row is not None for row in found),
        episodes=len(spans),
        false_episodes=false,
        worst_episodes=false,
        false_runs=sum(not inside[run].any() for run in _runs(flagged)),
        normal_days=float(normal.sum()) * _period(times) / DAY,
        delays=tuple(float(times[row]) - start for row, start in zip(found, starts, strict=True) if row is not None),
        openings=nab.earn(flags.openings().tolist(), windows, begin=begin),
        rows=nab.earn(np.flatnonzero(flagged).tolist(), windows, begin=begin),
        files=1,
    )


def _labelled(
    times: Doubles, labels: Sequence[tuple[float, float]], judged: Bools
) -> tuple[Bools, list[tuple[int, int]], list[float]]:
    """Return which judged rows are labelled, and first row, last row and start of each label that has some."""
    inside = np.zeros(len(times), np.bool_)
    windows, starts = [], []
    for start, end in labels:
        span = (times >= start) & (times <= end) & judged
        if span.any():
            inside |= span
            rows = np.flatnonzero(span)
            windows.append((int(rows[0]), int(rows[-1])))
            starts.append(start)
    return inside, windows, starts


def _first(flagged: Bools, window: tuple[int, int]) -> int | None:
    """Return the first flagged row of a window."""
    left, right = window
    rows = np.flatnonzero(flagged[left : right + 1])
    return left + int(rows[0]) if len(rows) else None


def _period(times: Doubles) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _spans(flags: Flags) -> list[tuple[int, int]]:
    """Return first and last row of each episode: from its opening to its last flagged row."""
    spans = []
    for number in range(int(flags.episode.max(initial=-1)) + 1):
        rows = np.flatnonzero(flags.episode == number)
        if len(rows):
            last = rows[flags.flagged[rows]]
            spans.append((int(rows[0]), int(last[-1] if len(last) else rows[-1])))
    return spans


def _runs(flagged: Bools) -> list[Rows]:
    rows = np.flatnonzero(flagged)
    return np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up the tallies of several recordings."""
    every = list(tallies)

    def count(name: str) -> int:
        return sum(getattr(one, name) for one in every)

    return Tally(
        hits=count("hits"),
        false_rows=count("false_rows"),
        missed_rows=count("missed_rows"),
        calm_rows=count("calm_rows"),
        labels=count("labels"),
        found=count("found"),
        episodes=count("episodes"),
        false_episodes=count("false_episodes"),
        worst_episodes=max((one.worst_episodes for one in every), default=0),
        false_runs=count("false_runs"),
        normal_days=sum(one.normal_days for one in every),
        delays=tuple(delay for one in every for delay in one.delays),
        openings=nab.total(one.openings for one in every),
        rows=nab.total(one.rows for one in every),
        files=count("files"),
    )


def share(part: float, whole: float) -> float | None:
    """Return a share, or None of nothing."""
    return part / whole if whole > 0 else None


def point_f1(one: Tally) -> float | None:
    """Return the F1 of the flagged rows; None where no row is labelled."""
    if not one.hits + one.missed_rows:
        return None
    return share(2.0 * one.hits, 2.0 * one.hits + one.false_rows + one.missed_rows)


def event_f(one: Tally, false: int, *, beta: float = 0.5) -> float | None:
    """Return the F-score of events by overlap, given how many alarms were false; None where none is labelled.

    Precision is found / (found + false), recall found / labels.
    """
    if not one.labels:
        return None
    square = beta * beta
    return (1.0 + square) * one.found / ((1.0 + square) * one.found + false + square * (one.labels - one.found))
