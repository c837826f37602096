"""Hold the judgement of forecasts to numbers worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cohort import Verdicts
from training.forecasts import Listener, Pair, judge

Doubles = NDArray[np.float64]
HOUR = 3600.0
FITTED = 100


def heard_of(values: Doubles, *, off: float, half: float, warm: int = 10) -> Listener:
    """Say at every sample that the next one is the truth plus `off`, within `half`."""
    heard = Listener()
    for row, value in enumerate(values):
        one = np.array([[value]])
        truth = values[row + 1] if row + 1 < len(values) else 0.0
        forecast = np.array([[[truth + off if row >= warm else np.nan]]])
        unsaid = np.full((1, 1), np.nan)
        heard(
            Verdicts(
                rows=np.zeros(1, np.intp), times=np.array([HOUR * row]), values=one, measured=np.ones((1, 1), np.bool_),
                expected=unsaid, lower=unsaid, upper=unsaid, score=unsaid[0], share=unsaid,
                begins=np.array([False]), restarted=np.array([row == 0]), forecast=forecast,
                forecast_lower=forecast - half, forecast_upper=forecast + half,
            )
        )  # fmt: skip
    return heard


def pair_of(values: Doubles, *, off: float = 0.5, half: float = 1.0) -> Pair:
    heard = heard_of(values, off=off, half=half)
    (pair,) = judge(heard, heard.track(HOUR, HOUR * (FITTED - 1)), ["t"], [1])
    return pair


def test_errors_intervals_and_skill_are_measured_as_by_hand() -> None:
    values = np.random.default_rng(0).normal(size=200).cumsum()
    pair = pair_of(values)
    truth, last = values[FITTED:], values[FITTED - 1 : -1]
    assert pair.samples == 100
    assert (pair.forecast.rmse, pair.forecast.mae) == pytest.approx((0.5, 0.5))
    assert pair.persistence.rmse == pytest.approx(float(np.sqrt(np.mean((truth - last) ** 2))))
    assert pair.persistence.mae == pytest.approx(float(np.mean(np.abs(truth - last))))
    assert (pair.interval.coverage, pair.interval.width) == pytest.approx((1.0, 2.0))
    assert pair.best == min(pair.persistence.rmse, pair.ridge.rmse)
    assert pair.skill() == pytest.approx(1.0 - 0.5 / pair.best)
    assert pair.skill(pair.persistence) <= 0.0


def test_an_interval_that_misses_covers_nothing() -> None:
    pair = pair_of(np.random.default_rng(0).normal(size=200).cumsum(), off=3.0, half=1.0)
    assert (pair.interval.coverage, pair.interval.width) == pytest.approx((0.0, 2.0))


def test_seasonal_naive_has_the_interval_of_its_fitted_residuals() -> None:
    random = np.random.default_rng(1)
    pair = pair_of(np.sin(2 * np.pi * np.arange(2000) / 24) + random.normal(size=2000))
    assert pair.seasonal_interval is not None
    assert pair.seasonal_interval.width == pytest.approx(2 * 1.645 * np.sqrt(2), rel=0.25)


def test_a_sensor_that_stands_still_in_the_judged_part_is_named_and_not_divided_by() -> None:
    values = np.random.default_rng(0).normal(size=200).cumsum()
    values[FITTED - 1 :] = 3.0
    assert pair_of(values).still
    assert not pair_of(np.random.default_rng(0).normal(size=200).cumsum()).still


def test_a_pair_without_a_truth_has_no_samples() -> None:
    heard = heard_of(np.random.default_rng(0).normal(size=200), off=0.0, half=1.0, warm=300)
    (pair,) = judge(heard, heard.track(HOUR, HOUR * (FITTED - 1)), ["t"], [1])
    assert pair.samples == 0
