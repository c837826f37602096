"""Make a recording of arrays, as `edge.recording` makes one of cells, and write times so that nothing is lost."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.clock import MICROSECONDS, iso
from edge.recording import Recording
from edge.rows import Doubles

Instants = NDArray[np.int64]


def stamp(microseconds: int) -> str:
    """Write a time as ISO 8601 UTC, to the microsecond where there are any.

    >>> stamp(1273363200_000000), stamp(1273363200_000010)
    ('2010-05-09T00:00:00Z', '2010-05-09T00:00:00.000010Z')
    """
    seconds, fraction = divmod(microseconds, MICROSECONDS)
    whole = iso(float(seconds))
    return f"{whole[:-1]}.{fraction:06}Z" if fraction else whole


def from_arrays(
    sensors: Sequence[str], stream_names: Sequence[str], streams: NDArray[np.intp], times: Instants, *, values: Doubles
) -> Recording:
    """Make a recording.

    Args:
        sensors: names of the columns.
        stream_names: of the streams that `streams` counts; those without a row are left out.
        streams: shape (rows,).
        times: shape (rows,), microseconds since 1970 UTC.
        values: shape (rows, sensors), nan where nothing was measured.
    """
    present, first, place = np.unique(streams, return_index=True, return_inverse=True)
    order = np.argsort(first)  # by their first row
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    heard: NDArray[np.bool_] = np.any(~np.isnan(values), axis=0)
    return Recording(
        sensors=tuple(name for name, one in zip(sensors, heard.tolist(), strict=True) if one),
        stream_names=tuple(stream_names[number] for number in present[order].tolist()),
        streams=rank[place],
        times=times / MICROSECONDS,
        values=np.ascontiguousarray(values[:, heard]),
        written=tuple(map(stamp, times.tolist())),
        refused=(),
        dropped=tuple(name for name, one in zip(sensors, heard.tolist(), strict=True) if not one),
    )
