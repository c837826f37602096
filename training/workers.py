"""Do independent pieces of work side by side, each in a process of its own."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")

# Two processes of one thread each are faster than one of two: the steps of a small network are too short to share.
ALONE = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TQDM_DISABLE": "1",  # the bars of several processes would write over each other
}


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int) -> Iterator[Result]:
    """Yield the result of each item, as they come; with one job, in order and in this process.

    An interrupt, or a reader who stops, ends the processes.

    Args:
        work: a function at the top of a module.
        items: what it is called with.
        jobs: how many at once, >= 1.
    """
    if jobs == 1:
        yield from map(work, items)
        return
    pool = get_context("spawn").Pool(min(jobs, len(items)), _alone)
    try:
        yield from pool.imap_unordered(work, items)
        pool.close()  # who has nothing left to do ends by itself: a signal in the middle of that is told as an error
    except BaseException:
        pool.terminate()
        raise
    finally:
        pool.join()


def _alone() -> None:
    """Prepare a process before it does anything: one thread, no bars, and nothing that a sudden end leaves behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its processes
    os.environ.update(ALONE)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which outlives a process that is ended from outside
