"""Hold the tasks to their words: the answer is what was marked, due where the cue is, and nowhere else to be read."""

import numpy as np
import pytest

from training.memory_tasks import (
    ADDING,
    COPY,
    LONG_SHARE,
    SHOWN,
    SUM_SPREAD,
    SYMBOL_SPREAD,
    SYMBOLS,
    TASKS,
    Task,
    adding,
    copy,
    explained,
    growing,
    recalled,
)

GAPS = np.array([3, 1, 7])
MARKS = {"adding": 2, "copy": 1}


def test_adding_asks_for_the_sum_of_what_was_marked() -> None:
    drawn = adding(np.array([4]), seed=1)
    value, mark, cue = drawn.x[0].T
    #       marked here |   gap, noise    | due
    # step  0  1  2  3  4  5  6  7         8
    assert drawn.x.shape == (1, SHOWN + 4, 3)
    assert cue.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1]
    first, second = np.flatnonzero(mark)
    assert first < second < SHOWN
    assert drawn.target[0, 8, 0, 0] == pytest.approx((value[first] + value[second]) / SUM_SPREAD, abs=1e-6)


def test_copy_asks_for_the_symbol_that_was_marked() -> None:
    drawn = copy(np.array([4]), seed=1)
    symbols, mark, cue = drawn.x[0, :, :SYMBOLS], drawn.x[0, :, SYMBOLS], drawn.x[0, :, SYMBOLS + 1]
    assert cue.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1]
    [kept] = np.flatnonzero(mark)
    assert kept < SHOWN
    wanted = drawn.target[0, 8, 0] * SYMBOL_SPREAD + 1 / SYMBOLS
    np.testing.assert_allclose(wanted, symbols[kept], atol=1e-6)
    assert symbols.sum(axis=1).tolist() == [1] * 9  # noise in the gap looks like what is to be kept


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_only_the_step_of_the_answer_has_a_weight(task: Task) -> None:
    drawn = task.draw(GAPS, 1)
    due = drawn.weight[:, :, 0] > 0
    assert [np.flatnonzero(one.any(axis=1)).tolist() for one in due] == [[SHOWN - 1 + gap] for gap in GAPS]
    assert np.all(due.any(axis=2) == due.all(axis=2))
    assert np.all(drawn.target[drawn.weight == 0] == 0)
    assert drawn.x.shape[2] == task.inputs
    assert drawn.target.shape == (*drawn.x.shape[:2], 1, task.outputs)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_mark_is_at_least_the_gap_before_the_answer(task: Task) -> None:
    drawn = task.draw(np.full(200, 6), 1)
    mark = drawn.x[:, :, -2]
    assert np.all(mark.sum(axis=1) == MARKS[task.name])
    assert np.flatnonzero(mark.any(axis=0)).tolist() == list(range(SHOWN))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_what_comes_after_the_marks_says_nothing_of_the_answer(task: Task) -> None:
    drawn = task.draw(np.full(4000, 8), 1)
    after = drawn.x[:, SHOWN:].reshape(4000, -1).astype(np.float64)
    answers = drawn.target[:, -1, 0]
    taught, judged = slice(0, 3000), slice(3000, None)
    line = np.linalg.lstsq(after[taught], answers[taught], rcond=None)[0]
    missed = np.mean((answers[judged] - after[judged] @ line) ** 2)
    assert missed > 0.98 * np.mean(answers[judged] ** 2)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_targets_are_counted_in_their_own_spread(task: Task) -> None:
    answers = task.draw(np.full(4000, 2), 1).target[:, -1, 0]
    np.testing.assert_allclose(answers.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(answers.std(axis=0), 1.0, atol=0.04)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_seed_draws_one_set_and_another_seed_another(task: Task) -> None:
    one, same, other = (task.draw(GAPS, seed).x for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_growing_gaps_are_of_every_scale_and_some_are_whole() -> None:
    gaps = growing(4000, 100, seed=1)
    assert (gaps.min(), gaps.max(), gaps[0]) == (1, 100, 100)
    assert np.mean(gaps == 100) == pytest.approx(LONG_SHARE, abs=0.03)
    shares = [np.mean((gaps >= low) & (gaps < high)) for low, high in ((1, 5), (5, 20), (20, 100))]
    assert min(shares) > 0.2
    assert growing(3, 1, seed=1).tolist() == [1, 1, 1]


def test_the_measures_give_one_to_the_truth_and_chance_to_the_mean() -> None:
    held = {task.name: task.draw(np.full(2000, 2), 1).target[:, -1, 0] for task in TASKS}
    for task in TASKS:
        assert task.judge(held[task.name], held[task.name]) == pytest.approx(1.0)
        assert task.judge(np.zeros_like(held[task.name]), held[task.name]) == pytest.approx(task.chance, abs=0.03)
    assert explained(np.array([[3.0]]), np.array([[1.0], [-1.0]])) < 0.0
    assert recalled(np.array([[0.2, 0.9], [0.8, 0.1]]), np.array([[0.0, 1.0], [0.0, 1.0]])) == 0.5
    assert (ADDING.chance, COPY.chance) == (0.0, 0.25)
