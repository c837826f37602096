"""Hold the scorer to what a score means, on samples that are drawn at random from a fixed seed."""

from dataclasses import replace
from functools import cache
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.alarm import WEEK
from edge.evidence import (
    CHANNELS,
    LEVEL,
    RESIDUAL,
    SHARP,
    SMOOTHED,
    SPANS,
    STILL,
    WILDEST,
    Calibration,
    features,
    is_new,
    shrinkage,
    smooth,
    standardise,
)
from edge.score import CALM, LEVEL_PRIOR, LEVEL_STEPS, SCALE_LEAST, SCALE_MOST, Scorer, follow_level
from edge.tail import Means, Peaks

SENSORS = 2
NOISE = 0.6  # half-widths: the standard deviation of a residual with an honest 90 % interval
RARE = 1e-3  # share of the steps that may be flagged
ROW = np.zeros(1, dtype=np.intp)
NOW = np.zeros(1)
HEARD = np.ones((1, SENSORS), np.bool_)
QUOTIENTS = st.floats(-20.0, 20.0, allow_subnormal=False)
TOGETHER = 0.95  # correlation of the two levels


def noise(steps: int, seed: int) -> np.ndarray:
    """Return quotients as they are while all is well, shape (steps, sensors)."""
    return NOISE * np.random.default_rng(seed).standard_normal((steps, SENSORS))


def levels(steps: int, seed: int) -> np.ndarray:
    """Return levels as they are while all is well: of spread 1, and near each other."""
    common, own = np.random.default_rng(seed + 1_000).standard_normal((2, steps, SENSORS))
    return np.sqrt(TOGETHER) * common[:, :1] + np.sqrt(1.0 - TOGETHER) * own


@cache
def taught() -> Calibration:
    """Return the calibration of Gaussian samples, from what is known of them and 8,000 draws."""
    others = np.linalg.inv(np.array([[1.0, TOGETHER], [TOGETHER, 1.0]]))
    others = others / np.diag(others)[:, None]
    found = features(levels(8_000, 1), noise(8_000, 1), others).swapaxes(0, 1)
    centre, spread = np.median(found, axis=0), found.std(axis=0)
    sharp = spread[list(SHARP)]
    # A Gaussian value beyond 1.645 spreads, one in ten on both sides, exceeds it by .37 spreads in the mean.
    laws = (1.645 * sharp, 0.37 * sharp, np.full_like(sharp, 0.01), np.full_like(sharp, -np.log(0.1)))
    now, smoothed = np.zeros((len(SMOOTHED), 1, SENSORS)), []
    for one in (found - centre) / spread:
        now = smooth(now, one[:, None], HEARD)
        smoothed.append(now[:, 0])
    means = np.array(smoothed)
    wide = means.std(axis=0)
    return Calibration(
        scored=np.ones(SENSORS, np.bool_),
        centre=centre,
        spread=spread,
        others=others,
        energy=(noise(8_000, 1) ** 2).mean(axis=0),
        peaks=Peaks(*(np.stack((law, law)) for law in laws)),
        means=Means(means.mean(axis=0), wide, wide, np.full_like(wide, 500.0)),
        looks=float(SENSORS * CHANNELS),
        samples=8_000,
        positions=np.full((2, SENSORS), np.nan),
    )


def scorer(calibration: Calibration | None = None, *, streams: int = 1, share: float = RARE) -> Scorer:
    """Return a scorer whose streams may be flagged at a share of the steps."""
    made = Scorer(calibration or taught(), WEEK, close_after=3)
    made.admit(streams)
    for row in range(streams):
        made.allow(row, share)
    return made


def deaf(calibration: Calibration | None = None) -> Scorer:
    """Return a scorer that flags next to nothing."""
    return scorer(calibration, share=1e-9)


def scores(made: Scorer, quotients: np.ndarray, level: np.ndarray | None = None) -> np.ndarray:
    """Score consecutive samples of one stream."""
    level = np.zeros_like(quotients) if level is None else level
    pairs = zip(level, quotients, strict=True)
    return np.array(
        [made.advance(ROW, NOW, *np.float32([one[None], quotient[None]]), HEARD).score[0] for one, quotient in pairs]
    )


