"""Hold the study of memory to its tables, its equal sizes, and a first gap that an lstm does remember."""

import pytest

from training.memory_tasks import ADDING, COPY
from training.study import LEARNING_RATES, QUICK, Curve, Plan, Result, curves, run, study, text, trials

TINY = Plan(gaps=(10,), cells=("rnn", "lstm"), seeds=1, updates=200, jobs=1)


@pytest.fixture(scope="module")
def tiny() -> tuple[list[Result], list[str]]:
    """One study of one gap, and what it said."""
    said: list[str] = []
    return study(TINY, said.append), said


def result(score: float, *, gap: int = 10, seed: int = 1, cell: str = "lstm", task: str = "adding") -> Result:
    chance = {"adding": ADDING.chance, "copy": COPY.chance}[task]
    return Result(task, cell, 24, 2763, gap, seed, chance, score, 1.0)


def curve(*scores: float, task: str = "adding") -> Curve:
    [found] = curves([result(score, gap=10 * place, task=task) for place, score in enumerate(scores, start=1)], task)
    return found


def test_an_lstm_learns_to_add_over_a_gap_of_ten(tiny: tuple[list[Result], list[str]]) -> None:
    [lstm] = [one for one in tiny[0] if (one.task, one.cell) == ("adding", "lstm")]
    assert 0.9 < lstm.score <= 1.0


def test_every_fit_is_said_as_it_comes(tiny: tuple[list[Result], list[str]]) -> None:
    results, said = tiny
    assert len(results) == len(said) == 4
    assert said[0].startswith("[1/4] adding, gap 10, rnn, seed 1: ")


def test_the_table_has_a_row_for_each_cell_and_a_column_for_each_gap(tiny: tuple[list[Result], list[str]]) -> None:
    rows = [line for line in text(tiny[0]).splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| cell", "| rnn", "| lstm"] * 2
    assert {row.count("|") for row in rows} == {6}


def test_all_cells_have_as_many_parameters_within_a_few_percent() -> None:
    tried = trials(Plan())
    for task in ("adding", "copy"):
        counts = [one.parameters for one in tried if one.task.name == task]
        assert max(counts) < 1.06 * min(counts)


def test_a_study_tries_everything_with_one_seed_before_the_next() -> None:
    tried = trials(Plan(gaps=(10, 20), cells=("rnn", "lstm"), seeds=2))
    assert [one.seed for one in tried] == [1] * 8 + [2] * 8
    assert len({(one.task.name, one.architecture.cell, one.gap, one.seed) for one in tried}) == 16
    assert set(Plan().cells) == set(QUICK.cells) == set(LEARNING_RATES)


def test_the_same_trial_gives_the_same_score() -> None:
    [trial, *_] = trials(Plan(gaps=(2,), cells=("rnn",), seeds=1, updates=10))
    assert run(trial).score == run(trial).score


def test_a_cell_remembers_up_to_the_gap_before_it_first_falls_below_half_way() -> None:
    assert curve(0.9, 0.6, 0.4, 0.9).longest == 20
    assert curve(0.9, 0.6, 0.5).longest == 30
    assert curve(0.4).longest is None
    assert curve(0.9, 0.6, task="copy").longest == 10  # half-way from .25 is .625


def test_the_table_gives_the_median_with_the_worst_and_the_best_seed() -> None:
    written = text(
        [
            result(score, seed=seed, task=task)
            for task in ("adding", "copy")
            for seed, score in enumerate((0.2, 0.9, 0.7))
        ]
    )
    assert "median of 3 seeds (worst–best); chance 0.25" in written
    assert "| lstm | 24 | 2763 | 0.70 (0.20–0.90) | 10 |" in written
