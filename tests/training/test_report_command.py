"""The command `tidegate-train report` from end to end: text, JSON, one HTML file, and a line for each problem."""

import json
import re
from pathlib import Path

import pytest

from tests.training.conftest import Trial, chaos, recording_of, write_table
from training import cli, curves


@pytest.fixture(autouse=True)
def few_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "STRENGTHS", {kind: strengths[-1:] for kind, strengths in curves.STRENGTHS.items()})


@pytest.fixture(scope="module")
def folder(chaotic: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, a recording that goes on after its training data, and a labelled event."""
    folder: Path = tmp_path_factory.mktemp("report")
    chaotic.pack(folder / "chaos.bundle")
    values = chaos(900)
    values[800:803, 1] += 80.0
    recording = recording_of(values)
    write_table(folder / "one.csv", recording)
    times = recording.times.tolist()
    (folder / "one.events.csv").write_text(f"start,end\n{times[800]},{times[802]}\n")
    return folder


def report(folder: Path, *arguments: object) -> int:
    return cli.main(["report", str(folder / "chaos.bundle"), "--data", str(folder / "one.csv"), *map(str, arguments)])


def test_the_report_says_all_that_was_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--events", folder / "one.events.csv") == 0
    told = capsys.readouterr().out
    titles = re.findall("^## (.*)$", told, re.MULTILINE)
    assert titles[:4] == ["Forecasts", "Flags", "Injected faults", "How often it would have fired"]
    assert "one: 300 rows, 1 of 1 labelled events found" in told
    for kind in curves.KINDS:
        assert re.search(rf"^\| {kind} \| .* \| 40 \| \d+% \| \d+% \|", told, re.MULTILINE)
    assert re.search(r"^\| the calibrate split \| 0\.1 \|", told, re.MULTILINE)
    assert re.search(r"^\| rows newer than the training data \| 70 \|", told, re.MULTILINE)


def test_a_preview_is_how_often_it_would_have_fired_and_no_more(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(folder, "--preview") == 0
    told = capsys.readouterr()
    titles = re.findall("^## (.*)$", told.out, re.MULTILINE)
    assert titles[0] == "How often it would have fired"
    assert all(title.startswith("The strongest in ") for title in titles[1:])
    assert told.err == ""


def test_a_preview_on_training_data_alone_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--preview") == 0
    assert "No row is newer" not in capsys.readouterr().out
    write_table(folder / "taught.csv", recording_of(chaos(600)))
    assert cli.main(["report", str(folder / "chaos.bundle"), "--data", str(folder / "taught.csv"), "--preview"]) == 0
    assert "No row is newer than the training data" in capsys.readouterr().out


def test_events_of_no_stream_of_the_data_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = folder / "other.csv"
    events.write_text("stream,start,end\nboiler,1,2\n")
    assert report(folder, "--events", events) == 2
    assert (
        capsys.readouterr().err == f"error: {events}: must have events of a stream of the data ('one'), got 'boiler'\n"
    )


def test_json_holds_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["evaluation"]["unseen"]
    assert {point["kind"] for point in told["curves"]["points"]} == set(curves.KINDS)
    assert told["curves"]["weeks"] == pytest.approx(300 * 60 / 604_800)
    assert report(folder, "--json", "--preview") == 0
    assert json.loads(capsys.readouterr().out) == told["preview"]


def test_the_html_file_needs_nothing_beside_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--out", folder / "report.html") == 0
    page = (folder / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg ") == len(curves.KINDS)
    assert not re.search(r"src=|href=|url\(|@import|<script|<link|<iframe|https?:|//", page)
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("## "):
            assert f"<h2>{line[3:]}</h2>" in page


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must end with status 2 and one line; return the line."""
    status = cli.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    (line,) = told.err.splitlines()
    return line.removeprefix("error: ")


def test_what_the_user_must_change_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, data = folder / "chaos.bundle", folder / "one.csv"
    nowhere = folder / "nowhere.csv"
    lacking = write_table(folder / "lacking.csv", recording_of(chaos(80)[:, :1]))
    told = refused(capsys, "report", bundle, "--data", nowhere)
    assert told == f"{nowhere}: must be a readable file, there is none"
    assert "lacks b" in refused(capsys, "report", bundle, "--data", lacking)
    assert "is no bundle" in refused(capsys, "report", data, "--data", data)
    told = refused(capsys, "report", bundle, "--data", data, "--out", data)
    assert told == f"{data}: must be a file of its own, got one that is read or written already"
    told = refused(capsys, "report", bundle, "--data", data, "--out", folder / "no" / "report.html")
    assert "must be in a folder that exists" in told
    assert "start" in refused(capsys, "report", bundle, "--data", data, "--events", data)


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["report"], ["study"], ["study", "quantisation"]):
        with pytest.raises(SystemExit) as left:
            cli.main([*command, "--help"])
        assert left.value.code == 0
        assert "example:\n  tidegate-train" in capsys.readouterr().out
