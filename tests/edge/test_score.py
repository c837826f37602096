"""Hold the scorer to what a score means, on quotients that are drawn at random from a fixed seed."""

from dataclasses import replace
from functools import cache
from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.score import (
    BOUND,
    SCALE_LEAST,
    SCALE_MOST,
    WEEK,
    Calibration,
    Scorer,
    Tail,
    alarm_surprise,
    shrinkage,
    smooth,
    standardise,
    statistics,
)

SPANS = (1.0, 8.0, 48.0)
SENSORS = 2
NOISE = 0.6  # half-widths: the standard deviation of a residual with an honest 90 % interval
RARE = 1e-3  # share of the steps that may be flagged
ROW = np.zeros(1, dtype=np.intp)
HEARD = np.ones((1, SENSORS), np.bool_)
QUOTIENTS = st.floats(-BOUND, BOUND, allow_subnormal=False)


def noise(steps: int, seed: int) -> np.ndarray:
    """Return quotients as they are while all is well, shape (steps, sensors)."""
    return NOISE * np.random.default_rng(seed).standard_normal((steps, SENSORS))


def tail_of(values: np.ndarray) -> Tail:
    """Fit a tail as simply as can be: ranks, and an exponential beyond the twentieth that is largest."""
    ordered = np.sort(values)
    rarity = np.geomspace(0.99, 0.05, 30)
    known = np.quantile(ordered, 1.0 - rarity)
    excess = ordered[ordered > known[-1]].mean() - known[-1]
    at = np.concatenate(([0.0], known, [known[-1] + 60.0 * excess]))
    return Tail(at, np.concatenate(([0.0], -np.log(rarity), [60.0 - log(0.05)])))


@cache
def taught() -> Calibration:
    """Return what 8,000 steps of noise teach."""
    quotients = noise(8_000, seed=1)
    now = np.zeros((1, len(SPANS), SENSORS))
    smoothed = []
    for quotient in quotients:
        now = smooth(now, quotient[None], HEARD, shrinkage(SPANS))
        smoothed.append(now[0])
    spread = np.std(smoothed, axis=0)
    scored = np.ones(SENSORS, np.bool_)
    found = statistics(np.array(smoothed) / spread, scored)
    tails = tuple(map(tail_of, found.T))
    surprises = np.stack([tail.of(column) for tail, column in zip(tails, found.T, strict=True)], axis=1)
    energy = (quotients**2).mean(axis=0)
    return Calibration(scored, SPANS, spread, energy, tails, tail_of(surprises.max(axis=1)))


def scorer(calibration: Calibration | None = None, *, streams: int = 1, surprise: float = -log(RARE)) -> Scorer:
    made = Scorer(calibration or taught())
    made.admit(streams)
    for row in range(streams):
        made.allow(row, surprise)
    return made


def scores(made: Scorer, quotients: np.ndarray) -> np.ndarray:
    """Score consecutive quotients of one stream."""
    return np.array([made.advance(ROW, quotient[None], HEARD).score[0] for quotient in quotients])


def scores_of_streams(quotients: np.ndarray) -> np.ndarray:
    """Score quotients of shape (steps, streams, sensors), each stream with a fresh memory."""
    streams = quotients.shape[1]
    made, rows = scorer(streams=streams), np.arange(streams)
    return np.array([made.advance(rows, wave, np.repeat(HEARD, streams, axis=0)).score for wave in quotients])


# ---- the alarm budget


@given(st.floats(1e-6, 1e6), st.floats(1.01, 100.0), st.floats(0.1, 1e6))
def test_a_larger_alarm_budget_never_needs_more_surprise(budget: float, times: float, period: float) -> None:
    assert alarm_surprise(budget * times, period) <= alarm_surprise(budget, period)


