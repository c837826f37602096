"""Ask those who know whether the clock was set: the kernel, and systemd-timesyncd.

Who sets the clock for good (chronyd, ntpd, openntpd, phc2sys, systemd-timesyncd) tells the kernel how far off it may be
at most. That bound grows by 0.5 ms a second: from the boot until somebody tells, and again after nine hours in which
nobody did, it is at its largest. A battery clock, `date -s` and the file of a last shutdown set the clock and do not
lower it. The bound is asked for and not the flag STA_UNSYNC, nor adjtimex's return value, which follows it: chronyd
without `rtcsync` leaves the flag as it is, lest the kernel write the battery clock. (Seen with chronyd 4.3 under a
kernel of its own, user-mode Linux: TIME_ERROR for good, beside a bound of 5 ms.)

Where the clock is not set, somebody must be there to set it, or waiting has no end that is worth it: a desktop, a
container, a plant with battery clocks and no network. A running service shows itself by a file or folder of its own.

Sources: adjtimex(2); kernel/time/ntp.c (`second_overflow`, `ntp_clear`); systemd's `ntp_synced`, which is what
`timedatectl` says; systemd-timesyncd.service(8): /run/systemd/timesync is there while it runs, `synchronized` in it is
made when it set the clock; the units and binaries of Debian 12's packages for the other paths. htpdate and one-off
clients need not tell the kernel, so nobody waits for them.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = 16_000_000  # microseconds: NTP_PHASE_LIMIT, the largest bound there is
TIMESYNC = Path("/run/systemd/timesync")
SERVICES = tuple(
    Path(path)
    for path in (
        "/run/chrony",  # chronyd's RuntimeDirectory, in Debian, Fedora and Arch; its files are not for everybody's eyes
        "/run/chronyd.pid",  # older
        "/run/ntpd.pid",  # ntpsec, the ntpd before it, busybox
        "/run/openntpd",
        "/run/ntpd.sock",  # openntpd as its makers build it
        "/run/timemaster",  # of linuxptp
        "/run/ptp4l",
    )
)


class _Timex(ctypes.Structure):
    """Lay out the beginning of `struct timex`, and leave room for the rest, which has 208 bytes at most.

    Up to `status` it is C's `long` everywhere, though a 32-bit libc knows two layouts: its programs with a 64-bit
    `time_t` call another symbol (`___adjtimex64` in glibc, `__adjtimex_time64` in musl), and plain `adjtimex`, which
    is looked up here, keeps the old one.
    """

    _fields_ = (
        ("modes", ctypes.c_uint),  # 0: change nothing, which anybody may
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def ask_kernel() -> bool | None:
    """Return whether the kernel knows of somebody who set the clock; None where it does not say.

    It does not on other systems than Linux, nor where a sandbox forbids the question (`ProtectClock=`).
    """
    ask = getattr(ctypes.CDLL(None), "adjtimex", None)
    told = _Timex(modes=0)
    if ask is None or ask(ctypes.byref(told)) < 0:
        return None
    return bool(told.maxerror < UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """Who is asked.

    Attributes:
        kernel: says whether the clock was set, None if it does not know.
        timesync: the folder of systemd-timesyncd, which may be a container's own.
        services: what is there while another program runs that sets the clock.
    """

    kernel: Callable[[], bool | None] = ask_kernel
    timesync: Path = TIMESYNC
    services: Sequence[Path] = SERVICES

    def is_awaited(self) -> bool:
        """Say whether somebody is there to set the clock and has not done it yet."""
        is_set = self.kernel()
        if is_set or os.path.exists(self.timesync / "synchronized"):
            return False
        if os.path.isdir(self.timesync):
            return True
        # Who cannot see it done need not wait for it: the wait would be there at every start.
        return is_set is not None and any(os.path.exists(one) for one in self.services)
