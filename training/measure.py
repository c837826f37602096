"""Measure a bundle on recorded history: the command `tidegate-train evaluate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge import bundle
from edge.bundle import Bundle
from edge.errors import RecordingError, counted, quote
from edge.learned import Learned
from edge.manifest import Manifest
from edge.manifest_tables import QualityRow
from edge.reading import parse_time
from edge.recording import Recording, stem
from edge.replay import Replay
from edge.replay_files import check_columns
from edge.runtime import Model
from edge.sources import ALL, Selection
from edge.spans import read_spans
from training.card import quality_table
from training.evaluate import detect, judge, skill
from training.rehearse import Span
from training.series import Series, lay_on_grid, read

WEEK = 604_800.0
Labels = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """Say how one stream was flagged.

    Attributes:
        stream: its name.
        rows: how many were judged.
        found, missed: labelled events; None without labels.
        false_events: events that touch no label; without labels, all events.
        flagged_share: share of the rows outside of labels that are flagged.
        delays: seconds from the start of each found event to its first flagged row.
        allowed: how many false events the alarm budget allows in this time.
    """

    stream: str
    rows: int
    found: int | None
    missed: int | None
    false_events: int
    flagged_share: float
    delays: tuple[float, ...]
    allowed: float


@dataclass(frozen=True, slots=True)
class Report:
    """Hold all that was measured.

    Attributes:
        bundle: name of the bundle's file.
        unseen: whether only rows after the training data were judged.
        mean_skill: over the pairs of sensor and horizon; None if nothing could be judged.
        quality: a row for each pair.
        streams: a row for each stream.
    """

    bundle: str
    unseen: bool
    mean_skill: float | None
    quality: tuple[QualityRow, ...]
    streams: tuple[StreamReport, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Hold a bundle and what it is measured on.

    Attributes:
        file: name of the bundle's file.
        bundle: loaded.
        recordings: one for each file of data.
        labels: for each stream, start and end of its labelled events; None if there are no labels.
        after: rows later than this are newer than the training data, Unix seconds UTC.
    """

    file: str
    bundle: Bundle
    recordings: tuple[Recording, ...]
    labels: Labels | None
    after: float


def gather(path: Path, data: Sequence[Path], events: Sequence[Path], *, selection: Selection = ALL) -> Case:
    """Load a bundle, and read recorded history with its labels.

    Raises:
        OperatorError: a file needs the user.
    """
    loaded = bundle.load(path)
    selection = replace(selection, period=loaded.manifest.period)
    recordings = read(data, rows=None, until=None, selection=selection)
    for file, recording in zip(data, recordings, strict=True):
        check_columns(file, recording, loaded.manifest.learned())
    labels = _labels(events, [name for recording in recordings for name in recording.stream_names])
    return Case(path.name, loaded, tuple(recordings), labels, parse_time(loaded.manifest.data.end))


def evaluate(case: Case) -> Report:
    """Measure a bundle on rows that it was not trained on.

    Rows up to the end of the training data only prime the state. If there are none after it, all rows are judged and
    the report says so.
    """
    manifest, model = case.bundle.manifest, case.bundle.model
    recordings = case.recordings
    unseen = any((recording.times > case.after).any() for recording in recordings)
    judged_after = case.after if unseen else -np.inf
    quality = _quality(model, manifest.learned(), recordings, judged_after)
    if not any(row.samples for row in quality):
        rows = sum(len(recording.times) for recording in recordings)
        raise RecordingError(
            f"must hold forecasts against what came, got {counted(rows, 'row')} without one: is there one every "
            f"{manifest.period:g} s, and more than {manifest.window + max(manifest.horizons)} in a row?"
        )
    streams = [row for one in recordings for row in _streams(model, manifest, one, judged_after, case.labels)]
    skills = [skill(row) for row in quality if row.samples]
    return Report(case.file, unseen, float(np.mean(skills)) if skills else None, tuple(quality), tuple(streams))


def _quality(model: Model, learned: Learned, recordings: Sequence[Recording], after: float) -> list[QualityRow]:
    known = [_with_all(recording, learned.sensors) for recording in recordings]
    series, _ = lay_on_grid(known, learned.sensors, learned.pacing, period=learned.period, max_gap=learned.max_gap)
    spans = [_span(one, after, learned) for one in series]
    return judge(model, learned, [span for span in spans if span.judged < span.end])


