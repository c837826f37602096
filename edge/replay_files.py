"""The command `tidegate replay`: from a bundle and a recording to files of verdicts and forecasts."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge import bundle
from edge import config as configs
from edge.errors import RecordingError
from edge.recording import read_csv
from edge.replay import Budget, ForecastFile, Replay, check_columns, write_rows
from edge.runtime import Step, WindowModel


def replay(
    bundle_path: Path,
    recording_path: Path,
    output: Path,
    *,
    forecasts: Path | None = None,
    inference: str = "stream",
    config: Path | None = None,
) -> None:
    """Replay a recording and write what was said of it.

    Raises:
        OperatorError: bundle, recording or configuration need the user.
    """
    loaded = bundle.load(bundle_path)
    learned = loaded.manifest.learned()
    recording = read_csv(recording_path)
    check_columns(recording_path, recording, learned)
    read = [path for path in (bundle_path, recording_path, config) if path]
    _check_outputs(read, [path for path in (output, forecasts) if path])
    step: Step = loaded.model
    units = loaded.model.units
    if inference == "window":
        window = WindowModel(loaded.model, learned.window)
        step, units = window, window.units
    driven = Replay(learned, step, units, budget=_budget(config, bundle_path) if config else None)
    written = ForecastFile(forecasts, learned, driven.streams) if forecasts else None
    try:
        said = driven.run(recording, progress=_progress(len(recording.times)), watch=written.write if written else None)
    finally:
        if written:
            written.close()
    write_rows(output, recording, learned, said)
    _report(said.counts, len(said.score), int(said.flagged.sum()), sum(one.phase == "open" for one in said.news))


def _check_outputs(read: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Refuse, before the work, what cannot be written or would be written over."""
    taken = list(read)
    for path in outputs:
        if any(path.resolve() == other.resolve() for other in taken):
            raise RecordingError(f"{path}: must be a file of its own, got one that is read or written already")
        try:
            path.open("a").close()
        except OSError as refused:
            raise RecordingError(f"{path}: must be a file that can be written, got {refused.strerror}") from refused
        taken.append(path)


def _report(counts: object, rows: int, flagged: int, events: int) -> None:
    print(f"{rows} rows, {flagged} flagged, {events} events; grid: {counts}", file=sys.stderr)


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


def _budget(path: Path, bundle_path: Path) -> Budget:
    """Find the detection settings of a stream: of the table that names it, else of the first that makes its name."""
    config = configs.load(path)
    tables = {
        re.compile(re.sub(r"\\\{[^}]*\\\}", "[A-Za-z0-9_.-]+", re.escape(table.pattern(name)))): table
        for name, table in config.streams.items()
        if table.bundle.name == bundle_path.name
    }

    def find(stream: str) -> tuple[float | None, int | None]:
        for pattern, table in tables.items():
            if pattern.fullmatch(stream):
                return table.detection.false_alarms_per_week, table.detection.close_after
        return None, None

    return find
