"""`tidegate check`: everything that is wrong at once, and what was found where nothing is."""

import shutil
import socket
from pathlib import Path

import pytest

from edge import bundle
from edge.check import check, step_us
from edge.errors import ConfigError


@pytest.fixture
def folder(bundles: Path, tmp_path: Path) -> Path:
    """A folder with a bundle in it: mote.bundle."""
    shutil.copy(bundles / "lstm-dynamic.bundle", tmp_path / "mote.bundle")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "tidegate.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        check(write(folder, text))
    return list(refused.value.problems)


def test_what_was_found_is_told_stream_by_stream_and_bundle_by_bundle(folder: Path) -> None:
    path = write(
        folder,
        '[streams.plant]\nbundle = "mote.bundle"\ntopic = "plant/{line}/{machine}/climate"\nqos = 1\n'
        '[streams.boiler]\nbundle = "mote.bundle"\ntopic = "boiler/{sensor}"\ndialect = "plain"\n',
    )
    plant, boiler, mote, end = check(path)
    assert plant == (
        "streams.plant: subscribes to plant/+/+/climate (QoS 1), dialect json, served by mote.bundle, "
        "publishes tidegate/edge1/{line}-{machine}/…"
    )
    assert boiler.startswith("streams.boiler: subscribes to boiler/+ (QoS 0), dialect plain")
    assert mote.startswith(
        f"{folder / 'mote.bundle'}: lstm-dynamic version 1, sensors humidity, temperature, every 5 s, "
        "first forecast after 16 samples, "
    )
    assert " bytes, one step " in mote
    assert end == f"{path}: no problem found"


def test_every_problem_of_the_file_and_of_its_bundles_is_told_at_once(folder: Path) -> None:
    (folder / "broken.bundle").write_bytes(b"no zip")
    text = (
        '[node]\nname = "a/b"\ncolour = "red"\n[broker]\nport = 0\n'
        '[streams.one]\nbundle = "mote.bundle"\ntopic = "one/#"\n'
        '[streams.two]\nbundle = "nowhere.bundle"\ntopic = "two"\n'
        '[streams.three]\nbundle = "broken.bundle"\ntopic = "three"\nqos = 7\n'
        "[streams.four]\n"
    )
    told = problems(folder, text)
    path = folder / "tidegate.toml"
    for start in (
        f"{path}: node.name: must be 1 to 64 of A-Z a-z 0-9 _ -, got 'a/b'",
        f"{path}: node.colour: must be one of feedback, health_every, name, prefix, trust_clock_after, workers, got an "
        "unknown key",
        f"{path}: broker.port: must be between 1 and 65535, got 0",
        f"{path}: streams.one.topic: must name its levels",
        f"{path}: streams.three.qos: must be ",
        f"{path}: streams.four.bundle: must ",
        f"{path}: streams.four.topic: must ",
        f"{folder / 'nowhere.bundle'}: must be a readable file",
        f"{folder / 'broken.bundle'}: is no bundle",
    ):
        assert [problem for problem in told if problem.startswith(start)] != [], (start, told)
    assert len(told) == 9
    assert all("\n" not in problem for problem in told)


def test_sensors_that_do_not_fit_their_bundle_are_told_beside_bundles_that_do_not_load(folder: Path) -> None:
    text = (
        '[streams.one]\nbundle = "mote.bundle"\ntopic = "one"\nsensors = { pressure = "p", humidity = "temperature" }\n'
        '[streams.two]\nbundle = "nowhere.bundle"\ntopic = "two"\n'
        '[streams.three]\nbundle = "mote.bundle"\ntopic = "three"\ndialect = "plain"\n'
    )
    told = problems(folder, text)
    assert told[0].startswith(f"{folder / 'nowhere.bundle'}: must be a readable file")
    file = folder / "tidegate.toml"
    assert f"{file}: streams.one.sensors.pressure: must be one of humidity, temperature, got an unknown sensor" in told
    assert f"{file}: streams.one.sensors.humidity: must be its own, got 'temperature' twice" in told
    assert [problem for problem in told if problem.startswith(f"{file}: streams.three.dialect: must be json")] != []


def test_sensors_that_do_not_fit_their_bundle_are_told_beside_other_problems_of_the_same_table(folder: Path) -> None:
    text = (
        "[broker]\nport = 0\n"
        '[streams.one]\nbundle = "mote.bundle"\ntopic = "one"\nqos = 7\nsensors = { pressure = "p" }\n'
        '[streams.two]\nbundle = "mote.bundle"\ntopic = "two/#"\nsensors = { pressure = "p" }\n'
    )
    file = folder / "tidegate.toml"
    assert [problem.removeprefix(f"{file}: ").partition(": ")[0] for problem in problems(folder, text)] == [
        "broker.port",
        "streams.one.qos",
        "streams.two.topic",
        "streams.one.sensors.pressure",
    ]


@pytest.mark.parametrize(
    "text", ["", "streams = 3\n", "[streams]\n", "[streams]\nplant = 1\n", "[streams.a]\nbundle = 3\n"]
)
def test_a_file_without_usable_streams_is_told_so(folder: Path, text: str) -> None:
    assert any(": streams" in problem for problem in problems(folder, text))


def test_nothing_is_connected_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("check opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = '[broker]\nhost = "broker.invalid"\n[streams.one]\nbundle = "mote.bundle"\ntopic = "one"\n'
    assert check(write(folder, text))[-1].endswith("no problem found")


def test_a_step_of_every_cell_is_measured(bundles: Path) -> None:
    for path in sorted(bundles.glob("*.bundle")):
        assert 1.0 < step_us(bundle.load(path)) < 1e5, path.name
