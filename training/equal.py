"""Give cells of every kind the same number of parameters, so that they can be compared."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeAlias

from training.network import Network
from training.recipe import Architecture

Cell: TypeAlias = Literal["lstm", "gru", "rnn", "none"]
Count = Callable[[Architecture], int]


def parameters(network: Network) -> int:
    """Return how many numbers training moves."""
    return sum(math.prod(variable.shape) for variable in network.weights)


def matched(reference: Architecture, cell: Cell, count: Count) -> Architecture:
    """Return the architecture of a cell whose number of parameters is nearest to a reference's.

    Args:
        reference: one recurrent layer or several; the match has one, the rest of it is the same.
        cell: `lstm`, `gru`, `rnn`, or `none`: one hidden layer without memory.
        count: parameters of an architecture; it rises with the units.
    """

    def sized(units: int) -> Architecture:
        if cell == "none":
            return replace(reference, cell="none", units=(), dense=(units, *reference.dense))
        return replace(reference, cell=cell, units=(units,))

    if cell == reference.cell:
        return reference
    wanted, most = count(reference), 1
    while count(sized(most)) < wanted:
        most *= 2
    sizes = range(1, most + 1)
    above = sizes[bisect_left(sizes, wanted, key=lambda units: count(sized(units)))]
    return min((sized(units) for units in (max(above - 1, 1), above)), key=lambda one: abs(count(one) - wanted))
