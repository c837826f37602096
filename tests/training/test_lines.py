"""Hold the lines to the textbook's ridge regression, and the cross-fitting to what it must not see."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.clock import DAY
from tests.training.conftest import learned_of, series_of
from training import lines, robust
from training.blocks import CONSTANT, FOLDS, cut_blocks
from training.lines import Lines, fit_lines
from training.windows import Steps, lay_steps

HORIZONS = (1, 3)
LAGS = 4
CLOCK = 2  # one cycle


def steps_of(values: NDArray[np.float64], *, measured: NDArray[np.bool_] | None = None) -> Steps:
    known = learned_of(values.shape[1])
    return lay_steps(
        series_of(values, measured=measured), known.scaling, (DAY,), known.means, lags=LAGS, horizons=HORIZONS
    )


def fitted(*streams: Steps) -> Lines:
    return fit_lines(streams, clock=CLOCK, farthest=HORIZONS[-1])


def taken(steps: Steps, begin: int, end: int) -> Steps:
    """Return some samples, with truths beyond their end."""
    return Steps(*(getattr(steps, name)[begin:end] for name in ("x", "lags", "target", "known", "starts")))


def wandering(rows: int, *, sensors: int = 2, seed: int = 1) -> NDArray[np.float64]:
    """Draw a stable process in which each sensor follows the others' last two values; its noise has spread 1."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(1).normal(size=(2, sensors, sensors)) * 0.35 / sensors + 0.4 * np.eye(sensors)
    values = np.zeros((rows, sensors))
    for row in range(2, rows):
        values[row] = values[row - 1] @ mix[0] + values[row - 2] @ mix[1] * 0.5 + random.normal(size=sensors)
    return values


def problem_of(*streams: Steps) -> lines._Problem:
    return lines._problem(streams, CLOCK, HORIZONS[-1])


# ---- the textbook


@pytest.mark.parametrize("strength", [1e-4, 0.1, 10.0])
def test_a_line_is_the_ridge_regression_of_the_textbook(strength: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "STRENGTHS", (strength,))
    problem = problem_of(taken(steps_of(wandering(300)), 0, 290))  # every truth is known
    assert problem.known.all()
    found = lines._ridge(problem, lines._every(problem))
    penalty = strength * len(problem.features) * np.eye(problem.features.shape[1])
    expected = np.linalg.solve(problem.features.T @ problem.features + penalty, problem.features.T @ problem.target)
    assert found.weights == pytest.approx(expected, abs=1e-8)


def test_the_features_are_standardised_but_for_the_constant() -> None:
    problem = problem_of(steps_of(wandering(300)))
    assert (problem.features[:, -1] == CONSTANT).all()
    moving = problem.features[:, :-1].std(axis=0) > 0.5
    assert problem.features[:, :-1].mean(axis=0) == pytest.approx(np.zeros(len(moving)), abs=1e-8)
    assert problem.features[:, :-1][:, moving].std(axis=0) == pytest.approx(np.ones(moving.sum()))


def test_several_streams_are_one_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    # How they are cut into blocks chooses strengths and mixture; here there is no choice.
    monkeypatch.setattr(lines, "STRENGTHS", (0.01,))
    monkeypatch.setattr(lines, "PRIOR", 1e15)
    monkeypatch.setattr(robust, "STRENGTHS", (0.01,))
    whole = steps_of(wandering(400))
    one, two = fitted(whole), fitted(taken(whole, 0, 150), taken(whole, 150, 400))
    for name in ("highway", "own"):
        assert np.allclose(getattr(one, name).forecast(whole), getattr(two, name).forecast(whole), atol=1e-5)


def test_the_cross_fitted_loss_chooses_the_strength_of_each_sensor_and_horizon() -> None:
    problem = problem_of(steps_of(wandering(260, sensors=3)))
    columns = lines._every(problem)
    tried = []
    for share in lines.STRENGTHS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "STRENGTHS", (share,))
            tried.append(lines._ridge(problem, columns))
    losses = [(np.where(problem.known, problem.target - one.unseen, 0.0) ** 2).sum(axis=0) for one in tried]
    best = np.argmin(losses, axis=0)
    chosen = lines._ridge(problem, columns)
    for output, place in enumerate(best.tolist()):
        assert chosen.weights[:, output] == pytest.approx(tried[place].weights[:, output], abs=1e-10)
        assert chosen.unseen[:, output] == pytest.approx(tried[place].unseen[:, output], abs=1e-10)
    assert len(set(best.tolist())) > 1


