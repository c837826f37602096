"""Describe a bundle: the tables of `manifest.json`, and what the cohort learns from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from edge.cohort import Learned
from edge.errors import ConfigError, quote
from edge.experts import EXPERTS, Experience
from edge.interval import Leeway
from edge.reading import parse_time
from edge.scale import Scaling
from edge.score import FEATURES, SHARP, SMOOTHED, Calibration
from edge.tail import Means, Peaks

CONTRACT = 2  # raised when an older device could not serve a newer bundle

SIDES = ("below", "above")

Row = tuple[float, ...]
Table = tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorTable:
    """Name a sensor and its unit."""

    name: str
    unit: str = ""


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
    """Hold the scorer's calibration, see `edge.score.Calibration`."""

    scored: tuple[bool, ...]
    centre: Table
    spread: Table
    others: Table
    energy: Row
    peaks: PeaksTable
    means: MeansTable
    looks: float
    samples: int

    def __post_init__(self) -> None:
        """Refuse what would judge nothing."""
        if not any(self.scored):
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
        )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Describe a bundle, whole."""

    contract: int = CONTRACT
    name: str
    version: int
    sensors: tuple[SensorTable, ...]
    period: float
    window: int
    lags: int
    max_gap: int
    horizons: tuple[int, ...]
    means: Row
    cycles: Row
    network: NetworkTable
    quantisation: str
    scaling: ScalingTable
    parts: PartsTable
    experts: ExpertsTable
    interval: IntervalTable
    score: ScoreTable
    detection: DetectionTable
    parity: ParityTable
    data: DataTable
    quality: tuple[QualityRow, ...]
    golden_tolerance: float
    seed: int
    recipe_sha256: str
    libraries: Mapping[str, str]
    members: Mapping[str, str]
    signature: str | None = None

    def __post_init__(self) -> None:
        """Refuse tables that do not fit each other, all at once."""
        problems = [*self._numbers(), *self._divisors(), *self._shapes()]
        if problems:
            raise ConfigError(problems)

    def _numbers(self) -> list[str]:
        names = [sensor.name for sensor in self.sensors]
        rising = self.horizons[:1] == (1,) and list(self.horizons) == sorted(set(self.horizons))
        rules = (
            (isfinite(self.period) and self.period > 0, f"period: must be > 0, got {self.period}"),
            (1 <= self.lags <= self.window, f"lags: must be 1..{self.window} (the window), got {self.lags}"),
            (min(self.means, default=1.0) >= 1, f"means: must be at least 1, got {quote(self.means)}"),
            (0 < self.interval.coverage < 1, f"interval.coverage: must be in 0..1, got {self.interval.coverage}"),
            (self.max_gap >= 0, f"max_gap: must be >= 0, got {self.max_gap}"),
            (rising, f"horizons: must increase from 1, got {quote(self.horizons)}"),
            (len(set(names)) == len(names), f"sensors: must differ in name, got {quote(names)}"),
            (self.golden_tolerance > 0, f"golden_tolerance: must be > 0, got {self.golden_tolerance}"),
            (self.detection.close_after >= 1, "detection.close_after: must be at least 1"),
            (self.detection.false_alarms_per_week > 0, "detection.false_alarms_per_week: must be > 0"),
        )
        return [text for holds, text in rules if not holds]

    def _divisors(self) -> list[str]:
        """Name what the device would divide by and must not."""
        divisors = {
            "cycles": (self.cycles,),
            "scaling.spread": (self.scaling.spread,),
            "scaling.change": (self.scaling.change,),
            "score.energy": (self.score.energy,),
            "score.spread": self.score.spread,
            "score.peaks.scale": tuple(row for side in self.score.peaks.scale for row in side),
            "score.peaks.shape": tuple(row for side in self.score.peaks.shape for row in side),
            "score.means.above": self.score.means.above,
            "score.means.below": self.score.means.below,
            "score.means.freedom": self.score.means.freedom,
            "interval.below": self.interval.below,
            "interval.above": self.interval.above,
        }
        return [
            f"{name}: must be > 0"
            for name, rows in divisors.items()
            if min(map(min, filter(None, rows)), default=1) <= 0
        ]

    def _shapes(self) -> list[str]:
        sensors, horizons = len(self.sensors), len(self.horizons)
        rows = {
            "scaling.centre": self.scaling.centre,
            "scaling.spread": self.scaling.spread,
            "scaling.change": self.scaling.change,
            "score.energy": self.score.energy,
            "score.scored": self.score.scored,
        }
        tables = {
            "parts.correction": self.parts.correction,
            "experts.heard": self.experts.heard,
            **{f"experts.loss.{name}": table for name, table in zip(EXPERTS, self.experts.loss, strict=True)},
            **{f"experts.reach.{name}": table for name, table in zip(EXPERTS, self.experts.reach, strict=True)},
            "interval.below": self.interval.below,
            "interval.above": self.interval.above,
            **{f"interval.extra.{side}": table for side, table in zip(SIDES, self.interval.extra, strict=True)},
            **{f"interval.reach.{side}": table for side, table in zip(SIDES, self.interval.reach, strict=True)},
        }
        wrong = [
            f"{name}: must have {sensors} numbers, got {len(row)}" for name, row in rows.items() if len(row) != sensors
        ]
        score, means, peaks = self.score, self.score.means, self.score.peaks
        shaped = [(name, table, horizons) for name, table in tables.items()]
        shaped += [("score.centre", score.centre, FEATURES), ("score.spread", score.spread, FEATURES)]
        shaped += [("score.others", score.others, sensors)]
        shaped += [
            (f"score.means.{name}", getattr(means, name), len(SMOOTHED))
            for name in ("middle", "above", "below", "freedom")
        ]
        for name in ("threshold", "scale", "shape", "rarity"):
            sides = getattr(peaks, name)
            shaped += [(f"score.peaks.{name}", side, len(SHARP)) for side in sides]
            if len(sides) != 2:
                wrong.append(f"score.peaks.{name}: must have 2 sides, got {len(sides)}")
        for name, table, expected in shaped:
            if len(table) != expected or any(len(row) != sensors for row in table):
                wrong.append(f"{name}: must have shape ({expected}, {sensors})")
        return wrong

    def learned(self) -> Learned:
        """Return what the cohort needs."""
        return Learned(
            sensors=tuple(sensor.name for sensor in self.sensors),
            period=self.period,
            window=self.window,
            lags=self.lags,
            max_gap=self.max_gap,
            horizons=self.horizons,
            means=self.means,
            cycles=self.cycles,
            scaling=Scaling(
                *(np.array(row) for row in (self.scaling.centre, self.scaling.spread, self.scaling.change))
            ),
            correction=np.array(self.parts.correction),
            experience=Experience(
                *(np.array(table) for table in (self.experts.loss, self.experts.reach, self.experts.heard))
            ),
            until=parse_time(self.data.end),
            coverage=self.interval.coverage,
            leeway=Leeway(np.array(self.interval.extra), np.array(self.interval.reach)),
            below=np.array(self.interval.below),
            above=np.array(self.interval.above),
            calibration=self.score.calibration(),
            false_alarms_per_week=self.detection.false_alarms_per_week,
            close_after=self.detection.close_after,
        )
