"""Hold work that is done side by side to what it gives when done in turn."""

import math
import os
from itertools import islice

import pytest

from training.workers import ALONE, side_by_side


def test_one_job_works_in_order_and_in_this_process() -> None:
    assert list(side_by_side(lambda number: (number, os.getpid()), [1, 2], jobs=1)) == [
        (1, os.getpid()),
        (2, os.getpid()),
    ]


def test_several_jobs_give_the_same_results_in_some_order() -> None:
    assert sorted(side_by_side(math.sqrt, [1.0, 4.0, 9.0], jobs=2)) == [1.0, 2.0, 3.0]


def test_each_job_has_one_thread_and_shows_no_bars() -> None:
    found = side_by_side(os.getenv, list(ALONE), jobs=2)
    assert sorted(value or "" for value in found) == sorted(ALONE.values())
    assert "TQDM_DISABLE" not in os.environ


def test_what_goes_wrong_in_a_job_goes_wrong_here() -> None:
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        list(side_by_side(math.sqrt, [1.0, -1.0], jobs=2))


def test_a_reader_may_stop_early() -> None:
    assert list(islice(side_by_side(math.sqrt, [4.0] * 50, jobs=2), 1)) == [2.0]
