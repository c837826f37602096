"""Compare what two machines say of one recording: flags, events and kinds exactly, forecasts up to rounding.

A difference of a forecast or of a bound is counted in *spreads*: the standard deviation that the sensor's forecasts
have over the recording on the reference machine. A sensor's value would be a kinder measure: 20.0 degrees that move
by a tenth are told apart by their last digits only.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BOUND = 1e-4  # spreads
EXACT = ("time", "stream", "anomaly", "event", "kind")
BOUNDS = (".forecast", ".lower", ".upper")


class DifferentRowsError(Exception):
    """Two replays are not of the same rows and sensors."""


@dataclass(frozen=True, slots=True)
class Said:
    """Hold a file that `tidegate replay` wrote.

    Attributes:
        exact: what must be equal, for each row, as `EXACT` names it.
        score: shape (rows,); nan while warming up.
        names: the columns of numbers: a sensor's forecast, lower and upper bound.
        numbers: shape (rows, names), sensor units; nan while warming up.
    """

    exact: list[tuple[str, ...]]
    score: NDArray[np.float64]
    names: tuple[str, ...]
    numbers: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Hold how far one replay is from another.

    Attributes:
        rows, flagged, events: of the reference.
        unequal: rows in which a flag, an event or a kind differs, or a number is there on one machine only.
        forecast: the largest difference of a forecast or bound, in spreads.
        relative: the largest difference of one, relative to the number itself.
        score: the largest difference of a score.
    """

    rows: int
    flagged: int
    events: int
    unequal: int
    forecast: float
    relative: float
    score: float

    @property
    def agrees(self) -> bool:
        """Tell whether the machines said the same."""
        return self.unequal == 0 and self.forecast <= BOUND


def read(path: Path) -> Said:
    """Read a file that `tidegate replay` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = tuple(name for name in rows[0] if name.endswith(BOUNDS))
    return Said(
        exact=[tuple(row[name] for name in EXACT) for row in rows],
        score=np.array([_number(row["score"]) for row in rows]),
        names=names,
        numbers=np.array([[_number(row[name]) for name in names] for row in rows]).reshape(len(rows), len(names)),
    )


def _number(text: str) -> float:
    return float(text) if text else np.nan


def compare(reference: Said, other: Said) -> Difference:
    """Return how far another machine's replay is from the reference's.

    Raises:
        DifferentRowsError: they are not of the same rows and sensors.
    """
    if (reference.names, len(reference.exact)) != (other.names, len(other.exact)):
        raise DifferentRowsError(
            f"must be replays of one recording, got {len(reference.exact)}, {len(other.exact)} rows"
        )
    apart = np.abs(other.numbers - reference.numbers)
    exact = np.array([mine != theirs for mine, theirs in zip(reference.exact, other.exact, strict=True)])
    lone = np.isnan(other.numbers) != np.isnan(reference.numbers)
    lone_score = np.isnan(other.score) != np.isnan(reference.score)
    flags = [row[EXACT.index("anomaly")] for row in reference.exact]
    return Difference(
        rows=len(reference.exact),
        flagged=flags.count("1"),
        events=len({row[EXACT.index("event")] for row in reference.exact} - {""}),
        unequal=int((exact | lone.any(axis=1) | lone_score).sum()),
        forecast=_most(apart / _spreads(reference)),
        relative=_most(apart / np.abs(reference.numbers)),
        score=_most(np.abs(other.score - reference.score)),
    )


def _spreads(said: Said) -> NDArray[np.float64]:
    """Return the spread of each column's sensor, shape (names,): that of its forecasts, for its bounds too."""
    of_sensor = {
        name.rpartition(".")[0]: float(np.nanstd(column))
        for name, column in zip(said.names, said.numbers.T, strict=True)
        if name.endswith(".forecast")
    }
    return np.array([of_sensor[name.rpartition(".")[0]] for name in said.names])


def _most(numbers: NDArray[np.float64]) -> float:
    return float(np.nanmax(numbers))


def table(found: Sequence[tuple[str, str, Difference]]) -> list[str]:
    """Write differences as lines: what was replayed, on which machine, and how far it is from the reference."""
    width = max(len(what) for what, _, _ in found)
    lines = [
        f"{'replay':<{width}}  {'machine':<22} {'rows':>5} {'flagged':>7} {'events':>6} {'unequal':>7} "
        f"{'forecast':>9} {'relative':>9} {'score':>9}"
    ]
    for what, where, one in found:
        verdict = "" if one.agrees else "  DIFFERS"
        lines.append(
            f"{what:<{width}}  {where:<22} {one.rows:>5} {one.flagged:>7} {one.events:>6} {one.unequal:>7} "
            f"{one.forecast:>9.1e} {one.relative:>9.1e} {one.score:>9.1e}{verdict}"
        )
    return lines
