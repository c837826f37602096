"""Describe a bundle: the tables of `manifest.json`, and what the cohort learns from them."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from edge.errors import ConfigError, quote
from edge.evidence import FEATURES, SHARP, SMOOTHED
from edge.experts import EXPERTS, Experience
from edge.interval import Leeway
from edge.learned import Learned
from edge.manifest_tables import (
    SIDES,
    DataTable,
    DetectionTable,
    ExpertsTable,
    GridTable,
    IntervalTable,
    NetworkTable,
    ParityTable,
    PartsTable,
    QualityRow,
    Row,
    ScalingTable,
    ScoreTable,
    SensorTable,
    UsualTable,
)
from edge.reading import parse_time
from edge.scale import Scaling

CONTRACT = 2  # raised when an older device could not serve a newer bundle
PEAKS = ("threshold", "scale", "shape", "rarity")  # rows of [score.peaks], each with a table a side


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
    usual: UsualTable = field(default_factory=UsualTable)
    grid: GridTable = field(default_factory=GridTable)

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
        sensors = len(self.sensors)
        wrong = [
            f"{name}: must have {sensors} {what}, got {len(row)}"
            for name, what, row in self._rows()
            if len(row) != sensors
        ]
        wrong += [
            f"score.peaks.{name}: must have 2 sides, got {len(getattr(self.score.peaks, name))}"
            for name in PEAKS
            if len(getattr(self.score.peaks, name)) != 2
        ]
        positions = self.score.positions
        if positions and (len(positions) != sensors or max(map(len, positions)) > 2):
            wrong.append(f"score.positions: must have {sensors} rows of no more than 2 numbers, or none")
        return wrong + [
            f"{name}: must have shape ({expected}, {sensors})"
            for name, table, expected in self._tables()
            if len(table) != expected or any(len(row) != sensors for row in table)
        ]

    def _rows(self) -> Iterator[tuple[str, str, Sized]]:
        """Yield what has one item a sensor: its name, what its items are, and it."""
        yield "scaling.centre", "numbers", self.scaling.centre
        yield "scaling.spread", "numbers", self.scaling.spread
        yield "scaling.change", "numbers", self.scaling.change
        yield "score.energy", "numbers", self.score.energy
        yield "score.scored", "numbers", self.score.scored
        if self.usual != UsualTable():
            for name in ("low", "high", "flat", "silent"):
                yield f"usual.{name}", "numbers", getattr(self.usual, name)
        if self.grid.combine:
            yield "grid.hold", "numbers", self.grid.hold
            yield "grid.combine", "words", self.grid.combine

    def _tables(self) -> Iterator[tuple[str, Sequence[Sized], int]]:
        """Yield what has rows of one item a sensor: its name, it, and how many rows it must have."""
        horizons, score = len(self.horizons), self.score
        yield "parts.correction", self.parts.correction, horizons
        yield "experts.heard", self.experts.heard, horizons
        for name, loss, reach in zip(EXPERTS, self.experts.loss, self.experts.reach, strict=True):
            yield f"experts.loss.{name}", loss, horizons
            yield f"experts.reach.{name}", reach, horizons
        yield "interval.below", self.interval.below, horizons
        yield "interval.above", self.interval.above, horizons
        for side, extra, reach in zip(SIDES, self.interval.extra, self.interval.reach, strict=True):
            yield f"interval.extra.{side}", extra, horizons
            yield f"interval.reach.{side}", reach, horizons
        yield "score.centre", score.centre, FEATURES
        yield "score.spread", score.spread, FEATURES
        yield "score.others", score.others, len(self.sensors)
        for name in ("middle", "above", "below", "freedom"):
            yield f"score.means.{name}", getattr(score.means, name), len(SMOOTHED)
        for name in PEAKS:
            for table in getattr(score.peaks, name):
                yield f"score.peaks.{name}", table, len(SHARP)

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
            usual=self.usual.usual(len(self.sensors)),
            units=tuple(sensor.unit for sensor in self.sensors),
            pacing=self.grid.pacing(len(self.sensors)),
        )
