"""Look at a process from outside: what it has run, what it occupies, and whether it is done.

Linux alone tells all of that.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from edge.errors import OperatorError

CALM_WITHIN = 60.0  # seconds
LOOK, STILL = 0.004, 0.0003  # seconds between two looks, and what it may have run between them when it is done
LOOKS = 3  # that must find it done: its threads may wait for us, who are slow
RESTING = 0.6  # seconds: the daemon looks around four times a second


class Process:
    """Watch a process by its id."""

    def __init__(self, process: int) -> None:
        """Take its id."""
        # Source: clock_getcpuclockid(3) of glibc: of all threads, user and system, in nanoseconds, where
        # /proc/PID/stat counts in hundredths of a second.
        self._clock = ~process << 3 | 2
        self._folder = Path(f"/proc/{process}")

    def ran(self) -> float:
        """Return the seconds of processor time it has had.

        Raises:
            OperatorError: it has ended, or this is no Linux.
        """
        try:
            return time.clock_gettime(self._clock)
        except OSError as error:
            raise OperatorError(f"process {self._folder.name}: must run, and on Linux, got {error.strerror}") from error

    def resident(self) -> float:
        """Return the bytes of memory that it occupies."""
        status = (self._folder / "status").read_text(encoding="utf-8")
        return 1024.0 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def settle(self) -> None:
        """Wait until it is done with all it was given: every thread sleeps, and its clock stands."""
        give_up_at, calm, before = time.monotonic() + CALM_WITHIN, 0, self.ran()
        while calm < LOOKS and time.monotonic() < give_up_at:
            time.sleep(LOOK)
            now = self.ran()
            # A thread that would run but has no core for it is no sleeping one, though the clock stands.
            calm = calm + 1 if now - before < STILL and set(self._states()) == {"S"} else 0
            before = now

    def rest(self) -> float:
        """Return the share of a core that it takes while nothing comes."""
        before, begun = self.ran(), time.perf_counter()
        time.sleep(RESTING)
        return (self.ran() - before) / (time.perf_counter() - begun)

    def _states(self) -> Iterator[str]:
        """Read the state of each thread: S sleeps, R runs or would."""
        for told in self._folder.glob("task/*/stat"):
            yield told.read_text(encoding="utf-8").rpartition(")")[2].split()[0]
