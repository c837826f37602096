"""Hold the tails to the probabilities that they stand for."""

from math import erfc, exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tail import Means, Peaks, gaussian


def peaks(*, threshold: float = 2.0, scale: float = 0.5, shape: float = 0.2, rarity: float = 3.0) -> Peaks:
    """Return the tails of one channel and sensor, the same on both sides."""
    return Peaks(*(np.full((2, 1, 1), number) for number in (threshold, scale, shape, rarity)))


def means(*, middle: float = 0.0, above: float = 1.0, below: float = 1.0, freedom: float = 1e6) -> Means:
    return Means(*(np.full((1, 1), number) for number in (middle, above, below, freedom)))


def surprise_of(law: Peaks | Means, *values: float) -> np.ndarray:
    return law.surprise(np.array(values), np.zeros(len(values), np.intp))


# ---- single values


def test_up_to_the_threshold_the_surprise_is_a_line() -> None:
    assert surprise_of(peaks(), 0.0, 1.0, -1.0, 2.0).tolist() == [0.0, 1.5, 1.5, 3.0]


@pytest.mark.parametrize("value", [2.1, 5.0, 100.0])
def test_beyond_the_threshold_it_is_that_of_the_pareto_law(value: float) -> None:
    probability = exp(-3.0) * (1.0 + 0.2 * (value - 2.0) / 0.5) ** (-1.0 / 0.2)
    assert surprise_of(peaks(), value, -value) == pytest.approx([-log(probability)] * 2, rel=1e-12)


def test_each_side_has_its_own_law() -> None:
    one = peaks()
    lopsided = Peaks(one.threshold * np.array([1.0, 4.0])[:, None, None], one.scale, one.shape, one.rarity)
    up, down = surprise_of(lopsided, 6.0, -6.0)
    assert down < 3.0 < up


def test_a_threshold_of_zero_is_no_division_by_it() -> None:
    found = surprise_of(peaks(threshold=0.0), 0.0, 1.0)
    assert found.tolist() == [0.0, pytest.approx(3.0 + 5.0 * log(1.4))]


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_what_is_further_away_is_never_less_surprising(one: float, other: float) -> None:
    near, far = sorted((one, other))
    for law in (peaks(), means()):
        surprise = surprise_of(law, near, far)
        assert surprise[0] <= surprise[1] + 1e-9


# ---- means


@pytest.mark.parametrize("size", [0.0, 0.5, 1.96, 4.0, 8.0])
def test_a_gaussian_value_has_the_surprise_of_its_two_tails(size: float) -> None:
    exact = -log(erfc(size / sqrt(2.0)))
    assert exact - 0.06 <= gaussian(np.array([size]))[0] <= exact + 1e-9


@pytest.mark.parametrize("freedom", [3.0, 10.0, 60.0])
def test_with_few_degrees_of_freedom_it_is_student_s(freedom: float) -> None:
    draws = np.abs(np.random.default_rng(1).standard_t(freedom, 2_000_000))
    for probability in (0.1, 1e-3, 1e-4):
        size = float(np.quantile(draws, 1.0 - probability))
        surprise = surprise_of(means(freedom=freedom), size).item()
        assert surprise == pytest.approx(-log(probability), rel=0.06, abs=0.1)


def test_either_side_of_the_middle_has_its_own_spread() -> None:
    law = means(middle=1.0, above=2.0, below=0.5)
    up, down = surprise_of(law, 3.0, 0.5)
    assert up == pytest.approx(down)


# ---- what is not surprising at all


@given(
    st.floats(0.0, 20.0),
    st.floats(1e-3, 3.0),
    st.floats(0.01, 2.0),
    st.floats(0.0, 6.0),
    st.floats(1.0, 500.0),
)
def test_between_the_ordinary_bounds_nothing_is_as_surprising_and_beyond_them_all_is(
    demanded: float, threshold: float, scale: float, rarity: float, freedom: float
) -> None:
    laws = (
        peaks(threshold=threshold, scale=scale, rarity=rarity),
        means(middle=0.5, below=scale, freedom=freedom),
    )
    for law, middle in zip(laws, (0.0, 0.5), strict=True):
        low, high = (float(bound.item()) for bound in law.ordinary(demanded))
        inside, outside = ([middle + times * (bound - middle) for bound in (low, high)] for times in (0.999, 1.001))
        assert (surprise_of(law, *inside) <= demanded + 1e-9).all()
        assert (surprise_of(law, *outside) >= demanded - 1e-9).all()
