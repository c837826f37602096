"""Hold the manifest to its rules: a real one is mutated, and every problem must be named."""

import json
from collections.abc import Callable
from math import inf, nan

import numpy as np
import orjson
import pytest

from edge.bundle import Bundle
from edge.errors import ConfigError
from edge.evidence import FEATURES, SHARP, SMOOTHED
from edge.experts import EXPERTS
from edge.manifest import Manifest
from edge.reading import parse_time
from edge.tables import structure

Table = dict[str, object]


@pytest.fixture
def table(loaded: Callable[[str], Bundle]) -> Table:
    """Return the manifest of a real bundle as a table of its own."""
    return json.loads(orjson.dumps(loaded("lstm-dynamic").manifest))


def put(table: Table, path: str, value: object) -> None:
    """Set what a path like `scaling.spread` or `sensors.0.name` names."""
    *parents, last = path.split(".")
    inside: object = table
    for name in parents:
        inside = inside[int(name)] if isinstance(inside, list) else inside[name]
    inside[int(last) if isinstance(inside, list) else last] = value


def problems(table: Table) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        structure(table, Manifest)
    return refused.value.problems


def test_a_manifest_survives_being_written_and_read(loaded: Callable[[str], Bundle], table: Table) -> None:
    assert structure(table, Manifest) == loaded("lstm-dynamic").manifest


def test_the_cohort_learns_arrays_of_the_shapes_it_names(loaded: Callable[[str], Bundle]) -> None:
    manifest = loaded("lstm-dynamic").manifest
    known = manifest.learned()
    assert known.sensors == ("humidity", "temperature")
    assert (known.period, known.window, known.lags, known.max_gap, known.horizons) == (5.0, 16, 8, 4, (1, 3))
    for rows in (known.scaling.centre, known.scaling.spread, known.scaling.change, known.calibration.energy):
        assert rows.shape == (2,)
    for tables in (known.correction, known.below, known.above, known.experience.heard):
        assert tables.shape == (2, 2)
    for experts in (known.experience.loss, known.experience.reach):
        assert experts.shape == (len(EXPERTS), 2, 2)
    for sides in (known.leeway.extra, known.leeway.reach):
        assert sides.shape == (2, 2, 2)
    assert (known.means, known.coverage) == (manifest.means, manifest.interval.coverage)
    assert known.until == parse_time(manifest.data.end)
    assert known.calibration.scored.dtype == np.bool_
    assert known.calibration.spread.shape == known.calibration.centre.shape == (FEATURES, 2)
    assert known.calibration.others.shape == (2, 2)
    assert known.calibration.peaks.scale.shape == (2, len(SHARP), 2)
    assert known.calibration.means.freedom.shape == (len(SMOOTHED), 2)


def test_the_levels_of_a_switch_and_of_a_sensor_that_never_moved_are_read_as_pairs(table: Table) -> None:
    put(table, "score.scored", [False, False])
    put(table, "score.positions", [[-1.0, 1.0], [0.5]])
    assert structure(table, Manifest).learned().calibration.positions.tolist() == [[-1.0, 0.5], [1.0, 0.5]]


