"""Hold the fitted tails to what was drawn, and to how little a short recording can know."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.evidence import FEATURES, LEVEL, SMOOTHED, WEIGHT, smooth
from edge.tail import Means, Peaks
from training.tails import HEAVIEST, fit_means, fit_others, fit_peaks, memory, pareto


def correlated(samples: int, share: float, *, seed: int = 1, sensors: int = 1) -> np.ndarray:
    """Draw Gaussian values of spread 1 of which each keeps a share of the one before; shape (samples, sensors)."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(samples, sensors))
    for step in range(1, samples):
        values[step] = share * values[step - 1] + np.sqrt(1.0 - share**2) * values[step]
    return values


# ---- memory


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_memory_counts_the_steps_over_which_values_are_alike(share: float) -> None:
    # The integrated time of a first-order process is (1 + share) / (1 - share).
    assert memory(correlated(40_000, share))[0] == pytest.approx((1.0 + share) / (1.0 - share), rel=0.15)


def test_a_random_walk_remembers_as_long_as_it_was_watched() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=(1_000, 20)), axis=0)
    assert np.median(memory(walk)) > 100.0


@pytest.mark.parametrize("values", [np.zeros((1, 2)), np.zeros((50, 2)), np.ones((2, 2))])
def test_what_never_changes_has_no_memory(values: np.ndarray) -> None:
    assert memory(values).tolist() == [1.0, 1.0]


# ---- single values


@given(arrays.arrays(np.float64, st.integers(0, 120), elements=st.floats(-1e6, 1e6)), st.floats(1.0, 1e3))
def test_every_array_of_numbers_has_a_tail(values: np.ndarray, remembered: float) -> None:
    threshold, scale, shape, rarity = pareto(values, remembered, 1e-3)
    assert np.isfinite([threshold, scale, shape, rarity]).all()
    assert threshold >= 0.0
    assert scale >= 1e-3
    assert shape > 0.0
    assert rarity >= 0.0


def surprise_of(values: np.ndarray, at: float, *, remembered: float = 1.0) -> float:
    law = pareto(values, remembered, 1e-6)
    return float(Peaks(*(np.full((2, 1, 1), number) for number in law)).surprise(np.array([at]), np.array([0])).item())


@pytest.mark.parametrize("name", ["gaussian", "exponential", "student"])
def test_a_long_recording_tells_the_probability_of_what_it_has_not_seen(name: str) -> None:
    random = np.random.default_rng(2)
    draw = {
        "gaussian": lambda count: random.normal(size=count),
        "exponential": lambda count: random.laplace(size=count),
        "student": lambda count: random.standard_t(4, size=count),
    }[name]
    values, fresh = draw(20_000), np.sort(np.abs(draw(4_000_000)))
    for probability in (1e-2, 1e-4, 1e-5):
        at = float(fresh[-int(probability * len(fresh))])
        # It errs towards silence: a factor of 12 at most where it has seen nothing, hardly any towards noise.
        assert log(1.0 / probability) - 2.5 < surprise_of(values, at) < log(1.0 / probability) + 0.7


def test_values_that_follow_their_predecessors_are_trusted_less() -> None:
    values = np.random.default_rng(3).normal(size=400)
    assert surprise_of(values, 8.0, remembered=50.0) < surprise_of(values, 8.0, remembered=1.0) - 2.0


def test_what_was_seen_is_never_very_surprising() -> None:
    # a switch that was on for 3 of 600 samples
    values = np.zeros(600)
    values[[100, 200, 201]] = 1.0
    assert surprise_of(values, 1.0) < log(600.0) + 1.0


def test_too_few_values_are_no_evidence_of_anything_rare() -> None:
    threshold, scale, shape, rarity = pareto(np.linspace(-1.0, 1.0, 19), 1.0, 1e-3)
    assert (threshold, scale, shape, rarity) == (0.0, 1.0, HEAVIEST, 0.0)


def test_the_tails_of_every_sensor_are_its_own() -> None:
    random = np.random.default_rng(4)
    away = random.normal(size=(2_000, FEATURES, 2)) * np.array([1.0, 10.0])
    found = fit_peaks(away, np.ones((2_000, 2), np.bool_), np.ones((FEATURES, 2)), np.ones((FEATURES, 2)))
    assert found.threshold[:, :, 1] == pytest.approx(10.0 * found.threshold[:, :, 0], rel=0.15)


# ---- means


def means_of(values: np.ndarray) -> tuple[Means, np.ndarray]:
    """Fit the means of values of one sensor, the same in all features; return them with the smoothed values."""
    heard = np.ones((1, 1), np.bool_)
    small = np.repeat(values[:, None, :], FEATURES, axis=1)
    now, smoothed = np.zeros((len(SMOOTHED), 1, 1)), []
    for one in small:
        now = smooth(now, one[:, None], heard)
        smoothed.append(now[:, 0])
    found = np.array(smoothed)
    remembered = memory(values)[None].repeat(FEATURES, axis=0)
    return fit_means(found, small, np.ones(values.shape, np.bool_), remembered, WEIGHT), found


def test_a_mean_of_independent_values_is_trusted_and_one_of_a_random_walk_is_not() -> None:
    steady, _ = means_of(correlated(400, 0.0))
    walk, _ = means_of(np.cumsum(np.random.default_rng(5).normal(size=(400, 1)), axis=0) / 20.0)
    assert steady.freedom.min() > 50.0
    assert walk.freedom.max() < 8.0


def test_a_mean_is_allowed_a_bias() -> None:
    # Over 48 steps the mean of white noise is within .14; a model may be wrong by .25 and more all the same.
    steady, _ = means_of(correlated(4_000, 0.0))
    levels = [place for place, feature in enumerate(SMOOTHED) if feature == LEVEL]
    others = [place for place, feature in enumerate(SMOOTHED) if feature != LEVEL]
    assert steady.above[levels].min() >= 0.25
    assert steady.above[others].min() >= 0.6


@pytest.mark.parametrize("share", [0.0, 0.8])
def test_new_means_of_the_same_kind_are_rarely_surprising(share: float) -> None:
    found, _ = means_of(correlated(2_000, share, seed=6))
    _, fresh = means_of(correlated(40_000, share, seed=7))
    surprise = found.surprise(fresh.ravel(), np.arange(fresh.size) % fresh[0].size).reshape(fresh.shape)
    for demanded in (3.0, 5.0, 7.0):
        assert ((surprise > demanded).mean(axis=0) < 1.6 * np.exp(-demanded) + 2e-4).all()


# ---- what the others say


def test_what_the_others_explain_is_taken_away() -> None:
    random = np.random.default_rng(8)
    common = random.normal(size=(2_000, 1))
    level = np.concatenate((common + 0.1 * random.normal(size=(2_000, 2)), random.normal(size=(2_000, 1))), axis=1)
    others = fit_others(level, np.ones(3, np.bool_), np.ones(3))
    odds = level @ others.T
    assert odds.std(axis=0) == pytest.approx([0.14, 0.14, 1.0], abs=0.03)


def test_a_sensor_alone_has_no_odds() -> None:
    level = np.random.default_rng(9).normal(size=(100, 2))
    assert fit_others(level, np.array([True, False]), np.ones(2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_few_values_explain_little() -> None:
    level = np.random.default_rng(10).normal(size=(12, 10))
    others = fit_others(level, np.ones(10, np.bool_), np.full(10, 4.0))
    assert np.abs(others - np.eye(10)).max() < 0.6
