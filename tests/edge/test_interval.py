"""Hold the margins to what they promise: each bound is crossed as often as it should be, whatever the noise does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.interval import GROWTH, LATE, NEAR, PACE, Leeway, Margins, no_leeway

COVERAGE = 0.9
STREAMS = 40  # drawn side by side, to measure shares sharply
EVERYONE = np.arange(STREAMS, dtype=np.intp)
KNOWN = np.ones((STREAMS, 1, 1), dtype=np.bool_)
ONE = np.array([0], dtype=np.intp)


def margins_of(streams: int = STREAMS, coverage: float = COVERAGE, *, horizons: int = 1, sensors: int = 1) -> Margins:
    margins = Margins(coverage, range(1, horizons + 1), (1,) * horizons, no_leeway(horizons, sensors))
    margins.admit(streams)
    return margins


def crossed(margins: Margins, noise: np.ndarray, half_width: float) -> np.ndarray:
    """Let the margins hear noise (steps, streams); return the shares that lay below and above, step by step."""
    given_widths = np.full((2, STREAMS, 1, 1), half_width)
    shares = []
    for residual in noise:
        bound = margins.widen(EVERYONE, given_widths)[:, :, 0, 0]
        shares.append(((-residual > bound[0]).mean(), (residual > bound[1]).mean()))
        margins.learn(EVERYONE, residual[:, None, None], given_widths, KNOWN)
    return np.array(shares)


def hear(margins: Margins, residual: float, half_width: float) -> None:
    """Let a single stream hear one truth."""
    margins.learn(ONE, np.full((1, 1, 1), residual), np.full((2, 1, 1, 1), half_width), KNOWN[:1])


def same(one: Leeway, other: Leeway) -> bool:
    return one.extra.tobytes() == other.extra.tobytes() and one.reach.tobytes() == other.reach.tobytes()


# ---- coverage


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("half_width", [0.2, 1.0, 1.7, 10.0])
def test_each_side_is_crossed_as_often_as_it_should_be_whatever_width_it_began_with(
    coverage: float, half_width: float
) -> None:
    noise = np.random.default_rng(1).normal(size=(3000, STREAMS))
    shares = crossed(margins_of(coverage=coverage), noise, half_width)[1500:]
    assert shares.mean(axis=0) == pytest.approx([(1 - coverage) / 2 - LATE] * 2, abs=0.01)


def test_skewed_noise_gets_an_interval_that_is_as_skewed() -> None:
    noise = np.random.default_rng(1).exponential(size=(4000, STREAMS)) - 1.0
    margins = margins_of()
    shares = crossed(margins, noise, 1.0)[2000:]
    assert shares.mean(axis=0) == pytest.approx([0.05 - LATE] * 2, abs=0.01)
    below, above = margins.widen(EVERYONE, np.ones((2, STREAMS, 1, 1)))[:, :, 0, 0].mean(axis=1)
    assert above > 1.5 * below


@pytest.mark.parametrize("change", [0.1, 4.0])
def test_coverage_returns_after_the_noise_has_changed(change: float) -> None:
    random = np.random.default_rng(2)
    margins = margins_of()
    crossed(margins, random.normal(size=(1500, STREAMS)), 1.7)
    shares = crossed(margins, change * random.normal(size=(4000, STREAMS)), 1.7)
    early, late = shares[:10].sum(axis=1).mean(), shares[2500:].sum(axis=1).mean()
    assert abs(early - 0.1) > 0.05
    assert late == pytest.approx(0.1 - 2 * LATE, abs=0.02)


def test_a_sensor_that_sleeps_and_wakes_is_covered_over_both() -> None:
    # 100 steps of silence, 100 of noise, over and over
    random = np.random.default_rng(3)
    noise = random.normal(size=(4000, STREAMS)) * (np.arange(4000)[:, None] // 100 % 2)
    shares = crossed(margins_of(), noise, 1.7)[2000:]
    assert shares.sum(axis=1).mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("pace", [1, 4])
def test_truths_that_overlap_are_covered_like_those_that_do_not(pace: int) -> None:
    # a walk of 24 steps: each truth shares most of its way with the next, and comes 24 steps late
    random = np.random.default_rng(5)
    walk = np.cumsum(random.normal(size=(6000, STREAMS)), axis=0)
    noise = (walk[24:] - walk[:-24]) / 24**0.5
    margins = Margins(COVERAGE, (24,), (pace,), no_leeway(1, 1))
    margins.admit(STREAMS)
    widths, outside = np.full((2, STREAMS, 1, 1), 1.0), []
    for step, residual in enumerate(noise):
        bound = margins.widen(EVERYONE, widths)[:, :, 0, 0]
        outside.append(((-residual > bound[0]) | (residual > bound[1])).mean())
        if step >= 24 and step % pace == 0:
            margins.learn(EVERYONE, noise[step - 24][:, None, None], widths, KNOWN)
    assert 1.0 - np.mean(outside[2000:]) == pytest.approx(COVERAGE, abs=0.04)  # with one pace for all: 0.80


# ---- one truth


def test_a_crossed_bound_moves_out_and_the_other_one_in_by_less() -> None:
    margins = margins_of(1)
    hear(margins, 3.0, 1.0)
    below, above = margins.leeway(ONE).extra[:, 0, 0].tolist()
    assert below < 0.0 < above
    # The truth lay 2 above the upper bound, and 4 above the lower one, of which the first truth may tell GROWTH.
    assert above == pytest.approx(PACE * 2.0 * (0.95 + LATE))
    assert below == pytest.approx(-PACE * GROWTH * (0.05 - LATE))


def test_an_outage_neither_closes_the_other_side_nor_throws_its_own_side_far_out() -> None:
    random = np.random.default_rng(4)
    margins = margins_of(1)
    for residual in random.normal(size=500).tolist():
        hear(margins, residual, 1.7)
    usual = margins.widen(ONE, np.full((1, 2, 1, 1), 1.7))[0, :, 0, 0]
    for _ in range(5):
        hear(margins, 1000.0, 1.7)
    for residual in random.normal(size=100).tolist():
        hear(margins, residual, 1.7)
    below, above = margins.widen(ONE, np.full((1, 2, 1, 1), 1.7))[0, :, 0, 0]
    assert below > 0.25 * usual[0]
    assert above < usual[1] + 5 * PACE * GROWTH**5 * NEAR * 1.7


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60), st.floats(0.0, 1e6), st.integers(1, 10))
def test_no_noise_moves_a_bound_beyond_the_farthest_truth(
    residuals: list[float], half_width: float, rounds: int
) -> None:
    margins = margins_of(1)
    for residual in residuals * rounds:
        hear(margins, residual, half_width)
    farthest = max(abs(residual) + half_width for residual in residuals)
    assert np.abs(margins.leeway(ONE).extra).max() <= (1.0 + 4.0 * PACE) * farthest * (1.0 + 1e-9)
    assert (margins.widen(ONE, np.full((2, 1, 1, 1), half_width)) >= 0.0).all()


@given(st.integers(1, 60), st.floats(1e-3, 1e3))
def test_intervals_do_not_depend_on_the_unit(steps: int, unit: float) -> None:
    one, other = margins_of(1), margins_of(1)
    for residual in np.random.default_rng(steps).normal(size=steps).tolist():
        hear(one, residual, 0.7)
        hear(other, unit * residual, unit * 0.7)
    assert other.leeway(ONE).extra == pytest.approx(unit * one.leeway(ONE).extra, rel=1e-6, abs=1e-9 * unit)


# ---- unknown truths


def test_unknown_truths_change_nothing() -> None:
    margins = margins_of(2, horizons=2, sensors=2)
    both = np.array([0, 1], dtype=np.intp)
    random = np.random.default_rng(1)
    for _ in range(20):
        margins.learn(both, random.normal(size=(2, 2, 2)), np.ones((2, 2, 2, 2)), np.ones((2, 2, 2), np.bool_))
    before = [margins.leeway(both[row : row + 1]) for row in both]
    known = np.zeros((2, 2, 2), np.bool_)
    margins.learn(both, np.full((2, 2, 2), np.nan), np.full((2, 2, 2, 2), np.nan), known)
    assert all(same(margins.leeway(both[row : row + 1]), before[row]) for row in both)
    known[1, 0, 1] = True
    margins.learn(both, np.where(known, 5.0, np.nan), np.ones((2, 2, 2, 2)), known)
    assert same(margins.leeway(both[:1]), before[0])
    for name in ("extra", "reach"):
        moved = getattr(margins.leeway(both[1:]), name) != getattr(before[1], name)
        assert np.array_equal(moved, np.stack((known[1], known[1])))


# ---- streams


def test_waves_of_many_learn_bit_for_bit_what_waves_of_one_learn() -> None:
    together, apart = margins_of(9, sensors=3), margins_of(9, sensors=3)
    random = np.random.default_rng(1)
    rows = np.arange(9, dtype=np.intp)
    for _ in range(30):
        residual, widths = 2.0 * random.normal(size=(9, 1, 3)), 0.5 + random.random((2, 9, 1, 3))
        known = random.random((9, 1, 3)) < 0.8
        together.learn(rows, residual, widths, known)
        for row in rows:
            cut = slice(row, row + 1)
            apart.learn(rows[cut], residual[cut], widths[:, cut], known[cut])
            assert same(together.leeway(rows[cut]), apart.leeway(rows[cut]))
    assert together.widen(rows, widths).tobytes() == apart.widen(rows, widths).tobytes()


def test_streams_admitted_later_begin_with_the_prior_and_the_others_keep_their_leeway() -> None:
    prior = Leeway(np.array([[[0.5]], [[-0.25]]]), np.ones((2, 1, 1)))
    margins = Margins(COVERAGE, (1,), (1,), prior)
    margins.admit(1)
    assert same(margins.leeway(ONE), prior)
    assert margins.widen(ONE, np.ones((2, 1, 1, 1))).ravel().tolist() == [1.5, 0.75]
    hear(margins, 9.0, 1.0)
    before = margins.leeway(ONE)
    margins.admit(30)
    assert same(margins.leeway(ONE), before)
    assert all(same(margins.leeway(np.array([row])), prior) for row in (1, 29))


def test_the_leeway_of_several_streams_is_their_mean() -> None:
    margins = margins_of(2)
    both = np.array([0, 1], dtype=np.intp)
    margins.learn(both, np.array([[[3.0]], [[-1.0]]]), np.ones((2, 2, 1, 1)), KNOWN[:2])
    apart = [margins.leeway(both[row : row + 1]) for row in both]
    for name in ("extra", "reach"):
        mean = np.mean([getattr(one, name) for one in apart], axis=0)
        assert getattr(margins.leeway(both), name) == pytest.approx(mean)


def test_a_half_width_is_never_negative() -> None:
    margins = margins_of(1)
    for _ in range(3000):
        hear(margins, 0.0, 5.0)
    assert (margins.widen(ONE, np.full((1, 2, 1, 1), 5.0)) >= 0.0).all()
    assert (margins.widen(ONE, np.full((1, 2, 1, 1), 0.1)) == 0.0).all()
