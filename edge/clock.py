"""What the clock knows: where in the day, the week and the year a time lies."""

import numpy as np
from numpy.typing import NDArray

DAY = 86_400.0
WEEK = 604_800.0
YEAR = 31_556_952.0  # the mean Gregorian year, in seconds


def phases(times: NDArray[np.float64], cycles: tuple[float, ...]) -> NDArray[np.float32]:
    """Place times on circles, so that the end of a cycle lies beside its beginning.

    Args:
        times: shape (samples,), Unix seconds UTC.
        cycles: lengths in seconds, such as `(DAY, WEEK)`.

    Returns:
        Shape (samples, 2 * cycles): sine and cosine for each cycle, -1..1.

    >>> phases(np.array([0.0, 21_600.0]), (DAY,)).round(3)
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    if not cycles:
        return np.zeros((len(times), 0), dtype=np.float32)
    turns = times[:, None] / np.array(cycles, dtype=np.float64)
    angles = (2.0 * np.pi) * (turns - np.floor(turns))
    return np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(len(times), -1).astype(np.float32)