def well(made: Scorer, steps: int, seed: int) -> np.ndarray:
    """Score samples as they are while all is well."""
    return scores(made, noise(steps, seed), levels(steps, seed))


# ---- the stages


def test_a_residual_is_divided_by_the_half_width_on_its_side() -> None:
    quotient = standardise(np.array([[-2.0, 2.0]]), below=np.array([[4.0, 4.0]]), above=np.array([[1.0, 1.0]]))
    assert quotient.tolist() == [[-0.5, 2.0]]


def test_one_wild_value_is_bounded() -> None:
    wild = np.array([[1e300, -1e300, inf]])
    assert standardise(wild, np.ones((1, 3)), np.ones((1, 3))).tolist() == [[WILDEST, -WILDEST, WILDEST]]


def test_the_features_are_level_residual_unrest_and_odds() -> None:
    others = np.array([[1.0, -0.5], [-0.25, 1.0]])
    found = features(np.array([[2.0, 4.0]]), np.array([[-0.5, 0.0]]), others)
    assert found[:, 0].tolist() == [[2.0, 4.0], [-0.5, 0.0], pytest.approx(np.log([0.5 + STILL, STILL])), [0.0, 3.5]]


@settings(max_examples=30)
@given(st.lists(st.floats(-2.0, 2.0, allow_subnormal=False), min_size=1, max_size=30))
def test_smoothing_is_the_exponential_mean_of_each_span(values: list[float]) -> None:
    now = np.zeros((len(SMOOTHED), 1, 1))
    expected = np.zeros(len(SPANS))
    for value in values:
        now = smooth(now, np.full((4, 1, 1), value), np.ones((1, 1), np.bool_))
        expected += 2.0 / (np.array(SPANS) + 1.0) * (value - expected)
    assert now[:, 0, 0] == pytest.approx(expected, abs=1e-6)


def test_one_wild_value_moves_a_mean_by_three_spreads_at_most() -> None:
    now = smooth(np.zeros((len(SMOOTHED), 1, 1)), np.full((4, 1, 1), 1e6), np.ones((1, 1), np.bool_))
    assert now[:, 0, 0] == pytest.approx(3.0 * shrinkage(SPANS)[:, 0])


# ---- what a score says


@pytest.mark.parametrize("seed", [2, 3])
def test_samples_like_the_calibrations_are_flagged_about_as_often_as_the_budget_allows(seed: int) -> None:
    streams, steps = 20, 4_000
    made, rows, heard = scorer(streams=streams), np.arange(streams), np.repeat(HEARD, streams, axis=0)
    level = levels(streams * steps, seed).reshape(steps, streams, SENSORS)
    drawn = noise(streams * steps, seed).reshape(steps, streams, SENSORS)
    pairs = zip(level, drawn, strict=True)
    flagged = np.array(
        [made.advance(rows, np.zeros(len(rows)), one, quotient, heard).score > 1.0 for one, quotient in pairs]
    )
    opened = (np.diff(flagged.astype(int), prepend=0, axis=0) == 1).sum()
    assert RARE / 2 <= opened / flagged.size <= RARE * 2


def test_a_score_is_never_negative_and_calm_samples_score_low() -> None:
    found = well(scorer(), 500, seed=4)
    assert found.min() >= 0.0
    assert np.median(found) < 0.4


def test_a_spike_is_flagged_at_once_and_its_sensor_named() -> None:
    made = scorer()
    well(made, 100, seed=5)
    said = made.advance(ROW, NOW, np.zeros((1, 2)), np.array([[0.0, 10 * NOISE]]), HEARD)
    assert said.score[0] > 1.0
    assert said.share[0, 1] > 0.9


def test_a_level_as_far_as_a_spike_is_flagged_at_once() -> None:
    made = scorer()
    well(made, 100, seed=5)
    said = made.advance(ROW, NOW, np.array([[0.0, 10.0]]), np.zeros((1, 2)), HEARD)
    assert said.score[0] > 1.0


# ---- values never seen


def switched(sensors: tuple[tuple[float, float], ...]) -> Calibration:
    """Return a calibration in which no sensor is judged by its tails; these are the levels that each had."""
    return replace(taught(), scored=np.zeros(SENSORS, np.bool_), positions=np.array(sensors).T)


