"""Arrays with a row for each stream of a cohort, and the names of their types."""

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.intp]
Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]


Scalar = TypeVar("Scalar", bound=np.generic)


def grow(array: NDArray[Scalar], rows: int, fill: float) -> NDArray[Scalar]:
    """Return an array with room for more rows; the ones it has are kept, the new ones hold `fill`.

    >>> grow(np.array([[1.0, 2.0]]), 2, 0.0)
    array([[1., 2.],
           [0., 0.]])
    """
    grown: NDArray[Scalar] = np.full((rows, *array.shape[1:]), fill, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
