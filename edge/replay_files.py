"""The command `tidegate replay`: from a bundle and a recording to files of verdicts and forecasts."""

import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np

from edge import bundle
from edge.clock import iso
from edge.cohort import Verdicts
from edge.errors import OperatorError, RecordingError, counted, unreadable
from edge.finding import KINDS, Kind
from edge.grid import GridCounts
from edge.learned import Learned
from edge.recording import Recording
from edge.replay import Replay, Replayed, align
from edge.replay_detection import Detections, budgets, told
from edge.runtime import WindowModel
from edge.sources import ALL, Selection, read_source

MANY = 0.1  # share of rows left out that no healthy recording reaches: then the file or the bundle is the wrong one


def replay(
    bundle_path: Path,
    recording_path: Path,
    output: Path,
    *,
    forecasts: Path | None = None,
    inference: str = "stream",
    config: Path | None = None,
    kinds: Collection[Kind] = KINDS[:1],
    selection: Selection = ALL,
) -> None:
    """Replay a recording and write what was said of it.

    Args:
        bundle_path, recording_path: what to replay with, and what.
        output: one row for each of the recording, as the contract lays them out.
        forecasts: every forecast; None: nowhere.
        inference: `stream`, with carried state, or `window`, which is run anew for every row.
        config: whose alarm budgets, kinds and limits hold, for the streams that use a bundle of this name.
        kinds: which kinds of anomaly are told; `forecast` always is.
        selection: what of the recording is read.

    Raises:
        OperatorError: bundle, recording or configuration need the user.
    """
    read = [path for path in (bundle_path, recording_path, config) if path]
    check_outputs([path for path in (output, forecasts) if path], read)
    if not recording_path.exists():  # told before the work of loading a bundle
        raise RecordingError(unreadable(recording_path, FileNotFoundError()))
    loaded = bundle.load(bundle_path)
    learned = loaded.manifest.learned()
    recording = read_source(recording_path, replace(selection, period=learned.period))
    check_columns(recording_path, recording, learned)
    model = WindowModel(loaded.model, learned.window) if inference == "window" else loaded.model
    detection = Detections(config, bundle_path)
    driven = Replay(learned, model, model.units, budget=budgets(detection), told=told(detection, learned, kinds))
    with ExitStack() as files:
        rows = files.enter_context(_table(output))
        written = ForecastFile(files.enter_context(_table(forecasts)), learned, driven.streams) if forecasts else None
        said = driven.run(recording, progress=_progress(len(recording.times)), watch=written.write if written else None)
        write_rows(rows, recording, learned, said)
    for line in (*remarks(recording, learned, said.counts), *detection.remarks(), _summary(said)):
        print(line, file=sys.stderr)


def check_outputs(outputs: Sequence[Path], read: Sequence[Path]) -> None:
    """Refuse, before the work, what cannot be written and what would be written over.

    Raises:
        OperatorError: an output has no folder, may not be written, or is another output or one of the files read.
    """
    taken = [path.resolve() for path in read]
    for path in outputs:
        if path.resolve() in taken:
            raise OperatorError(f"{path}: must be a file of its own, got one that is read or written already")
        if path.is_dir():
            raise OperatorError(f"{path}: must be a file, got a folder")
        if not path.parent.is_dir():
            raise OperatorError(f"{path}: must be in a folder that exists, there is no {path.parent}")
        needed = (path,) if _is_pipe(path) else (path, path.resolve().parent)
        if not all(os.access(one, os.W_OK) for one in needed if one.exists()):
            raise OperatorError(f"{path}: must be a file that can be written, got one that this user may not write")
        taken.append(path.resolve())


def check_columns(path: Path, recording: Recording, learned: Learned) -> None:
    """Refuse a recording that lacks a sensor, naming the file."""
    try:
        align(recording, learned)
    except RecordingError as wrong:
        raise RecordingError(f"{path}: {wrong}") from wrong


def _is_pipe(path: Path) -> bool:
    """Tell a pipe or a terminal from a file, be there one or not."""
    return path.exists() and not path.is_file()


@contextmanager
def _table(path: Path) -> Iterator[TextIO]:
    """Open a table that appears under its name when it is whole; a pipe or a terminal is written as it comes."""
    place = nullcontext(path) if _is_pipe(path) else bundle.whole(path.resolve())
    with place as part, part.open("w", newline="", encoding="utf-8") as file:
        yield file


