"""Read spans of a recorded history: what is labelled in it, or not to be learnt from."""

import csv
from pathlib import Path

from edge.errors import ReadingError, RecordingError, quote
from edge.reading import parse_time
from edge.recording import STREAM, open_text


def read_spans(path: Path, stream: str) -> list[tuple[str, float, float]]:
    """Read labelled spans: a CSV file of `start,end`, with a `stream` column where there are several.

    Args:
        path: the file.
        stream: whose spans they are where no column says so.

    Returns:
        Stream, start and end, Unix seconds UTC; both ends belong to the span.

    Raises:
        RecordingError: it is no such file.
    """
    with open_text(path) as lines:
        reader = csv.DictReader(lines)
        header, rows = reader.fieldnames or (), list(reader)
    if not {"start", "end"} <= set(header):
        raise RecordingError(f"{path}: must have columns `start` and `end`, got {quote(', '.join(header))}")
    spans = []
    for number, row in enumerate(rows, start=1):
        try:
            start, end = parse_time(row["start"]), parse_time(row["end"])
        except ReadingError as wrong:
            raise RecordingError(f"{path}: row {number}: must have times `start` and `end`: {wrong}") from wrong
        if end < start:
            raise RecordingError(
                f"{path}: row {number}: end: must not be before start ({quote(row['start'])}), got {quote(row['end'])}"
            )
        spans.append((row.get(STREAM) or stream, start, end))
    return spans