def test_a_switch_is_flagged_for_a_third_value_and_for_no_other() -> None:
    made = scorer(switched(((-1.0, 1.0), (0.0, 0.0))))
    level = np.array([[-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.5, 0.0]])
    found = scores(made, np.zeros_like(level), level)
    assert found[:3].tolist() == [0.0] * 3
    assert found[3] > 1.0


def test_a_sensor_that_never_moved_carries_the_event_when_it_does() -> None:
    made = scorer(switched(((-1.0, 1.0), (0.0, 0.0))))
    said = made.advance(ROW, NOW, np.array([[1.0, 1e-3]]), np.zeros((1, 2)), HEARD)
    assert said.score[0] > 1.0
    assert said.begins.tolist() == [True]
    assert said.share.tolist() == [[0.0, 1.0]]


def test_new_values_are_told_until_the_stream_is_three_alarms_ahead_of_its_budget() -> None:
    made = deaf(switched(((0.0, 0.0), (0.0, 0.0))))
    level = np.zeros((200, SENSORS))
    level[::20, 0] = 1.0
    began = []
    for one in level:
        began.append(made.advance(ROW, NOW, one[None], np.zeros((1, 2)), HEARD).begins[0])
    assert 3 <= sum(began) <= 4


def test_a_new_value_that_was_not_measured_is_none() -> None:
    assert is_new(np.array([[0.5, 0.5]]), np.array([[0.0, nan], [1.0, nan]])).tolist() == [[True, False]]
    made = scorer(switched(((0.0, 0.0), (0.0, 0.0))))
    said = made.advance(ROW, NOW, np.array([[0.0, 9.0]]), np.zeros((1, 2)), np.array([[True, False]]))
    assert said.score[0] == 0.0


# ---- the reference of the level


def test_a_level_that_changes_with_the_season_is_followed_instead_of_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 12_000
    moved = levels(steps, seed=20) + np.linspace(0.0, 4.0, steps)[:, None]
    followed = (scores(scorer(), noise(steps, seed=20), moved) > 1.0).mean()
    monkeypatch.setattr("edge.score.LEVEL_STEPS", 1e18)
    stood = (scores(scorer(), noise(steps, seed=20), moved) > 1.0).mean()
    assert followed < 0.05
    assert followed < 0.3 * stood


def test_the_reference_learns_nothing_of_a_flagged_sample() -> None:
    made, fresh = scorer(replace(taught(), means=_anything())), scorer(replace(taught(), means=_anything()))
    far = np.full((3, SENSORS), 9.0)
    assert scores(made, np.zeros_like(far), far).min() > 1.0
    made.forget(ROW)
    again, first = (scores(one, np.zeros((1, SENSORS)), np.full((1, SENSORS), 4.0))[0] for one in (made, fresh))
    assert again <= first
    unlearned = follow_level(np.zeros((1, 2)), np.full((1, 2), 1e6), far[:1], ~HEARD)
    assert unlearned.tolist() == [[0.0, 0.0]]


def test_the_reference_of_a_new_stream_follows_fast_and_that_of_an_old_one_slowly() -> None:
    new, old = (follow_level(np.zeros((1, 2)), np.full((1, 2), n), np.full((1, 2), 9.0), HEARD) for n in (1.0, 1e6))
    assert new == pytest.approx(CALM / (1.0 + LEVEL_PRIOR))
    assert old == pytest.approx(CALM / LEVEL_STEPS)


def test_a_level_that_each_forecast_has_already_forgiven_is_flagged_by_its_length() -> None:
    made = scorer()
    before = well(made, 300, seed=6)
    after = scores(made, noise(60, seed=7), levels(60, seed=7) + np.array([2.0, 2.0]))
    assert before.max() < 1.0
    assert after[40:].min() > 1.0


def test_a_slow_drift_is_flagged_before_any_single_value_is() -> None:
    # drift: from 0 to 2 spreads in 400 steps
    made = scorer()
    well(made, 300, seed=8)
    found = scores(made, noise(400, seed=9), levels(400, seed=9) + np.linspace(0.0, 2.0, 400)[:, None])
    assert found[-50:].min() > 1.0


@pytest.mark.parametrize("times", [0.05, 3.0])
def test_noise_that_swells_or_dies_is_flagged(times: float) -> None:
    made = scorer()
    before = well(made, 300, seed=10)
    after = scores(made, times * noise(100, seed=11), levels(100, seed=11))
    assert before.max() < 1.0
    assert after.max() > 1.0


