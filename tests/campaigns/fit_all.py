"""Fit every recording below a folder on its own, with nothing but the defaults, and list the failures.

A fit may succeed, or say in one line why it cannot (status 2). Anything else, a traceback or a second line, fails
the campaign. Takes seconds a file; `make all-files DATA=folder` calls it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from tqdm import tqdm

from edge import bundle
from edge.manifest import Manifest
from training.evaluate import skill

ROOT = Path(__file__).parents[2]
ENDINGS = (".csv.gz", ".csv", ".parquet")
PATIENCE = 600.0  # seconds after which a fit is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Hold what the bundle says of itself.

    Attributes:
        samples, sensors, pairs: how many; a pair is a sensor at a horizon.
        size: bytes.
        parity: relative RMSE of the quantised correction.
        served: pairs that the recurrent correction serves.
        skills, coverages: of the pairs that the test split could measure.
    """

    samples: int
    sensors: int
    pairs: int
    size: int
    parity: float
    served: int
    skills: tuple[float, ...]
    coverages: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Hold how the fit of one file went.

    Attributes:
        file: its path below the folder.
        status: of the command; None when it was given up.
        seconds: it took, the start of Python and TensorFlow included.
        errors: lines in which it said what is wrong; the end of what it said when it broke.
        warnings: lines in which a library complained.
        notes: what it said was left out.
        worth: of the bundle, if there is one.
    """

    file: str
    status: int | None
    seconds: float
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    worth: Worth | None

    @property
    def broke(self) -> bool:
        """Tell whether it neither succeeded nor said in one line why it cannot."""
        return not ((self.status == 0 and self.worth) or (self.status == 2 and len(self.errors) == 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit every file; return 1 if one broke."""
    options = _parser().parse_args(arguments)
    files = list(recordings(options.folder))
    if not files:
        print(f"error: {options.folder}: must hold a recording ({', '.join(ENDINGS)}), has none", file=sys.stderr)
        return 2
    print(
        f"{'file':62} {'samples':>7} {'sensors':>7} {'seconds':>7} {'kB':>5} {'parity':>7} {'skill':>7} {'served':>7}"
    )
    fits = []
    with ThreadPoolExecutor(options.jobs) as pool, tqdm(total=len(files), unit="file", disable=None) as bar:
        for done in pool.map(lambda file: fit(file, options.folder), files):
            fits.append(done)
            bar.update()
            tqdm.write(line(done), file=sys.stdout)
            sys.stdout.flush()
    print("\n".join(summary(fits)))
    if options.json:
        options.json.write_bytes(orjson.dumps(fits, option=orjson.OPT_INDENT_2))
    return int(any(one.broke for one in fits))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the recordings lie")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="fits at a time (default: 1)")
    return parser


def recordings(folder: Path) -> Iterator[Path]:
    """Find every recording below a folder; labelled events are none."""
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(ENDINGS) and ".events." not in path.name:
            yield path


def fit(file: Path, folder: Path) -> Fit:
    """Fit one file in a process of its own, as a user would."""
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.bundle"
        command = [sys.executable, "-m", "training.cli", "fit", "--data", str(file.resolve()), "--out", str(out)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        try:
            ended = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False,
                env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
            status, said = ended.returncode, ended.stderr
        except subprocess.TimeoutExpired:
            status, said = None, f"error: did not end within {PATIENCE:g} s"
        seconds = time.monotonic() - started_at
        worth = _worth(out) if status == 0 else None
    lines = [text.strip() for text in said.splitlines() if text.strip()]
    errors = [text.removeprefix("error: ") for text in lines if text.startswith("error: ")]
    return Fit(
        file=str(file.relative_to(folder)),
        status=status,
        seconds=round(seconds, 1),
        errors=tuple(errors if errors or status == 0 else lines[-3:]),
        warnings=tuple(text for text in lines if "Warning" in text),
        notes=tuple(text.removeprefix("note: ") for text in lines if text.startswith("note: ")),
        worth=worth,
    )


def _worth(path: Path) -> Worth:
    """Load the bundle as the device would, and read what it says of itself."""
    loaded = bundle.load(path)
    manifest: Manifest = loaded.manifest
    measured = [row for row in manifest.quality if row.samples]
    correction = np.array(manifest.parts.correction)
    return Worth(
        samples=manifest.data.rows,
        sensors=len(manifest.sensors),
        pairs=correction.size,
        size=loaded.size,
        parity=manifest.parity.correction,
        served=int((correction > 0).sum()),
        skills=tuple(skill(row) for row in measured),
        coverages=tuple(row.coverage for row in measured),
    )


def line(one: Fit) -> str:
    """Write one fit as a line."""
    worth = one.worth
    if worth is None or one.broke:
        verdict = "BROKE: " if one.broke else ""
        return f"{one.file:62} {'':7} {'':7} {one.seconds:7.1f} {verdict}{' | '.join(one.errors)[:200]}"
    skill_of = f"{statistics.mean(worth.skills):+7.1%}" if worth.skills else f"{'–':>7}"
    warned = f" {len(one.warnings)} warnings" if one.warnings else ""
    served = f"{worth.served}/{worth.pairs}"
    return (
        f"{one.file:62} {worth.samples:7} {worth.sensors:7} {one.seconds:7.1f} {worth.size / 1000:5.0f} "
        f"{worth.parity:7.2%} {skill_of} {served:>7} ok{warned}"
    )


def summary(fits: Sequence[Fit]) -> list[str]:
    """Write how the campaign went, failures last."""
    fitted = [one for one in fits if one.worth is not None]
    slowest = max(fits, key=lambda one: one.seconds)
    means = [statistics.mean(one.worth.skills) for one in fitted if one.worth is not None and one.worth.skills]
    lines = ["", f"{len(fitted)} of {len(fits)} fitted, in {sum(one.seconds for one in fits):.0f} s altogether; "
             f"the slowest, {slowest.file}, took {slowest.seconds:.1f} s"]  # fmt: skip
    if means:
        lines.append(f"mean skill of a file: median {statistics.median(means):+.2%}, worst {min(means):+.1%}")
    lines += [f"warned: {one.file}: {one.warnings[0]}" for one in fits if one.warnings]
    lines += [f"refused: {one.file}: {one.errors[0]}" for one in fits if one.status == 2 and not one.broke]
    lines += [f"BROKE (status {one.status}): {one.file}: {' | '.join(one.errors)}" for one in fits if one.broke]
    return lines


if __name__ == "__main__":
    sys.exit(main())
