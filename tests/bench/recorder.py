"""What a recorder writes to its disk in a day, and what a reading takes there.

    python -m tests.bench.recorder                    # under a minute
    python -m tests.bench.recorder --sensors 10 --every 60 --hours 24

Sensors in streams of two speak every so many seconds, for a simulated span that no clock is waited for. After each
commit all is flushed, as a real minute between two commits would have it: else a page that is written every minute
would be counted once. What is counted is `write_bytes` of /proc/self/io, the kernel's own account of what this process
made the disk write, file system and all; the span is extrapolated to a day. The folder must be on a disk, which a tmpfs
is not.

Beside it the same readings in two other layouts: ordered by sensor and then time, and in the order of arrival with an
index by sensor and time.
"""

import os
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from edge.clock import MICROSECONDS
from edge.history import Heard, History, Source
from tests.bench.common import START, Figure, parser, tell

DAY = 86_400.0
LAYOUTS = {
    "by time, as it is": "PRIMARY KEY (time, sensor)) WITHOUT ROWID",
    "by sensor": "PRIMARY KEY (sensor, time)) WITHOUT ROWID",
    "by arrival, with an index": "UNIQUE (sensor, time))",
}


def written_bytes() -> int:
    """Return what this process has given the disk to write."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    told = dict(line.split(": ") for line in lines)
    return int(told["write_bytes"]) - int(told["cancelled_write_bytes"])


def flush(path: Path) -> None:
    """Make the disk have all that was written to a database."""
    for ending in ("", "-wal"):
        file = path.with_name(path.name + ending)
        if file.exists():
            opened = os.open(file, os.O_RDWR)
            os.fsync(opened)
            os.close(opened)


def speech(sensors: int, every: float, commit_every: float, hours: float, seed: int) -> Iterator[list[Heard]]:
    """Yield what is heard between two commits: two decimals, as sensors send them, and a tenth of a second late."""
    chance = random.Random(seed)
    sources = [Source(f"m{number // 2}", f"s{number % 2}", True) for number in range(sensors)]
    phases = [chance.uniform(0.0, every) for _ in range(sensors // 2 + 1)]
    values = [20.0 + chance.random() for _ in sources]
    for turn in range(round(hours * 3600.0 / commit_every)):
        begin = START + turn * commit_every
        heard = []
        for step in range(round(commit_every / every)):
            for number, source in enumerate(sources):
                values[number] += chance.gauss(0.0, 0.05)
                time = round((begin + step * every + phases[number // 2]) * MICROSECONDS)
                heard.append(Heard(source, time, round(values[number], 2), 100 + chance.randrange(50)))
        yield heard


def through_history(path: Path, spoken: Iterator[list[Heard]]) -> tuple[int, int]:
    """Record as the recorder does; return how many readings, and how many bytes the disk was given."""
    count, begun = 0, written_bytes()
    history = History(path, 1_000_000_000)
    for heard in spoken:
        count += history.write(heard)
        flush(path)
    history.close()
    flush(path)
    return count, written_bytes() - begun


def through_layout(path: Path, keys: str, spoken: Iterator[list[Heard]]) -> tuple[int, int]:
    """Record into a table with other keys, all else the same."""
    begun, numbers, count = written_bytes(), dict[Source, int](), 0
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL"):
            database.execute(f"PRAGMA {pragma}").fetchall()
        database.execute(
            f"CREATE TABLE readings (time INTEGER, sensor INTEGER, value REAL NOT NULL, lag INTEGER, {keys}"
        )
        for heard in spoken:
            rows = [(one.time, numbers.setdefault(one.source, len(numbers) + 1), one.value, one.lag) for one in heard]
            database.execute("BEGIN")
            count += database.executemany("INSERT INTO readings VALUES (?, ?, ?, ?)", rows).rowcount
            database.execute("COMMIT")
            flush(path)
    flush(path)
    return count, written_bytes() - begun


Way = Callable[[Path, Iterator[list[Heard]]], tuple[int, int]]


def measure(way: Way, spoken: Iterator[list[Heard]]) -> tuple[int, int, int]:
    """Return readings, bytes written, and bytes of the database at last."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "recorder.db"
        count, written = way(path, spoken)
        return count, written, path.stat().st_size


def figures(sensors: int, every: float, hours: float, commits: Sequence[float], runs: int) -> Iterator[Figure]:
    """Measure, and name what was measured."""

    def figure(name: str, unit: str, found: Sequence[float]) -> Figure:
        return Figure(name=f"{name}, {sensors} sensors at {every:g} s", unit=unit, ours=tuple(found))

    for commit_every in commits:
        told = [measure(through_history, speech(sensors, every, commit_every, hours, seed)) for seed in range(runs)]
        name = f"a commit every {commit_every:g} s"
        yield figure(f"written a day, {name}", "MB", [one[1] / 1e6 * DAY / (hours * 3600.0) for one in told])
        yield figure(f"bytes a reading in the file, {name}", "bytes", [one[2] / one[0] for one in told])
    for layout, keys in LAYOUTS.items():
        told = [
            measure(
                lambda path, spoken, keys=keys: through_layout(path, keys, spoken),  # type: ignore[misc]
                speech(sensors, every, commits[0], hours, seed),
            )
            for seed in range(runs)
        ]
        yield figure(f"written a day, {layout}", "MB", [one[1] / 1e6 * DAY / (hours * 3600.0) for one in told])
        yield figure(f"bytes a reading in the file, {layout}", "bytes", [one[2] / one[0] for one in told])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__, runs=1)
    built.add_argument("--sensors", type=int, default=100)
    built.add_argument(
        "--every", type=float, default=10.0, help="seconds between two readings of a sensor (default 10)"
    )
    built.add_argument("--hours", type=float, default=12.0, help="that are simulated (default 12)")
    built.add_argument("--commit-every", type=float, nargs="+", default=[60.0, 10.0, 300.0], metavar="SECONDS")
    options = built.parse_args(arguments)
    found = list(figures(options.sensors, options.every, options.hours, options.commit_every, options.runs))
    tell(found, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
