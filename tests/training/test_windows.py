"""Hold the arrays of training to what the device sees, sample by sample, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.clock import DAY, WEEK, YEAR
from edge.cohort import Cohort
from edge.pacing import Sample
from edge.window import Windows
from tests.training.conftest import PERIOD, START, Floats, Leaky, learned_of, series_of
from training.series import Series, hold
from training.windows import cut, find_cycles, fit_scaling, lay_steps, part

NAN = np.nan
DAYS = (DAY, DAY / 2, DAY / 3, DAY / 4)  # a day and its overtones


class Watcher:
    """A step graph that remembers what it was shown."""

    def __init__(self, leaky: Leaky) -> None:
        self.x: list[Floats] = []
        self.lags: list[Floats] = []
        self._leaky = leaky

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance a wave by one step."""
        self.x.append(x.copy())
        self.lags.append(lags.copy())
        return self._leaky(x, lags, state)


@st.composite
def heard_series(draw: st.DrawFn) -> Series:
    """Draw a short series with jumps, missing values and restarts."""
    samples, sensors = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.normal(size=(samples, sensors)) * random.choice([0.1, 1.0, 30.0], size=(samples, sensors))
    measured = random.random((samples, sensors)) >= draw(st.sampled_from([0.0, 0.2, 0.7]))
    begun = draw(st.lists(st.integers(1, max(1, samples - 1)), max_size=3))
    heard = np.where(measured, values, NAN)
    return series_of(hold(heard, measured), measured=measured, begun=begun)


def samples_of(series: Series) -> list[Sample]:
    """Return the samples that the grid would hand to the cohort."""
    heard = np.where(series.measured, series.values, NAN).tolist()
    begun = (series.starts == np.arange(len(series))) & (np.arange(len(series)) > 0)
    return [Sample(*sample) for sample in zip(series.times.tolist(), heard, begun.tolist(), strict=True)]


# ---- what the network and the highway read


@settings(deadline=None)
@given(heard_series(), st.integers(1, 4))
def test_training_reads_bit_for_bit_what_the_cohort_reads(series: Series, lags: int) -> None:
    learned = learned_of(series.values.shape[1], window=4, lags=lags)
    watcher = Watcher(leaky := Leaky(learned))
    cohort = Cohort(learned, watcher, leaky.units)
    row = cohort.admit("one")
    for sample in samples_of(series):
        cohort.advance([(row, sample)])
    steps = lay_steps(series, learned.scaling, learned.cycles, learned.means, lags=lags, horizons=(1,))
    assert np.array_equal(steps.x, np.concatenate(watcher.x))
    assert np.array_equal(steps.lags.reshape(len(steps), -1), np.concatenate(watcher.lags))
    assert steps.x.dtype == watcher.x[0].dtype == np.float32


@given(heard_series(), st.integers(2, 7))
def test_the_lags_are_the_rolling_windows_newest_samples(series: Series, length: int) -> None:
    learned = learned_of(series.values.shape[1])
    steps = lay_steps(series, learned.scaling, (), learned.means, lags=length, horizons=(1,))
    scaled = steps.lags[:, -1]
    windows = Windows(length, length, scaled.shape[1], learned.means)
    windows.admit(1)
    row = np.array([0])
    for place in range(len(series)):
        if series.starts[place] == place:
            windows.forget(row)
        windows.push(row, scaled[place : place + 1])
        assert np.array_equal(windows.lags(row)[0], steps.lags[place].ravel())


def test_a_sensor_that_was_not_heard_yet_is_at_its_centre() -> None:
    # sensor b speaks at sample 2 for the first time; the device cannot know what it will say
    values = np.array([[1.0, 9.0], [2.0, 9.0], [3.0, 9.0], [4.0, 9.0]])
    measured = np.array([[True, False], [True, False], [True, True], [True, False]])
    learned = learned_of(2)
    steps = lay_steps(series_of(values, measured=measured), learned.scaling, (), learned.means, lags=1, horizons=(1,))
    held = ((9.0 - learned.scaling.centre[1]) / learned.scaling.spread[1]).astype(np.float32)
    assert steps.lags[:, 0, 1].tolist() == [0.0, 0.0, held, held]


# ---- the targets


