"""Hold the plot to a picture of every curve, in the format that the name says."""

from pathlib import Path

import pytest

from training.memory_tasks import TASKS
from training.plot import draw
from training.study import Result

RESULTS = [
    Result(task.name, cell, 24, 2763, gap, seed, task.chance, 0.5 + 0.1 * seed, 1.0)
    for task in TASKS
    for cell in ("rnn", "lstm")
    for gap in (10, 100)
    for seed in (1, 2)
]


@pytest.mark.parametrize(("name", "begins"), [("x.png", b"\x89PNG"), ("x.svg", b"<?xml")])
def test_the_name_says_the_format(name: str, begins: bytes, tmp_path: Path) -> None:
    draw(RESULTS, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_one_gap_and_one_seed_can_be_drawn_too(tmp_path: Path) -> None:
    draw([one for one in RESULTS if (one.gap, one.seed) == (10, 1)], tmp_path / "x.svg")
    assert (tmp_path / "x.svg").stat().st_size > 1000
