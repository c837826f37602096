"""Hold the robust line to the textbook's where nothing is wild, and to its promise where something is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training import robust
from training.blocks import CONSTANT, cut_blocks
from training.robust import robust_weights

Doubles = NDArray[np.float64]
LAW = np.array([0.6, -0.3, 0.0])


def drawn(samples: int, *, noise: float = 0.1, seed: int = 1) -> tuple[Doubles, Doubles]:
    """Draw features with a constant behind them, and what follows from them by `LAW`, with noise."""
    random = np.random.default_rng(seed)
    plain = random.normal(size=(samples, len(LAW)))
    features = np.concatenate((plain, np.full((samples, 1), CONSTANT)), axis=1)
    return features, plain @ LAW + 0.5 + noise * random.normal(size=samples)


def fitted(features: Doubles, target: Doubles, known: NDArray[np.bool_] | None = None) -> tuple[Doubles, Doubles]:
    every = np.ones(len(target), np.bool_) if known is None else known
    return robust_weights(features, target, every, cut_blocks([len(target)], margin=2))


def least_squares(features: Doubles, target: Doubles) -> Doubles:
    return np.linalg.lstsq(features, target, rcond=None)[0]


def law_of(weights: Doubles) -> Doubles:
    return np.append(weights[:-1], CONSTANT * weights[-1])


TRUE = np.append(LAW, 0.5)


def test_where_nothing_is_wild_it_is_the_line_of_least_squares() -> None:
    features, target = drawn(4000)
    weights, unseen = fitted(features, target)
    assert law_of(weights) == pytest.approx(TRUE, abs=0.01)
    assert weights == pytest.approx(least_squares(features, target), abs=0.005)
    assert (target - unseen).std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("wild", [-10.0, 10.0, 40.0])
def test_outages_that_pull_least_squares_away_hardly_move_it(wild: float) -> None:
    features, target = drawn(2000)
    out = (np.arange(2000) % 200 < 10) & (features[:, 0] > 0.0)
    spoilt = np.where(out, wild, target)
    weights, _ = fitted(features, spoilt)
    mine, theirs = (np.abs(law_of(found) - TRUE).max() for found in (weights, least_squares(features, spoilt)))
    assert theirs > 0.1
    assert mine < 0.15 * theirs


def test_its_forecasts_of_calm_samples_are_as_good_as_if_there_were_no_outage() -> None:
    features, target = drawn(2000)
    out = np.random.default_rng(2).random(2000) < 0.03
    _, unseen = fitted(features, np.where(out, target - 15.0, target))
    calm = (target - unseen)[~out]
    assert np.sqrt((calm * calm).mean()) < 1.15 * 0.1


@given(st.integers(0, 4), st.floats(-5.0, 5.0))
@settings(deadline=None, max_examples=10)
def test_the_forecasts_of_a_block_do_not_depend_on_its_own_truths(block: int, shift: float) -> None:
    # The weights of all samples are found together and the strength on all blocks: here both are held still.
    features, target = drawn(300)
    blocks = cut_blocks([300], margin=2)
    inside, _ = blocks[block]
    changed = target.copy()
    changed[inside] += shift
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robust, "STRENGTHS", (1e-2,))
        patch.setattr(robust, "BEND", 1e9)
        (_, one), (_, other) = fitted(features, target), fitted(features, changed)
    assert one[inside] == pytest.approx(other[inside], abs=1e-9)
    if abs(shift) > 0.1:
        others = np.delete(np.arange(300), inside)
        assert np.abs(one[others] - other[others]).max() > 1e-3


def test_what_is_unknown_changes_nothing() -> None:
    features, target = drawn(500)
    known = np.random.default_rng(3).random(500) < 0.6
    (mine, one), (theirs, other) = (
        fitted(features, target, known),
        fitted(features, np.where(known, target, 1e6), known),
    )
    assert np.array_equal(mine, theirs)
    assert np.array_equal(one, other)


def test_without_any_truth_nothing_is_forecast() -> None:
    features, target = drawn(100)
    weights, unseen = fitted(features, target, np.zeros(100, np.bool_))
    assert not weights.any()
    assert not unseen.any()


def test_a_sensor_that_seldom_moves_is_not_forecast_as_if_it_never_did() -> None:
    # Nine of ten truths are zero: the median miss is, too, and must not make noise of every movement.
    random = np.random.default_rng(1)
    features, _ = drawn(4000)
    features[:, 0] = np.where(random.random(4000) < 0.1, features[:, 0], 0.0)
    weights, _ = fitted(features, 0.6 * features[:, 0])
    assert weights[0] == pytest.approx(0.6, abs=0.1)


def test_the_constant_is_not_held_back_by_the_penalty() -> None:
    features, _ = drawn(400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robust, "STRENGTHS", (0.1,))
        weights, _ = fitted(features, np.full(400, 7.0))
    assert features @ weights == pytest.approx(np.full(400, 7.0), rel=1e-3)


def test_only_the_newest_truths_are_fitted_on_where_there_are_very_many() -> None:
    features, target = drawn(1000)
    older = target.copy()
    older[:600] = -9.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robust, "MOST", 400)
        weights, unseen = fitted(features, older)
    assert law_of(weights) == pytest.approx(TRUE, abs=0.03)
    assert (target - unseen).std() < 0.15


def test_noise_gets_a_strong_penalty() -> None:
    random = np.random.default_rng(1)
    features = np.concatenate((random.normal(size=(200, 40)), np.full((200, 1), CONSTANT)), axis=1)
    target = random.normal(size=200)
    weights, _ = fitted(features, target)
    mine, theirs = (np.linalg.norm(found[:-1]) for found in (weights, least_squares(features, target)))
    assert mine < 0.3 * theirs
