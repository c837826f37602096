"""Learn what is usual of each sensor beside its forecasts, from all samples but those of the test split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.rows import Bools, Doubles
from edge.usual import Usual
from training.prepare import Cuts
from training.series import Series

NOTHING = 1e300  # the bounds of a sensor that was never measured there, the wrong way round


def learn_usual(series: Sequence[Series], cuts: Sequence[Cuts]) -> Usual:
    """Return the range, the longest run of one value and the longest time without a measurement of each sensor."""
    told = [
        (np.where(one.heard, one.values, np.nan)[: cut.calibrate], one.starts[: cut.calibrate])
        for one, cut in zip(series, cuts, strict=True)
    ]
    values = np.concatenate([one for one, _ in told])
    return Usual(
        low=np.fmin.reduce(values, axis=0, initial=NOTHING),
        high=np.fmax.reduce(values, axis=0, initial=-NOTHING),
        flat=_most([[_longest_run(column) for column in one.T] for one, _ in told]),
        silent=_most([[_longest_pause(np.isnan(column), starts) for column in one.T] for one, starts in told]),
    )


def _most(rows: Sequence[Sequence[float]]) -> Doubles:
    most: Doubles = np.array(rows, dtype=np.float64).max(axis=0)
    return most


def _longest_run(values: Doubles) -> float:
    """Return how many measured samples in a row said the same at most.

    >>> _longest_run(np.array([1.0, 2.0, np.nan, 2.0, 2.0, 1.0]))
    3.0
    """
    heard = values[~np.isnan(values)]
    if not len(heard):
        return 0.0
    ends = np.flatnonzero(np.diff(heard, append=np.nan) != 0.0)
    return float(np.diff(ends, prepend=-1).max())


def _longest_pause(missing: Bools, starts: NDArray[np.intp]) -> float:
    """Return over how many steps at most nothing was measured, 1 where every step was; a long gap counts as none.

    >>> _longest_pause(np.array([False, True, True, False]), np.zeros(4, dtype=np.intp))
    3.0
    """
    heard = np.flatnonzero(~missing)
    together = np.diff(starts[heard]) == 0
    pauses = np.diff(heard)[together]
    return float(pauses.max(initial=1))