@pytest.mark.parametrize(
    ("budget", "period", "probability"),
    [(1.0, WEEK / 1e6, 1e-6), (7.0, WEEK / 7e3, 1e-3), (1e9, 60.0, 0.02), (1e-9, 1.0, 1e-9)],
)
def test_the_surprise_at_which_the_score_is_1_is_the_budgets_share_of_the_steps(
    budget: float, period: float, probability: float
) -> None:
    assert exp(-alarm_surprise(budget, period)) == pytest.approx(probability, rel=1e-9)


# ---- the stages


def test_a_residual_is_divided_by_the_half_width_on_its_side() -> None:
    quotient = standardise(np.array([[-2.0, 2.0]]), below=np.array([[4.0, 4.0]]), above=np.array([[1.0, 1.0]]))
    assert quotient.tolist() == [[-0.5, 2.0]]


def test_one_wild_value_is_bounded() -> None:
    wild = np.array([[1e300, -1e300, inf]])
    assert standardise(wild, np.ones((1, 3)), np.ones((1, 3))).tolist() == [[BOUND, -BOUND, BOUND]]


def test_a_tail_is_looked_up_between_its_knots_and_stays_at_its_ends() -> None:
    tail = Tail(np.array([1.0, 2.0, 4.0]), np.array([0.0, 10.0, 20.0]))
    assert tail.of(np.array([0.0, 1.0, 1.5, 3.0, 4.0, 1e9])).tolist() == [0.0, 0.0, 5.0, 15.0, 20.0, 20.0]


def test_a_tail_keeps_the_shape_of_what_is_looked_up() -> None:
    assert Tail(np.array([0.0, 1.0]), np.array([0.0, 1.0])).of(np.zeros((3, 2))).shape == (3, 2)


@given(st.lists(QUOTIENTS, min_size=1, max_size=30), st.sampled_from(SPANS))
def test_smoothing_is_the_exponential_mean_of_the_span(values: list[float], span: float) -> None:
    now = np.zeros((1, 1, 1))
    expected = 0.0
    for value in values:
        now = smooth(now, np.array([[value]]), np.ones((1, 1), np.bool_), shrinkage((span,)))
        expected += 2.0 / (span + 1.0) * (value - expected)
    assert now.item() == pytest.approx(expected, abs=1e-9)


def test_a_span_of_1_is_the_newest_quotient_alone() -> None:
    assert shrinkage((1.0,)).tolist() == [[1.0]]


def test_statistics_are_root_mean_square_and_maximum_over_the_judged_sensors() -> None:
    deviation = np.array([[[3.0, -4.0, 100.0], [0.0, 1.0, 100.0]]])
    found = statistics(deviation, np.array([True, True, False]))
    assert found.tolist() == [pytest.approx([(25 / 2) ** 0.5, 0.5**0.5, 4.0, 1.0])]


# ---- what a score says


@pytest.mark.parametrize("seed", [2, 3])
def test_noise_like_the_calibrations_is_flagged_about_as_often_as_the_budget_allows(seed: int) -> None:
    flagged = scores_of_streams(noise(40_000, seed=seed).reshape(-1, 80, SENSORS)) > 1.0
    assert RARE / 3 <= flagged.mean() <= RARE * 3


def test_a_score_is_never_negative_and_calm_noise_scores_low() -> None:
    found = scores(scorer(), noise(2_000, seed=4))
    assert found.min() >= 0.0
    assert 0.02 < np.median(found) < 0.4


def test_a_spike_is_flagged_at_once_and_its_sensor_named() -> None:
    made = scorer()
    scores(made, noise(100, seed=5))
    said = made.advance(ROW, np.array([[0.0, 10 * NOISE]]), HEARD)
    assert said.score[0] > 1.0
    assert said.share[0, 1] > 0.9


def test_a_level_shift_too_small_for_a_spike_is_flagged_by_its_length() -> None:
    made = scorer()
    before = scores(made, noise(300, seed=6))
    after = scores(made, noise(60, seed=7) + np.array([2.0 * NOISE, 0.0]))
    assert before.max() < 1.0
    assert after[0] < 1.0
    assert after[40:].min() > 1.0


