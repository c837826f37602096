"""Instructions that a sample costs in a replay, counted by callgrind: the same whatever else the machine does.

    python -m tests.bench.instructions                    # one stream, and 100 interleaved, of 8 sensors
    python -m tests.bench.instructions --streams 1 --runs 3 --json
    python -m tests.bench.instructions --record           # after a deliberate change: keep the counts to compare with

Each count is the difference of two processes, one that replays N rows of each stream and one that replays 2N, so that
the start of Python and the loading of the bundle cancel. Beside it stands the count that is kept in
`tests/bench/instructions.json`; the ratio is comparable on the same Python, numpy, runtime and bundle only, and a note
says which of them is another. Valgrind shows programs a processor without AVX-512.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tests.bench.common import ROOT, Figure, bundle, bundle_path, parser, tell

KEPT = Path(__file__).with_suffix(".json")
SENSORS = 8
# Rows of each stream in the shorter run, by how many streams there are; all are past the warm-up, a window of 60.
ROWS = {1: 400, 100: 100}
# One thread, and no hash that is drawn anew: what differs from run to run would be counted.
STEADY = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Say what a count depends on beside our own code.

    Attributes:
        machine, python, numpy, runtime, valgrind: kind and versions.
        model: sha256 of the bundle's graph: another fit has other numbers, and other branches are taken.
    """

    machine: str
    python: str
    numpy: str
    runtime: str
    valgrind: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Hold counts that were kept.

    Attributes:
        conditions: they were counted under.
        samples: instructions a sample, by how many streams there were.
    """

    conditions: Conditions
    samples: Mapping[int, float]


def total(written: str) -> int:
    """Return how many instructions a callgrind file counts.

    Raises:
        ValueError: it has no summary, as when the program was killed, or its first event is another.

    >>> total("events: Ir\\nfn=(1) main\\n16 400\\nsummary: 8500\\n")
    8500
    """
    told = dict(line.split(": ", 1) for line in written.splitlines() if ": " in line)
    if told.get("events", "").split()[:1] != ["Ir"]:
        raise ValueError(f"callgrind: must count Ir first, counts {told.get('events', 'nothing')!r}")
    if "summary" not in told:
        raise ValueError("callgrind: must end with a summary, has none")
    return int(told["summary"].split()[0])


def count(streams: int) -> float:
    """Return the instructions of one sample, streams in turn."""
    rows = ROWS.get(streams, 100)
    longer, shorter = (_counted(streams, 2 * rows, replayed) for replayed in (2 * rows, rows))
    return (longer - shorter) / (rows * streams)


def _counted(streams: int, drawn: int, replayed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        tool = [_valgrind(), "--tool=callgrind", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*tool, *_program(streams, drawn, replayed)],
            cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"valgrind ended with status {done.returncode}:\n{done.stderr[-2000:]}")
        return total(out.read_text(encoding="utf-8"))


def _valgrind() -> str:
    found = shutil.which("valgrind")
    if found is None:
        raise SystemExit("valgrind is needed: apt-get install valgrind")
    return found


def _program(*numbers: int) -> list[str]:
    streams, drawn, replayed = map(str, numbers)
    return [
        sys.executable, "-m", "tests.bench.counted",
        str(bundle_path(SENSORS).relative_to(ROOT)), streams, str(SENSORS), drawn, replayed,
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), **STEADY}


def conditions() -> Conditions:
    """Return what counts of today depend on."""
    with zipfile.ZipFile(bundle_path(SENSORS)) as members:
        model = hashlib.sha256(members.read("model.tflite")).hexdigest()
    version = subprocess.run([_valgrind(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return Conditions(
        machine=platform.machine(),
        python=platform.python_version(),
        numpy=np.__version__,
        runtime=bundle(SENSORS).model.runtime,
        valgrind=version,
        model=model,
    )


def recorded(path: Path) -> Recorded:
    """Read counts that were kept."""
    told = json.loads(path.read_text(encoding="utf-8"))
    samples = {int(streams): float(found) for streams, found in told["samples"].items()}
    return Recorded(conditions=Conditions(**told["conditions"]), samples=samples)


def record(path: Path, counts: Recorded) -> None:
    """Keep counts."""
    path.write_text(json.dumps(asdict(counts), indent=2) + "\n", encoding="utf-8")


def differences(kept: Conditions, today: Conditions) -> list[str]:
    """Say which of the conditions are others than they were."""
    before, now = asdict(kept), asdict(today)
    return [f"note: {name} was {before[name][:16]}, is {now[name][:16]}" for name in now if before[name] != now[name]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and print the counts beside those that were kept."""
    built = parser(__doc__)
    built.set_defaults(runs=1)  # a count is the same in every run, to a few parts in ten thousand
    built.add_argument("--streams", type=int, nargs="+", default=list(ROWS))
    built.add_argument("--record", action="store_true", help=f"keep the counts in {KEPT.relative_to(ROOT)}")
    options = built.parse_args(arguments)
    bundle(SENSORS)  # fitted where it is missing
    # Once without counting, so that no run compiles what the next one finds compiled.
    subprocess.run(_program(1, 2, 2), cwd=ROOT, env=_environment(), check=True)
    kept = recorded(KEPT) if KEPT.exists() else None
    figures = [_figure(streams, options.runs, kept) for streams in options.streams]
    today = conditions()
    tell(figures, as_json=options.json, runtime=today.runtime)
    for note in differences(kept.conditions, today) if kept else ():
        print(note, file=sys.stderr)
    if options.record:
        samples = {streams: one.ours[0] for streams, one in zip(options.streams, figures, strict=True)}
        others = kept.samples if kept and kept.conditions == today else {}
        record(KEPT, Recorded(conditions=today, samples={**others, **samples}))
    return 0


def _figure(streams: int, runs: int, kept: Recorded | None) -> Figure:
    before = (kept.samples[streams],) if kept and streams in kept.samples else ()
    return Figure(
        name=f"replay of {streams} stream{'s' * (streams > 1)}, {SENSORS} sensors",
        unit="instructions a sample",
        ours=tuple(count(streams) for _ in range(runs)),
        reference=before,
        bound="the reference was kept" if before else "",
    )


if __name__ == "__main__":
    sys.exit(main())