# ---- what is served


def test_a_folded_line_says_what_the_map_of_relative_samples_says() -> None:
    steps = steps_of(wandering(300))
    problem = problem_of(steps)
    weights = np.random.default_rng(1).normal(size=(problem.features.shape[1], problem.target.shape[1]))
    line = lines._fold(weights, problem)
    assert line.forecast(steps).reshape(len(steps), -1) == pytest.approx(problem.features @ weights, abs=1e-3)
    assert np.allclose(line.lags.reshape(LAGS, 2, -1).sum(axis=0), 0.0, atol=1e-4)


@pytest.mark.parametrize("name", ["highway", "own"])
def test_a_level_that_was_never_seen_before_changes_nothing(name: str) -> None:
    steps = steps_of(wandering(300))
    line = getattr(fitted(steps), name)
    raised = replace(steps, lags=steps.lags + np.float32(64.0))
    assert np.allclose(line.forecast(raised), line.forecast(steps), atol=1e-3)


def test_a_linear_process_is_forecast_as_well_as_its_noise_allows() -> None:
    steps, test = steps_of(wandering(3000)), steps_of(wandering(3000, seed=2))
    found = fitted(steps)
    spread = learned_of(2).scaling.spread
    for said, truth in ((found.highway.forecast(test), test), (found.unseen[0][:, 0], steps)):
        missed = (truth.target - said)[truth.known[:, :, 0].all(axis=1), 0]
        assert missed.std(axis=0) * spread == pytest.approx([1.0, 1.0], rel=0.06)


def test_the_own_line_reads_its_own_past_and_the_clock_alone() -> None:
    steps = steps_of(wandering(400, sensors=3))
    own = fitted(steps).own
    inputs = steps.x.shape[1] - CLOCK
    lags = own.lags.reshape(LAGS, 3, len(HORIZONS), 3)
    x = own.x[:inputs].reshape(-1, 3, len(HORIZONS), 3)
    for sensor in range(3):
        others = [other for other in range(3) if other != sensor]
        assert not lags[:, others, :, sensor].any()
        assert not x[:, others, :, sensor].any()
        assert lags[:, sensor, :, sensor].any()


def test_the_highway_reads_all_sensors() -> None:
    # Sensor a repeats what sensor b said one step before: only a line that reads b can know.
    b = np.random.default_rng(1).normal(size=1001)
    values = np.stack((np.append(0.0, b[:-1]), b), axis=1)
    steps = steps_of(values)
    found = fitted(steps)
    missed = {
        name: np.std((steps.target - getattr(found, name).forecast(steps))[:-3, 0, 0]) for name in ("highway", "own")
    }
    assert missed["highway"] < 0.1 * missed["own"]


def test_outages_bend_the_own_line_less_than_least_squares_and_neither_much() -> None:
    values = wandering(2000)
    broken = values.copy()
    for begin in range(100, 2000, 200):
        broken[begin : begin + 4] = -60.0
    calm, spoilt = steps_of(values), steps_of(broken)
    reference = fitted(calm).own.forecast(calm)
    own = fitted(spoilt).own.forecast(calm)
    problem = problem_of(spoilt)
    squares = lines._fold(lines._own(problem).weights, problem).forecast(calm)
    mine, theirs = (float(np.sqrt(((said - reference) ** 2).mean())) for said in (own, squares))
    assert mine < theirs < 0.3 * float(np.std(reference))


# ---- cross-fitting


def cannot_choose(patch: pytest.MonkeyPatch) -> None:
    """Take away what is chosen on all truths at once: strengths, mixture, and the weights of wild samples."""
    patch.setattr(lines, "STRENGTHS", (0.01,))
    patch.setattr(lines, "PRIOR", 1e15)
    patch.setattr(robust, "STRENGTHS", (0.01,))
    patch.setattr(robust, "BEND", 1e9)


