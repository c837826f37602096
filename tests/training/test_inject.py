"""Break sensors in ways that can be followed by eye, and hold every fault to what it promises."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.recording import Recording
from tests.training.conftest import PERIOD, START, recording_of
from training.inject import Fault, Kind, inject, one_step_spread

KINDS: tuple[Kind, ...] = get_args(Kind)
ROWS, BEGIN, LENGTH = 60, 30, 12
nan = float("nan")


def walk(rows: int = ROWS, *, seed: int = 0) -> Recording:
    """Two sensors far from each other that walk at random, with a hole in the fault's rows and one before it."""
    values = np.random.default_rng(seed).standard_normal((rows, 2)).cumsum(axis=0) * [1.0, 0.1] + [20.0, 500.0]
    values[[10, BEGIN + 3], 1] = nan
    return recording_of(values)


def fault(kind: Kind, strength: float = 1.0, **changes: object) -> Fault:
    return replace(
        Fault(kind=kind, strength=strength, stream="one", sensor="a", begin=BEGIN, rows=LENGTH, seed=7), **changes
    )


def broken(kind: Kind, strength: float = 1.0, **changes: object) -> np.ndarray:
    """Return what the faulty rows of sensor a say."""
    return inject(walk(), fault(kind, strength, **changes)).recording.values[BEGIN : BEGIN + LENGTH, 0]


HEALTHY = walk().values[BEGIN : BEGIN + LENGTH, 0]
SPREAD = one_step_spread(walk().values[:BEGIN, :1])[0]


# ---- what every fault promises

faults = st.builds(
    fault,
    st.sampled_from(KINDS),
    st.floats(0.0, 1.0),
    sensor=st.sampled_from("ab"),
    begin=st.integers(1, ROWS - LENGTH),
    seed=st.integers(0, 2**32 - 1),
)


@given(faults)
def test_only_the_rows_of_the_fault_change(one: Fault) -> None:
    before, after = walk(), inject(walk(), one).recording
    outside = np.ones(ROWS, np.bool_)
    outside[one.begin : one.begin + (1 if one.kind == "spike" else LENGTH)] = False
    np.testing.assert_array_equal(after.values[outside], before.values[outside])
    assert replace(after, values=before.values, times=before.times, streams=before.streams) == before


@given(faults)
def test_only_its_sensor_changes_and_the_one_that_is_swapped_in(one: Fault) -> None:
    other = 1 - "ab".index(one.sensor)
    after = inject(walk(), one).recording.values
    if one.kind != "swap":
        np.testing.assert_array_equal(after[:, other], walk().values[:, other])


@given(faults)
def test_the_recording_that_was_given_stays_as_it_was(one: Fault) -> None:
    recording = walk()
    inject(recording, one)
    np.testing.assert_array_equal(recording.values, walk().values)


@given(faults)
def test_strength_zero_changes_nothing(one: Fault) -> None:
    after = inject(walk(), replace(one, strength=0.0)).recording
    np.testing.assert_array_equal(after.values, walk().values)


@given(faults)
def test_the_same_seed_breaks_the_same(one: Fault) -> None:
    once, again = inject(walk(), one).recording, inject(walk(), one).recording
    np.testing.assert_array_equal(once.values, again.values)


@given(faults)
def test_rows_after_the_fault_do_not_change_what_it_does(one: Fault) -> None:
    end = one.begin + LENGTH
    later = walk()
    later.values[end:] = 1e6
    after = inject(later, one).recording
    np.testing.assert_array_equal(after.values[:end], inject(walk(), one).recording.values[:end])


@given(faults)
def test_the_span_is_that_of_the_rows_that_may_change(one: Fault) -> None:
    found = inject(walk(), one)
    assert found.start == START + PERIOD * one.begin
    assert found.end == START + PERIOD * (one.begin + (0 if one.kind == "spike" else LENGTH - 1))


# ---- what each kind does


def test_a_spike_is_one_row() -> None:
    moved = broken("spike", 5.0) - HEALTHY
    assert abs(moved[0]) == pytest.approx(5.0 * SPREAD)
    assert not moved[1:].any()


def test_a_level_is_off_by_the_same_in_every_row() -> None:
    moved = broken("level", 5.0) - HEALTHY
    assert np.abs(moved) == pytest.approx(np.full(LENGTH, 5.0 * SPREAD))
    assert len(set(np.sign(moved))) == 1


def test_levels_go_up_and_down() -> None:
    signs = {np.sign(broken("level", 5.0, seed=seed) - HEALTHY)[0] for seed in range(20)}
    assert signs == {-1.0, 1.0}


def test_a_drift_grows_evenly_to_its_strength() -> None:
    moved = np.abs(broken("drift", 6.0) - HEALTHY)
    assert moved == pytest.approx(6.0 * SPREAD * np.arange(1, LENGTH + 1) / LENGTH)


