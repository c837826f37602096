"""Hold cells that are compared to the same number of parameters."""

import pytest

from training.equal import Cell, matched, parameters
from training.network import build
from training.recipe import Architecture


def count(architecture: Architecture) -> int:
    return parameters(build(architecture, inputs=6, horizons=2, sensors=3, seed=1))


def test_parameters_are_counted_as_the_formula_of_an_lstm_has_them() -> None:
    units, inputs, outputs = 24, 6, 3 * 2 * 3
    lstm = 4 * (units * (units + inputs) + units)
    assert count(Architecture(units=(units,))) == lstm + (units + 1) * outputs


@pytest.mark.parametrize("cell", ["rnn", "gru", "none"])
@pytest.mark.parametrize("reference", [Architecture(units=(24,)), Architecture(units=(16, 8), dense=(5,))])
def test_every_cell_gets_as_many_parameters_within_a_few_percent(cell: Cell, reference: Architecture) -> None:
    found = matched(reference, cell, count)
    assert found.cell == cell
    assert count(found) == pytest.approx(count(reference), rel=0.04)


def test_the_nearest_size_is_chosen_from_above_and_from_below() -> None:
    reference = Architecture(units=(24,))
    [units] = matched(reference, "gru", count).units
    far = abs(count(Architecture(cell="gru", units=(units,))) - count(reference))
    for other in (units - 1, units + 1):
        assert abs(count(Architecture(cell="gru", units=(other,))) - count(reference)) >= far


def test_the_reference_is_its_own_match_and_one_unit_is_the_least() -> None:
    assert matched(Architecture(units=(9,)), "lstm", count) == Architecture(units=(9,))
    assert matched(Architecture(cell="rnn", units=(1,)), "lstm", count).units == (1,)
