"""What tests of several files share: a real mosquitto on a free port, real bundles, how long an example may take."""

import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import make_bundles

# A busy machine is no fault of what is tested; tests that hang are ended by pytest-timeout.
settings.register_profile("tidegate", deadline=None)
# Under emulation (`make test-arm`) a drawn example takes twenty times as long; each behaviour is still tried.
settings.register_profile("emulated", deadline=None, max_examples=10)
# What differs on the second runtime is numpy and the runtime; most of what a drawn example tries is neither.
settings.register_profile("second", deadline=None, max_examples=25)
settings.load_profile("tidegate")

HOST = "127.0.0.1"
# Debian keeps servers where a user's PATH does not look.
SERVER_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))


def free_port() -> int:
    """Return a port of the loopback interface that nobody listened at a moment ago."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def program(name: str) -> str:
    """Find a program of mosquitto's, or fail with what to install: a test that hides is no test."""
    path = shutil.which(name, path=SERVER_PATH)
    if path is None:
        pytest.fail(f"{name} is missing; install it: sudo apt-get install mosquitto (macOS: brew install mosquitto)")
    return path


class Mosquitto:
    """A mosquitto of our own, in a folder of its own, that keeps nothing over a restart.

    Attributes:
        username, password: who may come in; empty when everybody may.
    """

    def __init__(self, folder: Path, settings: str, username: str = "", password: str = "") -> None:
        self.host = HOST
        self.port = free_port()
        self.username = username
        self.password = password
        self._conf = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        own_user = "user root\n" if os.geteuid() == 0 else ""  # or it changes user and cannot read our folder
        self._conf.write_text(f"listener {self.port} {HOST}\npersistence false\n{own_user}{settings}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        with self._log.open("ab") as log:
            command = [program("mosquitto"), "-c", str(self._conf)]
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        give_up_at = time.monotonic() + 10.0
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                pytest.fail(f"mosquitto does not start:\n{self._log.read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as a service manager would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it stand still: connections stay open and nobody answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._send(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(timeout=10.0)
        self._process = None


def serve(broker: Mosquitto) -> Iterator[Mosquitto]:
    """Let a broker live as long as its fixture."""
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for all tests that need nothing special; they keep apart by topics and client ids of their own."""
    yield from serve(Mosquitto(tmp_path_factory.mktemp("mosquitto"), "allow_anonymous true\n"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that the test may stop, kill and pause."""
    yield from serve(Mosquitto(tmp_path, "allow_anonymous true\n"))


@pytest.fixture
def unbounded_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps all that a client is too slow to take; others drop what is beyond 1,000 messages."""
    yield from serve(Mosquitto(tmp_path, "allow_anonymous true\nmax_queued_messages 0\n"))


@pytest.fixture
def password_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets in `edge` alone, to read `sensors/#` and to write `tidegate/#`."""
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    subprocess.run([program("mosquitto_passwd"), "-c", "-b", passwords, "edge", "correct horse"], check=True)
    acl.write_text("user edge\ntopic read sensors/#\ntopic readwrite tidegate/#\n")
    settings = f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl}\n"
    yield from serve(Mosquitto(tmp_path, settings, "edge", "correct horse"))


@pytest.fixture(scope="session")
def bundles() -> Path:
    """Return the folder of small real bundles, made anew when a source they depend on has changed.

    Where training is not installed they are taken as they are. Of the processes that tests are shared among
    (`pytest -n`), one makes them and the others wait.
    """
    folder = Path(os.environ.get("TIDEGATE_BUNDLES", make_bundles.ROOT / "build" / "test-bundles"))
    if importlib.util.find_spec("tensorflow") is None:
        if not (folder / make_bundles.STAMP).exists():
            pytest.fail(f"{folder}: must hold bundles made in the main environment: run its tests first", pytrace=False)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not make_bundles.fresh(folder):
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.make_bundles", str(folder)]
    done = subprocess.run(command, cwd=make_bundles.ROOT, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}", pytrace=False)
