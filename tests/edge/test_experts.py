"""Hold the weights of the experts to what they promise: the better one counts more, and no single truth decides."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.experts import BOUND, EXPERTS, HALF_LIFE, Experience, Experts, inexperienced, weigh

COUNT = len(EXPERTS)
HORIZONS, SENSORS = 2, 3
ONE = np.array([0], dtype=np.intp)
ALL = np.ones((1, HORIZONS, SENSORS), dtype=np.bool_)


def experts_of(streams: int = 1, prior: Experience | None = None, pace: int = 1) -> Experts:
    experts = Experts(inexperienced(HORIZONS, SENSORS) if prior is None else prior, (pace,) * HORIZONS)
    experts.admit(streams)
    return experts


def learn(experts: Experts, rows: np.ndarray, missed: np.ndarray, known: np.ndarray) -> None:
    """Let experts learn misses of shape (wave, experts, horizons, sensors)."""
    experts.learn(rows, missed.swapaxes(0, 1).astype(np.float32), known)


def weights_of(experts: Experts, rows: np.ndarray) -> np.ndarray:
    """Return the weights, shape (wave, experts, horizons, sensors)."""
    return experts.weights(rows).swapaxes(0, 1)


def misses(random: np.random.Generator, sizes: tuple[float, ...], streams: int = 1) -> np.ndarray:
    """Draw what each expert misses: Gaussian, of a size of its own."""
    drawn = random.normal(size=(streams, COUNT, HORIZONS, SENSORS))
    return drawn * np.array(sizes)[:, None, None]


def taught(sizes: tuple[float, ...], truths: int, *, seed: int = 1) -> Experts:
    experts, random = experts_of(), np.random.default_rng(seed)
    for _ in range(truths):
        learn(experts, ONE, misses(random, sizes), ALL)
    return experts


@cache
def taught_for_long() -> Experts:
    """Return experts of a long life; whoever goes on with them copies them first."""
    return taught((1.0, 0.8, 0.9, 0.85), 300)


def same(one: Experience, other: Experience) -> bool:
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("loss", "reach", "heard"))


# ---- weights


def test_without_experience_all_experts_count_the_same() -> None:
    assert weigh(inexperienced(HORIZONS, SENSORS)).tolist() == np.full((COUNT, HORIZONS, SENSORS), 1 / COUNT).tolist()
    assert weights_of(experts_of(3), np.array([0, 2])).shape == (2, COUNT, HORIZONS, SENSORS)
    assert np.array_equal(weights_of(experts_of(), ONE)[0], weigh(inexperienced(HORIZONS, SENSORS)))


@given(
    arrays.arrays(np.float64, (COUNT, 1, 2), elements=st.floats(0.0, 1e12)),
    arrays.arrays(np.float64, (1, 2), elements=st.floats(0.0, 1e6)),
)
def test_weights_are_shares_and_a_smaller_loss_never_counts_less(loss: np.ndarray, heard: np.ndarray) -> None:
    weights = weigh(Experience(loss, np.ones_like(loss), heard))
    assert ((weights >= 0.0) & (weights <= 1.0)).all()
    assert weights.sum(axis=0) == pytest.approx(np.ones((1, 2)), abs=1e-12)
    order = np.argsort(loss, axis=0, kind="stable")
    assert (np.diff(np.take_along_axis(weights, order, axis=0), axis=0) <= 0.0).all()


@given(st.lists(st.floats(0.01, 10.0), min_size=COUNT, max_size=COUNT), st.integers(0, 60), st.integers(0, 99))
def test_weights_are_shares_whatever_comes_true(sizes: list[float], truths: int, seed: int) -> None:
    weights = weights_of(taught(tuple(sizes), truths, seed=seed), ONE)
    assert np.isfinite(weights).all()
    assert weights.sum(axis=1) == pytest.approx(np.ones((1, HORIZONS, SENSORS)), abs=1e-6)


@pytest.mark.parametrize("best", range(COUNT))
def test_the_expert_that_misses_least_counts_most(best: int) -> None:
    sizes = tuple(0.5 if place == best else 1.0 for place in range(COUNT))
    early, late = (weights_of(taught(sizes, truths), ONE)[0, best] for truths in (20, 400))
    assert (late > 0.9).all()
    assert late.mean() > early.mean() > 1 / COUNT


def test_experts_that_are_equally_good_share_the_weight() -> None:
    # Only persistence is bad; the others miss by the same.
    experts, random = experts_of(), np.random.default_rng(1)
    for _ in range(300):
        missed = np.repeat(random.normal(size=(1, 1, HORIZONS, SENSORS)), COUNT, axis=1)
        missed[:, 0] *= 3.0
        learn(experts, ONE, missed, ALL)
    assert weights_of(experts, ONE)[0, 1:] == pytest.approx(np.full((COUNT - 1, HORIZONS, SENSORS), 1 / 3), abs=1e-3)


def test_the_weights_do_not_depend_on_the_unit() -> None:
    small, large = (taught(tuple(unit * size for size in (1.0, 0.9, 1.1, 0.95)), 100) for unit in (1e-2, 1e2))
    assert weights_of(small, ONE) == pytest.approx(weights_of(large, ONE), abs=1e-4)


def test_every_sensor_and_horizon_has_weights_of_its_own() -> None:
    experts, random = experts_of(), np.random.default_rng(1)
    for _ in range(300):
        missed = misses(random, (1.0,) * COUNT)
        missed[:, 1, 0, 0] *= 0.3
        missed[:, 2, 1, 2] *= 0.3
        learn(experts, ONE, missed, ALL)
    weights = weights_of(experts, ONE)[0]
    assert weights[1, 0, 0] > 0.9
    assert weights[2, 1, 2] > 0.9
    assert weights[1, 1, 1] < 0.9


def test_another_expert_takes_over_when_the_world_changes() -> None:
    experts = taught((1.0, 1.0, 1.0, 0.5), 500)
    random = np.random.default_rng(2)
    for _ in range(round(4 * HALF_LIFE)):
        learn(experts, ONE, misses(random, (1.0, 0.5, 1.0, 1.5)), ALL)
    assert (weights_of(experts, ONE)[0, 1] > 0.9).all()


# ---- wild truths


@given(st.floats(20.0, 1e12), st.integers(1, 4))
def test_an_outage_that_nobody_foresaw_changes_hardly_anything(wild: float, steps: int) -> None:
    # In the outage the expert that is the worst otherwise misses least: unbounded, it would win at once.
    experts = deepcopy(taught_for_long())
    before, order = weights_of(experts, ONE), experts.experience(ONE).loss.argsort(axis=0)
    for _ in range(steps):
        missed = np.full((1, COUNT, HORIZONS, SENSORS), wild) + np.array([0.0, 3.0, 5.0, 4.0])[:, None, None]
        learn(experts, ONE, missed, ALL)
    assert np.array_equal(experts.experience(ONE).loss.argsort(axis=0), order)
    # Differences count less against the larger noise, so the weights come a little nearer to each other.
    assert np.abs(weights_of(experts, ONE) - before).max() < 0.25


@pytest.mark.parametrize("wild", [30.0, 1e3, 1e9])
def test_one_wild_miss_of_the_best_expert_does_not_decide(wild: float) -> None:
    experts = taught((1.0, 1.0, 1.0, 0.5), 300)
    missed = np.zeros((1, COUNT, HORIZONS, SENSORS))
    missed[:, 3] = wild
    learn(experts, ONE, missed, ALL)
    assert (weights_of(experts, ONE)[0].argmax(axis=0) == 3).all()


def test_a_truth_costs_at_most_the_bound() -> None:
    # The quantile that is followed is moved by the truth itself first, so its new value is the measure.
    experts = taught((1.0,) * COUNT, 200)
    before = experts.experience(ONE)
    learn(experts, ONE, np.full((1, COUNT, HORIZONS, SENSORS), 1e6), ALL)
    after = experts.experience(ONE)
    most = (BOUND * after.reach.min(axis=0)) ** 2
    assert (after.loss - before.loss <= most * (1 + 1e-12)).all()


# ---- unknown truths


def test_unknown_truths_change_nothing() -> None:
    experts = taught((1.0, 0.8, 0.9, 0.7), 50)
    before, weights = experts.experience(ONE), weights_of(experts, ONE)
    learn(experts, ONE, np.full((1, COUNT, HORIZONS, SENSORS), np.nan), np.zeros_like(ALL))
    assert same(experts.experience(ONE), before)
    assert np.array_equal(weights_of(experts, ONE), weights)


def test_what_is_unknown_of_one_sensor_hides_nothing_of_another() -> None:
    whole, holed = taught((1.0, 0.8, 0.9, 0.7), 50), taught((1.0, 0.8, 0.9, 0.7), 50)
    before = holed.experience(ONE)
    missed = misses(np.random.default_rng(5), (1.0,) * COUNT)
    learn(whole, ONE, missed, ALL)
    known = ALL.copy()
    known[0, 1, 2] = False
    missed[0, :, 1, 2] = np.nan
    learn(holed, ONE, missed, known)
    mine, theirs = holed.experience(ONE), whole.experience(ONE)
    for name in ("loss", "reach", "heard"):
        kept, was, other = (getattr(one, name) for one in (mine, before, theirs))
        assert np.array_equal(kept[..., 1, 2], was[..., 1, 2])
        assert np.array_equal(kept[..., 0, :], other[..., 0, :])
        assert not np.array_equal(kept[..., 0, :], was[..., 0, :])


def test_truths_are_counted_and_forgotten_by_halves() -> None:
    experts = experts_of()
    for _ in range(round(HALF_LIFE)):
        learn(experts, ONE, np.ones((1, COUNT, HORIZONS, SENSORS)), ALL)
    heard = experts.experience(ONE).heard
    assert heard == pytest.approx(np.full(heard.shape, 0.5 / (1.0 - 0.5 ** (1.0 / HALF_LIFE))), rel=1e-5)


def test_a_truth_that_is_heard_every_few_steps_counts_as_so_many() -> None:
    every, some = experts_of(), experts_of(pace=4)
    for step in range(400):
        learn(every, ONE, np.ones((1, COUNT, HORIZONS, SENSORS)), ALL)
        learn(some, ONE, np.ones((1, COUNT, HORIZONS, SENSORS)), ALL & (step % 4 == 0))
    one, other = every.experience(ONE), some.experience(ONE)
    assert other.heard == pytest.approx(one.heard, rel=0.01)
    assert other.loss == pytest.approx(one.loss, rel=0.03)


# ---- streams


@given(st.integers(1, 12), st.integers(0, 99))
def test_waves_of_many_learn_bit_for_bit_what_waves_of_one_learn(streams: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    together, apart = experts_of(streams), experts_of(streams)
    everyone = np.arange(streams, dtype=np.intp)
    for _ in range(8):
        rows = everyone[random.random(streams) < 0.7]
        missed = misses(random, (1.0, 0.5, 2.0, 0.7), streams)[rows]
        known = random.random((len(rows), HORIZONS, SENSORS)) < 0.8
        learn(together, rows, missed, known)
        for place, row in enumerate(rows):
            learn(apart, rows[place : place + 1], missed[place : place + 1], known[place : place + 1])
            assert same(together.experience(np.array([row])), apart.experience(np.array([row])))
    assert weights_of(together, everyone).tobytes() == weights_of(apart, everyone).tobytes()


def test_streams_admitted_later_begin_with_the_prior_and_the_others_keep_their_experience() -> None:
    told = taught((1.0, 1.0, 1.0, 0.3), 100).experience(ONE)
    experts = experts_of(2, prior=told)
    random = np.random.default_rng(3)
    for _ in range(50):
        learn(experts, ONE, misses(random, (1.0, 0.1, 1.0, 1.0)), ALL)
    before, weights = experts.experience(ONE), weights_of(experts, ONE)
    experts.admit(40)
    assert same(experts.experience(ONE), before)
    assert np.array_equal(weights_of(experts, ONE), weights)
    for row in (1, 39):
        assert same(experts.experience(np.array([row])), told)
        assert weights_of(experts, np.array([row]))[0] == pytest.approx(weigh(told), abs=1e-6)


def test_the_experience_of_several_streams_is_their_mean() -> None:
    experts, random = experts_of(2), np.random.default_rng(1)
    both = np.array([0, 1])
    for _ in range(20):
        learn(experts, both, misses(random, (1.0, 0.5, 2.0, 0.7), 2), np.repeat(ALL, 2, axis=0))
    apart = [experts.experience(np.array([row])) for row in both]
    found = experts.experience(both)
    for name in ("loss", "reach", "heard"):
        assert np.array_equal(getattr(found, name), np.mean([getattr(one, name) for one in apart], axis=0))


def test_what_is_read_is_a_copy_and_arguments_are_left_alone() -> None:
    experts = taught((1.0, 0.8, 0.9, 0.7), 10)
    before = weights_of(experts, ONE)
    weights_of(experts, ONE)[:] = 9.0
    assert np.array_equal(weights_of(experts, ONE), before)
    missed, known = misses(np.random.default_rng(1), (1.0,) * COUNT), ALL.copy()
    kept = missed.copy()
    learn(experts, ONE, missed, known)
    assert np.array_equal(missed, kept)
    assert known.all()
