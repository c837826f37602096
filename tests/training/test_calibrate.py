"""Hold intervals and scores to what they promise: coverage, tail probabilities, the alarm budget."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edge.cohort import Cohort, Learned
from edge.score import RAREST, Tail, alarm_surprise
from tests.training.conftest import LETTERS, Leaky, learned_of, series_of
from training.calibrate import FARTHEST, FEWEST, calibrate, factors, fit_tail, unknowing
from training.rehearse import Rehearsal, Span, rehearse
from training.series import hold

Doubles = NDArray[np.float64]
NAN = np.nan


def rehearsal_of(truth: Doubles, half_width: Doubles, *, measured: NDArray[np.bool_] | None = None) -> Rehearsal:
    """Say that 0 was forecast of each truth (samples, sensors), with the half-width (samples, sensors) on both sides.

    The forecasts at sample t are for t + 1 and t + 3.
    """
    samples = len(truth)
    ahead = np.stack([np.roll(half_width, -horizon, axis=0) for horizon in (1, 3)], axis=1)
    nothing = np.zeros_like(ahead)
    return Rehearsal(
        values=truth,
        measured=np.ones(truth.shape, np.bool_) if measured is None else measured,
        starts=np.zeros(samples, np.intp),
        expected=np.zeros_like(truth),
        lower=-half_width,
        upper=half_width,
        forecast=nothing,
        forecast_lower=-ahead,
        forecast_upper=ahead,
        highway=nothing,
        below=ahead,
        above=ahead,
        score=np.full(samples, NAN),
        judged=0,
    )


# ---- intervals


def covered(calibrated_on: int, level: float, *, replicates: int = 300) -> tuple[Doubles, Doubles]:
    """Calibrate on skewed noise whose size comes and goes, and cover fresh noise of the same kind.

    Returns:
        For horizons and replicates: the shares of fresh truths below and above the interval.
    """
    random = np.random.default_rng(5)

    def draw(samples: int) -> tuple[Doubles, Doubles]:
        size = 0.1 + random.random((samples, replicates))
        return size * (random.exponential(size=(samples, replicates)) - 1.0), size

    truth, size = draw(calibrated_on)
    below, above = factors([rehearsal_of(truth, size)], (1, 3), level)
    fresh, size = draw(5000)
    low = np.stack([(fresh < -factor * size).mean(axis=0) for factor in below])
    high = np.stack([(fresh > factor * size).mean(axis=0) for factor in above])
    return low, high


@pytest.mark.parametrize(("samples", "level"), [(60, 0.9), (400, 0.9), (400, 0.5)])
def test_the_intervals_cover_as_many_new_truths_as_they_promise(samples: int, level: float) -> None:
    low, high = covered(samples, level)
    promised = (1 - level) / 2
    for missed in (low, high):
        # Conformal: a fresh truth is outside with k of n + 1 chances; the mean of 300 replicates shows that closely.
        n = samples - 1
        chance = 1 - np.ceil((n + 1) * (1 - promised)) / (n + 1)
        deviation = np.sqrt(promised * (1 - promised) / n / missed.shape[1])
        assert missed.mean(axis=1) == pytest.approx(chance, abs=5 * deviation + 3 / n)
        assert (missed < promised + 6 * np.sqrt(promised * (1 - promised) / n)).all()


def test_below_and_above_have_factors_of_their_own() -> None:
    random = np.random.default_rng(1)
    truth = random.exponential(size=(2000, 1)) - 1.0
    below, above = factors([rehearsal_of(truth, np.ones((2000, 1)))], (1, 3), 0.9)
    assert below[0, 0] == pytest.approx(1.0 + np.log(0.95), rel=0.05)
    assert above[0, 0] == pytest.approx(-np.log(0.05) - 1.0, rel=0.1)


def test_a_sensor_with_too_few_truths_keeps_the_width_that_training_gave_it() -> None:
    measured = np.ones((200, 2), np.bool_)
    measured[FEWEST - 1 :, 1] = False
    truth = np.random.default_rng(1).normal(size=(200, 2)) * 7.0
    below, above = factors([rehearsal_of(truth, np.ones((200, 2)), measured=measured)], (1, 3), 0.9)
    assert (below[:, 1], above[:, 1]) == (pytest.approx([1.0, 1.0]), pytest.approx([1.0, 1.0]))
    assert (below[:, 0] > 5.0).all()


def test_what_was_not_measured_does_not_count() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=(500, 1))
    measured = random.random((500, 1)) < 0.5
    wild = np.where(measured, truth, 1e6)
    one = factors([rehearsal_of(truth, np.ones((500, 1)), measured=measured)], (1, 3), 0.9)
    other = factors([rehearsal_of(wild, np.ones((500, 1)), measured=measured)], (1, 3), 0.9)
    assert np.array_equal(one, other)


def test_the_samples_that_only_prime_the_state_do_not_count() -> None:
    truth = np.random.default_rng(1).normal(size=(500, 1))
    wild = np.concatenate((1e3 * truth[:100], truth))
    one = rehearsal_of(truth, np.ones(truth.shape))
    primed = replace(rehearsal_of(wild, np.ones(wild.shape)), judged=100)
    assert np.array_equal(factors([one], (1, 3), 0.9), factors([primed], (1, 3), 0.9))
    ones, scored = np.ones(1), np.ones(1, np.bool_)
    mine, theirs = (calibrate([each], ones, ones, scored) for each in (one, primed))
    assert np.array_equal(mine.energy, theirs.energy)
    assert np.array_equal(mine.worst.at, theirs.worst.at)


def test_all_streams_are_calibrated_together() -> None:
    truth = np.random.default_rng(1).normal(size=(500, 1))
    width = np.ones((500, 1))
    [[one, _], _] = factors([rehearsal_of(truth, width), rehearsal_of(9.0 * truth, width)], (1, 3), 0.9)
    [[small, _], _] = factors([rehearsal_of(truth, width)], (1, 3), 0.9)
    assert 2.0 * small < one < 9.0 * small


def test_a_perfect_forecast_still_has_an_interval() -> None:
    below, above = factors([rehearsal_of(np.zeros((100, 1)), np.ones((100, 1)))], (1, 3), 0.9)
    assert (below > 0.0).all()
    assert (above > 0.0).all()


# ---- tails


def is_valid(tail: Tail) -> bool:
    finite = np.isfinite(tail.at).all() and np.isfinite(tail.surprise).all()
    rising = (np.diff(tail.at) > 0).all() and (np.diff(tail.surprise) >= 0).all()
    return bool(finite and rising and len(tail.at) == len(tail.surprise) >= 2 and tail.surprise[0] >= 0.0)


@given(
    arrays.arrays(np.float64, st.integers(0, 120), elements=st.floats(-1e6, 1e6)),
    st.sampled_from([1.0, 1e-9, 1e9]),
)
def test_every_array_of_numbers_has_a_tail(statistic: Doubles, unit: float) -> None:
    assert is_valid(fit_tail(unit * statistic))


@given(arrays.arrays(np.float64, st.integers(0, 120), elements=st.sampled_from([0.0, 1.0, 1.0 + 1e-15, 7.5, NAN])))
def test_every_array_with_repetitions_and_gaps_has_a_tail(statistic: Doubles) -> None:
    assert is_valid(fit_tail(statistic))


@pytest.mark.parametrize(
    "statistic",
    [
        np.zeros(0),
        np.full(500, NAN),
        np.zeros(19),
        np.zeros(500),
        np.full(500, 3.25),
        np.array([1.0] * 499 + [1e9]),
        np.array([0.0] * 250 + [1e-300] * 250),
    ],
    ids=["none", "all missing", "few", "all zero", "all equal", "one wild", "almost equal"],
)
def test_a_degenerate_statistic_has_a_tail_that_still_rises(statistic: Doubles) -> None:
    tail = fit_tail(statistic)
    assert is_valid(tail)
    assert tail.of(np.array([1e12]))[0] >= -np.log(RAREST)
    assert tail.of(np.array([0.0]))[0] <= 7.0


@pytest.mark.parametrize("count", [200, 2000, 20_000])
def test_the_surprise_of_a_quantile_is_that_of_the_share_beyond_it(count: int) -> None:
    statistic = np.random.default_rng(1).gamma(2.0, size=count)
    tail = fit_tail(statistic)
    for quantile in (0.1, 0.5, 0.8, 0.9, 0.94):
        at = np.quantile(statistic, quantile)
        assert tail.of(np.array([at]))[0] == pytest.approx(-np.log(1 - quantile), abs=3.0 / np.sqrt(count) + 0.02)


@pytest.mark.parametrize("rate", [0.2, 3.0])
def test_beyond_what_was_seen_an_exponential_statistic_keeps_its_rate(rate: float) -> None:
    tail = fit_tail(np.random.default_rng(1).exponential(1.0 / rate, size=20_000))
    far = np.array([15.0, 25.0]) / rate
    assert np.diff(tail.of(far)) * rate / np.diff(far * rate) == pytest.approx(rate, rel=0.15)
    # Each probability is a power of e that small; a tail that is too light would raise alarms.
    assert tail.of(far) == pytest.approx(far * rate, rel=0.15)


def test_the_tail_errs_towards_silence() -> None:
    slopes = [
        np.diff(fit_tail(np.random.default_rng(seed).exponential(size=300)).of(np.array([20.0, 21.0])))[0]
        for seed in range(300)
    ]
    assert 0.7 < np.mean(slopes) < 0.95


def test_the_tail_ends_far_beyond_every_alarm_budget() -> None:
    tail = fit_tail(np.random.default_rng(1).exponential(size=1000))
    assert tail.surprise[-1] - FARTHEST == pytest.approx(-np.log(0.05), abs=0.1)
    assert tail.of(np.array([1e9]))[0] == tail.surprise[-1] > -np.log(RAREST)


# ---- the score


def heard(learned: Learned, samples: int, *, seed: int, missing: float, lives: Sequence[int] = ()) -> Span:
    """Draw one stream of noise that remembers a little, with spoken and unspoken values."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(samples + 1, len(learned.sensors)))
    values = noise[1:] + 0.5 * noise[:-1]
    measured = random.random(values.shape) >= missing
    series = series_of(
        hold(np.where(measured, values, NAN), measured), measured=measured, begun=lives, stream=f"s{seed}"
    )
    return Span(series, 0, 20, samples)


