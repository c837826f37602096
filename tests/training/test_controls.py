"""The controls are causal, and they do what their names say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.controls import BEAT, always_on, autoregression, controls, metronome, persistence

Doubles = NDArray[np.float64]
FITTED = 200


def noise(rows: int, seed: int = 0) -> Doubles:
    return np.random.default_rng(seed).normal(size=(rows, 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(FITTED, 399), st.floats(-1e6, 1e6))
def test_changing_the_future_never_changes_the_past(row: int, value: float) -> None:
    values = noise(400)
    values[::7, 1] = np.nan
    changed = values.copy()
    changed[row:] = value
    before, after = controls(values, FITTED), controls(changed, FITTED)
    for name, flags in before.items():
        assert (flags.flagged[:row] == after[name].flagged[:row]).all(), name


def test_nothing_is_flagged_among_the_fitted_rows() -> None:
    values = noise(400)
    values[FITTED // 2] = 100.0
    assert not any(flags.flagged[:FITTED].any() for flags in controls(values, FITTED).values())


def test_always_on_is_one_endless_episode() -> None:
    flags = always_on(400, FITTED)
    assert (flags.openings().tolist(), int(flags.flagged.sum())) == ([FITTED], 200)


def test_the_metronome_opens_an_episode_every_600_rows() -> None:
    flags = metronome(2000, FITTED)
    assert flags.openings().tolist() == [FITTED + BEAT, FITTED + 2 * BEAT]
    assert int(flags.flagged.sum()) == 2


@pytest.mark.parametrize("detect", [persistence, autoregression])
def test_a_jump_is_seen_at_once_and_noise_hardly_ever(detect: object) -> None:
    assert callable(detect)
    values = noise(2000)
    values[1500:] += 12.0
    flagged = detect(values, 1000).flagged
    assert flagged[1500:1503].any()
    assert flagged[1000:1500].mean() < 0.02


def test_a_slow_change_of_correlation_is_seen_by_the_distance_alone() -> None:
    shared = np.random.default_rng(1).normal(size=(2000, 1))
    values = np.cumsum(shared, axis=0) * 0.1 + np.array([0.0, 5.0])
    values[1500:, 1] -= 0.05 * np.arange(500)
    assert autoregression(values, 1000).flagged[1500:].mean() > 0.5
    assert persistence(values, 1000).flagged[1500:].mean() < 0.05


def test_sensors_that_stand_still_or_were_never_heard_are_left_out() -> None:
    values = np.concatenate((noise(400), np.full((400, 1), 3.0), np.full((400, 1), np.nan)), axis=1)
    values[300:, 2] = 4.0
    values[300:, 3] = 1.0
    reference = {name: flags.flagged for name, flags in controls(values[:, :2], FITTED).items()}
    for name, flags in controls(values, FITTED).items():
        assert (flags.flagged == reference[name]).all(), name


def test_a_recording_in_which_nothing_moves_is_flagged_by_no_detector() -> None:
    flat = np.ones((400, 1))
    assert not persistence(flat, FITTED).flagged.any()
    assert not autoregression(flat, FITTED).flagged.any()