def _with_all(recording: Recording, sensors: Sequence[str]) -> Recording:
    """Give a recording empty columns for the sensors that it has no number of."""
    lacking = [sensor for sensor in sensors if sensor not in recording.sensors]
    nothing = np.full((len(recording.times), len(lacking)), np.nan)
    return Recording(
        (*recording.sensors, *lacking),
        recording.stream_names,
        recording.streams,
        recording.times,
        np.concatenate((recording.values, nothing), axis=1),
        recording.written,
        recording.refused,
        recording.dropped,
    )


def _span(one: Series, after: float, learned: Learned) -> Span:
    judged = int(np.searchsorted(one.times, after, side="right"))
    return Span(one, max(0, judged - 2 * learned.window), judged, len(one))


def _streams(
    model: Model, manifest: Manifest, recording: Recording, after: float, labels: Labels | None
) -> list[StreamReport]:
    driven = Replay(manifest.learned(), model, model.units)
    said = driven.run(recording)
    rows = []
    for place, name in enumerate(recording.stream_names):
        mine = (recording.streams == place) & (recording.times > after)
        if mine.any():
            spans = None if labels is None else labels.get(name, ())
            rows.append(_stream(manifest, name, recording.times[mine], said.flagged[mine], spans))
    return rows


def _stream(
    manifest: Manifest,
    name: str,
    times: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    labels: Sequence[tuple[float, float]] | None,
) -> StreamReport:
    found = detect(times, flagged, labels or (), bridge=manifest.detection.close_after)
    weeks = float(times[-1] - times[0]) / WEEK
    return StreamReport(
        stream=name,
        rows=len(times),
        found=None if labels is None else found.found,
        missed=None if labels is None else found.missed,
        false_events=found.false,
        flagged_share=found.flagged_share,
        delays=found.delays,
        allowed=manifest.detection.false_alarms_per_week * weeks,
    )


def _labels(files: Sequence[Path], streams: Sequence[str]) -> Labels | None:
    """Read labelled spans; a file without a `stream` column is for the stream that it is named after.

    Where there is one stream, and no file is named after it, all are for it.
    """
    if not files:
        return None
    labels: dict[str, list[tuple[float, float]]] = {}
    owners = [stem(file).removesuffix(".events") for file in files]
    if len(streams) == 1 and streams[0] not in owners:  # they may be called anything
        owners = [streams[0]] * len(files)
    for file, owner in zip(files, owners, strict=True):
        for stream, start, end in read_spans(file, owner):
            labels.setdefault(stream, []).append((start, end))
    if labels and not set(labels) & set(streams):
        raise RecordingError(
            f"{files[0]}: must have events of a stream of the data ({quote(', '.join(streams))}), "
            f"got {quote(', '.join(labels))}"
        )
    return labels


def text(report: Report) -> str:
    """Write the report for a terminal: the weakest news first."""
    lines = [*headlines(report), "", *quality_table(report.quality), "", *map(stream_line, report.streams)]
    return "\n".join(lines)


def headlines(report: Report) -> list[str]:
    """Say first what is weak."""
    lines = []
    if not report.unseen:
        lines.append("no row is newer than the training data: what follows was measured on data the bundle has seen")
    if report.mean_skill is not None:
        pairs = sum(1 for row in report.quality if row.samples)
        worse = sum(1 for row in report.quality if row.samples and skill(row) < 0)
        lines.append(
            f"mean skill {report.mean_skill:+.1%} against the better of persistence and ridge; worse than it on "
            f"{worse} of {pairs} pairs of sensor and horizon"
        )
    return lines


def stream_line(row: StreamReport) -> str:
    """Say in one line how a stream was flagged."""
    events = counted(row.false_events, "event")
    if row.found is not None:
        false = counted(row.false_events, "false event")
        events = f"{row.found} of {row.found + (row.missed or 0)} labelled events found, {false}"
    delays = f", delays {', '.join(f'{delay:g} s' for delay in row.delays)}" if row.delays else ""
    return (
        f"{row.stream}: {counted(row.rows, 'row')}, {events} (budget {row.allowed:.2g}), "
        f"{row.flagged_share:.2%} of normal rows flagged{delays}"
    )
