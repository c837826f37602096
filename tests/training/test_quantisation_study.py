"""Compare the quantisations of one small network, and keep what was measured."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.manifest_tables import QualityRow
from tests.training.conftest import Trial, chaos, recording_of, write_table
from training import cli, quantisation_study, recipe
from training.quantisation_study import MODES, Cost, rmse_changes, step_times, summary
from training.recipe import Training


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one set, a recipe of few updates, and no second runtime."""
    (tmp_path / "data" / "forecast").mkdir(parents=True)
    write_table(tmp_path / "data" / "forecast" / "chaos.csv.gz", recording_of(chaos(400)))
    quick = replace(recipe.default(), training=Training(updates=20, subsequence=32, burn_in=8, stride=8))
    monkeypatch.setattr(recipe, "default", lambda: quick)
    monkeypatch.setattr(quantisation_study, "SECOND", tmp_path / "no-python")
    return tmp_path


def study(folder: Path, *arguments: str) -> int:
    places = ("--data", str(folder / "data"), "--work", str(folder / "work"))
    return cli.main(["study", "quantisation", *places, *arguments])


def test_every_mode_is_compared_with_float32_and_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(folder, "--json") == 0
    first = capsys.readouterr()
    costs = json.loads(first.out)
    assert [cost["mode"] for cost in costs] == list(MODES)
    assert (costs[0]["rmse_change"], costs[0]["worst_change"], costs[0]["equal_flags"]) == (0.0, 0.0, 1.0)
    assert costs[1]["size"] < costs[0]["size"]
    assert all(len(cost["step_us"]["litert"]) == 2 for cost in costs)
    assert "note: no second runtime" in first.err
    assert study(folder, "--json") == 0
    again = capsys.readouterr()
    assert json.loads(again.out) == costs
    assert "training" not in again.err


def test_the_table_has_a_line_for_each_mode(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("| bytes | litert µs, 1 | litert µs, 64 |")
    assert [line.split(" | ")[1] for line in lines[2:6]] == list(MODES)


def test_a_set_that_cannot_be_fitted_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = write_table(folder / "data" / "forecast" / "chaos.csv.gz", recording_of(0.0 * chaos(400)))
    assert flat.exists()
    assert study(folder) == 0
    told = capsys.readouterr()
    assert "note: forecast/chaos is left out: must have a sensor that moves" in told.err


def test_a_folder_without_sets_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", "quantisation", "--data", str(tmp_path)]) == 2
    assert "must hold recordings" in capsys.readouterr().err


def test_a_graph_is_timed_in_a_process_of_its_own(chaotic: Trial) -> None:
    graph = chaotic.fitted.graph
    (found,) = step_times([graph], [Path(sys.executable), Path("no-python")])
    assert list(found) == ["litert"]
    assert all(0.0 < time < 1e4 for time in found["litert"])


def quality(forecast: float) -> QualityRow:
    return QualityRow(
        sensor="a", horizon=1, samples=9, forecast=forecast, persistence=1.0, seasonal=None, ridge=1.0, coverage=0.9,
        width=1.0,
    )  # fmt: skip


def test_a_change_of_the_rmse_is_relative_and_needs_one() -> None:
    changes = rmse_changes([quality(2.0), quality(0.0)], [quality(2.02), quality(0.5)])
    assert changes == pytest.approx([0.01])


def cost(mode: str, **changes: object) -> Cost:
    whole = Cost(
        set="one", mode=mode, pairs=4, serving=2, parity=0.01, rmse_change=0.0, worst_change=0.0, equal_flags=1.0,
        flagged=0.0, size=9, step_us={},
    )  # fmt: skip
    return replace(whole, **changes)


def test_the_summary_counts_the_sets_on_which_a_mode_holds() -> None:
    costs = [cost(mode) for mode in MODES]
    costs += [cost(mode, set="two", rmse_change=0.02, equal_flags=0.99, parity=0.03) for mode in MODES]
    costs += [cost(mode, set="three", serving=0) for mode in MODES]
    lines = summary(costs)
    assert lines[0] == (
        "dynamic: RMSE within 1% on 1 of 2 sets, at least 99.5% equal flags on 1; parity 2.00% in the median, "
        "3.00% at worst"
    )
    assert lines[-1] == "the correction serves nothing on 1 more"
    assert summary([cost(mode, serving=0) for mode in MODES]) == ["the correction serves nothing on 1 more"]
