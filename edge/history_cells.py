"""Lay readings on rows: what a stream's sensors said at one instant, or in one cell of a grid.

Where each sensor has a topic of its own its readings come one by one, each at a time of its own. There a row is a cell
of a grid, as the daemon's: the newest reading of each sensor in it, at the time of the newest of all.

Rows come in the order in which they are complete: that of an instant at once, that of a cell when the cell ends. So
which rows are the first, and what is in them, depends neither on what follows nor on how much is read together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.recording_arrays import Instants
from edge.rows import Doubles

LATEST = 2**62  # microseconds; no time is later
MOST_VALUES = 1_000_000  # of one page: 8 MB, and 32 MB where each becomes a number of Python's


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows.

    Attributes:
        times: shape (rows,), microseconds since 1970 UTC.
        streams: shape (rows,), places among the stream names.
        values: shape (rows, sensors), nan where nothing was heard.
    """

    times: Instants
    streams: NDArray[np.intp]
    values: Doubles


class Readings(NamedTuple):
    """Readings in order of time: microseconds, places of stream and column, values; each of shape (readings,)."""

    times: Instants
    streams: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: Doubles

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Readings":
        """Return some of them."""
        return Readings(self.times[chosen], self.streams[chosen], self.columns[chosen], self.values[chosen])

    def followed_by(self, later: "Readings") -> "Readings":
        """Return them and later ones."""
        return Readings(
            np.concatenate((self.times, later.times)),
            np.concatenate((self.streams, later.streams)),
            np.concatenate((self.columns, later.columns)),
            np.concatenate((self.values, later.values)),
        )


class Complete(NamedTuple):
    """All readings of some rows; `ends`, shape (readings,), says when each one's row was complete, microseconds."""

    readings: Readings
    ends: Instants


class Cells:
    """Tell which readings are of rows that are complete.

    State kept: the readings of the cells that have not ended, and the first time of each stream.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        """Begin with no reading.

        Args:
            lengths: microseconds of each stream's cells; 0 where an instant is a row.
        """
        self._lengths = lengths
        self._anchors = np.full(len(lengths), LATEST)
        none = np.empty(0, dtype=np.intp)
        self._held = Readings(np.empty(0, dtype=np.int64), none, none, np.empty(0))

    def add(self, some: Readings, newest: int) -> Complete:
        """Take readings, and return those of rows that are complete now.

        Args:
            some: in order of time, none before those of the last call.
            newest: the time up to which all were added, microseconds.
        """
        held = self._held.followed_by(some)
        ends = self._ends(held)
        done = ends <= newest
        self._held = held.only(~done)
        return Complete(held.only(done), ends[done])

    def finish(self) -> Complete:
        """Return the readings of the cells that have not ended."""
        held, self._held = self._held, self._held.only(slice(0))
        return Complete(held, self._ends(held))

    def _ends(self, held: Readings) -> Instants:
        """Return for each reading when its row is complete; of a stream that tells its rows apart."""
        ends = held.times + 1
        for place, length in enumerate(self._lengths):
            mine = np.flatnonzero(held.streams == place) if length else np.empty(0, dtype=np.intp)
            if len(mine):
                self._anchors[place] = min(self._anchors[place], held.times[mine[0]])
                begin = self._anchors[place] - length // 2
                ends[mine] = begin + ((held.times[mine] - begin) // length + 1) * length
        return ends


def lay(complete: Complete, sensors: int) -> Iterator[Page]:
    """Lay readings on rows; of so many columns that a page fills no memory.

    Args:
        complete: all readings of some rows.
        sensors: how many columns there are.
    """
    found, ends = complete
    order = np.lexsort((found.times, found.streams, ends))
    found, ends = found.only(order), ends[order]
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = (np.diff(found.streams) != 0) | (np.diff(ends) != 0)
    bounds = np.append(np.flatnonzero(begins), len(order))
    most = max(1, MOST_VALUES // max(1, sensors))
    for first in range(0, len(bounds) - 1, most):
        some = bounds[first : first + most + 1]
        yield _page(found.only(slice(some[0], some[-1])), some - some[0], sensors)


def _page(found: Readings, bounds: NDArray[np.intp], sensors: int) -> Page:
    """Return rows, of which each has the readings from one of the bounds to the next."""
    row = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    values = np.full((len(bounds) - 1, sensors), np.nan)
    values[row, found.columns] = found.values  # the newest is last, and stays
    last = bounds[1:] - 1
    return Page(found.times[last], found.streams[last], values)
