"""The command `tidegate` as the shell sees it: help, exit statuses, files in and out, and one line for each problem."""

import argparse
import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import edge
from edge import cli
from edge.recording import read_csv
from tests.make_bundles import MOTES

ROOT = Path(__file__).parents[2]
WINDOW = 16
COMMANDS = ("run", "check", "replay", "demo", "discover", "bundle", "bundle inspect", "bundle verify")
BOUNDS = ("forecast", "lower", "upper")


@pytest.fixture
def mote(bundles: Path) -> str:
    return str(bundles / "lstm-dynamic.bundle")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The first rows of a real mote."""
    path = tmp_path / "mote.csv"
    with gzip.open(MOTES[0]) as file:
        path.write_bytes(b"".join(file.readlines()[:61]))
    return path


def tidegate(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must end with status 2 and one line; return the line."""
    status = tidegate(*arguments)
    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    (line,) = told.err.splitlines()
    return line.removeprefix("error: ")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Help and statuses


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_shows_an_example_and_is_no_failure(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tidegate(*command.split(), "--help")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert f"usage: tidegate {command}".rstrip() in told
    example = told.partition("example:\n")[2]
    assert example.strip().startswith(f"tidegate {command}".rstrip())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_a_command_can_be_parsed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli._parser()
    with pytest.raises(SystemExit):
        parser.parse_args([*command.split(), "--help"])
    words = capsys.readouterr().out.partition("example:\n")[2].split()
    assert callable(parser.parse_args(words[1:]).command)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tidegate("--version")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"tidegate {edge.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "fly",
        "run",
        "run --config a.toml more",
        "check --colour a.toml",
        "replay a.bundle",
        "replay a.bundle in.csv out.csv --inference guess",
        "bundle",
        "bundle eat a.bundle",
        "demo a.bundle",
        "demo a.bundle --data d --speed fast",
    ],
)
def test_unknown_or_missing_arguments_end_with_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tidegate(*arguments.split())
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert "error: " in told.err.splitlines()[-1]


# check and bundle


def test_check_tells_every_problem_in_a_line_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text('[broker]\nport = 0\n[streams.a]\nbundle = "a.bundle"\ntopic = "a/#"\n')
    assert tidegate("check", "--config", path) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split(": ")[:3] for line in told.err.splitlines()] == [
        ["error", str(path), "broker.port"],
        ["error", str(path), "streams.a.topic"],
        ["error", str(tmp_path / "a.bundle"), f"must be a readable file, there is none (streams.a.bundle of {path})"],
    ]


def test_check_tells_what_it_found(mote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text(f'[streams.a]\nbundle = "{mote}"\ntopic = "a"\n')
    assert tidegate("check", "--config", path) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{path}: no problem found"


def test_check_with_a_budget_predicts_on_standard_output_and_warns_beside_it(
    mote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text(f'[broker]\ninbox = 20\n[streams.a]\nbundle = "{mote}"\ntopic = "a/{{x}}"\nmax_streams = 25\n')
    assert tidegate("check", "--config", path, "--budget", "--streams", "30") == 0
    told = capsys.readouterr()
    place = told.out.splitlines().index(f"{path}: no problem found")
    assert [line.partition(":")[0] for line in told.out.splitlines()[place + 1 :]] == [
        "expected", "measured", "measured", "predicted", "assumed"
    ]  # fmt: skip
    warnings = [line for line in told.err.splitlines() if line.startswith("warning: ")]
    assert [line.split(": ")[1:3] for line in warnings[:2]] == [
        [str(path), "streams.a.max_streams"],
        [str(path), "broker.inbox"],
    ]
    assert set(told.err.splitlines()) - set(warnings) == {
        "… starting a daemon on loopback",
        "… measuring streams of lstm-dynamic.bundle, 1 of 1 kinds of table",
        "… measuring 50 messages/s",
    }


def test_a_budget_is_not_tried_where_check_finds_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text('[streams.a]\nbundle = "a.bundle"\ntopic = "a"\n')
    assert tidegate("check", "--config", path, "--budget") == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--streams", "3"), "--streams: must stand beside --budget, got it alone"),
        (("--budget", "--streams", "0"), "--streams: must be at least 1, got 0"),
    ],
)
def test_streams_that_make_no_sense_are_refused(
    mote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], problem: str
) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text(f'[streams.a]\nbundle = "{mote}"\ntopic = "a"\n')
    assert tidegate("check", "--config", path, *options) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {problem}"]