def test_a_slow_drift_is_flagged_before_any_single_residual_is() -> None:
    # drift: from 0 to 1.5 standard deviations in 400 steps
    made = scorer()
    scores(made, noise(300, seed=8))
    drift = np.linspace(0.0, 1.5 * NOISE, 400)[:, None]
    found = scores(made, noise(400, seed=9) + drift)
    single = scores_of_streams((noise(400, seed=9) + drift)[None])[0]
    assert found[-50:].min() > 1.0
    assert np.mean(single[-50:] > 1.0) < 0.1


def test_many_sensors_a_little_off_score_higher_than_one() -> None:
    one = scorer().advance(ROW, np.array([[3.0 * NOISE, 0.0]]), HEARD).score
    both = scorer().advance(ROW, np.array([[3.0 * NOISE, 3.0 * NOISE]]), HEARD).score
    assert both > one


@settings(max_examples=50)
@given(QUOTIENTS, st.floats(0.0, 1.0), QUOTIENTS)
def test_a_larger_residual_never_scores_lower(large: float, share: float, other: float) -> None:
    wild = scorer().advance(ROW, np.array([[large, other]]), HEARD).score[0]
    tame = scorer().advance(ROW, np.array([[share * large, other]]), HEARD).score[0]
    assert tame <= wild


def test_the_score_is_the_surprise_in_units_of_the_budgets() -> None:
    quotient = np.array([[2.0, 0.0]])
    generous = scorer(surprise=2.0).advance(ROW, quotient, HEARD).score[0]
    strict = scorer(surprise=8.0).advance(ROW, quotient, HEARD).score[0]
    assert generous == pytest.approx(4.0 * strict, rel=1e-12)


@given(st.floats(10.0 * NOISE, BOUND), QUOTIENTS)
def test_the_shares_of_a_flagged_sample_sum_to_1(large: float, other: float) -> None:
    said = scorer().advance(ROW, np.array([[large, other]]), HEARD)
    assert said.score[0] > 1.0
    assert said.share[0].sum() == pytest.approx(1.0, abs=1e-12)
    assert (said.share[0] >= 0.0).all()
    assert said.share[0, 0] >= 0.5 or abs(other) > large * 0.9  # near each other, their spreads decide


def test_without_any_deviation_nobody_has_a_share() -> None:
    said = scorer().advance(ROW, np.zeros((1, SENSORS)), HEARD)
    assert (said.score.tolist(), said.share.tolist()) == ([0.0], [[0.0, 0.0]])


# ---- what is not measured or not judged


def test_a_sample_without_any_value_has_no_score_and_leaves_no_trace() -> None:
    plain, gappy = scorer(), scorer()
    calm = noise(50, seed=10)
    scores(plain, calm)
    scores(gappy, calm)
    said = gappy.advance(ROW, np.full((1, SENSORS), BOUND), ~HEARD)
    assert np.isnan(said.score[0])
    assert scores(gappy, calm).tobytes() == scores(plain, calm).tobytes()


def test_what_is_said_of_a_sensor_that_was_not_measured_is_ignored() -> None:
    heard = np.array([[True, False]])
    zero, absent = scorer(), scorer()
    for quotient in noise(50, seed=11)[:, :1]:
        one = zero.advance(ROW, np.array([[quotient[0], 0.0]]), heard)
        other = absent.advance(ROW, np.array([[quotient[0], BOUND]]), heard)
        assert one.score.tobytes() == other.score.tobytes()
        assert one.share.tobytes() == other.share.tobytes()


def test_a_sensor_that_cannot_be_judged_is_never_flagged() -> None:
    made = scorer(replace(taught(), scored=np.array([True, False])))
    said = made.advance(ROW, np.array([[0.0, BOUND]]), HEARD)
    assert (said.score.tolist(), said.share.tolist()) == ([0.0], [[0.0, 0.0]])


