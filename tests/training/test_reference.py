"""The references forecast what they should, from the fitted samples alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.reference import Track, ridge, seasonal_naive

Doubles = NDArray[np.float64]
HOUR = 3600.0


def track_of(values: Doubles, fitted: int, *, begun: tuple[int, ...] = ()) -> Track:
    index = np.arange(len(values))
    starts = np.maximum.accumulate(np.where(np.isin(index, begun), index, 0))
    return Track(HOUR, HOUR * index, values, np.ones(values.shape, np.bool_), starts, fitted)


def rmse(truth: Doubles, said: Doubles, judged: slice) -> float:
    return float(np.sqrt(np.nanmean((truth - said)[judged] ** 2)))


def test_ridge_finds_a_linear_rule_and_a_clock() -> None:
    random = np.random.default_rng(0)
    values = np.zeros((1500, 2))
    for row in range(2, 1500):
        values[row, 0] = 1.5 * values[row - 1, 0] - 0.9 * values[row - 2, 0] + random.normal()
        values[row, 1] = 3.0 * np.sin(2 * np.pi * row / 24) + random.normal()
    track = track_of(values, 1200)
    truth, said = track.truths(1), ridge(track, 1)
    assert rmse(truth[:, :1], said[:, :1], slice(1200, None)) == pytest.approx(1.0, abs=0.1)
    assert rmse(truth[:, 1:], said[:, 1:], slice(1200, None)) == pytest.approx(1.0, abs=0.15)


def test_ridge_depends_on_no_later_sample_than_the_fitted_ones_and_its_own() -> None:
    values = np.random.default_rng(1).normal(size=(400, 2)).cumsum(axis=0)
    changed = values.copy()
    changed[350:] = -1e3
    for horizon in (1, 6):
        before, after = (ridge(track_of(one, 300), horizon) for one in (values, changed))
        np.testing.assert_array_equal(before[:350], after[:350])


def test_ridge_sees_all_fitted_samples_once_its_strength_is_chosen() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1)).cumsum(axis=0)
    changed = values.copy()
    changed[295] += 50.0
    before, after = (ridge(track_of(one, 300), 1)[350:] for one in (values, changed))
    assert not np.allclose(before, after)


def test_ridge_leaves_gaps_out_and_forecasts_from_what_is_held() -> None:
    values = np.random.default_rng(2).normal(size=(400, 2)).cumsum(axis=0)
    values[:5, 1] = np.nan
    measured = np.random.default_rng(3).random(values.shape) > 0.05
    track = Track(HOUR, HOUR * np.arange(400), values, measured & ~np.isnan(values), np.zeros(400, np.intp), 300)
    assert np.isfinite(ridge(track, 1)[10:]).all()


def test_seasonal_naive_repeats_the_longest_season_that_the_fitted_samples_hold_twice() -> None:
    values = np.arange(400.0)[:, None]
    said = seasonal_naive(track_of(values, 340), 1)
    assert said is not None
    assert said[300, 0] == 300 + 1 - 168  # a week of hours
    assert seasonal_naive(track_of(values, 40), 1) is None
    assert seasonal_naive(track_of(values, 60), 25) is None  # the value a day before is not yet there


def test_a_truth_of_another_life_or_beyond_the_end_is_unknown() -> None:
    truth = track_of(np.arange(10.0)[:, None], 5, begun=(6,)).truths(2)[:, 0]
    np.testing.assert_array_equal(truth, [2, 3, 4, 5, np.nan, np.nan, 8, 9, np.nan, np.nan])