@pytest.mark.parametrize(
    ("missing", "lives"),
    [(0.0, ()), (0.5, ()), (0.0, range(50, 1500, 50))],
    ids=["whole", "half missing", "short lives"],
)
def test_new_data_of_the_same_kind_are_flagged_as_often_as_the_alarm_budget_says(
    missing: float, lives: Sequence[int]
) -> None:
    learned = replace(learned_of(3), period=604.8)  # 1,000 steps a week
    leaky = Leaky(learned)
    past = [heard(learned, 1500, seed=seed, missing=missing, lives=lives) for seed in range(40)]
    said = rehearse(leaky, learned, past).streams
    below, above = factors(said, learned.horizons, 0.9)
    known = replace(
        learned,
        below=below,
        above=above,
        calibration=calibrate(said, below[0], above[0], np.ones(3, np.bool_)),
        false_alarms_per_week=5.0,
    )
    new = [heard(learned, 1500, seed=100 + seed, missing=missing, lives=lives) for seed in range(40)]
    scores = np.concatenate([one.score[one.judged :] for one in rehearse(leaky, known, new).streams])
    judged = scores[~np.isnan(scores)]
    assert alarm_surprise(5.0, 604.8) == pytest.approx(-np.log(0.005))
    assert 0.0025 < (judged > 1.0).mean() < 0.01
    assert (judged > 0.5).mean() == pytest.approx(0.005**0.5, rel=0.25)


