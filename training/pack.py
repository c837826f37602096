"""Put what was fitted into a bundle: the manifest, and the card that says in words what it is worth."""

import hashlib
from importlib.metadata import version as installed
from math import isnan
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

import edge
from edge import bundle
from edge.clock import iso
from edge.evidence import Calibration
from edge.experts import EXPERTS, Experience
from edge.learned import Learned
from edge.manifest import Manifest
from edge.manifest_tables import (
    DataTable,
    DetectionTable,
    ExpertsTable,
    GridTable,
    IntervalTable,
    MeansTable,
    NetworkTable,
    PartsTable,
    PeaksTable,
    ScalingTable,
    ScoreTable,
    SensorTable,
    UsualTable,
)
from edge.pacing import Pacing, plain
from edge.usual import Usual
from training.card import card
from training.fit import Fitted
from training.prepare import Prepared
from training.recipe import Recipe
from training.series import fingerprint

LIBRARIES = ("numpy", "tensorflow", "keras")


def pack(path: Path, fitted: Fitted, prepared: Prepared, recipe: Recipe, version: int) -> Manifest:
    """Write a bundle atomically and return its manifest."""
    manifest = describe(fitted, prepared, recipe, version)
    bundle.write(path, manifest, fitted.graph, fitted.golden, card(manifest))
    return manifest


def describe(fitted: Fitted, prepared: Prepared, recipe: Recipe, version: int) -> Manifest:
    """Write the manifest; nothing in it depends on when or where it is written."""
    learned = fitted.learned
    return Manifest(
        name=recipe.name,
        version=version,
        sensors=tuple(SensorTable(name=sensor, unit=recipe.data.units.get(sensor, "")) for sensor in prepared.sensors),
        period=prepared.period,
        window=prepared.window,
        lags=prepared.lags,
        max_gap=learned.max_gap,
        horizons=prepared.horizons,
        means=learned.means,
        cycles=prepared.cycles,
        network=NetworkTable(
            cell=recipe.network.cell, units=recipe.network.units, inputs=fitted.inputs, state=fitted.state
        ),
        quantisation=fitted.mode,
        scaling=ScalingTable(
            centre=_row(learned.scaling.centre),
            spread=_row(learned.scaling.spread),
            change=_row(learned.scaling.change),
        ),
        parts=PartsTable(correction=_table(learned.correction)),
        experts=_experts(learned.experience),
        interval=_interval(learned),
        score=_score(learned.calibration),
        detection=DetectionTable(false_alarms_per_week=learned.false_alarms_per_week, close_after=learned.close_after),
        parity=fitted.parity,
        data=_data(prepared),
        quality=fitted.quality,
        golden_tolerance=fitted.golden_tolerance,
        seed=recipe.seed,
        recipe_sha256=hashlib.sha256(orjson.dumps(recipe)).hexdigest(),
        libraries={"tidegate": edge.__version__, **{name: installed(name) for name in LIBRARIES}},
        members={},
        usual=_usual(learned.usual),
        grid=GridTable() if learned.pacing == plain(len(learned.sensors)) else _grid(learned.pacing),
    )


def _data(prepared: Prepared) -> DataTable:
    series = prepared.series
    begun = {one.stream: one.times[cuts.stop] for one, cuts in zip(series, prepared.cuts, strict=True)}
    return DataTable(
        sha256=fingerprint(series, prepared.sensors),
        start=iso(min(float(one.times[0]) for one in series)),
        end=iso(max(float(one.times[-1]) for one in series)),
        rows=sum(map(len, series)),
        streams=tuple(sorted(begun)),
        calibrated_from=tuple(iso(float(begun[stream])) for stream in sorted(begun)),
    )


def _interval(learned: Learned) -> IntervalTable:
    return IntervalTable(
        coverage=learned.coverage,
        below=_table(learned.below),
        above=_table(learned.above),
        extra=(_table(learned.leeway.extra[0]), _table(learned.leeway.extra[1])),
        reach=(_table(learned.leeway.reach[0]), _table(learned.leeway.reach[1])),
    )


def _experts(experience: Experience) -> ExpertsTable:
    return ExpertsTable(
        names=EXPERTS,
        loss=tuple(map(_table, experience.loss)),
        reach=tuple(map(_table, experience.reach)),
        heard=_table(experience.heard),
    )


def _score(calibration: Calibration) -> ScoreTable:
    peaks, means = calibration.peaks, calibration.means
    return ScoreTable(
        scored=tuple(calibration.scored.tolist()),
        centre=_table(calibration.centre),
        spread=_table(calibration.spread),
        others=_table(calibration.others),
        energy=_row(calibration.energy),
        peaks=PeaksTable(
            threshold=tuple(map(_table, peaks.threshold)),
            scale=tuple(map(_table, peaks.scale)),
            shape=tuple(map(_table, peaks.shape)),
            rarity=tuple(map(_table, peaks.rarity)),
        ),
        means=MeansTable(
            middle=_table(means.middle),
            above=_table(means.above),
            below=_table(means.below),
            freedom=_table(means.freedom),
        ),
        looks=calibration.looks,
        samples=calibration.samples,
        positions=tuple(map(_levels, calibration.positions.T.tolist())),
    )


def _levels(positions: list[float]) -> tuple[float, ...]:
    """Return the different levels of a sensor of no more than two, none of the others."""
    return tuple(dict.fromkeys(level for level in positions if not isnan(level)))


def _grid(pacing: Pacing) -> GridTable:
    return GridTable(combine=pacing.combine, hold=pacing.hold)


def _usual(usual: Usual) -> UsualTable:
    return UsualTable(low=_row(usual.low), high=_row(usual.high), flat=_row(usual.flat), silent=_row(usual.silent))


def _row(array: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(array.tolist())


def _table(array: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(_row, array))