def test_bundle_inspect_prints_the_card_or_the_manifest(mote: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tidegate("bundle", "inspect", mote) == 0
    card = capsys.readouterr().out
    assert card.startswith("# lstm-dynamic, version 1\n")
    assert f"{Path(mote).stat().st_size} bytes, verified on " in card.splitlines()[-1]
    assert tidegate("bundle", "inspect", mote, "--json") == 0
    manifest = json.loads(capsys.readouterr().out)
    assert [sensor["name"] for sensor in manifest["sensors"]] == ["humidity", "temperature"]
    assert (manifest["window"], manifest["period"]) == (WINDOW, 5.0)


def test_bundle_verify_says_on_what_it_serves(mote: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tidegate("bundle", "verify", mote) == 0
    assert capsys.readouterr().out.startswith(f"{mote}: lstm-dynamic version 1, serves on ")


def test_a_bundle_that_was_changed_is_refused_by_every_command_that_loads_it(
    mote: str, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(Path(mote).read_bytes())
    content[content.index(b"TFL3") + 3000] ^= 1
    broken = tmp_path / "broken.bundle"
    broken.write_bytes(content)
    for arguments in (
        ("bundle", "verify", broken),
        ("bundle", "inspect", broken),
        ("replay", broken, recording, "out"),
    ):
        assert refused(capsys, *arguments).startswith(f"{broken}: ")


# replay


def test_replay_writes_one_row_for_each_row_and_leaves_cells_empty_while_warming_up(
    mote: str, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.csv"
    assert tidegate("replay", mote, recording, output) == 0
    rows, known = rows_of(output), read_csv(recording)
    assert list(rows[0]) == [
        *("time", "stream", "score", "anomaly", "event", "kind"),
        *(f"{sensor}.{bound}" for sensor in ("humidity", "temperature") for bound in BOUNDS),
    ]
    assert [row["time"] for row in rows] == list(known.written)
    assert {row["stream"] for row in rows} == {"mote"}
    numbers = [[row[name] for name in row if "." in name or name == "score"] for row in rows]
    assert {cell for row in numbers[:WINDOW] for cell in row} == {""}
    assert all(float(cell) == float(cell) for row in numbers[WINDOW:] for cell in row)
    for row in rows[WINDOW:]:
        assert float(row["humidity.lower"]) < float(row["humidity.forecast"]) < float(row["humidity.upper"])
        assert row["anomaly"] == str(int(float(row["score"]) > 1.0))
        assert (row["kind"] == "forecast") == (row["event"] != "")
    assert capsys.readouterr().err.splitlines()[-1].startswith("60 rows, ")


def test_a_row_does_not_depend_on_the_rows_below_it(mote: str, recording: Path, tmp_path: Path) -> None:
    whole, part, first = tmp_path / "whole.csv", tmp_path / "part.csv", tmp_path / "mote" / "mote.csv"
    first.parent.mkdir()
    first.write_text("".join(recording.read_text().splitlines(keepends=True)[:41]))
    assert tidegate("replay", mote, recording, whole) == tidegate("replay", mote, first, part) == 0
    assert whole.read_text().startswith(part.read_text())


def test_forecasts_are_written_for_every_sensor_and_horizon_from_the_full_window_on(
    mote: str, recording: Path, tmp_path: Path
) -> None:
    output, forecasts = tmp_path / "out.csv", tmp_path / "forecasts.csv"
    assert tidegate("replay", mote, recording, output, "--forecasts", forecasts) == 0
    told, rows = rows_of(forecasts), rows_of(output)
    assert list(told[0]) == ["made_at", "time", "stream", "sensor", "horizon", "forecast", "lower", "upper"]
    assert len(told) == (60 - WINDOW + 1) * 2 * 2
    assert told[0]["made_at"] == rows[WINDOW - 1]["time"]
    next_step = [line for line in told if line["horizon"] == "1" and line["sensor"] == "humidity"]
    expected = [(row["time"], *(row[f"humidity.{bound}"] for bound in BOUNDS)) for row in rows[WINDOW:]]
    assert [(line["time"], *(line[bound] for bound in BOUNDS)) for line in next_step[:-1]] == expected


def test_the_window_run_anew_at_every_step_gives_nearly_the_same(mote: str, recording: Path, tmp_path: Path) -> None:
    stream, window = tmp_path / "stream.csv", tmp_path / "window.csv"
    assert tidegate("replay", mote, recording, stream) == 0
    assert tidegate("replay", mote, recording, window, "--inference", "window") == 0
    for one, other in zip(rows_of(stream)[WINDOW:], rows_of(window)[WINDOW:], strict=True):
        assert float(one["humidity.forecast"]) == pytest.approx(float(other["humidity.forecast"]), abs=0.05)


def test_a_configuration_gives_replay_the_alarm_budget_of_the_daemon(
    mote: str, recording: Path, tmp_path: Path
) -> None:
    def scores(budget: str) -> list[float]:
        config, output = tmp_path / "tidegate.toml", tmp_path / "out.csv"
        config.write_text(
            f'[streams.motes]\nbundle = "{mote}"\ntopic = "motes/{{name}}/climate"\n'
            f"detection = {{ false_alarms_per_week = {budget} }}\n"
        )
        assert tidegate("replay", mote, recording, output, "--config", config) == 0
        return [float(row["score"]) for row in rows_of(output)[WINDOW:]]

    assert all(often >= seldom for often, seldom in zip(scores("1000.0"), scores("0.1"), strict=True))
    assert scores("1000.0") != scores("0.1")


def test_cells_that_are_no_numbers_are_not_measured_and_their_rows_are_answered(
    mote: str, recording: Path, tmp_path: Path
) -> None:
    lines = recording.read_text().splitlines()
    for row, cell in ((30, ""), (31, "nan"), (32, "unavailable"), (33, "inf"), (34, "wet")):
        time_, _, temperature = lines[row].split(",")
        lines[row] = f"{time_},{cell},{temperature}"
    recording.write_text("\n".join(lines))
    output = tmp_path / "out.csv"
    assert tidegate("replay", mote, recording, output) == 0
    assert all(row["score"] != "" and row["humidity.forecast"] != "" for row in rows_of(output)[WINDOW:])


HEADER = "time,humidity,temperature\n"
BAD_FILES = {
    "empty": ("", "must have a header line"),
    "header alone": (HEADER, "must have rows below its header"),
    "no time": ("at,humidity,temperature\n1,2,3\n", "must have a column `time`"),
    "a sensor missing": (
        "time,humidity\n1,2\n",
        "must have a column for each sensor of the bundle, lacks temperature; the file has 'humidity'",
    ),
    "ragged": (HEADER + "1,2,3\n2,3\n", "line 3: must have 3 cells, got 2"),
    "a time that is none": (HEADER + "1,2,3\nnoon,2,3\n", "row 2: time: must be ISO 8601 or Unix seconds, got 'noon'"),
    "before 1970": (HEADER + "1969-12-31T00:00:00Z,2,3\n", "row 1: time: must be ISO 8601"),
    "a column twice": ("time,humidity,humidity\n1,2,3\n", "must name each column once"),
    "bytes": ("\udcff\udcfe\udcfd", "must be UTF-8 text (byte 0xff in line 1)"),
    "newest first": (HEADER + "".join(f"{900 - row},2,3\n" for row in range(90)), "rows must be in order of time"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_recording_is_refused_in_one_line(
    kind: str, mote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, rule = BAD_FILES[kind]
    path, output = tmp_path / "bad.csv", tmp_path / "out.csv"
    path.write_text(content, errors="surrogateescape")
    told = refused(capsys, "replay", mote, path, output)
    assert told.startswith(f"{path}: {rule}")
    assert not output.exists()


@pytest.mark.parametrize("name", ["nowhere.csv", ".", "truncated.csv.gz"])
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    name: str, mote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "truncated.csv.gz").write_bytes(MOTES[0].read_bytes()[:5000])
    assert refused(capsys, "replay", mote, tmp_path / name, tmp_path / "out.csv").startswith(
        f"{tmp_path / name}: must be"
    )


@pytest.mark.parametrize(
    ("rows", "values"), [(1, "45.0,28.0"), (40, ","), (40, "45.0,"), (40, "45.0,28.0"), (40, "wet,warm")]
)
def test_recordings_with_little_in_them_are_answered_with_as_many_rows_and_no_flag(
    rows: int, values: str, mote: str, tmp_path: Path
) -> None:
    path, output = tmp_path / "little.csv", tmp_path / "out.csv"
    path.write_text(HEADER + "".join(f"{5 * row},{values}\n" for row in range(rows)))
    assert tidegate("replay", mote, path, output) == 0
    answered = rows_of(output)
    assert len(answered) == rows
    assert {row["anomaly"] for row in answered} == {"0"}
    if values in {",", "wet,warm"}:
        assert {row["score"] for row in answered} == {""}


@pytest.mark.parametrize(
    "where", [("nowhere/out.csv", "must be in a folder that exists"), (".", "must be a file, got a folder")]
)
@pytest.mark.parametrize("option", ["output", "--forecasts"])
def test_an_output_that_cannot_be_written_is_refused_in_one_line(
    where: tuple[str, str], option: str, mote: str, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, rule = where
    path = recording.parent / name
    outputs = (path,) if option == "output" else (recording.with_name("out.csv"), option, path)
    assert refused(capsys, "replay", mote, recording, *outputs).startswith(f"{path}: {rule}")
    assert list(recording.parent.iterdir()) == [recording]


def test_a_recording_is_never_written_over(
    mote: str, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = recording.read_bytes()
    assert refused(capsys, "replay", mote, recording, recording).startswith(f"{recording}: must be a file of its own")
    twice = tmp_path / "out.csv"
    told = refused(capsys, "replay", mote, recording, twice, "--forecasts", twice)
    assert told.startswith(f"{twice}: must be a file of its own")
    assert recording.read_bytes() == before


def test_the_recording_is_read_before_the_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, "replay", tmp_path / "no.bundle", tmp_path / "no.csv", tmp_path / "out.csv")
    assert told == f"{tmp_path / 'no.csv'}: must be a readable file, there is none"


def test_replay_says_what_it_did_not_judge_in_words(
    mote: str, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = recording.read_text().splitlines()
    lines[31] = ",".join((lines[31].split(",")[0], "unavailable", lines[31].split(",")[2]))
    recording.write_text("\n".join([*lines, lines[-1]]))
    assert tidegate("replay", mote, recording, tmp_path / "out.csv") == 0
    assert capsys.readouterr().err.splitlines() == [
        "note: humidity: 1 cell without a number, the first at row 31: 'unavailable'",
        "note: 1 row of a period that had one already: not judged",
        "61 rows, 0 flagged, 0 events",
    ]


def test_a_replay_that_is_interrupted_leaves_no_file(
    mote: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        assert len(list(tmp_path.glob(".*.part"))) == 2
        raise KeyboardInterrupt

    monkeypatch.setattr("edge.replay_files.write_rows", interrupted)
    arguments = ("replay", mote, recording, tmp_path / "out.csv", "--forecasts", tmp_path / "forecasts.csv")
    assert tidegate(*arguments) == cli.INTERRUPTED
    assert list(tmp_path.iterdir()) == [recording]


def test_replay_may_write_to_a_pipe(mote: str, recording: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "edge.cli", "replay", mote, str(recording), str(pipe)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert len(rows_of(pipe)) == 60
        process.communicate(timeout=20.0)
    assert process.returncode == 0
    assert pipe.is_fifo()


# Signals and pipes


def test_an_interrupt_ends_a_command_with_status_130_and_without_a_traceback(mote: str, tmp_path: Path) -> None:
    fifo = tmp_path / "endless.csv"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "edge.cli", "replay", mote, str(fifo), str(tmp_path / "out.csv")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    with fifo.open("w") as feed:  # opens when the command has come to its reading
        feed.write(HEADER)
        feed.flush()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20.0)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "interrupted"
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [("bundle", "inspect"), ("bundle", "inspect", "--json")])
def test_a_reader_that_has_gone_is_met_quietly(mote: str, arguments: tuple[str, ...]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "edge.cli", *arguments, mote]
    done = subprocess.run(
        command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment, timeout=20.0, check=False
    )
    os.close(writing)
    assert done.returncode == 1
    assert "BrokenPipe" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_without_its_broker_says_what_to_install(
    mote: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "amqtt" or name == "edge.embedded"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amqtt", None)
    for recording in MOTES:
        shutil.copy(recording, tmp_path)
    assert "pip install '.[demo]'" in refused(capsys, "demo", mote, "--data", tmp_path)


@pytest.mark.parametrize("address", ["nowhere", "host:", ":1883", "host:port"])
def test_a_broker_of_the_demo_must_have_host_and_port(
    address: str, mote: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copy(MOTES[0], tmp_path)
    told = refused(capsys, "demo", mote, "--data", tmp_path, "--broker", address)
    assert told == f"--broker: must be HOST:PORT, got {address!r}"


def test_an_interrupt_that_comes_while_a_class_is_made_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    def command(options: argparse.Namespace) -> int:
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    assert cli.guarded(command, argparse.Namespace()) == cli.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"
