"""Run the device's tests on the two ARM machines that a Pi can be, emulated, and compare what they say with x86-64.

    python -m tests.campaigns.arm                              # both machines; hours on a busy machine
    python -m tests.campaigns.arm --arch armhf --only flags    # minutes
    python -m tests.campaigns.arm --arch arm64 --only tests -- -k grid

arm64 is Debian Trixie's Python 3.13 with LiteRT, armhf is Bookworm's Python 3.11 with tflite-runtime. Needs root (to
unpack Debian packages), mmdebstrap, and Linux 6.7 or newer. Emulation says nothing of speed. `make test-arm` calls it.
"""

import argparse
import gzip
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests import make_bundles
from tests.campaigns import arm_flags
from tests.campaigns.arm_root import MACHINES, ROOT, Machine, RootError, inside, make

BUNDLES = ROOT / "build" / "test-bundles"
DEMO = ROOT / "build" / "motes.bundle"
MOTES = ROOT / "data" / "wsn"
SECOND_RUNTIME = ROOT / ".venv-tflite" / "bin" / "python"
PATIENCE = 3600  # seconds for one test; what takes a second outside takes twenty and more inside
SLOW = "it bounds the time of a step, which emulation multiplies"
ZIP = "numpy 1.24 writes another version number into the zip of golden.npz; bundles are made on the workstation"
# Tests that say nothing of the device when they fail there, by machine, and why.
DESELECTED: Mapping[str, Mapping[str, str]] = {
    "arm64": {"tests/edge/test_check.py::test_a_step_of_every_cell_is_measured": SLOW},
    "armhf": {
        "tests/edge/test_check.py::test_a_step_of_every_cell_is_measured": SLOW,
        "tests/edge/test_bundle.py::test_the_same_content_gives_the_same_bytes": ZIP,
    },
}

