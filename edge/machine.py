"""Ask this machine what a process may have of it: memory and cores, by the kernel and by control groups.

A daemon under systemd may live in a narrower group than the shell that asks.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")


class Memory(NamedTuple):
    """Say how many bytes there are to have, and of whom: "what this machine has free"."""

    bytes: float
    of: str


def memory(root: Path = ROOT) -> Memory | None:
    """Return what a new process may occupy: what is free, or what its control group allows; None if nobody tells."""
    found = [Memory(limit, "this control group allows") for limit in _limits(root)]
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(Memory(1024.0 * float(line.split()[1]), "this machine has free"))
    return min(found, default=None)


def cores(root: Path = ROOT) -> float:
    """Return how many cores a new process may use; a control group may allow a part of one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(count), *_quotas(root)])


def busy(root: Path = ROOT) -> float | None:
    """Return how many tasks wanted to run in the last minute, where they are more than the cores; else None.

    What is measured then says less of the machine than of its other work.
    """
    with suppress(OSError):
        tasks = float((root / "proc/loadavg").read_text(encoding="utf-8").split()[0])
        return tasks if tasks > cores(root) else None
    return None


def _limits(root: Path) -> Iterator[float]:
    """Find the memory that each group around us allows: memory.max of version 2, limit_in_bytes of version 1.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    for folder in _groups(root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # the root has none, and "max" is no number
                yield float((folder / name).read_text(encoding="utf-8"))


def _quotas(root: Path) -> Iterator[float]:
    """Find the cores that each group around us allows: cpu.max of version 2, a quota and its period."""
    for folder in _groups(root):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
            yield float(quota) / float(period)


def _groups(root: Path) -> Iterator[Path]:
    """Return the folder of each group around us, the innermost first, and those around it."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                mounted = root / "sys/fs/cgroup" / controllers
                inner = mounted / path.lstrip("/")
                yield from (inner, *(each for each in inner.parents if mounted in (each, *each.parents)))