def test_a_sample_of_unjudged_sensors_alone_has_no_score() -> None:
    made = scorer(replace(taught(), scored=np.array([True, False])))
    assert np.isnan(made.advance(ROW, np.zeros((1, SENSORS)), np.array([[False, True]])).score[0])


# ---- the slow scale


def test_noise_that_slowly_doubles_is_learned_instead_of_flagged() -> None:
    steps, streams = 5_000, 10
    growth = np.linspace(1.0, 2.0, steps)[:, None, None]
    drawn = noise(steps * streams, seed=12).reshape(steps, streams, SENSORS)
    slowly = scores_of_streams(drawn * growth) > 1.0
    at_once = scores_of_streams(drawn[:200] * 2.0) > 1.0
    assert slowly.mean() < 10 * RARE
    assert at_once.mean() > 40 * RARE


def test_the_slow_scale_follows_quiet_no_further_than_its_bound() -> None:
    quiet, fresh = scorer(), scorer()
    scores(quiet, np.zeros((1_600, SENSORS)))
    quiet.forget(ROW)
    said = quiet.advance(ROW, np.array([[0.3, 0.1]]), HEARD)
    assert said.score == fresh.advance(ROW, np.array([[0.3, 0.1]]) / SCALE_LEAST, HEARD).score


def test_the_slow_scale_follows_noise_no_further_than_its_bound() -> None:
    loud, fresh = scorer(surprise=1e9), scorer(surprise=1e9)  # nothing is flagged
    scores(loud, np.full((600, SENSORS), BOUND))
    loud.forget(ROW)
    said = loud.advance(ROW, np.array([[3.0, 1.0]]), HEARD)
    assert said.score == fresh.advance(ROW, np.array([[3.0, 1.0]]) / SCALE_MOST, HEARD).score


def test_the_slow_scale_never_learns_from_a_flagged_sample() -> None:
    shaken, fresh = scorer(), scorer()
    assert scores(shaken, np.full((500, SENSORS), BOUND)).min() > 1.0
    shaken.forget(ROW)
    calm = noise(50, seed=13)
    assert scores(shaken, calm).tobytes() == scores(fresh, calm).tobytes()


def test_one_wild_value_that_is_not_flagged_teaches_the_slow_scale_no_more_than_three_half_widths() -> None:
    wild, tame = scorer(surprise=1e9), scorer(surprise=1e9)
    wild.advance(ROW, np.full((1, SENSORS), BOUND), HEARD)
    tame.advance(ROW, np.full((1, SENSORS), 3.0), HEARD)
    for made in (wild, tame):
        made.forget(ROW)
    calm = noise(5, seed=14)
    assert scores(wild, calm).tobytes() == scores(tame, calm).tobytes()


# ---- many streams


def test_forgetting_ends_a_deviation() -> None:
    made = scorer()
    scores(made, np.full((100, SENSORS), 2.0))
    made.forget(ROW)
    assert made.advance(ROW, np.zeros((1, SENSORS)), HEARD).score[0] == 0.0


def test_a_streams_score_does_not_depend_on_the_others() -> None:
    together, rows = scorer(streams=5), np.array([4, 0, 2], dtype=np.intp)
    alone = {row: scorer() for row in rows.tolist()}
    for wave in noise(60, seed=15).reshape(-1, 3, SENSORS):
        said = together.advance(rows, wave, np.repeat(HEARD, 3, axis=0))
        for place, row in enumerate(rows.tolist()):
            one = alone[row].advance(ROW, wave[place : place + 1], HEARD)
            assert one.score.tobytes() == said.score[place].tobytes()
            assert one.share.tobytes() == said.share[place].tobytes()


def test_streams_admitted_later_leave_the_others_alone() -> None:
    grown, plain = scorer(), scorer()
    scores(grown, noise(20, seed=16))
    scores(plain, noise(20, seed=16))
    grown.admit(64)
    calm = noise(20, seed=17)
    assert scores(grown, calm).tobytes() == scores(plain, calm).tobytes()
