"""Hold what the clock knows against trigonometry."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import DAY, WEEK, YEAR, iso, phases


def test_a_cycle_begins_at_the_top_and_turns_once() -> None:
    quarter = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * DAY
    assert phases(quarter, (DAY,)) == pytest.approx(np.array([[0, 1], [1, 0], [0, -1], [-1, 0], [0, 1]]), abs=1e-6)


@given(st.floats(0.0, 4e9), st.sampled_from([DAY, WEEK, YEAR]))
def test_a_phase_lies_on_the_circle_and_comes_again_after_a_cycle(time: float, cycle: float) -> None:
    now, later = phases(np.array([time, time + cycle]), (cycle,))
    assert np.hypot(*now) == pytest.approx(1.0, abs=1e-6)
    assert later == pytest.approx(now, abs=1e-4)


def test_a_phase_of_the_day_is_exact_to_a_second_in_this_century() -> None:
    # A float32 of Unix seconds would be off by two minutes.
    time = 4_000_000_000.0 // DAY * DAY
    second = 2 * np.pi / DAY
    sine = phases(np.array([time + 1.0]), (DAY,))[0, 0]
    assert sine == pytest.approx(second, rel=1e-3)


def test_each_cycle_has_a_sine_and_a_cosine_in_the_order_of_the_cycles() -> None:
    both = phases(np.array([DAY / 4]), (DAY, WEEK))
    assert both.shape == (1, 4)
    assert both.dtype == np.float32
    assert both[0] == pytest.approx([1.0, 0.0, np.sin(np.pi / 14), np.cos(np.pi / 14)], abs=1e-6)


def test_without_cycles_the_clock_says_nothing() -> None:
    assert phases(np.array([0.0, 1.0, 2.0]), ()).shape == (3, 0)


def test_a_phase_does_not_depend_on_the_wave_it_is_computed_in() -> None:
    times = np.random.default_rng(1).uniform(0.0, 4e9, 513)
    together = phases(times, (DAY, WEEK))
    alone = np.concatenate([phases(times[place : place + 1], (DAY, WEEK)) for place in range(len(times))])
    assert together.tobytes() == alone.tobytes()


@given(st.floats(0.0, 4e9))
def test_a_time_is_written_to_the_millisecond(time: float) -> None:
    written = datetime.fromisoformat(iso(time))
    assert written.tzinfo is not None
    assert written.timestamp() == pytest.approx(time, abs=0.00051)


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (0.9996, "1970-01-01T00:00:01Z"),
        (0.0004, "1970-01-01T00:00:00Z"),
        (1273363200.5, "2010-05-09T00:00:00.500Z"),
        (datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC).timestamp(), "2038-01-19T03:14:08Z"),
    ],
)
def test_milliseconds_are_written_only_where_there_are_any(time: float, written: str) -> None:
    assert iso(time) == written
