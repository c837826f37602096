"""Hold the scale, and the layout of what the network reads."""

import numpy as np
import pytest

from edge.scale import CHANGE_BOUND, LEVEL_BOUND, WILDEST, Scaling, lay_out, width
from edge.window import Past

SCALING = Scaling(centre=np.array([20.0, 50.0]), spread=np.array([2.0, 10.0]), change=np.array([0.5, 1.0]))
RATIO = (SCALING.spread / SCALING.change).astype(np.float32)


def row(*numbers: float) -> np.ndarray:
    return np.array([numbers], dtype=np.float32)


def past(before: np.ndarray, *means: tuple[float, float]) -> Past:
    return Past(before, np.array([means], dtype=np.float32).reshape(1, len(means), 2))


def both(*measured: bool) -> np.ndarray:
    return np.array([measured], dtype=np.bool_)


def test_values_are_told_in_spreads_around_the_centre() -> None:
    scaled = SCALING.scale(np.array([[20.0, 50.0], [24.0, 40.0]]))
    assert scaled.tolist() == [[0.0, 0.0], [2.0, -1.0]]
    assert scaled.dtype == np.float32


def test_a_step_lays_levels_changes_masks_means_and_clock_side_by_side() -> None:
    before = past(row(0.5, -1.25), (2.0, -1.5), (0.0, 0.0))
    x = lay_out(row(1.0, -1.0), before, RATIO, both(True, False), row(0.6, 0.8))
    # change: 0.5 spreads of 2.0 are 1.0, two changes of 0.5; 0.25 spreads of 10.0 are 2.5 changes of 1.0
    assert x.tolist() == [pytest.approx([1.0, -1.0, 2.0, 2.5, 1.0, 0.0, 1.0, -0.5, -1.0, 1.0, 0.6, 0.8])]
    assert x.shape == (1, width(sensors=2, means=2, cycles=1))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_levels_and_changes_that_training_never_saw_are_bounded(sign: float) -> None:
    before = past(row(0.0, sign * 1e6), (0.0, sign * 1e6))
    x = lay_out(row(sign * 1e6, 0.0), before, RATIO, both(True, True), row())
    assert x[0, :4].tolist() == [sign * LEVEL_BOUND, 0.0, sign * CHANGE_BOUND, -sign * CHANGE_BOUND]
    assert x[0, 6:].tolist() == [-sign * LEVEL_BOUND, sign * LEVEL_BOUND]


def test_laying_out_leaves_its_arguments_alone() -> None:
    scaled, before = row(9.0, -9.0), row(0.0, 0.0)
    lay_out(scaled, past(before), RATIO, both(True, True), row())
    assert (scaled.tolist(), before.tolist()) == ([[9.0, -9.0]], [[0.0, 0.0]])


def test_wild_values_are_brought_within_reach_and_all_others_left_as_they_are() -> None:
    values = np.array([[20.0 + 2.0 * WILDEST, -50.0], [1e300, -1e300]])
    assert SCALING.bound(values).tolist() == [
        [20.0 + 2.0 * WILDEST, -50.0],
        [20.0 + 2.0 * WILDEST, 50.0 - 10.0 * WILDEST],
    ]
    assert np.abs(SCALING.scale(SCALING.bound(values))).max() == WILDEST
