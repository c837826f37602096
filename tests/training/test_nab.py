"""Hold the NAB score to cases worked out by hand, and to what must be true of any detector."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.nab import PROFILES, Earned, decay, earn, score, total

STANDARD, LOW_FP, LOW_FN = (PROFILES[name] for name in ("standard", "low_fp", "low_fn"))
WINDOWS = [(100, 119), (200, 219)]
Detections = st.sets(st.integers(0, 299), max_size=30)


def sigmoid(position: float) -> float:
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def standard(detections: set[int]) -> float:
    found = score(earn(detections, WINDOWS, begin=50), STANDARD)
    assert found is not None
    return found


def test_a_file_is_scored_as_by_hand() -> None:
    # row    10       60     105 110         130         (200..219)
    #        probation false  hit again       behind      missed
    earned = earn([10, 60, 105, 110, 130], WINDOWS, begin=50)
    hit = sigmoid(-(119 - 105 + 1) / 20) / sigmoid(-1.0)
    false = -1.0 + sigmoid((130 - 119) / 19)
    assert (earned.missed, earned.windows) == (1, 2)
    assert earned.hits == pytest.approx(hit)
    assert earned.hits == pytest.approx(0.9670, abs=1e-4)
    assert earned.false == pytest.approx(false)
    assert earned.false == pytest.approx(-1.8952, abs=1e-4)
    assert score(earned, STANDARD) == pytest.approx(100 * (hit + 0.11 * false - 1 + 2) / 4)
    assert score(earned, LOW_FP) == pytest.approx(100 * (hit + 0.22 * false - 1 + 2) / 4)
    assert score(earned, LOW_FN) == pytest.approx(100 * (hit + 0.11 * false - 2 + 4) / 6)


def test_the_first_row_of_every_window_alone_scores_100() -> None:
    assert standard({100, 200}) == pytest.approx(100.0)


def test_silence_scores_0_in_every_profile() -> None:
    silent = earn([], WINDOWS, begin=50)
    assert [score(silent, profile) for profile in PROFILES.values()] == [0.0, 0.0, 0.0]


def test_the_last_row_of_a_window_still_earns_and_the_next_costs_little() -> None:
    assert earn([119], WINDOWS, begin=0).hits == pytest.approx(sigmoid(-1 / 20) / sigmoid(-1.0))
    assert earn([120], WINDOWS, begin=0).false == pytest.approx(sigmoid(1 / 19))


def test_beyond_three_window_lengths_a_detection_costs_all() -> None:
    assert earn([219 + 3 * 19], WINDOWS, begin=0).false == pytest.approx(sigmoid(3.0))
    assert earn([219 + 3 * 19 + 1], WINDOWS, begin=0).false == -1.0


def test_a_window_that_ends_in_the_probation_counts_for_nothing() -> None:
    assert earn([110], WINDOWS, begin=150) == Earned(0.0, 0.0, 1, 1)


def test_a_window_that_begins_in_the_probation_is_found_behind_it_only() -> None:
    early, late = (earn([row], WINDOWS, begin=105) for row in (104, 105))
    assert (early.hits, early.missed) == (0.0, 2)
    assert late.hits > 0.9


def test_a_window_of_one_row_can_be_found_and_followed() -> None:
    assert earn([7], [(7, 7)], begin=0).hits == pytest.approx(1.0)
    assert earn([8], [(7, 7)], begin=0).false == -1.0


def test_without_windows_there_is_no_score() -> None:
    assert score(earn([1, 2], [], begin=0), STANDARD) is None


def test_files_add_up() -> None:
    assert total([Earned(0.5, -1.0, 1, 2), Earned(1.0, -0.5, 0, 1)]) == Earned(1.5, -1.5, 1, 3)


def test_decay_falls_and_is_bounded() -> None:
    steps = [decay(place / 10) for place in range(-20, 31)]
    assert steps == sorted(steps, reverse=True)
    assert -1.0 < steps[-1] < steps[0] < 1.0


@given(Detections, st.integers(50, 299))
def test_a_detection_outside_of_windows_never_raises_the_score(detections: set[int], row: int) -> None:
    inside = any(left <= row <= right for left, right in WINDOWS)
    if not inside:
        assert standard(detections | {row}) <= standard(detections)


@given(Detections, st.integers(100, 119))
def test_an_earlier_detection_in_a_window_never_lowers_the_score(detections: set[int], row: int) -> None:
    assert standard(detections | {row}) >= standard(detections) - 1e-9


@given(Detections)
def test_no_detector_scores_above_100(detections: set[int]) -> None:
    assert standard(detections) <= 100.0 + 1e-9
