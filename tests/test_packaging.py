"""Hold the packaging to its promise: a small device part and one TFLite runtime on each machine."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edge import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TRAINING_ONLY = {"tensorflow", "keras", "tqdm", "pyarrow", "matplotlib"}


def wanted_on(machine: str, python: str = "3.11", extra: str = "") -> dict[str, Requirement]:
    """Return what pip would ask for on a machine, by distribution; the last of two wins."""
    surroundings = {"platform_machine": machine, "python_version": python, "python_full_version": f"{python}.0"}
    lines = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else [])]
    asked = [Requirement(line) for line in lines]
    return {ask.name: ask for ask in asked if ask.marker is None or ask.marker.evaluate(surroundings)}


@pytest.mark.parametrize(
    ("machine", "runtime"),
    [
        ("x86_64", "ai-edge-litert"),
        ("aarch64", "ai-edge-litert"),
        ("arm64", "ai-edge-litert"),
        ("armv7l", "tflite-runtime"),
        ("armv8l", "tflite-runtime"),
    ],
)
def test_each_machine_gets_one_tflite_runtime(machine: str, runtime: str) -> None:
    assert {"ai-edge-litert", "tflite-runtime"} & set(wanted_on(machine)) == {runtime}


def test_tflite_runtime_never_meets_numpy_2() -> None:
    assert not wanted_on("armv7l")["numpy"].specifier.contains("2.0.0")
    assert not wanted_on("x86_64", extra="tflite")["numpy"].specifier.contains("2.0.0")
    assert wanted_on("x86_64")["numpy"].specifier.contains("2.2.6")


def test_the_device_part_asks_for_nothing_of_training() -> None:
    assert set(wanted_on("x86_64")) & TRAINING_ONLY == set()
    assert set(wanted_on("x86_64", extra="training")) & TRAINING_ONLY == {"tensorflow", "tqdm", "pyarrow", "matplotlib"}


def test_sparkplugs_library_comes_on_request_alone() -> None:
    assert "protobuf" not in wanted_on("armv7l")
    assert "protobuf" in wanted_on("armv7l", extra="sparkplug")


def test_the_installed_version_is_the_one_in_edge() -> None:
    assert version("tidegate") == __version__


@pytest.mark.parametrize("command", ["tidegate", "tidegate-train"])
def test_each_command_is_installed_and_can_be_called(command: str) -> None:
    found: list[EntryPoint] = list(entry_points(group="console_scripts", name=command))
    assert found[0].value == PROJECT["scripts"][command]
    assert callable(found[0].load())


@pytest.fixture(scope="module")
def wheel_members(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from a copy of the sources, without a network, and list it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("edge", "training"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        folder,
        folder,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_holds_every_source_file_and_nothing_else(wheel_members: set[str]) -> None:
    ignored = {"__pycache__"}
    files = [
        path.relative_to(ROOT) for name in ("edge", "training") for path in (ROOT / name).rglob("*") if path.is_file()
    ]
    shipped = {path.as_posix() for path in files if not ignored & set(path.parts)}
    assert {name for name in wheel_members if ".dist-info/" not in name} == shipped


def test_the_wheel_ships_types_and_the_licence(wheel_members: set[str]) -> None:
    assert {"edge/py.typed", "training/py.typed"} <= wheel_members
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_members)


def test_make_help_lists_every_target_with_a_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE))
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert set(re.findall(r"^  ([a-z-]+) +\S", done.stdout, flags=re.MULTILINE)) == phony
