"""A bundle fitted on a recorder's database is the one of its export, and a replay of either says the same."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge import cli as device
from edge.clock import MICROSECONDS
from edge.history import Heard, History, Source
from edge.history_spans import MAINTENANCE, Span
from edge.journal import Journal
from edge.recorder_config import RecorderConfig
from edge.recording import read_csv
from tests.home_assistant import build
from tests.training.conftest import RECIPE
from training import cli

pytestmark = pytest.mark.training

MOTE = Path(__file__).parents[2] / "data" / "wsn" / "singlehop_indoor_moteid1.csv.gz"
ROWS, STREAM = 700, "singlehop_indoor_moteid1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the first rows of a mote in a recorder's database and in Home Assistant's."""
    path, taken = tmp_path_factory.mktemp("history"), read_csv(MOTE, rows=ROWS)
    journal = Journal(path / "recorder.db", RecorderConfig(database=path / "recorder.db"))
    states = []
    for time, values in zip(taken.times.tolist(), taken.values.tolist(), strict=True):
        for sensor, value in zip(taken.sensors, values, strict=True):
            journal.add([Heard(Source(STREAM, sensor, True), round(time * MICROSECONDS), value, 50)])
            states.append((f"sensor.{sensor}", time, repr(value)))
    journal.close()
    began = [(taken.times[0].item() - 1.0, None, False)]
    build(path / "home-assistant_v2.db", states, {"sensor.humidity": "%", "sensor.temperature": "°C"}, began)
    (path / "quick.toml").write_text(RECIPE)
    return path


def fit(folder: Path, source: str, *options: str) -> bytes:
    (folder / f"of-{source}").mkdir(exist_ok=True)
    out = folder / f"of-{source}" / "mote.bundle"  # a bundle has the name of its file
    arguments = ["--data", str(folder / source), "--recipe", str(folder / "quick.toml"), "--out", str(out), *options]
    assert cli.main(["fit", *arguments]) == 0
    return out.read_bytes()


def replayed(folder: Path, bundle: str, source: str, *options: str) -> str:
    out = folder / "verdicts.csv"
    assert device.main(["replay", str(folder / bundle), str(folder / source), str(out), *options]) == 0
    return out.read_text()


def test_fit_and_replay_of_an_export_are_those_of_the_database(folder: Path) -> None:
    for name in ("table.csv.gz", "table.parquet"):
        assert device.main(["export", str(folder / "recorder.db"), str(folder / name)]) == 0
    fitted = [fit(folder, name, "--rows", "600") for name in ("recorder.db", "table.csv.gz", "table.parquet")]
    assert fitted[0] == fitted[1] == fitted[2]
    direct = replayed(folder, "of-recorder.db/mote.bundle", "recorder.db")
    assert replayed(folder, "of-recorder.db/mote.bundle", "table.csv.gz") == direct
    assert replayed(folder, "of-table.csv.gz/mote.bundle", "recorder.db") == direct
    assert len(direct.splitlines()) == ROWS + 1
    beside = [
        line.partition(",")[2] for line in replayed(folder, "of-recorder.db/mote.bundle", "table.parquet").splitlines()
    ]
    assert beside == [line.partition(",")[2] for line in direct.splitlines()]  # Parquet's times are written otherwise


def test_home_assistant_s_states_are_fitted_evaluated_and_replayed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "home-assistant_v2.db"
    chosen = [f"--sensor={sensor}=sensor.{sensor}" for sensor in ("humidity", "temperature")]
    before = (folder / source).read_bytes()
    fit(folder, source, *chosen)
    assert (
        cli.main(["evaluate", str(folder / f"of-{source}/mote.bundle"), "--data", str(folder / source), *chosen]) == 0
    )
    assert "home-assistant_v2: 700 rows" in capsys.readouterr().out
    assert len(replayed(folder, f"of-{source}/mote.bundle", source, *chosen).splitlines()) == ROWS + 1
    assert (folder / source).read_bytes() == before


def test_a_recipe_may_name_the_entities_of_each_stream(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    streams = {"kitchen": "sensor.humidity", "attic": "sensor.temperature"}
    table = "".join(f'[home_assistant.{name}]\nhumidity = "{entity}"\n' for name, entity in streams.items())
    (folder / "two.toml").write_text(f"{RECIPE}\n{table}")
    source = folder / "home-assistant_v2.db"
    arguments = ["--data", str(source), "--recipe", str(folder / "two.toml"), "--out", str(folder / "two.bundle")]
    assert cli.main(["fit", *arguments]) == 0
    assert "2 streams, 1400 samples" in capsys.readouterr().err


def test_without_a_choice_fit_lists_what_there_is_and_says_how(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder / "home-assistant_v2.db"
    assert cli.main(["fit", "--data", str(source), "--out", str(folder / "none.bundle")]) == 2
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()] == ["entity", "sensor.humidity", "sensor.temperature"]
    how = "--sensor humidity=sensor.humidity"
    assert told.err == f"error: {source}: is of Home Assistant: choose sensors among these, as in {how}\n"


def test_another_program_s_database_is_refused_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("CREATE TABLE a (b)")
    assert cli.main(["fit", "--data", str(folder / "other.db"), "--out", str(folder / "none.bundle")]) == 2
    rule = "must be a database of `tidegate record` or Home Assistant, got another's"
    assert capsys.readouterr().err == f"error: {folder / 'other.db'}: {rule}\n"


def test_what_was_suppressed_is_not_learnt_from_whatever_the_history_is_in(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = (read_csv(MOTE, rows=ROWS).times * MICROSECONDS).round().astype(int).tolist()
    (tmp_path / "quick.toml").write_text(RECIPE)
    database = tmp_path / "recorder.db"
    shutil.copy(folder / "recorder.db", database)
    with closing(History(database, 10_000_000)) as history:
        history.write_spans([Span(STREAM, MAINTENANCE, times[100], times[159])])
    of_database = fit(tmp_path, "recorder.db", "--rows", "540")
    assert "120 readings of maintenance, of acknowledged anomalies or excluded are left out" in capsys.readouterr().err
    spans = str(tmp_path / "spans.csv")
    assert device.main(["export", str(database), str(tmp_path / "all.csv"), "--suppressed", "--spans", spans]) == 0
    assert fit(tmp_path, "all.csv", "--rows", "600", "--exclude", spans) == of_database
    assert fit(folder, "recorder.db", "--rows", "540") != of_database


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ("start,end\n2000-01-01,2100-01-01\n", f"--exclude: must leave rows of {STREAM}, leaves none"),
        ("start,end,stream\n2000-01-01,2100-01-01,other\n", f"stream: must be one of the data ({STREAM}), got 'other'"),
        ("start\n2000-01-01\n", "must have columns `start` and `end`, got 'start'"),
    ],
)
def test_spans_that_cannot_be_excluded_are_told_in_one_line(
    folder: Path, tmp_path: Path, spans: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spans.csv").write_text(spans)
    out = str(tmp_path / "mote.bundle")
    exclude = ["--exclude", str(tmp_path / "spans.csv")]
    assert cli.main(["fit", "--data", str(folder / "recorder.db"), "--out", out, *exclude]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