@pytest.mark.parametrize("block", range(FOLDS))
def test_the_forecasts_of_a_block_do_not_depend_on_its_own_truths(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cannot_choose(monkeypatch)
    streams = [steps_of(wandering(rows, seed=rows)) for rows in (300, 170)]
    begins = (0, 300)
    inside, _ = cut_blocks([300, 170], margin=HORIZONS[-1] + LAGS)[block]
    changed = []
    for steps, begin in zip(streams, begins, strict=True):
        mine = inside[(inside >= begin) & (inside < begin + len(steps))] - begin
        target = steps.target.copy()
        target[mine] += np.where(steps.known[mine], np.float32(3.0), np.float32(0.0))
        changed.append(replace(steps, target=target))
    one, other = (np.concatenate(fitted(*each).unseen) for each in (streams, changed))
    assert one[inside] == pytest.approx(other[inside], abs=1e-5)
    moved = np.abs(np.delete(one, inside, axis=0) - np.delete(other, inside, axis=0)).max(axis=(0, 2, 3))
    assert (moved > 1e-2).all()


def test_noise_is_not_recognised_in_what_was_not_seen() -> None:
    # What is served fits some of the noise that it saw; of what it did not see it knows nothing.
    steps = steps_of(np.random.default_rng(1).normal(size=(150, 6)).cumsum(axis=0))
    found = fitted(steps)
    served, unseen = (
        float((said * steps.target)[steps.known].mean())
        for said in (found.highway.forecast(steps), found.unseen[0][:, 0])
    )
    power = float((steps.target[steps.known] ** 2).mean())
    assert served > unseen
    assert abs(unseen) < 0.05 * power


def test_noise_gets_a_strong_penalty() -> None:
    steps = steps_of(np.random.default_rng(1).normal(size=(800, 6)).cumsum(axis=0))
    found = fitted(steps)
    assert np.abs(found.highway.forecast(steps)[:, 0]).mean() < 0.3 * np.abs(steps.target[:, 0]).mean()


def test_streams_of_different_lengths_get_their_own_forecasts_in_order() -> None:
    streams = [steps_of(wandering(rows, seed=rows)) for rows in (300, 61, 5)]
    found = fitted(*streams)
    assert [unseen.shape for unseen in found.unseen] == [(rows, 2, 2, 2) for rows in (300, 61, 5)]
    assert all(np.isfinite(unseen).all() for unseen in found.unseen)
    for steps, unseen in zip(streams[:2], found.unseen, strict=False):
        for place, line in enumerate((found.highway, found.own)):
            served, said = line.forecast(steps).ravel(), unseen[:, place].ravel()
            assert np.corrcoef(served, said)[0, 1] > 0.9


# ---- the mixture


def test_a_mixture_follows_the_offer_that_is_right_and_stays_equal_where_none_differs() -> None:
    problem = problem_of(steps_of(wandering(2000)))
    random = np.random.default_rng(1)
    noise = random.normal(size=(2, *problem.target.shape)) * problem.target.std()
    share = lines._mixture([problem.target, noise[0], noise[1]], problem)
    assert share[0] == pytest.approx(np.ones(4), abs=0.15)
    assert np.abs(share[1:]).max() < 0.15
    same = lines._mixture([problem.target] * 3, problem)
    assert np.stack(same) == pytest.approx(np.full((3, 4), 1 / 3), abs=1e-6)


# ---- what is missing


def test_a_truth_that_is_missing_half_of_the_time_does_not_weaken_the_map() -> None:
    whole = steps_of(wandering(6000))
    spoken = np.random.default_rng(2).random((6000, 1, 2)) < 0.5
    holed = replace(whole, target=np.where(spoken, whole.target, np.float32(0.0)), known=whole.known & spoken)
    for name in ("highway", "own"):
        mine, theirs = (getattr(fitted(each), name).forecast(whole)[:, 0].astype(np.float64) for each in (whole, holed))
        slope = (mine * theirs).sum(axis=0) / (mine * mine).sum(axis=0)
        assert slope == pytest.approx([1.0, 1.0], abs=0.05)


def test_a_sensor_that_was_never_measured_is_not_moved() -> None:
    values = wandering(300)
    measured = np.ones(values.shape, np.bool_)
    measured[:, 1] = False
    steps = steps_of(values, measured=measured)
    found = fitted(steps)
    for said in (found.highway.forecast(steps), found.own.forecast(steps), *found.unseen[0].swapaxes(0, 1)):
        assert not said[:, :, 1].any()
        assert said[:, :, 0].any()


def test_a_constant_sensor_beside_a_moving_one_disturbs_nothing() -> None:
    values = wandering(300)
    values[:, 1] = 40.0
    steps = steps_of(values)
    found = fitted(steps)
    for line in (found.highway, found.own):
        assert all(np.isfinite(getattr(line, name)).all() for name in ("lags", "x", "bias"))
        assert np.abs(line.forecast(steps)[:, :, 1]).max() < 1e-6
    assert np.abs(found.unseen[0][:, :, :, 1]).max() < 1e-6
