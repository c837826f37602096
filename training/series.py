"""Load recorded history and lay it on the regular grid that the device will use."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import RecordingError, quote
from edge.grid import Grid, GridCounts
from edge.pace import usual
from edge.pacing import Pacing, Sample
from edge.reading import Readings
from edge.recording import Recording
from edge.sources import ALL, Selection, read_source


@dataclass(frozen=True, slots=True)
class Series:
    """Hold one stream on its grid.

    Attributes:
        stream: its name.
        times: shape (samples,), Unix seconds UTC.
        values: shape (samples, sensors), sensor units; where nothing was measured the last value that was, and
            before the first measurement the first one.
        measured: shape (samples, sensors), where there is a value of its own, or one that holds.
        heard: shape (samples, sensors), where the sensor spoke.
        starts: shape (samples,), index of the sample with which the memory of each began anew.
    """

    stream: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    measured: NDArray[np.bool_]
    heard: NDArray[np.bool_]
    starts: NDArray[np.intp]

    def __len__(self) -> int:
        """Return how many samples it has."""
        return len(self.times)


def read(
    paths: Sequence[Path], *, rows: int | None, until: float | None, selection: Selection = ALL
) -> list[Recording]:
    """Read recorded histories; rows after `rows` (of each file) or `until` are not used in any way.

    Raises:
        RecordingError: one of them is no recorded history.
    """
    return [read_source(path, selection, rows=rows, until=until) for path in paths]


def common_sensors(recordings: Sequence[Recording], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the sensors that one bundle serves: those wanted, or all that every recording has.

    Raises:
        RecordingError: a wanted one is nowhere, or no sensor is left.
    """
    present = set.intersection(*(set(recording.sensors) for recording in recordings))
    if wanted:
        lacking = [sensor for sensor in wanted if sensor not in present]
        if lacking:
            raise RecordingError(
                f"data.sensors: must be numeric columns of every file, got {', '.join(lacking)}; "
                f"every file has {quote(', '.join(sorted(present)))}"
            )
        return tuple(wanted)
    sensors = tuple(sensor for sensor in recordings[0].sensors if sensor in present)
    if not sensors:
        raise RecordingError("must have a column with numbers beside `time` in every file, got none")
    return sensors


def find_period(recordings: Sequence[Recording]) -> float:
    """Find the period: the median time between the rows of a stream, rounded when it is nearly a nice one.

    Returns:
        Seconds, > 0.

    Raises:
        RecordingError: no stream has two rows at different times.
    """
    steps = [
        np.diff(recording.times[recording.streams == stream])
        for recording in recordings
        for stream in range(len(recording.stream_names))
    ]
    period = usual(np.concatenate(steps))
    if period is None:
        raise RecordingError("must have a stream with two rows at increasing times, to find the period")
    return period


def lay_on_grid(
    recordings: Sequence[Recording], sensors: Sequence[str], pacing: Pacing, *, period: float, max_gap: int
) -> tuple[list[Series], GridCounts]:
    """Lay every stream on the grid, as the device will.

    Returns:
        The streams, and what the grid did with the rows.
    """
    samples: dict[str, list[Sample]] = {}
    grids: dict[str, Grid] = {}
    counts = GridCounts()
    for recording in recordings:
        values = recording.values[:, [recording.sensors.index(sensor) for sensor in sensors]]
        rows = zip(recording.streams.tolist(), recording.times.tolist(), values.tolist(), strict=True)
        for stream, time, row in rows:
            name = recording.stream_names[stream]
            if name not in grids:
                grids[name] = Grid(pacing, period, max_gap=max_gap, future=0.0, counts=counts)
                samples[name] = []
            samples[name] += grids[name].push(Readings(time, row, time, whole=True))
    return [_series(name, found) for name, found in samples.items()], counts


def _series(stream: str, samples: Sequence[Sample]) -> Series:
    times = np.array([sample.time for sample in samples])
    heard = np.array([sample.values for sample in samples], dtype=np.float64)
    measured = ~np.isnan(heard)
    begun = np.array([sample.restart for sample in samples])
    starts = np.maximum.accumulate(np.where(begun, np.arange(len(samples)), 0))
    spoke = measured if samples[0].heard is None else np.array([sample.heard for sample in samples], dtype=np.bool_)
    return Series(stream, times, hold(heard, measured), measured, spoke, starts)


def hold(heard: NDArray[np.float64], measured: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fill what was not measured with the last value that was, and the beginning with the first.

    >>> values = np.array([[np.nan], [1.0], [np.nan]])
    >>> hold(values, ~np.isnan(values)).ravel()
    array([1., 1., 1.])
    """
    newest = np.maximum.accumulate(np.where(measured, np.arange(len(heard))[:, None], -1))
    first = np.where(measured.any(axis=0), measured.argmax(axis=0), 0)
    filled = np.take_along_axis(heard, np.where(newest < 0, first, newest), axis=0)
    return np.nan_to_num(filled, nan=0.0)


def fingerprint(series: Sequence[Series], sensors: Sequence[str]) -> str:
    """Hash streams, sensors, times and values: the same data gives the same hash, whatever file it was in."""
    digest = hashlib.sha256()
    for one in sorted(series, key=lambda each: each.stream):
        digest.update("\0".join((one.stream, *sensors)).encode())
        digest.update(one.times.tobytes())
        digest.update(np.where(one.measured, one.values, np.nan).tobytes())
    return digest.hexdigest()
