"""Say what a sensor can be beside unexpected: silent, frozen, out of its range, of poor quality."""

from typing import Literal, NamedTuple, get_args

Kind = Literal["forecast", "silence", "frozen", "range", "quality"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Finding(NamedTuple):
    """Say that a sensor has become strange, or that it no longer is.

    Attributes:
        row: which stream.
        sensor: its place.
        kind: in what way; never `forecast`, which `edge.event` follows.
        is_on: whether it is so from now on.
        time: Unix seconds UTC, since when.
        score: how much of what is borne it has; above 1 where it is on.
        lower, actual, upper: what was seen and what is borne, in the unit of the kind: sensor units of `range`, seconds
            of `silence`, samples of `frozen`, a share of payloads of `quality`; nan where there is none.
    """

    row: int
    sensor: int
    kind: Kind
    is_on: bool
    time: float
    score: float
    lower: float
    actual: float
    upper: float


def over(row: int, sensor: int, kind: Kind, time: float) -> Finding:
    """Say that a sensor is no longer strange."""
    return Finding(row, sensor, kind, False, time, 0.0, float("nan"), float("nan"), float("nan"))
