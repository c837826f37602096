"""Leave out the spans of a recorded history that nothing is to be learnt of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import RecordingError
from edge.recording import Recording
from edge.spans import read_spans

EVERY = ""  # a span of all streams


def exclude(recordings: Sequence[Recording], files: Sequence[Path]) -> list[Recording]:
    """Leave out the rows within spans.

    Args:
        recordings: recorded histories.
        files: CSV with the columns `start` and `end`; with a column `stream`, a span is of that stream alone. Both ends
            belong to the span.

    Raises:
        RecordingError: a file cannot be read, names a stream that is not there, or leaves no row of a history.
    """
    names = {name for recording in recordings for name in recording.stream_names}
    spans = []
    for file in files:
        for stream, start, end in read_spans(file, EVERY):
            if stream != EVERY and stream not in names:
                known = ", ".join(sorted(names))
                raise RecordingError(f"{file}: stream: must be one of the data ({known}), got {stream!r}")
            spans.append((stream, start, end))
    return [_without(recording, spans) for recording in recordings] if spans else list(recordings)


def _without(recording: Recording, spans: Sequence[tuple[str, float, float]]) -> Recording:
    kept: NDArray[np.bool_] = np.ones(len(recording.times), dtype=np.bool_)
    names = np.array(recording.stream_names)[recording.streams]
    for stream, start, end in spans:
        mine = np.array(True) if stream == EVERY else names == stream
        kept &= ~(mine & (recording.times >= start) & (recording.times <= end))
    if not kept.any():
        raise RecordingError(f"--exclude: must leave rows of {', '.join(recording.stream_names)}, leaves none")
    return replace(
        recording,
        streams=recording.streams[kept],
        times=recording.times[kept],
        values=recording.values[kept],
        written=tuple(text for text, one in zip(recording.written, kept.tolist(), strict=True) if one),
        left_out=recording.left_out + int(np.count_nonzero(~np.isnan(recording.values[~kept]))),
    )
