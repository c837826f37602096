"""What this machine lets a process have, told by files that are laid out as the kernel does."""

from pathlib import Path

from edge import machine
from edge.machine import Memory


def write(root: Path, **files: str) -> Path:
    """Lay out files; two underscores stand for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def group(root: Path, folder: str, name: str, text: str) -> None:
    path = root / "sys/fs/cgroup" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_groups_what_is_free_counts(tmp_path: Path) -> None:
    root = write(tmp_path, proc__meminfo="MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\n")
    assert machine.memory(root) == Memory(512_000.0, "this machine has free")


def test_the_narrowest_group_around_us_counts(tmp_path: Path) -> None:
    root = write(tmp_path, proc__meminfo="MemAvailable: 500 kB\n", proc__self__cgroup="0::/system.slice/pi.service\n")
    group(root, "system.slice/pi.service", "memory.max", "max\n")
    group(root, "system.slice", "memory.max", "300000\n")
    assert machine.memory(root) == Memory(300_000.0, "this control group allows")
    group(root, "system.slice/pi.service", "memory.max", "200000\n")
    assert machine.memory(root) == Memory(200_000.0, "this control group allows")
    group(root, "other.slice", "memory.max", "100000\n")
    assert machine.memory(root) == Memory(200_000.0, "this control group allows")


def test_groups_of_version_1_count_too(tmp_path: Path) -> None:
    root = write(tmp_path, proc__meminfo="MemAvailable: 500 kB\n", proc__self__cgroup="4:memory:/box\n0::/\n")
    group(root, "memory/box", "memory.limit_in_bytes", "100000\n")
    group(root, "memory", "memory.limit_in_bytes", "9223372036854771712\n")
    assert machine.memory(root) == Memory(100_000.0, "this control group allows")


def test_where_nobody_tells_there_is_no_answer(tmp_path: Path) -> None:
    assert machine.memory(tmp_path) is None
    assert machine.cores(tmp_path) >= 1.0


def test_a_quota_of_a_part_of_a_core_counts(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="0::/pi.service\n")
    group(root, "pi.service", "cpu.max", "max 100000\n")
    assert machine.cores(root) >= 1.0
    group(root, "pi.service", "cpu.max", "40000 100000\n")
    assert machine.cores(root) == 0.4


def test_a_machine_is_busy_where_more_tasks_would_run_than_there_are_cores(tmp_path: Path) -> None:
    assert machine.busy(tmp_path) is None
    root = write(tmp_path, proc__loadavg="0.01 9.00 9.00 1/99 123\n")
    assert machine.busy(root) is None
    write(tmp_path, proc__loadavg="1234.5 0.00 0.00 1/99 123\n")
    assert machine.busy(root) == 1234.5
