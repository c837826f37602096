"""The tables of `manifest.json`: one frozen dataclass each."""

from dataclasses import dataclass
from math import nan

import numpy as np

from edge.errors import ConfigError, quote
from edge.evidence import Calibration
from edge.experts import EXPERTS
from edge.pacing import Combine, Pacing, plain
from edge.tail import Means, Peaks
from edge.usual import Usual, unknown

SIDES = ("below", "above")

Row = tuple[float, ...]
Table = tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorTable:
    """Name a sensor and its unit."""

    name: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualTable:
    """Hold what is usual of each sensor, see `edge.usual.Usual`; empty in a bundle of before there was such a table."""

    low: Row = ()
    high: Row = ()
    flat: Row = ()
    silent: Row = ()

    def usual(self, sensors: int) -> Usual:
        """Return it as arrays."""
        nobody_knows = unknown(sensors)
        return nobody_knows if not self.low else Usual(*map(np.array, (self.low, self.high, self.flat, self.silent)))


@dataclass(frozen=True, slots=True, kw_only=True)
class GridTable:
    """Hold how the sensors are brought to the period, see `edge.pacing`; empty where each is as it came."""

    combine: tuple[Combine, ...] = ()
    hold: Row = ()

    def pacing(self, sensors: int) -> Pacing:
        """Return it for so many sensors."""
        return Pacing(self.combine, self.hold) if self.combine else plain(sensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTable:
    """Say what the graph holds: cell, units of each layer, and the widths of its tensors."""

    cell: str
    units: tuple[int, ...]
    inputs: int
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingTable:
    """Hold the scale of each sensor, see `edge.scale.Scaling`."""

    centre: Row
    spread: Row
    change: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsTable:
    """Hold how much of the correction earned its place, (horizons, sensors), 0..1."""

    correction: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertsTable:
    """Hold what a new stream is told of the experts, see `edge.experts.Experience`."""

    names: tuple[str, ...]
    loss: tuple[Table, ...]
    reach: tuple[Table, ...]
    heard: Table

    def __post_init__(self) -> None:
        """Refuse experts that this device does not have."""
        if self.names != EXPERTS or not len(self.loss) == len(self.reach) == len(EXPERTS):
            raise ConfigError(f"names: must be {', '.join(EXPERTS)}, each with loss and reach, got {quote(self.names)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalTable:
    """Hold what makes the intervals honest.

    Attributes:
        coverage: central probability.
        below, above: factors of the graph's half-widths, (horizons, sensors).
        extra, reach: what a new stream is told, see `edge.interval.Leeway`.
    """

    coverage: float
    below: Table
    above: Table
    extra: tuple[Table, Table]
    reach: tuple[Table, Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeaksTable:
    """Hold the tails of single values, (2, channels, sensors), see `edge.tail.Peaks`."""

    threshold: tuple[Table, ...]
    scale: tuple[Table, ...]
    shape: tuple[Table, ...]
    rarity: tuple[Table, ...]

    def __post_init__(self) -> None:
        """Refuse a law by which a larger deviation would be less surprising."""
        for name, sides in (("threshold", self.threshold), ("rarity", self.rarity)):
            if min((number for side in sides for row in side for number in row), default=0.0) < 0:
                raise ConfigError(f"{name}: must be >= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeansTable:
    """Hold the tails of means, (channels, sensors), see `edge.tail.Means`."""

    middle: Table
    above: Table
    below: Table
    freedom: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Hold the scorer's calibration, see `edge.evidence.Calibration`.

    `positions` has for each sensor the levels that it had if they were no more than two, else no number.
    """

    scored: tuple[bool, ...]
    centre: Table
    spread: Table
    others: Table
    energy: Row
    peaks: PeaksTable
    means: MeansTable
    looks: float
    samples: int
    positions: Table = ()

    def __post_init__(self) -> None:
        """Refuse what would judge nothing."""
        if not any(self.scored) and not any(self.positions):
            raise ConfigError("scored: must judge at least one sensor")
        if self.looks < 1:
            raise ConfigError(f"looks: must be at least 1, got {self.looks}")

    def calibration(self) -> Calibration:
        """Return it as the scorer reads it."""
        peaks, means = self.peaks, self.means
        return Calibration(
            scored=np.array(self.scored, dtype=np.bool_),
            centre=np.array(self.centre),
            spread=np.array(self.spread),
            others=np.array(self.others),
            energy=np.array(self.energy),
            peaks=Peaks(*(np.array(law) for law in (peaks.threshold, peaks.scale, peaks.shape, peaks.rarity))),
            means=Means(*(np.array(law) for law in (means.middle, means.above, means.below, means.freedom))),
            looks=self.looks,
            samples=self.samples,
            positions=np.array([_pair(row) for row in self.positions or ((),) * len(self.scored)]).T,
        )


def _pair(levels: Row) -> tuple[float, float]:
    """Return two levels, the same twice if there is one, nan if there is none."""
    return (levels[0], levels[-1]) if levels else (nan, nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionTable:
    """Hold what a stream's detection does unless its configuration says otherwise."""

    false_alarms_per_week: float
    close_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """Say what the bundle was trained on: hash of all values, span, rows and streams.

    `calibrated_from` is for each stream the time from which on its intervals and scores were calibrated.
    """

    sha256: str
    start: str
    end: str
    rows: int
    streams: tuple[str, ...]
    calibrated_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityTable:
    """Say how far the converted graph is from Keras, see `training.convert.parity`."""

    correction: float
    forecast: float
    bound: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRow:
    """Say how well one sensor was forecast at one horizon on data that nothing was fitted to; RMSE in sensor units."""

    sensor: str
    horizon: int
    samples: int
    forecast: float
    persistence: float
    seasonal: float | None
    ridge: float
    coverage: float
    width: float