def test_noise_has_the_spread_that_was_asked_for() -> None:
    long = recording_of(np.tile([[0.0], [1.0]], (3000, 1)))
    after = inject(long, fault("noise", 3.0, begin=1000, rows=5000)).recording.values[1000:, 0]
    scale = one_step_spread(long.values[:1000])[0]
    assert np.std(after - long.values[1000:, 0]) == pytest.approx(3.0 * scale, rel=0.05)


def test_a_stuck_sensor_stays_at_its_last_value() -> None:
    held = walk().values[BEGIN - 1, 0]
    assert broken("stuck", 1.0) == pytest.approx(np.full(LENGTH, held))
    assert broken("stuck", 0.5) - held == pytest.approx(0.5 * (HEALTHY - held))


def test_what_is_stuck_is_the_last_value_that_was_measured() -> None:
    recording = walk()
    recording.values[BEGIN - 2 : BEGIN, 0] = nan
    after = inject(recording, fault("stuck")).recording.values[BEGIN : BEGIN + LENGTH, 0]
    assert set(after) == {recording.values[BEGIN - 3, 0]}


def test_a_dropout_loses_its_share_of_the_rows() -> None:
    assert np.isnan(broken("dropout", 1.0)).all()
    long = recording_of(np.arange(5000.0)[:, None])
    after = inject(long, fault("dropout", 0.3, begin=1000, rows=4000)).recording.values[1000:, 0]
    assert np.isnan(after).mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(after[~np.isnan(after)], long.values[1000:, 0][~np.isnan(after)])


def test_swapped_sensors_say_what_the_other_said() -> None:
    before, after = walk().values, inject(walk(), fault("swap")).recording.values
    whole = [row for row in range(BEGIN, BEGIN + LENGTH) if row != BEGIN + 3]
    np.testing.assert_array_equal(after[whole], before[whole][:, ::-1])
    np.testing.assert_array_equal(after[BEGIN + 3], before[BEGIN + 3])  # one of them is missing there


def test_half_a_swap_is_the_mean_of_both() -> None:
    before, after = walk().values, inject(walk(), fault("swap", 0.5)).recording.values
    assert after[BEGIN, 0] == after[BEGIN, 1] == pytest.approx(before[BEGIN].mean())


def test_a_stream_is_broken_where_its_own_rows_are() -> None:
    one = recording_of(np.arange(8.0)[:, None])
    mixed = replace(one, stream_names=("one", "two"), streams=np.array([0, 1] * 4))
    after = inject(mixed, fault("level", 2.0, stream="two", begin=2, rows=2)).recording
    assert np.flatnonzero(after.values[:, 0] != one.values[:, 0]).tolist() == [5, 7]


# ---- units


def test_the_unit_is_the_spread_of_the_changes_before_the_fault() -> None:
    def moved(recording: Recording) -> float:
        after = inject(recording, fault("level", 1.0)).recording.values
        return float(abs(after - recording.values)[BEGIN, 0])

    louder, later = walk(), walk()
    louder.values[:, 0] *= 10.0
    later.values[BEGIN:, 0] *= 10.0
    assert moved(louder) == pytest.approx(10.0 * moved(walk()))
    assert moved(later) == pytest.approx(moved(walk()))


def test_a_rare_jump_in_the_past_does_not_widen_the_spread() -> None:
    values = np.random.default_rng(1).standard_normal((2000, 1))
    jumped = values + 1000.0 * (np.arange(2000)[:, None] > 900)
    assert one_step_spread(jumped)[0] == pytest.approx(one_step_spread(values)[0], rel=0.01)
    assert one_step_spread(values)[0] == pytest.approx(np.sqrt(2.0), rel=0.1)


def test_a_coarse_sensor_is_measured_by_its_usual_step() -> None:
    values = np.repeat(np.arange(10.0) * 0.5, 20)
    values[100:] += 80.0
    assert one_step_spread(values[:, None]) == pytest.approx([0.5])


def test_a_sensor_that_never_moved_has_no_spread() -> None:
    assert one_step_spread(np.array([[3.0, nan], [3.0, nan], [nan, nan]])).tolist() == [0.0, 0.0]


# ---- what cannot be


@pytest.mark.parametrize("begin", [0, ROWS - LENGTH + 1])
def test_a_fault_lies_inside_of_the_stream_and_has_a_past(begin: int) -> None:
    with pytest.raises(ValueError, match=r"begin: must be in 1\.\.48 for 12 rows"):
        inject(walk(), fault("level", begin=begin))


def test_one_sensor_alone_is_not_swapped() -> None:
    with pytest.raises(ValueError, match="swap: must have two sensors or more, got 1"):
        inject(recording_of(np.arange(60.0)[:, None]), fault("swap"))
