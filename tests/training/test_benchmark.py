"""Run the benchmark over a small folder of every kind, as the command does."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge.errors import OperatorError
from edge.recording import Recording
from tests.test_imports import GRAPH
from tests.training.conftest import START, recording_of, write_table
from training import known_sets
from training.accuracy import BEGIN, END, load
from training.accuracy import main as write_accuracy
from training.benchmark import NO_FIGURE, _outcome, benchmark, run
from training.benchmark_report import Report
from training.benchmark_tables import summary, text
from training.cli import main
from training.known_sets import choose, find
from training.outcome import OURS, Outcome

# Half a minute of fits on an idle machine, several on one that is busy otherwise.
pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
ROWS = 560
PERIOD = 600.0
SETS = ("forecast/house", "nab/realAdExchange/clicks", "skab/valve1/0", "gecco2018/train", "wsn/mote", "msl/M-1")
BROKEN = "nab/artificialNoAnomaly/flat"


def recording(seed: int) -> Recording:
    """Draw a daily swing with noise, and a level that jumps for 30 rows near the end."""
    random = np.random.default_rng(seed)
    clock = 2 * np.pi * np.arange(ROWS) / 144
    values = np.stack((np.sin(clock), np.cos(clock)), axis=1) + 0.1 * random.normal(size=(ROWS, 2))
    values[500:530] += 3.0
    return recording_of(values, period=PERIOD)


def write_set(data: Path, name: str, drawn: Recording) -> None:
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    write_table(data / f"{name}.csv.gz", drawn)
    if not name.startswith("forecast"):
        (data / f"{name}.events.csv").write_text(f"start,end\n{START + 500 * PERIOD},{START + 529 * PERIOD}\n")


def write_sets(data: Path) -> Path:
    for seed, name in enumerate(SETS):
        write_set(data, name, recording(seed))
    (data / "msl/train_rows.json").write_text(json.dumps({"M-1": 300}))
    write_set(data, BROKEN, recording_of(np.ones((ROWS, 1)), period=PERIOD))
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small set of every kind, and one that cannot be fitted."""
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the outcomes of this file are kept."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def report(data: Path, work: Path) -> Report:
    """The whole benchmark over that folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(known_sets.FITTED_ROWS, "gecco2018", 300)
        patch.setitem(known_sets.FITTED_ROWS, "wsn", 300)
        return benchmark(find(data), work, jobs=2, asked=())


def test_every_kind_is_fitted_replayed_and_judged(report: Report) -> None:
    assert {one.set: one.failure for one in report.outcomes if one.failure} == {BROKEN: _WHY}
    assert [one.name for one in report.forecasts] == ["forecast/house", "all sets"]
    assert {one.kind for one in report.flags} == {"nab", "skab", "gecco2018", "wsn", "msl"}
    assert all(one.rows == ROWS for one in report.outcomes)


_WHY = "must have a sensor that moves in the first part of the recording, all are constant there"


def test_forecasts_are_judged_on_the_last_fifth_at_every_horizon(report: Report) -> None:
    (house,) = (one for one in report.outcomes if one.kind == "forecast")
    assert house.fitted_rows == int(0.8 * ROWS)
    assert [(pair.sensor, pair.horizon) for pair in house.pairs] == [(s, h) for h in (1, 6, 24) for s in "ab"]
    assert all(pair.samples == ROWS - house.fitted_rows for pair in house.pairs)
    assert all(pair.best > 0.0 and pair.forecast.rmse > 0.0 for pair in house.pairs)


def test_controls_stand_beside_tidegate_and_are_judged_on_the_same_rows(report: Report) -> None:
    for outcome in report.outcomes:
        tallies = {one.name: one.tally for one in outcome.detectors}
        if outcome.kind == "forecast":
            assert tallies == {}
            continue
        assert list(tallies) == [OURS, "AR(3) EWMA Mahalanobis", "persistence", "metronome", "always-on"]
        rows = {one.hits + one.false_rows + one.missed_rows + one.calm_rows for one in tallies.values()}
        assert rows == {ROWS - outcome.fitted_rows}
        assert tallies["always-on"].missed_rows == 0


def test_a_set_that_cannot_be_fitted_counts_as_silent_and_is_told(report: Report) -> None:
    ours = next(one for one in report.flags if one.kind == "nab" and one.group == "all" and one.detector == OURS)
    assert (ours.failed, ours.tally.files, ours.tally.openings.windows) == (1, 2, 2)
    assert f"not fitted: {BROKEN}: {_WHY}" in text(report)
    assert not report.broke


def test_the_jump_is_found_and_hardly_anything_else(report: Report) -> None:
    for kind in ("gecco2018", "msl"):
        ours = next(one for one in report.flags if one.kind == kind and one.detector == OURS)
        assert ours.tally.found == 1


def test_alarm_budgets_are_held_to_what_opened_on_sets_without_labels(report: Report) -> None:
    kept = {one.set: [account.asked for account in one.budgets] for one in report.outcomes if one.budgets}
    assert kept == {"forecast/house": [1.0, 20.16]}  # two alarms in 112 steps: more is not honoured
    (house,) = (one for one in report.outcomes if one.budgets)
    assert {account.weeks for account in house.budgets} == {112 * PERIOD / 604_800.0}
    assert [one.opened for one in report.budgets] == [account.opened for account in house.budgets]
    assert [one.name for one in report.outside] == ["nab/realAdExchange", "skab/valve1", "gecco2018", "wsn", "msl"]


def test_the_report_ends_with_one_line_over_everything(report: Report) -> None:
    last = text(report).splitlines()[-1]
    assert last == summary(report)
    for word in (
        "forecast: mean skill",
        "nab:",
        "skab all: point F1",
        "gecco2018: event F0.5",
        "wsn:",
        "msl:",
        "alarm budgets:",
        "7 sets",
    ):
        assert word in last


def test_what_is_measured_already_is_not_measured_again(
    report: Report, data: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(known_sets.FITTED_ROWS, "gecco2018", 300)
    monkeypatch.setitem(known_sets.FITTED_ROWS, "wsn", 300)
    monkeypatch.setattr("training.benchmark.ProcessPoolExecutor", None)  # nothing may be started
    again = benchmark(find(data), work, jobs=2, asked=())
    assert again.outcomes == report.outcomes
    assert "7 of 7 sets are already measured" in capsys.readouterr().err


def test_a_set_whose_recording_or_labels_changed_is_measured_anew(
    report: Report, data: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "training.benchmark._measured", lambda missing, jobs: asked.extend(k.name for k in missing) or ()
    )
    changed = choose(find(data), [BROKEN])[0]
    assert changed.labels is not None
    kept = changed.labels.read_text()
    changed.labels.write_text("start,end\n")
    try:
        with pytest.raises(KeyError):
            run([changed], work, jobs=1)
    finally:
        changed.labels.write_text(kept)
    assert asked == [BROKEN]


def test_no_module_that_decides_a_figure_is_left_out_of_the_fingerprint() -> None:
    decides, waiting = set[str](), ["training.outcome"]
    while waiting:
        name = waiting.pop()
        if name not in decides:
            decides.add(name)
            waiting += GRAPH[name]
    assert decides & {f"{package}.{name}" for package, names in NO_FIGURE.items() for name in names} == set()


def test_what_a_worker_raises_is_told_and_is_ours(data: Path) -> None:
    future: Future[Outcome] = Future()
    future.set_exception(ValueError("out of order"))
    outcome = _outcome(find(data)[0], future)
    assert outcome.failure == "BROKE: ValueError: 'out of order'"
    assert not outcome.rows


def test_a_folder_that_cannot_be_written_is_told(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="--work: must be a folder that can be written"):
        run(find(data), tmp_path / "file" / "below", jobs=1)


def test_json_holds_everything_and_makes_the_pages_section(report: Report, tmp_path: Path) -> None:
    import orjson

    written, page = tmp_path / "accuracy.json", tmp_path / "ACCURACY.md"
    written.write_bytes(orjson.dumps(report))
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert load(written) == report
    assert write_accuracy([str(written), str(page)]) == 0
    section = page.read_text()
    assert section.startswith(f"before\n{BEGIN}\n") and section.endswith(f"{END}\nafter\n")
    assert "old" not in section
    assert "| all, tidegate (1 not fitted) |" in section
    assert summary(report) in section


def test_a_page_without_markers_is_left_alone(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import orjson

    written, page = tmp_path / "accuracy.json", tmp_path / "ACCURACY.md"
    written.write_bytes(orjson.dumps(report))
    page.write_text("no markers\n")
    assert write_accuracy([str(written), str(page)]) == 2
    assert page.read_text() == "no markers\n"
    assert "ACCURACY.md: must hold the markers" in capsys.readouterr().err


def test_the_page_of_accuracy_has_a_place_for_the_section() -> None:
    page = (ROOT / "training" / "ACCURACY.md").read_text(encoding="utf-8")
    assert page.index(BEGIN) < page.index(END)


def test_a_name_that_fits_nothing_ends_the_command_with_2(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--data", str(data), "--only", "nothing"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "there are forecast, nab, " in error


def test_a_folder_without_sets_ends_the_command_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--data", str(tmp_path)]) == 2
    assert "must hold recordings" in capsys.readouterr().err


def test_an_interrupt_ends_at_once_and_keeps_what_is_done(tmp_path: Path) -> None:
    data, work = tmp_path / "data", tmp_path / "work"
    for name in ("skab/flat", "skab/long"):
        flat = name.endswith("flat")
        write_set(data, name, recording_of(np.ones((ROWS, 1)), period=PERIOD) if flat else recording(0))
    command = [
        sys.executable,
        "-m",
        "training.cli",
        "benchmark",
        "--data",
        str(data),
        "--work",
        str(work),
        "--jobs",
        "2",
    ]
    ran = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stderr=subprocess.PIPE
    )
    assert ran.stderr is not None
    first = ran.stderr.readline()
    ran.send_signal(signal.SIGINT)
    rest = ran.stderr.read()
    assert ran.wait(timeout=60.0) == 130
    assert first.startswith("skab/flat: must have a sensor that moves")
    assert rest == "interrupted\n"
    assert [path.name for path in work.rglob("*.json")] == ["flat.json"]


def test_workers_do_not_outlive_a_parent_that_was_killed() -> None:
    script = (
        "import os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from training.benchmark import begin_worker\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(1, mp_context=get_context('spawn'), initializer=begin_worker)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    pool.submit(time.sleep, 60.0)\n"
        "    os._exit(0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    worker = int(ran.stdout)
    give_up_at = time.monotonic() + 60.0
    while psutil.pid_exists(worker) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert not psutil.pid_exists(worker)
