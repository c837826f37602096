"""The demo on a slice of the real recordings, and what its subscriber shows."""

import gzip
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge import cli
from edge.demo import run
from edge.errors import OperatorError
from edge.subscriber import Subscriber, show_event, show_state
from tests.conftest import HOST, Mosquitto
from tests.make_bundles import MOTES, ROOT
from tests.served import Sensors

STEAM = slice(2301, 2501)  # rows of mote 1 with the steam in them, after all that the bundles were taught


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as `data/wsn`, with 200 rows of two motes."""
    for path in MOTES:
        with gzip.open(path, "rt") as file:
            lines = file.readlines()
        with gzip.open(tmp_path / path.name, "wt") as file:
            file.writelines([lines[0], *lines[STEAM]])
        name = path.name.replace(".csv.gz", ".events.csv")
        (tmp_path / name).write_text(path.with_name(name).read_text())
    return tmp_path


def demo(bundle: Path, data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli", "demo", str(bundle), "--data", str(data), "--speed", "2000", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60.0, check=False, env=environment)


def summary(told: str) -> dict[str, str]:
    """Return the lines at the end: two words and what they say."""
    return {line[:17].strip(): line[17:] for line in told.splitlines()[-7:]}


def assert_shown(done: subprocess.CompletedProcess[str], bundle: Path) -> None:
    assert done.returncode == 0, done.stderr
    summed = summary(done.stdout)
    assert summed["readings in"] == "400 messages, 400 answered by a state"
    assert summed["forecasts out"] == f"{2 * 2 * 2 * (200 - 15)} in {2 * (200 - 15)} messages"
    assert summed["events found"] == "1 of 1 labelled, 0 missed"
    assert int(summed["false alarms"]) <= 5
    assert (
        0.0 < float(summed["median latency"].partition(" ms")[0]) < 5000.0
    )  # the little broker of its own, on a busy machine
    assert summed["model size"] == f"{bundle.stat().st_size} bytes"
    assert summed["daemon"].startswith("stopped within ")
    assert summed["daemon"].endswith(" s, status 'stopped'")
    shown = done.stdout.splitlines()
    (topics,) = [line for line in shown if line.startswith("topics: ")]
    assert topics.startswith("topics: demo/singlehop_indoor_moteid1/readings in, tidegate/demo/singlehop_indoor_mote")
    assert shown[0].startswith("daemon ready after ")
    assert any(" singlehop_indoor_moteid1 " in line and "ANOMALY opens: " in line for line in shown)
    assert any("warming up" in line for line in shown)
    assert "Traceback" not in done.stderr


@pytest.mark.training
def test_the_demo_with_its_own_broker_finds_the_steam_and_sums_up(bundles: Path, data: Path) -> None:
    bundle = bundles / "lstm-dynamic.bundle"
    assert_shown(demo(bundle, data), bundle)


def test_the_demo_with_a_real_broker_misses_an_event_that_no_reading_shows_and_fails(
    bundles: Path, data: Path, mosquitto: Mosquitto
) -> None:
    labels = data / MOTES[1].name.replace(".csv.gz", ".events.csv")
    labels.write_text("start,end\n2010-05-09T05:00:00Z,2010-05-09T05:01:00Z\n")
    sensors = Sensors(mosquitto.port, "demo")
    done = demo(bundles / "lstm-dynamic.bundle", data, "--broker", f"{HOST}:{mosquitto.port}")
    assert done.returncode == 1
    assert "cleared what the broker kept under tidegate/demo/" in done.stdout.splitlines()
    heard = sensors.hear_all(lambda topic, payload: (topic, payload) == ("status", b""))
    sensors.close()
    assert ("status", b"stopped") in heard
    assert ("singlehop_indoor_moteid1/anomaly", b"") in heard
    later = Sensors(mosquitto.port, "demo")
    later.publish("tidegate/demo/end", b"end")
    assert later.hear_all(lambda topic, payload: topic == "end") == [("end", b"end")]
    later.close()
    assert summary(done.stdout)["events found"] == "1 of 2 labelled, 1 missed"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({}, "must be a folder of NAME.csv.gz, got none"),
        (
            {"a.csv.gz": "time,humidity,temperature\n0,45,28\n"},
            "must have rows after the training data, that is after ",
        ),
        ({"a.csv.gz": ""}, "must have a header line"),
        (
            {"a.csv.gz": "time,humidity,temperature\n2e9,45,28\n", "a.events.csv": "start,end\nsoon,later\n"},
            "row 1: must",
        ),
        ({"a.csv.gz": "time,warm\n2e9,45\n"}, "a.csv.gz: must have a column for each sensor of the bundle"),
        (
            {"a.csv.gz": "time,stream,humidity,temperature\n2e9,a/b,45,28\n"},
            "a.csv.gz: stream: must be 1 to 64 of A-Z a-z 0-9 _ . -, no dot in front, no two in a row, got 'a/b'",
        ),
    ],
)
def test_a_folder_without_usable_recordings_is_refused_in_one_line(
    bundles: Path, tmp_path: Path, content: dict[str, str], rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in content.items():
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    status = cli.main(["demo", str(bundles / "lstm-dynamic.bundle"), "--data", str(tmp_path)])
    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    (line,) = told.err.splitlines()
    assert rule in line


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_a_speed_that_is_no_number_above_0_is_refused(speed: float, bundles: Path, data: Path) -> None:
    with pytest.raises(OperatorError, match=r"^--speed: must be a number above 0, got "):
        run(bundles / "lstm-dynamic.bundle", data, broker="", speed=speed)


def test_answers_are_not_waited_for_for_ever(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.subscriber.DRAINED_WITHIN", 0.1)
    with Subscriber(HOST, mosquitto.port, "nobody") as subscriber:
        begun = time.monotonic()
        subscriber.drain(60.0)
    assert time.monotonic() - begun < 5.0


def test_a_broker_that_is_not_there_is_told_in_one_line(
    bundles: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["demo", str(bundles / "lstm-dynamic.bundle"), "--data", str(data), "--broker", f"{HOST}:1"])
    told = capsys.readouterr()
    assert (status, told.err.count("\n")) == (2, 1)
    assert told.err.startswith(f"error: broker {HOST}:1: must be reachable, got ")


# What is shown


def interval(forecast: float) -> dict[str, float]:
    return {"forecast": forecast, "lower": forecast - 0.5, "upper": forecast + 0.5}


STATE: dict[str, object] = {
    "time": "2010-05-09T03:15:15Z",
    "values": {"warm": 20.25, "damp": None},
    "score": 0.375,
    "expected": {"warm": interval(20.0), "damp": interval(50.0)},
    "next": {"warm": interval(20.5), "damp": interval(50.0)},
}


def test_a_state_is_shown_with_what_was_expected_and_what_comes_next() -> None:
    assert show_state("boiler", STATE).split() == [
        "03:15:15",
        "boiler",
        "score",
        "0.38",
        "warm",
        "20.25",
        "in",
        "19.50…20.50,",
        "next",
        "20.00…21.00",
        "damp",
        "–",
        "in",
        "49.50…50.50,",
        "next",
        "49.50…50.50",
    ]


def test_a_state_without_a_score_is_shown_as_warming_up() -> None:
    assert show_state("boiler", {**STATE, "score": None}).split() == ["03:15:15", "boiler", "warming", "up"]


EVENT: dict[str, object] = {
    "phase": "open",
    "start": "2010-05-09T03:15:15Z",
    "end": None,
    "peak": {"time": "2010-05-09T03:15:15Z", "score": 3.25},
    "explanation": {"sensor": "warm", "share": 0.75, "expected": 20.0, "lower": 19.5, "upper": 20.5, "actual": 32.0},
}


def test_an_event_is_shown_with_the_sensor_that_caused_it() -> None:
    assert show_event("boiler", EVENT).split() == [
        "03:15:15",
        "boiler",
        "ANOMALY",
        "opens:",
        "warm",
        "(75%",
        "of",
        "it)",
        "expected",
        "20.00,",
        "was",
        "32.00",
    ]
    closed = show_event("boiler", {**EVENT, "phase": "close", "end": "2010-05-09T03:24:55Z"})
    assert closed.split() == [
        "03:24:55",
        "boiler",
        "anomaly",
        "closes:",
        "03:15:15",
        "to",
        "03:24:55,",
        "worst",
        "score",
        "3.2,",
        "warm",
        "(75%",
        "of",
        "it)",
        "expected",
        "20.00,",
        "was",
        "32.00",
    ]
