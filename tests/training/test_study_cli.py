"""Hold the studies' commands to their words, their pictures and their errors."""

from pathlib import Path

import orjson
import pytest

from edge.cli import DONE, OPERATOR
from tests.training.conftest import chaos, recording_of, write_table
from training import study_cli
from training.cli import main

SMALLEST = ["study", "memory", "--gaps", "2", "--cells", "rnn", "--seeds", "1", "--updates", "3", "--jobs", "1"]
RECIPE = """
[data]
window = 8
lags = 4
horizons = [1]
[network]
units = [4]
[training]
updates = 20
subsequence = 32
burn_in = 8
"""


def test_study_memory_prints_a_table_and_draws_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "memory.svg"
    assert main([*SMALLEST, "--plot", str(picture)]) == DONE
    said = capsys.readouterr()
    assert "copy: share of the symbols recalled, one seed; chance 0.25, perfect 1.00" in said.out
    assert said.out.count("\n| rnn | ") == 2
    assert "[2/2] copy, gap 2, rnn, seed 1: " in said.err
    assert picture.read_text(encoding="utf-8").startswith("<?xml")


def test_study_cells_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "forecast").mkdir()
    write_table(tmp_path / "forecast" / "chaos.csv.gz", recording_of(chaos(400)))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    asked = ["study", "cells", "--data", str(tmp_path), "--recipe", str(recipe), "--cells", "gru", "--json"]
    assert main([*asked, "--jobs", "1"]) == DONE
    [result] = orjson.loads(capsys.readouterr().out)
    assert (result["recording"], result["cell"]) == ("chaos", "gru")


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (["memory", "--plot", "memory.pdf"], "error: --plot: must end in .png or .svg, got 'memory.pdf'"),
        (
            ["memory", "--plot", "nowhere/x.png"],
            "error: --plot: must be a file that can be written, got 'nowhere/x.png'",
        ),
        (["cells", "--data", "nowhere"], "error: nowhere: must have forecast/NAME.csv.gz, has none"),
        (["cells", "--data", ".", "--recipe", "no.toml"], "error: no.toml: must be a readable file"),
    ],
)
def test_what_the_user_must_change_is_one_line(
    asked: list[str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study", *asked]) == OPERATOR
    said = capsys.readouterr().err
    assert said.startswith(wanted)
    assert said.count("\n") == 1


def test_a_missing_matplotlib_is_said_before_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study_cli, "find_spec", lambda name: None if name == "matplotlib" else object())
    assert main([*SMALLEST, "--plot", "memory.png"]) == OPERATOR
    assert capsys.readouterr().err == "error: needs matplotlib; in the source tree: pip install '.[training]'\n"


@pytest.mark.parametrize("asked", [["memory", "--cells", "tcn"], ["memory", "--gaps", "0"], ["memory", "--seeds", "x"]])
def test_what_is_no_choice_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["study", *asked])
    assert stopped.value.code == OPERATOR
    assert "must be" in capsys.readouterr().err


@pytest.mark.parametrize("study", ["memory", "cells"])
def test_each_study_explains_itself_with_an_example(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["study", study, "--help"])
    assert stopped.value.code == DONE
    assert f"example:\n  tidegate-train study {study} " in capsys.readouterr().out