class ForecastFile:
    """Write every forecast of a replay as CSV: one line for each sensor and horizon."""

    def __init__(self, file: TextIO, learned: Learned, streams: list[str]) -> None:
        """Write the header."""
        self._lines = csv.writer(file, lineterminator="\n")
        self._lines.writerow(("made_at", "time", "stream", "sensor", "horizon", "forecast", "lower", "upper"))
        self._learned = learned
        self._streams = streams

    def write(self, verdicts: Verdicts) -> None:
        """Write the forecasts of a wave; streams that warm up have none, and nobody hears those of an empty cell."""
        for place, row in enumerate(verdicts.rows.tolist()):
            if verdicts.measured[place].any() and not np.isnan(verdicts.forecast[place]).all():
                self._lines.writerows(self._rows(verdicts, place, self._streams[row]))

    def _rows(self, verdicts: Verdicts, place: int, stream: str) -> Iterator[tuple[object, ...]]:
        made_at = float(verdicts.times[place])
        bounds = (verdicts.forecast[place], verdicts.forecast_lower[place], verdicts.forecast_upper[place])
        for index, steps in enumerate(self._learned.horizons):
            time = iso(made_at + steps * self._learned.period)
            for place_of, sensor in enumerate(self._learned.sensors):
                numbers = (bound[index, place_of].item() for bound in bounds)
                yield iso(made_at), time, stream, sensor, steps, *numbers


def write_rows(file: TextIO, recording: Recording, learned: Learned, said: Replayed) -> None:
    """Write one line for each row of a recording, as the contract of `tidegate replay` lays them out."""
    named = [f"{sensor}.{bound}" for sensor in learned.sensors for bound in ("forecast", "lower", "upper")]
    anomalous = said.anomalous.astype(int).tolist()
    bounds = np.stack((said.expected, said.lower, said.upper), axis=2).reshape(len(anomalous), -1)
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(("time", "stream", "score", "anomaly", "event", "kind", *named))
    for place, written in enumerate(recording.written):
        score = said.score[place].item()
        lines.writerow(
            (
                written,
                recording.stream_names[recording.streams[place]],
                "" if np.isnan(score) else score,
                anomalous[place],
                said.events[place],
                said.kinds[place],
                *("" if np.isnan(number) else number for number in bounds[place].tolist()),
            )
        )


def remarks(recording: Recording, learned: Learned, counts: GridCounts) -> list[str]:
    """Say what was missing, left out or bridged, so that nothing is lost silently."""
    rows = len(recording.times)
    left = rows - counts.accepted
    found = (
        (counts.duplicate, "row", "of a period that had one already: not judged"),
        (counts.late, "row", "older than the row before: not judged"),
        (left - counts.duplicate - counts.late, "row", "with a time that does not fit those before: not judged"),
        (counts.empty, "period", "without a row: bridged"),
        (counts.restarts, "gap", "too long to be bridged: the warm-up begins anew"),
    )
    silent = [sensor for sensor in learned.sensors if sensor in recording.dropped]
    lines = [f"note: {refusal}" for refusal in recording.refused if refusal.column in learned.sensors]
    lines += [f"note: {sensor}: no cell holds a number" for sensor in silent]
    lines += [f"note: {counted(number, noun)} {text}" for number, noun, text in found if number]
    if left > MANY * rows:
        lines.append(
            f"warning: {left} of {rows} rows were not judged; rows must be in order of time, and one every "
            f"{learned.period:g} s as in the training data"
        )
    return lines


def _summary(said: Replayed) -> str:
    opened = Counter(one.kind for one in said.news if one.phase == "open")
    kinds = ", ".join(f"{count} {kind}" for kind, count in opened.items()) if set(opened) - {"forecast"} else ""
    return (
        f"{counted(len(said.score), 'row')}, {int(said.anomalous.sum())} flagged, "
        f"{counted(opened.total(), 'event')}{f' ({kinds})' if kinds else ''}"
    )


def _progress(rows: int) -> Callable[[int], None] | None:
    """Show progress on a terminal."""
    if not sys.stderr.isatty():
        return None
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        print(f"\r{done} of {rows} rows", end="\n" if done >= rows else "", file=sys.stderr, flush=True)

    return tell
