"""Inject faults into chaos: what is larger is found more often, and what is nothing by chance alone."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge import bundle
from edge.bundle import Bundle
from tests.training.conftest import Trial, chaos, recording_of
from training import curves
from training.curves import Curves, detection_curves
from training.side_by_side import History, histories

TAUGHT, ROWS, PLACES = 600, 1800, 20


@pytest.fixture(scope="module")
def packed(chaotic: Trial, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path: Path = tmp_path_factory.mktemp("curves") / "chaotic.bundle"
    chaotic.pack(path)
    return bundle.load(path)


def streams(packed: Bundle, rows: int = ROWS, labels: tuple[tuple[int, int], ...] = ()) -> list[History]:
    recording = recording_of(chaos(rows))
    times = recording.times
    spans = [(float(times[begin]), float(times[end])) for begin, end in labels]
    calibrated = {"one": (float(times[450]), float(times[TAUGHT - 1]))}
    return histories(packed, [recording], float(times[TAUGHT - 1]), calibrated, {"one": spans})


@pytest.fixture(scope="module")
def measured(packed: Bundle) -> Curves:
    return detection_curves(packed, streams(packed), places=PLACES)


def found(measured: Curves, kind: str) -> list[int]:
    return [point.found for point in measured.points if point.kind == kind]


def test_every_kind_and_strength_is_injected_at_every_place(measured: Curves) -> None:
    wanted = [(kind, strength) for kind in curves.KINDS for strength in curves.STRENGTHS[kind]]
    assert [(point.kind, point.strength) for point in measured.points] == wanted
    assert {point.injected for point in measured.points} == {PLACES}
    assert measured.rows == 8


@pytest.mark.parametrize("kind", ["spike", "level", "drift", "noise"])
def test_larger_faults_are_found_at_least_as_often(measured: Curves, kind: str) -> None:
    shares = found(measured, kind)
    assert all(later >= earlier - 2 for earlier, later in pairwise(shares))
    assert shares[-1] >= 0.7 * PLACES
    assert shares[0] < shares[-1]


def test_a_delay_is_told_of_what_was_found(measured: Curves) -> None:
    for point in measured.points:
        assert (point.median_delay is None) == (point.found == 0)
        assert point.median_delay is None or 0.0 <= point.median_delay <= 60.0 * measured.rows


def test_a_fault_of_no_strength_is_found_by_chance_alone(packed: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "STRENGTHS", dict.fromkeys(curves.KINDS, (0.0,)))
    for point in detection_curves(packed, streams(packed), places=PLACES).points:
        assert point.found == point.by_chance < 0.2 * PLACES


def test_the_same_seed_gives_the_same_curves(packed: Bundle) -> None:
    once, again = (detection_curves(packed, streams(packed, 900), places=3, seed=5) for _ in range(2))
    assert once == again
    assert once != detection_curves(packed, streams(packed, 900), places=3, seed=6)


def test_the_rows_as_they_were_recorded_are_counted(measured: Curves) -> None:
    assert measured.unseen
    assert measured.weeks == pytest.approx((ROWS - TAUGHT) * 60.0 / 604_800.0)


def test_without_newer_rows_the_calibrate_split_is_broken(packed: Bundle) -> None:
    curve = detection_curves(packed, streams(packed, TAUGHT), places=3)
    assert not curve.unseen
    assert curve.weeks == pytest.approx(150 * 60.0 / 604_800.0)
    assert len(curve.points) > 0


def test_labelled_rows_are_left_alone(packed: Bundle) -> None:
    curve = detection_curves(packed, streams(packed, 900, labels=((500, 899),)), places=3)
    assert (curve.points, curve.false_events, curve.weeks) == ((), 0, 0.0)


def test_faults_begin_where_the_line_judges_and_nothing_is_open(packed: Bundle) -> None:
    (one,) = streams(packed, 900)
    (said,) = curves.replay(packed, [one.piece])
    begins = curves._begins(said, one.newer, 8, 8)
    assert begins.min() > TAUGHT - 1
    assert begins.max() + 9 <= 900
    assert not np.isnan(said.score[begins]).any()
    assert set(said.open[begins - 1].tolist()) == {""}