def test_sensors_that_part_are_flagged_though_each_is_where_it_often_is() -> None:
    made = scorer()
    well(made, 300, seed=12)
    parted = levels(60, seed=13)
    parted[:, 1] = levels(60, seed=14)[:, 1]
    assert scores(made, noise(60, seed=13), parted).max() > 1.0


@settings(max_examples=50)
@given(QUOTIENTS, st.floats(0.0, 1.0), QUOTIENTS)
def test_a_larger_residual_never_scores_lower_but_for_being_too_still(large: float, share: float, other: float) -> None:
    sharp = replace(taught(), means=_anything())
    wild = scores(scorer(sharp), np.array([[large, other]]))
    tame = scores(scorer(sharp), np.array([[share * large, other]]))
    assert tame <= wild + 1e-9


def _anything() -> Means:
    """Return means that may be anything."""
    wide = np.full((len(SMOOTHED), SENSORS), 1e9)
    return Means(np.zeros_like(wide), wide, wide, np.ones_like(wide))


@given(st.floats(10.0 * NOISE, 20.0), QUOTIENTS)
def test_the_shares_of_a_flagged_sample_sum_to_1(large: float, other: float) -> None:
    said = scorer().advance(ROW, NOW, np.zeros((1, 2)), np.array([[large, other]]), HEARD)
    assert said.score[0] > 1.0
    assert said.share[0].sum() == pytest.approx(1.0, abs=1e-12)
    assert (said.share[0] >= 0.0).all()
    assert said.share[0, 0] >= 0.5 or abs(other) > large * 0.9  # near each other, their spreads decide


# ---- what is not measured or not judged


def test_a_sample_without_any_value_has_no_score_and_leaves_no_trace() -> None:
    plain, gappy = scorer(), scorer()
    well(plain, 50, seed=10)
    well(gappy, 50, seed=10)
    said = gappy.advance(ROW, NOW, np.zeros((1, 2)), np.full((1, SENSORS), 20.0), ~HEARD)
    assert np.isnan(said.score[0])
    assert well(gappy, 50, seed=11).tobytes() == well(plain, 50, seed=11).tobytes()


def test_a_wave_may_mix_samples_with_and_without_values() -> None:
    mixed, alone = scorer(streams=2), scorer()
    level, quotient = np.zeros((2, 2)), np.array([[9.0, 0.0], [0.1, 0.2]])
    said = mixed.advance(np.arange(2), np.zeros(2), level, quotient, np.array([[False, False], [True, True]]))
    assert np.isnan(said.score[0])
    assert said.score[1] == alone.advance(ROW, NOW, level[1:], quotient[1:], HEARD).score[0]


def test_the_quotient_of_a_sensor_that_was_not_measured_is_ignored() -> None:
    heard = np.array([[True, False]])
    zero, absent = scorer(), scorer()
    for quotient in noise(50, seed=11)[:, :1]:
        one = zero.advance(ROW, NOW, np.zeros((1, 2)), np.array([[quotient[0], 0.0]]), heard)
        other = absent.advance(ROW, NOW, np.zeros((1, 2)), np.array([[quotient[0], 20.0]]), heard)
        assert one.score.tobytes() == other.score.tobytes()
        assert one.share.tobytes() == other.share.tobytes()


def test_a_sensor_that_cannot_be_judged_is_never_flagged() -> None:
    made = scorer(replace(taught(), scored=np.array([True, False])))
    said = made.advance(ROW, NOW, np.array([[0.0, 1e6]]), np.array([[0.5, 1e6]]), HEARD)
    assert said.score[0] <= 1.0
    assert said.share.tolist() == [[0.0, 0.0]]


def test_a_sample_of_unjudged_sensors_alone_has_no_score() -> None:
    made = scorer(replace(taught(), scored=np.array([True, False])))
    said = made.advance(ROW, NOW, np.zeros((1, 2)), np.zeros((1, 2)), np.array([[False, True]]))
    assert np.isnan(said.score[0])


# ---- the slow scale


