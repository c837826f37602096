"""A trial of a real daemon, and what it says where there is none to try."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import trial
from edge.bundle import Bundle
from edge.errors import OperatorError
from edge.load import Kind, Load
from edge.trial import measure

LoadBundle = Callable[[str], Bundle]
MB = 1e6


@pytest.fixture
def kind(loaded: LoadBundle, bundles: Path) -> Kind:
    return Kind(bundles / "lstm-dynamic.bundle", loaded("lstm-dynamic").manifest.learned(), 0, ("state",), False)


def test_a_daemon_is_measured_and_ended(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remember(*arguments: object, **options: object) -> "subprocess.Popen[bytes]":
        started.append(start(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(trial.subprocess, "Popen", remember)
    told: list[str] = []
    measured = measure([Load(kind, 2000, 100.0), Load(kind, 1, 0.2)], "auto", told.append)
    assert started[0].returncode == -signal.SIGKILL
    assert [line.split()[0] for line in told] == ["starting", "measuring", "measuring", "measuring"]
    many, one = measured.costs
    assert 20 * MB < measured.resident < 200 * MB
    assert 0.0 < measured.idle < 0.1
    assert (many.streams, one.streams) == (trial.ADMITTED, 1)
    assert 1e3 < many.each < 1e5
    assert many.base > 500 * many.each
    assert 1e-5 < many.least < one.least < 1e-1  # a wave of one has nobody to share its cost with
    assert many.least < measured.usual < 1e-1


def test_a_rate_that_no_core_carries_is_not_tried(kind: Kind) -> None:
    told: list[str] = []
    measured = measure([Load(kind, 10, 1e6)], "3.1.1", told.append)
    assert measured.usual == measured.costs[0].least
    assert not [line for line in told if line.endswith("messages/s")]


def test_a_daemon_that_does_not_start_is_told_with_its_last_words(kind: Kind, tmp_path: Path) -> None:
    nowhere = Kind(tmp_path / "nowhere.bundle", kind.learned, 0, (), False)
    with pytest.raises(OperatorError) as refused:
        measure([Load(nowhere, 1, 1.0)], "auto", lambda _: None)
    (problem,) = refused.value.problems
    assert problem.startswith("--budget: the daemon that is tried must serve, it said error: ")
    assert f"{tmp_path / 'nowhere.bundle'}: must be a readable file, there is none" in problem


def test_systemd_does_not_hear_of_a_daemon_that_is_tried(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[object] = []
    start = subprocess.Popen

    def remember(*arguments: object, **options: object) -> "subprocess.Popen[bytes]":
        seen.append(options["env"])
        return start(*arguments, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(trial.subprocess, "Popen", remember)
    monkeypatch.setitem(os.environ, "NOTIFY_SOCKET", str(tmp_path / "notify"))
    measure([Load(kind, 1, 1e9)], "auto", lambda _: None)
    (environment,) = seen
    assert isinstance(environment, dict)
    assert "NOTIFY_SOCKET" not in environment
    assert environment.keys() == os.environ.keys() - {"NOTIFY_SOCKET"}
