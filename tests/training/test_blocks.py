"""Hold the blocks to what cross-fitting needs: every sample once, and nothing near it among what is fitted on."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.blocks import FOLDS, cut_blocks

LENGTHS = st.lists(st.integers(FOLDS, 60), min_size=1, max_size=4)


def stream_of(lengths: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(lengths)), lengths)


@given(LENGTHS, st.integers(0, 80))
def test_every_sample_is_in_one_block(lengths: list[int], margin: int) -> None:
    inside = np.concatenate([inside for inside, _ in cut_blocks(lengths, margin=margin)])
    assert np.sort(inside).tolist() == list(range(sum(lengths)))


@given(LENGTHS, st.integers(0, 80))
def test_a_block_is_guarded_by_the_margin_on_both_sides_within_its_own_stream(lengths: list[int], margin: int) -> None:
    streams = stream_of(lengths)
    for inside, guarded in cut_blocks(lengths, margin=margin):
        for stream, length in enumerate(lengths):
            near = min(margin, length // FOLDS)
            mine = inside[streams[inside] == stream]
            here = np.flatnonzero(streams == stream)
            expected = here[(here >= mine[0] - near) & (here <= mine[-1] + near)]
            assert guarded[streams[guarded] == stream].tolist() == expected.tolist()


@given(LENGTHS, st.integers(0, 10_000))
def test_of_every_stream_something_is_left_to_fit_on(lengths: list[int], margin: int) -> None:
    streams = stream_of(lengths)
    for _, guarded in cut_blocks(lengths, margin=margin):
        left = np.bincount(np.delete(streams, guarded), minlength=len(lengths))
        assert (left >= np.array(lengths) // FOLDS).all()


@pytest.mark.parametrize("lengths", [[1], [3], [2, 50], [50, 1, 4]])
def test_streams_too_short_for_every_block_lose_no_sample(lengths: list[int]) -> None:
    blocks = cut_blocks(lengths, margin=3)
    assert len(blocks) == FOLDS
    assert np.sort(np.concatenate([inside for inside, _ in blocks])).tolist() == list(range(sum(lengths)))
    for inside, guarded in blocks:
        assert set(inside.tolist()) <= set(guarded.tolist())


def test_blocks_are_spans_of_time_in_order() -> None:
    blocks = cut_blocks([100], margin=0)
    for inside, guarded in blocks:
        assert inside.tolist() == list(range(inside[0], inside[-1] + 1)) == guarded.tolist()
    assert all(one[-1] < other[0] for (one, _), (other, _) in pairwise(blocks))
