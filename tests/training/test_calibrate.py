"""Hold intervals and scores to what they promise: coverage, tail probabilities, the alarm budget."""

from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.alarm import WEEK
from edge.cohort import Cohort
from edge.evidence import Calibration
from edge.learned import Learned
from edge.scale import Scaling
from tests.training.conftest import LETTERS, Leaky, learned_of, series_of
from training.calibrate import FEWEST, calibrate, factors, unknowing, varied
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


def plain(sensors: int) -> Scaling:
    return Scaling(np.zeros(sensors), np.ones(sensors), np.ones(sensors))


def learn(rehearsals: Sequence[Rehearsal], scored: Sequence[bool] | None = None) -> Calibration:
    """Calibrate on rehearsals with honest intervals, of sensors of spread 1."""
    sensors = rehearsals[0].values.shape[1]
    ones = np.ones(sensors)
    return calibrate(rehearsals, ones, ones, np.array(scored or [True] * sensors), plain(sensors), period=60.0)


@pytest.mark.parametrize(
    ("missing", "lives"),
    [(0.0, ()), (0.5, ()), (0.0, range(50, 1500, 50))],
    ids=["whole", "half missing", "short lives"],
)
def test_new_data_of_the_same_kind_have_as_many_events_as_the_alarm_budget_says(
    missing: float, lives: Sequence[int]
) -> None:
    learned = replace(learned_of(3), period=WEEK / 1000.0)
    leaky = Leaky(learned)
    past = [heard(learned, 1500, seed=seed, missing=missing, lives=lives) for seed in range(4)]
    said = rehearse(leaky, learned, past).streams
    below, above = factors(said, learned.horizons, 0.9)
    calibration = calibrate(said, below[0], above[0], np.ones(3, np.bool_), learned.scaling, period=60.0)
    known = replace(learned, below=below, above=above, calibration=calibration, false_alarms_per_week=5.0)
    new = [heard(learned, 4000, seed=100 + seed, missing=missing, lives=lives) for seed in range(8)]
    begun = sum(
        np.diff((one.score > 1.0).astype(int), prepend=0).clip(0).sum() for one in rehearse(leaky, known, new).streams
    )
    weeks = 8 * 4.0
    assert weeks * 5.0 / 2 <= begun <= weeks * 5.0 * 2


def test_the_energy_is_that_of_the_values_that_were_measured() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=(4000, 2)) * 0.5
    measured = np.ones(truth.shape, np.bool_)
    measured[:, 1] = random.random(4000) < 0.3
    found = learn(
        [rehearsal_of(hold(np.where(measured, truth, NAN), measured), np.ones(truth.shape), measured=measured)]
    )
    assert found.energy == pytest.approx([0.25, 0.25], rel=0.1)


def test_a_sensor_that_is_not_scored_changes_nothing_for_the_others() -> None:
    truth = np.random.default_rng(1).normal(size=(1000, 2))
    wild = truth * np.array([1.0, 1e3])
    one, other = (learn([rehearsal_of(each, np.ones(each.shape))], [True, False]) for each in (truth, wild))
    for mine, theirs in ((one.peaks.scale, other.peaks.scale), (one.means.above, other.means.above)):
        assert np.array_equal(mine[..., 0], theirs[..., 0])
    assert np.array_equal(one.others[0], other.others[0])


def test_samples_in_which_no_judged_sensor_spoke_do_not_count() -> None:
    truth = np.random.default_rng(1).normal(size=(1000, 2))
    measured = np.ones(truth.shape, np.bool_)
    measured[::2, 0] = False
    sparse = learn([rehearsal_of(truth, np.ones(truth.shape), measured=measured)], [True, False])
    spoken = learn([rehearsal_of(truth[1::2], np.ones((500, 2)))], [True, False])
    assert np.array_equal(sparse.peaks.scale[:, :, 0], spoken.peaks.scale[:, :, 0])
    assert (sparse.samples, spoken.samples) == (500, 500)


def test_streams_are_calibrated_together_and_their_memories_apart() -> None:
    truth = np.random.default_rng(1).normal(size=(600, 1))
    halves = [rehearsal_of(half, np.ones(half.shape)) for half in (truth[:300], truth[300:])]
    both, whole = learn(halves), learn([rehearsal_of(truth, np.ones(truth.shape))])
    assert both.samples == whole.samples
    assert both.peaks.threshold == pytest.approx(whole.peaks.threshold, abs=0.05)  # the references begin anew
    assert both.means.above == pytest.approx(whole.means.above, rel=0.05)


def test_a_switch_is_not_judged_beside_sensors_that_measure() -> None:
    random = np.random.default_rng(1)
    values = np.stack([random.normal(size=300), (random.random(300) < 0.1).astype(float), np.zeros(300)], axis=1)
    said = [rehearsal_of(values, np.ones(values.shape))]
    assert varied(said, np.array([True, True, False])).tolist() == [True, False, False]
    assert varied(said, np.array([False, True, False])).tolist() == [False, False, False]


def test_the_levels_of_switches_and_of_what_never_moved_are_known_and_of_no_other() -> None:
    random = np.random.default_rng(1)
    values = np.stack([random.normal(size=300), (random.random(300) < 0.1).astype(float), np.full(300, 7.0)], axis=1)
    scaling = Scaling(np.array([0.0, 0.5, 7.0]), np.array([1.0, 0.5, 1.0]), np.ones(3))
    said = [rehearsal_of(values, np.ones(values.shape))]
    for scored in ([True, False, False], [False, False, False]):
        found = calibrate(said, np.ones(3), np.ones(3), np.array(scored), scaling, period=60.0)
        assert found.positions[:, 1:].tolist() == [[-1.0, 0.0], [1.0, 0.0]]
        assert np.isnan(found.positions[:, 0]).all()


@pytest.mark.parametrize("share", [0.0, 0.002])
def test_a_calibrate_split_that_is_all_but_silent_gives_a_calibration_that_serves(share: float) -> None:
    learned = learned_of(2)
    measured = np.random.default_rng(1).random((1000, 2)) < share
    measured[:20] = True
    series = series_of(np.random.default_rng(2).normal(size=(1000, 2)), measured=measured)
    said = rehearse(Leaky(learned), learned, [Span(series, 0, 20, 1000)]).streams
    below, above = factors(said, learned.horizons, 0.9)
    found = calibrate(said, below[0], above[0], np.ones(2, np.bool_), learned.scaling, period=60.0)
    laws = (found.centre, found.spread, found.energy, *astuple(found.peaks), *astuple(found.means))
    assert all(np.isfinite(law).all() for law in laws)
    assert min(law.min() for law in (found.spread, found.energy, found.peaks.scale, found.means.freedom)) > 0.0


def test_the_calibration_that_knows_nothing_judges_nothing() -> None:
    learned = replace(learned_of(2), calibration=unknowing(2))
    [said] = rehearse(Leaky(learned), learned, [heard(learned, 100, seed=1, missing=0.0)]).streams
    assert np.isfinite(said.expected[20:]).all()
    assert np.isnan(said.score).all()
    assert Cohort(learned, Leaky(learned), Leaky(learned).units).learned.sensors == tuple(LETTERS[:2])
