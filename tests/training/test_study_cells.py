"""Hold the study of cells to judging what no fit has read."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import OperatorError
from tests.training.conftest import chaos, quick, recording_of, write_table
from training.study_cells import Result, run, study, text


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that a network forecasts better than a line does."""
    return write_table(tmp_path_factory.mktemp("cells") / "chaos.csv.gz", recording_of(chaos(700)))


@pytest.fixture(scope="module")
def fitted(table: Path) -> list[Result]:
    return study([table], ("none", "lstm"), quick(), lambda said: None, jobs=1)


def test_every_cell_has_as_many_parameters_and_a_row(fitted: list[Result]) -> None:
    none, lstm = fitted
    assert (none.recording, none.cell, lstm.cell) == ("chaos", "none", "lstm")
    assert none.parameters == pytest.approx(lstm.parameters, rel=0.04)
    rows = [line for line in text(fitted).splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| recording", "cell"],
        ["| chaos", "none"],
        ["| chaos", "lstm"],
        ["| mean", "none"],
        ["| mean", "lstm"],
    ]


def test_a_correction_that_helps_lowers_the_error(fitted: list[Result]) -> None:
    assert all(0.0 < one.ratio < 0.99 for one in fitted)
    assert all(-1.0 < one.skill < 1.0 for one in fitted)


def test_a_correction_that_never_learned_changes_nothing(table: Path) -> None:
    untaught = replace(quick(), training=replace(quick().training, updates=0))
    assert run((table, "rnn"), recipe=untaught).ratio == 1.0


def test_a_recording_that_is_too_short_is_named(tmp_path: Path) -> None:
    short = write_table(tmp_path / "short.csv.gz", recording_of(chaos(40)))
    with pytest.raises(OperatorError, match=r"short\.csv\.gz: must have a stream of at least"):
        run((short, "rnn"), recipe=quick())