def targets(series: Series, horizons: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    learned = learned_of(series.values.shape[1])
    steps = lay_steps(series, learned.scaling, (), learned.means, lags=1, horizons=horizons)
    spread = learned.scaling.spread.astype(np.float32)
    return steps.target * spread, steps.known


def test_the_target_is_the_change_to_each_horizon() -> None:
    values = np.array([[1.0], [2.0], [4.0], [8.0]])
    target, known = targets(series_of(values), (1, 2))
    assert target[:, :, 0].tolist() == [[1, 3], [2, 6], [4, 0], [0, 0]]
    assert known[:, :, 0].tolist() == [[True, True], [True, True], [True, False], [False, False]]


def test_no_target_crosses_a_restart() -> None:
    # sample   0  1  2 | 3  4  5
    # known 1  x  x  . | x  x  .
    # known 2  x  .  . | x  .  .
    target, known = targets(series_of(np.arange(6.0)[:, None] ** 2, begun=[3]), (1, 2))
    assert known[:, 0, 0].tolist() == [True, True, False, True, True, False]
    assert known[:, 1, 0].tolist() == [True, False, False, True, False, False]
    assert not target[~known].any()


def test_what_was_not_measured_is_no_target() -> None:
    measured = np.array([[True, True], [False, True], [True, True]])
    _, known = targets(series_of(np.ones((3, 2)), measured=measured), (1,))
    assert known[:, 0].tolist() == [[False, True], [True, True], [False, False]]


def test_nothing_is_forecast_of_a_sensor_before_it_was_heard_in_this_life() -> None:
    # sample      0  1  2 | 3  4  5
    # measured    .  x  x | .  x  x
    measured = np.array([[False], [True], [True], [False], [True], [True]])
    _, known = targets(series_of(np.ones((6, 1)), measured=measured, begun=[3]), (1,))
    assert known.ravel().tolist() == [False, True, False, False, True, False]


@given(heard_series(), st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True))
def test_a_known_target_is_a_later_measurement_of_the_same_life(series: Series, horizons: list[int]) -> None:
    learned = learned_of(series.values.shape[1])
    steps = lay_steps(series, learned.scaling, (), learned.means, lags=1, horizons=horizons)
    for sample, place, sensor in np.ndindex(steps.known.shape):
        truth = sample + horizons[place]
        there = truth < len(series) and series.starts[truth] <= sample and series.measured[truth, sensor]
        heard = series.measured[series.starts[sample] : sample + 1, sensor].any()
        assert bool(steps.known[sample, place, sensor]) == bool(there and heard)


# ---- parts of a series


def test_a_part_knows_no_truth_at_its_end_or_after_it() -> None:
    learned = learned_of(1)
    steps = lay_steps(series_of(np.arange(10.0)[:, None]), learned.scaling, (), learned.means, lags=3, horizons=(1, 3))
    piece = part(steps, 2, 7, (1, 3))
    #                sample  2     3     4      5      6
    assert piece.known[:, 0, 0].tolist() == [True, True, True, True, False]
    assert piece.known[:, 1, 0].tolist() == [True, True, False, False, False]
    assert not piece.target[~piece.known].any()
    assert np.array_equal(piece.target[piece.known], steps.target[2:7][piece.known])


def test_a_part_sees_the_samples_before_it_but_starts_its_own_life() -> None:
    learned = learned_of(1)
    steps = lay_steps(
        series_of(np.arange(10.0)[:, None], begun=[5]), learned.scaling, (), learned.means, lags=3, horizons=(1,)
    )
    piece = part(steps, 2, 8, (1,))
    assert np.array_equal(piece.lags, steps.lags[2:8])
    assert np.array_equal(piece.x, steps.x[2:8])
    assert piece.starts.tolist() == [0, 0, 0, 3, 3, 3]


def test_values_after_a_parts_end_do_not_reach_it() -> None:
    learned = learned_of(2)
    before = np.random.default_rng(1).normal(size=(40, 2))
    after = np.concatenate((before[:30], 1e6 + before[30:]))
    one, other = (
        part(
            lay_steps(series_of(values), learned.scaling, (DAY,), learned.means, lags=5, horizons=(1, 7)), 5, 30, (1, 7)
        )
        for values in (before, after)
    )
    for name in ("x", "lags", "target", "known", "starts"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


# ---- subsequences


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 25))
def test_subsequences_are_whole_runs_of_steps_from_both_ends(steps: int, length: int, stride: int) -> None:
    pieces = cut(np.arange(1, steps + 1, dtype=np.float32), length=length, stride=stride)
    assert pieces.shape[1] == length
    short = max(0, length - steps)
    assert pieces[0].tolist() == [0] * short + list(range(1, length - short + 1))
    assert pieces[-1, -1] == steps
    begins = pieces[:, -1]
    assert (np.diff(begins) >= 1).all()
    assert (np.diff(begins) <= stride).all()
    assert (np.diff(pieces[:, short:], axis=1) == 1).all()


def test_every_array_of_the_steps_is_cut_alike() -> None:
    learned = learned_of(2)
    steps = lay_steps(
        series_of(np.arange(20.0).reshape(10, 2)), learned.scaling, (), learned.means, lags=1, horizons=(1,)
    )
    assert np.array_equal(cut(steps.x, length=4, stride=3)[1], steps.x[3:7])
    assert np.array_equal(cut(steps.target, length=4, stride=3)[1], steps.target[3:7])


# ---- scaling


def test_the_scaling_is_mean_spread_and_spread_of_the_change() -> None:
    values = np.random.default_rng(1).normal([0.5, -0.03], [2.0, 0.1], size=(400, 2)).cumsum(axis=0)
    scaling = fit_scaling([series_of(values)], [300])
    assert np.allclose(scaling.centre, values[:300].mean(axis=0))
    assert np.allclose(scaling.spread, values[:300].std(axis=0))
    assert np.allclose(scaling.change, np.diff(values[:300], axis=0).std(axis=0))


