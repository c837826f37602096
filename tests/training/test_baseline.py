"""Hold the ridge regression to the textbook's, and the rest of the baselines to numbers drawn by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.clock import DAY, WEEK, YEAR
from tests.training.conftest import learned_of, series_of
from training import baseline
from training.baseline import STRENGTHS, fit_highway, season
from training.windows import Steps, lay_steps, part

HORIZONS = (1, 3)
LAGS = 4


def steps_of(values: NDArray[np.float64], *, measured: NDArray[np.bool_] | None = None) -> Steps:
    learned = learned_of(values.shape[1])
    return lay_steps(series_of(values, measured=measured), learned.scaling, (86_400.0,), lags=LAGS, horizons=HORIZONS)


def wandering(rows: int, *, sensors: int = 2, seed: int = 1) -> NDArray[np.float64]:
    """Draw a stable process in which each sensor follows the others' last two values."""
    random = np.random.default_rng(seed)
    values = np.zeros((rows, sensors))
    mix = random.normal(size=(2, sensors, sensors)) * 0.35 / sensors + 0.4 * np.eye(sensors)
    for row in range(2, rows):
        values[row] = values[row - 1] @ mix[0] + values[row - 2] @ mix[1] * 0.5 + random.normal(size=sensors)
    return values


def plain_ridge(fit: Steps, strength: float, horizon: int, rows: NDArray[np.bool_]) -> tuple[np.ndarray, np.ndarray]:
    """Solve the normal equations as they stand: standardised features, penalty in shares of the rows."""
    last = fit.lags[:, -1:]
    features = np.concatenate(((fit.lags[:, :-1] - last).reshape(len(fit), -1), fit.x), axis=1).astype(np.float64)
    spread = features.std(axis=0)
    features = np.divide(features - features.mean(axis=0), spread, where=spread > 1e-6, out=np.zeros_like(features))
    target = fit.target[rows, horizon].astype(np.float64)
    chosen = features[rows]
    penalty = strength * rows.sum() * np.eye(features.shape[1])
    weights = np.linalg.solve(chosen.T @ chosen + penalty, chosen.T @ (target - target.mean(axis=0)))
    return features @ weights + target.mean(axis=0), weights


@pytest.mark.parametrize("strength", [1e-4, 0.1, 10.0])
def test_the_highway_is_the_ridge_regression_of_the_textbook(strength: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "STRENGTHS", (strength,))
    steps = steps_of(wandering(300))
    fit, stop = part(steps, 0, 200, HORIZONS), part(steps, 200, 300, HORIZONS)
    highway = fit_highway([fit], [stop])
    for place, horizon in enumerate(HORIZONS):
        rows = np.arange(200) < 200 - horizon
        expected, _ = plain_ridge(fit, strength, place, rows)
        assert np.allclose(highway.forecast(fit)[:, place], expected, rtol=0.0, atol=2e-5)
    assert (highway.strength == strength).all()


def test_several_streams_are_one_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "STRENGTHS", (0.01,))
    whole = steps_of(wandering(400))
    halves = [
        Steps(*(getattr(whole, name)[cut] for name in ("x", "lags", "target", "known", "starts")))
        for cut in (slice(0, 150), slice(150, 400))
    ]
    one, two = fit_highway([whole], [whole]), fit_highway(halves, halves)
    assert np.allclose(one.forecast(whole), two.forecast(whole), atol=1e-5)


def test_the_map_of_the_samples_is_that_of_the_samples_relative_to_the_last() -> None:
    steps = steps_of(wandering(300))
    highway = fit_highway([part(steps, 0, 200, HORIZONS)], [part(steps, 200, 300, HORIZONS)])
    kernel = highway.lags.reshape(LAGS, 2, -1).astype(np.float64)
    assert np.allclose(kernel.sum(axis=0), 0.0, atol=1e-6)
    relative = (steps.lags[:, :-1] - steps.lags[:, -1:]).astype(np.float64).reshape(len(steps), -1)
    by_hand = relative @ kernel[:-1].reshape(-1, kernel.shape[-1]) + steps.x @ highway.x + highway.bias
    assert np.allclose(highway.forecast(steps).reshape(len(steps), -1), by_hand, atol=1e-5)


