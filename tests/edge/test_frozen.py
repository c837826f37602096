"""Who is stuck, and who is only calm."""

import numpy as np

from edge.finding import Finding
from edge.frozen import FACTOR, LEAST, MOVED, Frozen

nan = float("nan")


def frozen(*runs: float) -> Frozen:
    """Return the watch over one stream whose sensors moved in training and had these runs there; nan: nobody knows."""
    watch = Frozen(np.array(runs), ~np.isnan(runs))
    watch.admit(1)
    watch.want(0, [True] * len(runs))
    watch.patience.allow(0, np.ones(len(runs)))
    return watch


def say(watch: Frozen, step: int, *values: float) -> list[Finding]:
    now = np.array([values])
    return watch.advance(slice(0, 1), np.array([10.0 * step]), now, ~np.isnan(now))


def run(watch: Frozen, values: list[float], first: int = 0) -> list[Finding]:
    return [found for step, value in enumerate(values, first) for found in say(watch, step, value)]


def test_a_sensor_that_moved_and_is_still_for_longer_than_ever_is_frozen_since_it_moved_last() -> None:
    watch = frozen(20.0)
    moving = [float(step % 7) for step in range(50)]
    assert run(watch, moving) == []
    stuck = run(watch, [3.5] * 100, first=50)
    limit = FACTOR * 20.0
    assert stuck == [Finding(0, 0, "frozen", True, 500.0, (limit + 1.0) / limit, 0.0, limit + 1.0, limit)]
    (again,) = run(watch, [3.5, 4.0, 4.0], first=150)
    assert (again.is_on, again.time) == (False, 1510.0)


def test_a_sensor_that_never_moves_is_not_frozen() -> None:
    assert run(frozen(nan), [5.0] * 5000) == []
    assert len(run(frozen(900.0), [5.0] * 5000)) == 1  # it moved, if rarely


def test_a_sensor_that_is_legitimately_flat_for_long_is_not_frozen() -> None:
    watch = frozen(nan)
    days = [value for _ in range(10) for value in (*[20.0] * 300, *np.linspace(20.0, 25.0, 50))]
    assert run(watch, days) == []


def test_nothing_is_said_of_a_sensor_before_it_has_moved_often() -> None:
    watch = frozen(nan)
    assert run(watch, [float(step) for step in range(int(MOVED) - 2)] + [1.0] * 500) == []
    known = frozen(1.0)
    assert len(run(known, [float(step) for step in range(5)] + [1.0] * 500)) == 1


def test_no_sensor_is_frozen_that_says_the_same_a_few_times() -> None:
    watch = frozen(1.0)
    assert run(watch, [1.0, 2.0, *[3.0] * int(LEAST)]) == []


def test_what_is_not_measured_is_no_repetition() -> None:
    watch = frozen(20.0)
    run(watch, [float(step) for step in range(50)])
    assert run(watch, [nan] * 500, first=50) == []
    assert run(watch, [49.0, nan] * 59, first=550) == []
    assert len(run(watch, [49.0, nan] * 2, first=700)) == 1


def test_sensors_and_streams_are_told_apart() -> None:
    watch = Frozen(np.array([5.0, 5.0]), np.ones(2, np.bool_))
    watch.admit(3)
    for row in range(3):
        watch.want(row, [True, True])
    findings = []
    for step in range(60):
        now = np.array([[float(step), 1.0], [2.0, float(step)]])
        findings += watch.advance(np.array([2, 0]), np.array([float(step)] * 2), now, np.ones((2, 2), np.bool_))
    assert {(found.row, found.sensor) for found in findings} == {(2, 1), (0, 0)}
