"""Cut samples into blocks of time, so that each can be forecast by what was fitted on the others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
Blocks = tuple[tuple[Rows, Rows], ...]  # of each block: its samples, and with them those too near to be fitted on
FOLDS = 5
CONSTANT = 30.0  # the column of the intercept: so large that a penalty on its weight does not hold it back


def cut_blocks(lengths: Sequence[int], *, margin: int) -> Blocks:
    """Cut streams that lie one below the other.

    Args:
        lengths: samples of each stream.
        margin: samples on both sides of a block that share truths or lags with it.

    >>> [(inside.tolist(), guarded.tolist()) for inside, guarded in cut_blocks([10], margin=1)][:2]
    [([0, 1], [0, 1, 2]), ([2, 3], [1, 2, 3, 4])]
    """
    begins = np.concatenate(([0], np.cumsum(lengths)))
    blocks = []
    for fold in range(FOLDS):
        inside, guarded = [], []
        for begin, length in zip(begins.tolist(), lengths, strict=False):
            start, end = (length * fold // FOLDS, length * (fold + 1) // FOLDS)
            # A margin may take at most a fifth of a short stream, or nothing is left to fit on.
            near = min(margin, length // FOLDS)
            inside.append(np.arange(begin + start, begin + end))
            guarded.append(np.arange(begin + max(0, start - near), begin + min(length, end + near)))
        blocks.append((np.concatenate(inside), np.concatenate(guarded)))
    return tuple(blocks)