Command = Callable[[Sequence[str], Path], list[str]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Name a replay that is compared: a bundle, a mote's file, and the rows of it (from, to; 0 is the first)."""

    bundle: Path
    mote: str
    rows: slice

    def __str__(self) -> str:
        """Return it as the table shows it."""
        return f"{self.bundle.stem}, {self.mote.removeprefix('singlehop_')}"


def replays() -> list[Replayed]:
    """List what is compared: every cell and quantisation while the hot water is poured, the demo's bundle throughout.

    The water is poured over mote 1 at row 2347. The rows before it warm the memory up, those after it close the event.
    """
    poured = slice(1900, 2700)
    short = [Replayed(BUNDLES / f"{name}.bundle", "singlehop_indoor_moteid1", poured) for name in _made()]
    wet = ("singlehop_indoor_moteid1", "singlehop_outdoor_moteid4")
    return short + [Replayed(DEMO, mote, slice(0, None)) for mote in wet if DEMO.exists()]


def _made() -> Iterator[str]:
    return (name for name in make_bundles.NAMES if (BUNDLES / f"{name}.bundle").exists())


def cut(replayed: Replayed, folder: Path) -> Path:
    """Write the rows of a replay to a file of their own, with the header."""
    with gzip.open(MOTES / f"{replayed.mote}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        header, *rows = file.readlines()
    path = folder / f"{replayed.mote}.csv"
    path.write_text(header + "".join(rows[replayed.rows]), encoding="utf-8")
    return path


def flags(machines: Sequence[Machine]) -> bool:
    """Replay on every machine, print how far each is from LiteRT on x86-64, and tell whether all agree."""
    places: dict[str, Command] = {"x86-64": _here(Path(sys.executable))}
    if SECOND_RUNTIME.exists():
        places["x86-64 tflite-runtime"] = _here(SECOND_RUNTIME)
    for machine in machines:
        places[machine.name] = _there(machine)
    found = []
    for replayed in replays():
        found += _apart(replayed, places)
        print("\n".join(arm_flags.table(found)[1 - len(places) :]), file=sys.stderr, flush=True)
    print("\n".join(arm_flags.table(found)))
    print(f"flags, events and kinds must be equal, forecasts within {arm_flags.BOUND:g} spreads of the sensor")
    return all(one.agrees for _, _, one in found)


def _apart(replayed: Replayed, places: Mapping[str, Command]) -> list[tuple[str, str, arm_flags.Difference]]:
    """Replay in all places at a time, and compare each with the first."""
    with ThreadPoolExecutor() as pool:
        reference, *others = pool.map(lambda run: replay(replayed, run), places.values())
    return [
        (str(replayed), where, arm_flags.compare(reference, said))
        for where, said in zip(list(places)[1:], others, strict=True)
    ]


def _here(python: Path) -> Command:
    return lambda arguments, out: [str(python), *(word.replace("{out}", str(out)) for word in arguments)]


def _there(machine: Machine) -> Command:
    return lambda arguments, out: inside(
        machine, ["python3", *(word.replace("{out}", "/tmp/out") for word in arguments)], out=out
    )


def replay(replayed: Replayed, run: Command) -> arm_flags.Said:
    """Replay on one machine; `{out}` stands for the folder that both sides see."""
    with tempfile.TemporaryDirectory() as kept:
        out = Path(kept)
        name = cut(replayed, out).name
        bundle = str(replayed.bundle.relative_to(ROOT))
        arguments = ["-m", "edge.cli", "replay", bundle, f"{{out}}/{name}", "{out}/said.csv"]
        done = subprocess.run(run(arguments, out), cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RootError(f"{replayed}: replay failed: {done.stderr[-2000:]}")
        return arm_flags.read(out / "said.csv")


def tests(machine: Machine, chosen: Sequence[str]) -> bool:
    """Run the device's tests on a machine, and tell whether they passed."""
    reasons = DESELECTED[machine.name]
    left_out = [f"--deselect={test}" for test in reasons]
    print(f"\n{machine.name}: tests/edge under {machine.qemu}, {len(reasons)} left out:")
    print("\n".join(f"  {test}: {why}" for test, why in reasons.items()), flush=True)
    command = [
        "python3", "-m", "pytest", "-p", "no:cacheprovider", "-m", "not training", "--hypothesis-profile=emulated",
        f"--timeout={PATIENCE}", *left_out, *in_order(), *chosen,
    ]  # fmt: skip
    return subprocess.run(inside(machine, command), check=False).returncode == 0


def in_order() -> list[str]:
    """List the files of tests, those that load no bundle first.

    tflite-runtime for armv7 makes the processor flush subnormal numbers to zero when it is loaded, and from then on
    Hypothesis refuses to draw floats in that process.
    """
    files = sorted((ROOT / "tests" / "edge").glob("test_*.py"))
    fixture = re.compile(r"\b(bundles|loaded|mote): ")
    files.sort(key=lambda file: fixture.search(file.read_text(encoding="utf-8")) is not None)
    return [str(file.relative_to(ROOT)) for file in files]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the machines, compare flags, run tests; return 1 if one failed or differs."""
    options = _parser().parse_args(arguments)
    # A shell's background job ignores interrupts, and so would the daemons that the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    machines = [MACHINES[name] for name in options.arch or MACHINES]
    if not make_bundles.fresh(BUNDLES):
        subprocess.run([sys.executable, "-m", "tests.make_bundles", str(BUNDLES)], cwd=ROOT, check=True)
    try:
        for machine in machines:
            make(machine)
        agree = options.only == "tests" or flags(machines)
        passed = options.only == "flags" or all([tests(machine, options.pytest) for machine in machines])
    except RootError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    return int(not (agree and passed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", action="append", choices=list(MACHINES), help="a machine (default: every one)")
    parser.add_argument("--only", choices=("flags", "tests"), help="the comparison alone, or the tests alone")
    parser.add_argument("pytest", nargs="*", help="what else pytest is told, after --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