def test_the_energy_is_that_of_the_values_that_were_measured() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=(4000, 2)) * 0.5
    measured = np.ones(truth.shape, np.bool_)
    measured[:, 1] = random.random(4000) < 0.3
    held = hold(np.where(measured, truth, NAN), measured)
    one = np.ones(2)
    found = calibrate([rehearsal_of(held, np.ones(truth.shape), measured=measured)], one, one, np.ones(2, np.bool_))
    assert found.energy == pytest.approx([0.25, 0.25], rel=0.1)


def test_a_sensor_that_is_not_scored_changes_no_score() -> None:
    truth = np.random.default_rng(1).normal(size=(1000, 2))
    wild = truth * np.array([1.0, 1e3])
    ones, scored = np.ones(2), np.array([True, False])
    tails = [calibrate([rehearsal_of(each, np.ones(each.shape))], ones, ones, scored).worst for each in (truth, wild)]
    assert np.array_equal(tails[0].at, tails[1].at)


def test_samples_in_which_no_judged_sensor_spoke_do_not_count() -> None:
    truth = np.random.default_rng(1).normal(size=(1000, 2))
    measured = np.ones(truth.shape, np.bool_)
    measured[::2, 0] = False
    ones, scored = np.ones(2), np.array([True, False])
    sparse = calibrate([rehearsal_of(truth, np.ones(truth.shape), measured=measured)], ones, ones, scored)
    spoken = calibrate([rehearsal_of(truth[1::2], np.ones((500, 2)))], ones, ones, scored)
    assert np.array_equal(sparse.worst.at, spoken.worst.at)


@pytest.mark.parametrize("share", [0.0, 0.002])
def test_a_calibrate_split_that_is_all_but_silent_gives_a_calibration_that_serves(share: float) -> None:
    learned = learned_of(2)
    measured = np.random.default_rng(1).random((1000, 2)) < share
    measured[:20] = True
    series = series_of(np.random.default_rng(2).normal(size=(1000, 2)), measured=measured)
    said = rehearse(Leaky(learned), learned, [Span(series, 0, 20, 1000)]).streams
    below, above = factors(said, learned.horizons, 0.9)
    found = calibrate(said, below[0], above[0], np.ones(2, np.bool_))
    assert np.isfinite(found.energy).all()
    assert np.isfinite(found.spread).all()
    assert all(is_valid(tail) for tail in (*found.tails, found.worst))


def test_the_calibration_that_knows_nothing_flags_nothing() -> None:
    learned = replace(learned_of(2), calibration=unknowing(2))
    [said] = rehearse(Leaky(learned), learned, [heard(learned, 100, seed=1, missing=0.0)]).streams
    assert (said.score[20:] == 0.0).all()
    assert Cohort(learned, Leaky(learned), Leaky(learned).units).learned.sensors == tuple(LETTERS[:2])
