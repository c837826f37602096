"""What it takes to read, and to fit on, a Home Assistant database of a million states.

    python -m tests.bench.home_assistant                  # some 3 minutes
    python -m tests.bench.home_assistant --states 200000 --no-fit
    python -m tests.bench.home_assistant --build home-assistant_v2.db    # only make the database

The database is made of real recordings: eight sensors of four motes, every 5 s, their hours repeated until there are
enough states, in today's tables with their indices. Two of the eight are read, an eighth of the states each, and
fitted. Reading and fitting are processes of their own; memory is the most that a process held.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.recording import Recording, read_csv
from tests.bench.common import ROOT, START, Figure, parser, tell
from tests.home_assistant import build

MOTES = sorted((ROOT / "data" / "wsn").glob("*.csv.gz"))
CHOSEN = ("--sensor", "humidity=sensor.mote1_humidity", "--sensor", "temperature=sensor.mote1_temperature")
READ = """
import sys
from pathlib import Path
from edge.sources import Selection, read_source
chosen = {"mote1": {name: f"sensor.mote1_{name}" for name in ("humidity", "temperature")}}
print(len(read_source(Path(sys.argv[1]), Selection(entities=chosen)).times))
"""


def states(recordings: Sequence[Recording], count: int) -> Iterator[tuple[str, float, str]]:
    """Yield states of all sensors in order of time, the recordings again and again."""
    names = [[f"sensor.mote{number}_{sensor}" for sensor in one.sensors] for number, one in enumerate(recordings, 1)]
    rows = min(len(one.times) for one in recordings)
    span = 5.0 * rows
    left = count
    for turn in range(count):
        for row in range(rows):
            for mine, one in zip(names, recordings, strict=True):
                for name, value in zip(mine, one.values[row].tolist(), strict=True):
                    if not left:
                        return
                    left -= 1
                    yield name, START + turn * span + 5.0 * row, str(value)


def make(path: Path, count: int) -> None:
    """Write the database."""
    recordings = [read_csv(mote) for mote in MOTES]
    units = {"humidity": "%", "temperature": "°C"}
    known = {f"sensor.mote{n}_{sensor}": unit for n in range(1, len(MOTES) + 1) for sensor, unit in units.items()}
    build(path, states(recordings, count), known, [(START - 60.0, None, False)])


def run(*command: str) -> tuple[float, float, float]:
    """Run a command; return its seconds by the clock and of the processor, and the most megabytes that it held."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def figures(name: str, runs: Sequence[tuple[float, float, float]]) -> list[Figure]:
    """Name what commands took."""
    kinds = (("by the clock", "s"), ("processor time", "s"), ("most memory", "MB"))
    return [
        Figure(name=f"{name}, {kind}", unit=unit, ours=tuple(one[place] for one in runs))
        for place, (kind, unit) in enumerate(kinds)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__, runs=1)
    built.add_argument("--states", type=int, default=1_000_000)
    built.add_argument("--no-fit", action="store_true", help="measure reading alone")
    built.add_argument("--build", type=Path, metavar="FILE", help="only make the database")
    options = built.parse_args(arguments)
    if options.build is not None:
        make(options.build, options.states)
        return 0
    os.environ["TQDM_DISABLE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        path, bundle = Path(folder) / "home-assistant_v2.db", Path(folder) / "mote1.bundle"
        make(path, options.states)
        size = path.stat().st_size / 1e6
        case = f"2 of 8 entities, {options.states} states, {size:.0f} MB"
        told = figures(f"reading {case}", [run(sys.executable, "-c", READ, str(path)) for _ in range(options.runs)])
        if not options.no_fit:
            fit = (sys.executable, "-m", "training.cli", "fit", "--data", str(path), *CHOSEN, "--out", str(bundle))
            told += figures(f"fit on {case}", [run(*fit) for _ in range(options.runs)])
    tell(told, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
