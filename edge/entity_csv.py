"""Read entities from the CSV that Home Assistant's history page saves: a line for each state of each entity."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from edge.entity_choice import Choice, Entity, Listed, lay, missing, numbers, unchosen
from edge.errors import ReadingError, RecordingError, quote
from edge.pace import usual
from edge.reading import parse_time
from edge.recording import Recording, open_text

HEADER = ("entity_id", "state", "last_changed")


def is_entity_csv(path: Path) -> bool:
    """Return whether a text begins as such a file does.

    Raises:
        RecordingError: it cannot be read.
    """
    with open_text(path) as lines:
        return tuple(next(csv.reader(lines), [])) == HEADER


def read_entity_csv(path: Path, choice: Choice) -> Recording:
    """Read entities as one recording.

    Raises:
        RecordingError: none is chosen, one is not there, or a line is none.
    """
    found = _read(path, choice.until)
    if not choice.streams:
        raise unchosen(path, [_listed(entity) for entity in found.values() if not np.isnan(entity.values).all()])
    for name in choice.entities:
        if name not in found:
            raise missing(path, name, found)
    return lay(path, found, choice)


def _read(path: Path, until: float | None) -> dict[str, Entity]:
    states: dict[str, list[tuple[float, str]]] = defaultdict(list)
    with open_text(path) as lines:
        reader = csv.reader(lines)
        next(reader)
        for row in reader:
            if not row:
                continue
            try:
                name, state, at = row
                time = parse_time(at)
            except (ValueError, ReadingError):
                rule = f"must be {', '.join(HEADER)}"
                raise RecordingError(f"{path}: line {reader.line_num}: {rule}, got {quote(','.join(row))}") from None
            if until is None or time < until:
                states[name].append((time, state))
    return {name: _entity(name, sorted(said, key=lambda one: one[0])) for name, said in states.items()}


def _entity(name: str, said: list[tuple[float, str]]) -> Entity:
    return Entity(name, np.array([time for time, _ in said]), numbers(state for _, state in said))


def _listed(entity: Entity) -> Listed:
    return Listed(entity.name, len(entity.times), "", usual(np.diff(entity.times)))
