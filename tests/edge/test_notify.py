"""Datagrams to a real socket, as systemd would listen to."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@tidegate-{os.getpid()}"


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    with listen(address) as sock:
        yield sock


def listen(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address.replace("@", "\0"))
    sock.settimeout(2.0)
    return sock


def notifier(address: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": address}, os.getpid())


def test_each_state_is_one_datagram_with_a_line_for_each_assignment(systemd: socket.socket, address: str) -> None:
    daemon = notifier(address)
    daemon.ready("3 streams")
    daemon.status("waiting for the broker")
    daemon.watchdog()
    daemon.stopping()
    assert [systemd.recv(1000) for _ in range(4)] == [
        b"READY=1\nSTATUS=3 streams",
        b"STATUS=waiting for the broker",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]
    assert daemon.lost == 0


def test_a_reload_carries_the_monotonic_time_in_microseconds(systemd: socket.socket, address: str) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    notifier(address).reloading()
    state, _, stamp = systemd.recv(1000).partition(b"\nMONOTONIC_USEC=")
    assert state == b"RELOADING=1"
    assert before // 1000 <= int(stamp) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_cannot_smuggle_in_another_assignment(systemd: socket.socket, address: str) -> None:
    notifier(address).status("stream\nSTOPPING=1")
    assert systemd.recv(1000) == b"STATUS=stream STOPPING=1"


def test_a_listener_that_is_gone_is_counted_and_a_new_one_is_heard_again(address: str) -> None:
    daemon = notifier(address)
    with listen(address) as first:
        daemon.watchdog()
        assert first.recv(1000) == b"WATCHDOG=1"
    daemon.watchdog()
    Path(address).unlink(missing_ok=True)
    daemon.watchdog()
    assert daemon.lost == 2
    with listen(address) as second:
        daemon.watchdog()
        assert second.recv(1000) == b"WATCHDOG=1"
    assert daemon.lost == 2


def test_a_listener_that_does_not_read_costs_datagrams_and_no_time(systemd: socket.socket, address: str) -> None:
    daemon = notifier(address)
    for _ in range(10_000):
        daemon.watchdog()
        if daemon.lost:
            break
    assert daemon.lost == 1


def test_nothing_is_sent_without_a_socket() -> None:
    daemon = Notifier({}, os.getpid())
    daemon.ready("unheard")
    daemon.reloading()
    assert (daemon.lost, daemon.watchdog_interval) == (0, None)


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "41"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_PID": "41"}, None),
    ],
)
def test_the_watchdog_interval_is_ours_alone(environment: dict[str, str], interval: float | None) -> None:
    assert Notifier(environment, 41).watchdog_interval == interval
