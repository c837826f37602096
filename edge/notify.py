"""Tell systemd how the daemon is, in datagrams.

Source: sd_notify(3). Each datagram finds its own way: systemd may be re-executed, and a new one then listens at the
same address. One that cannot be sent is counted; the daemon's work does not depend on it.
"""

import socket
import time
from collections.abc import Mapping


class Notifier:
    """Send states to the address in `NOTIFY_SOCKET`; do nothing if there is none.

    Attributes:
        lost: datagrams that could not be sent.
        watchdog_interval: seconds within which systemd wants to hear `watchdog`; None if it does not watch us.
    """

    def __init__(self, environment: Mapping[str, str], process: int) -> None:
        """Read where to send, and how often.

        Args:
            environment: the variables that systemd set.
            process: our process id; a watchdog that is meant for another process is not ours.
        """
        self.lost = 0
        self.watchdog_interval = _read_interval(environment, process)
        self._address = _spell(environment.get("NOTIFY_SOCKET", ""))

    def ready(self, status: str) -> None:
        """Say that the start, or a reload, is done."""
        self._send("READY=1", f"STATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """Say in words what the daemon does."""
        self._send(f"STATUS={_one_line(status)}")

    def reloading(self) -> None:
        """Say that the configuration is read again; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Say that the work makes progress."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        """Send one datagram, a line for each assignment."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # a full queue costs a datagram, never a wait
            try:
                sock.sendto("\n".join(assignments).encode(), self._address)
            except OSError:
                self.lost += 1


def _spell(address: str) -> str:
    r"""Return the address as the kernel wants it: an `@` stands for the NUL of an abstract one.

    >>> _spell("@tidegate"), _spell("/run/systemd/notify")
    ('\x00tidegate', '/run/systemd/notify')
    """
    return "\0" + address[1:] if address.startswith("@") else address


def _one_line(status: str) -> str:
    """Keep a status from being read as further assignments."""
    return " ".join(status.split())


def _read_interval(environment: Mapping[str, str], process: int) -> float | None:
    """Return the seconds of `WATCHDOG_USEC`, if they are meant for this process.

    >>> _read_interval({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 7)
    30.0
    >>> _read_interval({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 8)
    """
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(process)) != str(process):
        return None
    return int(microseconds) / 1e6