def test_a_level_that_was_never_seen_before_changes_nothing() -> None:
    steps = steps_of(wandering(300))
    highway = fit_highway([part(steps, 0, 200, HORIZONS)], [part(steps, 200, 300, HORIZONS)])
    raised = Steps(steps.x, steps.lags + np.float32(64.0), steps.target, steps.known, steps.starts)
    assert np.allclose(highway.forecast(raised), highway.forecast(steps), atol=1e-3)


def test_the_stop_split_chooses_the_strength_of_each_sensor_and_horizon() -> None:
    steps = steps_of(wandering(260, sensors=3))
    fit, stop = part(steps, 0, 60, HORIZONS), part(steps, 60, 260, HORIZONS)
    highway = fit_highway([fit], [stop])
    offered = {}
    for share in STRENGTHS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(baseline, "STRENGTHS", (share,))
            missed = np.where(stop.known, stop.target - fit_highway([fit], [stop]).forecast(stop), 0.0)
        offered[share] = (missed**2).sum(axis=0)
    best = np.array(STRENGTHS)[np.argmin([offered[share] for share in STRENGTHS], axis=0)]
    assert np.array_equal(highway.strength, best)
    assert len(np.unique(highway.strength)) > 1


def test_noise_gets_a_strong_penalty() -> None:
    walks = np.random.default_rng(1).normal(size=(800, 6)).cumsum(axis=0)
    steps = steps_of(walks)
    highway = fit_highway([part(steps, 0, 400, HORIZONS)], [part(steps, 400, 800, HORIZONS)])
    assert np.median(highway.strength[0]) >= 0.3


def test_a_linear_process_is_forecast_as_well_as_its_noise_allows() -> None:
    steps = steps_of(wandering(4000))
    fit, stop, test = (part(steps, begin, end, HORIZONS) for begin, end in ((0, 2000), (2000, 3000), (3000, 4000)))
    highway = fit_highway([fit], [stop])
    missed = (test.target - highway.forecast(test))[test.known[:, :, 0].all(axis=1), 0]
    assert missed.std(axis=0) * learned_of(2).scaling.spread == pytest.approx([1.0, 1.0], rel=0.06)


def test_a_truth_that_is_missing_half_of_the_time_does_not_weaken_the_map() -> None:
    values = wandering(6000)
    spoken = np.random.default_rng(2).random(values.shape) < 0.5
    whole, holed = steps_of(values), steps_of(values)
    holed = Steps(holed.x, holed.lags, np.where(spoken[:, None], holed.target, 0.0), holed.known, holed.starts)
    holed = Steps(holed.x, holed.lags, holed.target, holed.known & spoken[:, None], holed.starts)
    one, other = (fit_highway([part(steps, 0, 5000, HORIZONS)], [whole]) for steps in (whole, holed))
    mine, theirs = (highway.forecast(whole)[:, 0].astype(np.float64) for highway in (one, other))
    slope = (mine * theirs).sum(axis=0) / (mine * mine).sum(axis=0)
    assert slope == pytest.approx([1.0, 1.0], abs=0.05)


def test_a_sensor_that_was_never_measured_is_not_moved() -> None:
    values = wandering(300)
    measured = np.ones(values.shape, np.bool_)
    measured[:, 1] = False
    steps = steps_of(values, measured=measured)
    highway = fit_highway([part(steps, 0, 200, HORIZONS)], [part(steps, 200, 300, HORIZONS)])
    assert not highway.forecast(steps)[:, :, 1].any()
    assert highway.forecast(steps)[:, :, 0].any()


def test_a_constant_sensor_beside_a_moving_one_disturbs_nothing() -> None:
    values = wandering(300)
    values[:, 1] = 40.0
    steps = steps_of(values)
    highway = fit_highway([part(steps, 0, 200, HORIZONS)], [part(steps, 200, 300, HORIZONS)])
    assert np.isfinite(highway.lags).all()
    assert np.abs(highway.forecast(steps)[:, :, 1]).max() < 1e-6


@pytest.mark.parametrize(
    ("period", "samples", "steps"),
    [
        (3600.0, 47, None),
        (3600.0, 48, 24),
        (3600.0, 335, 24),
        (3600.0, 336, 168),
        (DAY, 13, None),
        (DAY, 14, 7),
        (DAY, 731, 365),
        (WEEK, 200, round(YEAR / WEEK)),
        (5.0, 10_000, None),
    ],
)
def test_the_season_is_the_longest_cycle_that_half_of_the_samples_hold(
    period: float, samples: int, steps: int | None
) -> None:
    assert season(period, samples) == steps