@pytest.mark.parametrize("positions", [[[], []], []])
def test_a_sensor_without_such_levels_has_none(table: Table, positions: list[object]) -> None:
    put(table, "score.positions", positions)
    assert np.isnan(structure(table, Manifest).learned().calibration.positions).tolist() == [[True, True]] * 2


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("colour", "blue", "colour: must be one of "),
        ("network.colour", "blue", "network.colour: must be one of "),
        ("period", "5", "period: must be a finite number, got '5'"),
        ("period", True, "period: must be a finite number, got True"),
        ("period", nan, "period: must be a finite number, got nan"),
        ("period", inf, "period: must be a finite number, got inf"),
        ("period", 0.0, "period: must be > 0, got 0.0"),
        ("period", -5.0, "period: must be > 0, got -5.0"),
        ("window", 16.0, "window: must be a whole number, got 16.0"),
        ("lags", 0, "lags: must be 1..16 (the window), got 0"),
        ("lags", 17, "lags: must be 1..16 (the window), got 17"),
        ("max_gap", -1, "max_gap: must be >= 0, got -1"),
        ("horizons", [], "horizons: must increase from 1, got ()"),
        ("horizons", [2, 3], "horizons: must increase from 1, got (2, 3)"),
        ("horizons", [1, 1], "horizons: must increase from 1, got (1, 1)"),
        ("horizons", [1, 3, 2], "horizons: must increase from 1, got (1, 3, 2)"),
        ("horizons", [1, 3, 6], "parts.correction: must have shape (3, 2)"),
        ("means", [6.0, 0.5], "means: must be at least 1, got (6.0, 0.5)"),
        ("parts.highway", [[1.0, 1.0], [1.0, 1.0]], "parts.highway: must be one of correction"),
        (
            "experts.names",
            ["persistence", "own", "highway"],
            "experts.names: must be persistence, own, highway, network",
        ),
        ("experts.names.1", "seasonal", "experts.names: must be persistence, own, highway, network, each with loss"),
        ("experts.loss", [[[1.0, 1.0], [1.0, 1.0]]], "experts.names: must be persistence, own, highway, network"),
        ("experts.reach", [], "experts.names: must be persistence, own, highway, network, each with loss and reach"),
        ("experts.loss.1", [[1.0, 1.0]], "experts.loss.own: must have shape (2, 2)"),
        ("experts.reach.3", [[1.0], [1.0]], "experts.reach.network: must have shape (2, 2)"),
        ("experts.heard", [[1.0, 1.0]], "experts.heard: must have shape (2, 2)"),
        ("experts.heard.0.0", nan, "experts.heard[0][0]: must be a finite number, got nan"),
        ("interval.coverage", 1.0, "interval.coverage: must be in 0..1, got 1.0"),
        ("interval.extra.1", [[1.0, 1.0]], "interval.extra.above: must have shape (2, 2)"),
        ("interval.reach.0", [[1.0], [1.0]], "interval.reach.below: must have shape (2, 2)"),
        ("sensors", [{"name": "humidity"}], "scaling.centre: must have 1 numbers, got 2"),
        ("sensors.0.name", 7, "sensors[0].name: must be text, got 7"),
        ("scaling.centre", [1.0], "scaling.centre: must have 2 numbers, got 1"),
        ("scaling.spread", [1.0, 0.0], "scaling.spread: must be > 0"),
        ("scaling.change", [1.0, -1.0], "scaling.change: must be > 0"),
        ("scaling.spread", [1.0, nan], "scaling.spread[1]: must be a finite number, got nan"),
        ("interval.below", [[1.0, 1.0]], "interval.below: must have shape (2, 2)"),
        ("interval.above", [[1.0, 1.0], [1.0]], "interval.above: must have shape (2, 2)"),
        ("score.scored", [False, False], "score.scored: must judge at least one sensor"),
        ("score.scored", [True], "score.scored: must have 2 numbers, got 1"),
        ("score.scored", [1, 0], "score.scored[0]: must be true or false, got 1"),
        ("score.positions", [[1.0]], "score.positions: must have 2 rows of no more than 2 numbers, or none"),
        ("score.positions", [[1.0] * 3, []], "score.positions: must have 2 rows of no more than 2 numbers, or none"),
        ("score.centre", [[1.0, 1.0]], "score.centre: must have shape (4, 2)"),
        ("score.others", [[1.0, 1.0]], "score.others: must have shape (2, 2)"),
        ("score.looks", 0.5, "score.looks: must be at least 1, got 0.5"),
        ("score.energy", [1.0, 1.0, 1.0], "score.energy: must have 2 numbers, got 3"),
        ("score.peaks.scale", [[[1.0, 1.0]] * 2], "score.peaks.scale: must have 2 sides, got 1"),
        ("score.peaks.scale.1", [[1.0, 1.0]], "score.peaks.scale: must have shape (2, 2)"),
        ("score.means.above", [[1.0, 1.0]], "score.means.above: must have shape (6, 2)"),
        ("detection.close_after", 0, "detection.close_after: must be at least 1"),
        ("detection.false_alarms_per_week", 0.0, "detection.false_alarms_per_week: must be > 0"),
        ("members", ["a"], "members: must be a table, got a list"),
        ("members", {"model.tflite": 1}, "members.'model.tflite': must be text, got 1"),
    ],
)
def test_what_breaks_a_rule_is_named_with_the_rule(table: Table, path: str, value: object, problem: str) -> None:
    put(table, path, value)
    assert any(one.startswith(problem) for one in problems(table)), problems(table)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("interval.below", [[0.0, 1.0], [1.0, 1.0]]),  # the scorer divides by it
        ("interval.above", [[1.0, 1.0], [1.0, -1.0]]),
        ("score.spread.0", [0.0, 1.0]),  # divided by, too
        ("score.energy", [0.0, 1.0]),
        ("score.means.above.0", [0.0, 1.0]),
        ("score.means.freedom.0", [0.0, 1.0]),
        ("score.peaks.shape.0.0", [0.0, 1.0]),
        ("cycles", [0.0]),  # the clock divides by it
        ("golden_tolerance", 0.0),
        ("golden_tolerance", -1.0),
        ("sensors.1.name", "humidity"),  # the name of the other one
        ("score.peaks.rarity.0.0", [-1.0, 1.0]),  # a larger deviation would be less surprising
    ],
)
def test_numbers_that_would_divide_by_zero_or_turn_a_rule_round_are_refused(
    table: Table, path: str, value: object
) -> None:
    put(table, path, value)
    assert problems(table)


def test_a_missing_key_is_named(table: Table) -> None:
    del table["scaling"]
    assert "scaling: must be set, got nothing" in problems(table)


def test_every_problem_is_reported_at_once(table: Table) -> None:
    put(table, "period", 0.0)
    put(table, "max_gap", -1)
    put(table, "colour", "blue")
    assert {one.partition(":")[0] for one in problems(table)} == {"period", "max_gap", "colour"}