def test_the_scaling_never_looks_beyond_the_fit_split() -> None:
    values = np.random.default_rng(1).normal(size=(100, 1))
    later = values.copy()
    later[60:] = 1e9
    one, other = (fit_scaling([series_of(each), series_of(each)], [60, 40]) for each in (values, later))
    assert (one.centre, one.spread, one.change) == (other.centre, other.spread, other.change)


def test_the_scaling_ignores_what_was_not_measured() -> None:
    values = np.random.default_rng(1).normal(size=(200, 1))
    measured = np.arange(200)[:, None] % 10 != 3
    held = hold(np.where(measured, values, NAN), measured)
    scaling = fit_scaling([series_of(held, measured=measured)], [200])
    assert scaling.centre == pytest.approx(values[measured].mean())
    assert scaling.spread == pytest.approx(values[measured].std())


def test_the_change_of_a_sensor_that_speaks_every_second_step_is_that_between_its_values() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1))
    measured = np.arange(400)[:, None] % 2 == 0
    held = hold(np.where(measured, values, NAN), measured)
    scaling = fit_scaling([series_of(held, measured=measured)], [400])
    assert scaling.change == pytest.approx(np.diff(values[::2, 0]).std(), rel=1e-9)


def test_a_jump_over_a_restart_is_no_change() -> None:
    values = np.concatenate((np.sin(np.arange(50.0)), 1e3 + np.sin(np.arange(50.0))))[:, None]
    scaling = fit_scaling([series_of(values, begun=[50])], [100])
    assert scaling.change == pytest.approx(np.diff(np.sin(np.arange(50.0))).std(), rel=0.01)


@pytest.mark.parametrize("level", [0.0, 0.1, -273.15, 101_325.7, 1e12])
def test_a_sensor_that_never_moved_has_spread_and_change_one(level: float) -> None:
    scaling = fit_scaling([series_of(np.full((1000, 1), level))], [1000])
    assert (scaling.spread, scaling.change) == (1.0, 1.0)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_whether_a_sensor_moved_does_not_depend_on_its_unit(unit: float) -> None:
    values = unit * np.random.default_rng(1).normal(size=(100, 1))
    assert fit_scaling([series_of(values)], [100]).spread == pytest.approx(values.std())


def test_a_sensor_that_only_ever_rose_evenly_does_not_change_infinitely_much_when_it_stops() -> None:
    scaling = fit_scaling([series_of(np.linspace(0.0, 1.0, 10_001)[:, None])], [10_001])
    assert scaling.change == pytest.approx(1e-3 * scaling.spread)


def test_a_sensor_that_is_silent_in_the_fit_split_has_a_scale_all_the_same() -> None:
    values = np.random.default_rng(1).normal(size=(50, 2))
    measured = np.ones((50, 2), np.bool_)
    measured[:40, 1] = False
    scaling = fit_scaling([series_of(values, measured=measured)], [40])
    assert (scaling.centre[1], scaling.spread[1], scaling.change[1]) == (0.0, 1.0, 1.0)


# ---- cycles


def test_a_cycle_must_have_turned_twice_in_the_fit_split() -> None:
    def cycles(days: float, period: float = 3600.0) -> tuple[float, ...]:
        series = series_of(np.zeros((int(days * DAY / period) + 1, 1)), period=period)
        return find_cycles([series], [len(series)], period)

    assert cycles(1.9) == ()
    assert cycles(2) == DAYS
    assert cycles(13.9) == DAYS
    assert cycles(14) == (*DAYS, WEEK, WEEK / 2)
    assert cycles(731) == (*DAYS, WEEK, WEEK / 2, YEAR)


def test_daily_data_have_no_time_of_day() -> None:
    series = series_of(np.zeros((900, 1)), period=DAY)
    assert find_cycles([series], [900], DAY) == (WEEK, YEAR)


@pytest.mark.parametrize(
    ("hours", "overtones"), [(1.0, 4), (1.5, 4), (1.6, 3), (2.0, 3), (2.5, 2), (3.0, 2), (6.0, 1), (6.1, 0)]
)
def test_no_overtone_turns_faster_than_four_steps_can_tell(hours: float, overtones: int) -> None:
    period = 3600.0 * hours
    series = series_of(np.zeros((int(5 * DAY / period), 1)), period=period)
    assert find_cycles([series], [len(series)], period) == DAYS[:overtones]


def test_the_longest_stream_decides_and_only_its_fit_split_counts() -> None:
    series = [series_of(np.zeros((int(3 * DAY / PERIOD), 1))), series_of(np.zeros((100, 1)))]
    assert find_cycles(series, [len(series[0]), 100], PERIOD) == DAYS
    assert find_cycles(series, [int(1.5 * DAY / PERIOD), 100], PERIOD) == ()
    assert series[0].times[0] == START
