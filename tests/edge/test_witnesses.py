"""Who is asked whether the clock was set."""

import ctypes
import sys
from pathlib import Path

import pytest

from edge import witnesses
from edge.witnesses import SERVICES, UNKNOWN, Witnesses, ask_kernel


@pytest.fixture
def chrony(tmp_path: Path) -> Path:
    folder = tmp_path / "chrony"
    folder.mkdir()
    return folder


def asked(is_set: bool | None, run: Path) -> Witnesses:
    """Return witnesses of a machine where `run` is its /run."""
    return Witnesses(
        kernel=lambda: is_set,
        timesync=run / "timesync",
        services=[run / path.relative_to("/run") for path in SERVICES],
    )


@pytest.mark.parametrize("is_set", [True, False, None])
def test_where_no_time_service_runs_nobody_is_awaited(is_set: bool | None, tmp_path: Path) -> None:
    assert not asked(is_set, tmp_path).is_awaited()


@pytest.mark.parametrize("file", ["chronyd.pid", "ntpd.pid", "openntpd", "ntpd.sock", "timemaster", "ptp4l"])
def test_each_time_service_is_awaited_until_the_kernel_was_told(file: str, tmp_path: Path) -> None:
    (tmp_path / file).touch()
    assert asked(False, tmp_path).is_awaited()
    assert not asked(True, tmp_path).is_awaited()


def test_a_folder_whose_files_nobody_else_may_see_is_enough(chrony: Path) -> None:
    chrony.chmod(0o700)
    assert asked(False, chrony.parent).is_awaited()


def test_where_the_kernel_says_nothing_timesyncd_alone_is_awaited(chrony: Path) -> None:
    run = chrony.parent
    assert not asked(None, run).is_awaited()
    (run / "timesync").mkdir()
    assert asked(None, run).is_awaited()


def test_either_witness_is_enough(tmp_path: Path) -> None:
    (tmp_path / "timesync").mkdir()
    assert asked(False, tmp_path).is_awaited()
    assert not asked(True, tmp_path).is_awaited()
    (tmp_path / "timesync" / "synchronized").touch()
    assert not asked(False, tmp_path).is_awaited()
    assert not asked(None, tmp_path).is_awaited()


class Libc:
    """A C library whose kernel gives one answer."""

    def __init__(self, told: int, maxerror: int) -> None:
        self._told, self._maxerror = told, maxerror
        self.modes: list[int] = []

    def adjtimex(self, place: object) -> int:
        timex = place._obj  # type: ignore[attr-defined]
        self.modes.append(timex.modes)
        timex.maxerror = self._maxerror
        return self._told


@pytest.mark.parametrize(
    ("told", "maxerror", "is_set"),
    [
        (0, 21_500, True),
        (5, 21_500, True),  # chronyd without rtcsync: STA_UNSYNC stays, and the bound tells
        (5, UNKNOWN, False),
        (0, UNKNOWN - 1, True),
        (-1, 0, None),  # a sandbox
    ],
)
def test_the_kernels_bound_tells_and_nothing_is_changed(
    monkeypatch: pytest.MonkeyPatch, told: int, maxerror: int, is_set: bool | None
) -> None:
    libc = Libc(told, maxerror)
    monkeypatch.setattr(witnesses.ctypes, "CDLL", lambda name: libc)
    assert ask_kernel() is is_set
    assert libc.modes == [0]


def test_a_system_without_the_question_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses.ctypes, "CDLL", lambda name: object())
    assert ask_kernel() is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's answer is Linux's")
def test_the_kernel_of_this_machine_answers_where_the_fields_are_looked_for() -> None:
    told = witnesses._Timex(modes=0, maxerror=-1, status=-1)
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    if state < 0:
        assert ask_kernel() is None
        return
    assert 0 <= told.maxerror <= UNKNOWN  # -1 would be a field that the kernel did not write
    assert state == 5 or not told.status & 0x40  # TIME_ERROR, if STA_UNSYNC
    assert bytes(told.rest)[208:] == bytes(len(told.rest) - 208)
    assert ask_kernel() is (told.maxerror < UNKNOWN)