def test_the_slow_scale_follows_quiet_no_further_than_its_bound() -> None:
    calibration = replace(taught(), means=_anything())  # a stuck sensor is flagged by its means, and not learned of
    quiet, fresh = deaf(calibration), deaf(calibration)
    scores(quiet, np.zeros((1_600, SENSORS)))
    quiet.forget(ROW)
    said = quiet.advance(ROW, NOW, np.zeros((1, 2)), np.array([[2.0, 1.0]]), HEARD)
    once = fresh.advance(ROW, NOW, np.zeros((1, 2)), np.array([[2.0, 1.0]]) / SCALE_LEAST, HEARD)
    assert said.score == pytest.approx(once.score, rel=1e-3)  # the silence has made it listen a little more closely


def test_the_slow_scale_follows_noise_no_further_than_its_bound() -> None:
    # With tails that may be anything nothing is flagged.
    peaks = taught().peaks
    nothing = replace(taught(), means=_anything(), peaks=replace(peaks, scale=peaks.scale + 1e9))
    loud, fresh = deaf(nothing), deaf(nothing)
    scores(loud, np.full((1_000, SENSORS), 20.0))
    said = loud.advance(ROW, NOW, np.zeros((1, 2)), np.array([[3.0, 1.0]]), HEARD)
    once = fresh.advance(ROW, NOW, np.zeros((1, 2)), np.array([[3.0, 1.0]]) / SCALE_MOST, HEARD)
    assert said.score == pytest.approx(once.score, rel=1e-3)


def test_nothing_is_learned_of_the_noise_of_a_flagged_sample() -> None:
    # The shaken stream is one alarm ahead of its budget: its scores are lower, and all by the same factor.
    shaken, fresh = scorer(), scorer()
    assert scores(shaken, np.full((300, SENSORS), 20.0)).min() > 1.0
    shaken.forget(ROW)
    ratio = well(fresh, 50, seed=13) / np.maximum(well(shaken, 50, seed=13), 1e-300)
    known = ratio[(ratio > 0.0) & (ratio < 100.0)]
    assert known == pytest.approx(known[0], rel=0.02)


def test_noise_that_slowly_doubles_is_learned_instead_of_flagged() -> None:
    steps, streams = 5_000, 10
    growth = np.linspace(1.0, 2.0, steps)[:, None, None]
    drawn = noise(steps * streams, seed=12).reshape(steps, streams, SENSORS) * growth
    made, rows, heard = scorer(streams=streams), np.arange(streams), np.repeat(HEARD, streams, axis=0)
    nothing = np.zeros((streams, SENSORS))
    slowly = np.array([made.advance(rows, np.zeros(len(rows)), nothing, wave, heard).score > 1.0 for wave in drawn])
    assert slowly.mean() < 10 * RARE


# ---- many streams


def test_forgetting_ends_a_deviation() -> None:
    made = scorer()
    scores(made, np.full((100, SENSORS), 2.0))
    made.forget(ROW)
    assert made.advance(ROW, NOW, np.zeros((1, 2)), np.zeros((1, SENSORS)), HEARD).score[0] < 0.5


def test_a_streams_score_does_not_depend_on_the_others() -> None:
    together, rows = scorer(streams=5), np.array([4, 0, 2], dtype=np.intp)
    alone = {row: scorer() for row in rows.tolist()}
    heard = np.repeat(HEARD, 3, axis=0)
    level = levels(180, seed=15).reshape(-1, 3, SENSORS)
    for one, wave in zip(level, 3.0 * noise(180, seed=15).reshape(-1, 3, SENSORS), strict=True):
        said = together.advance(rows, np.zeros(len(rows)), one, wave, heard)
        for place, row in enumerate(rows.tolist()):
            single = alone[row].advance(ROW, NOW, one[place : place + 1], wave[place : place + 1], HEARD)
            assert single.score.tobytes() == said.score[place].tobytes()
            assert single.share.tobytes() == said.share[place].tobytes()


def test_streams_admitted_later_leave_the_others_alone() -> None:
    grown, plain = scorer(), scorer()
    well(grown, 20, seed=16)
    well(plain, 20, seed=16)
    grown.admit(64)
    assert well(grown, 20, seed=17).tobytes() == well(plain, 20, seed=17).tobytes()


def test_what_is_sharp_is_level_and_residual() -> None:
    assert (SHARP, len(SMOOTHED)) == ((LEVEL, RESIDUAL), len(SPANS))
