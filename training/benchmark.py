"""Fit, replay and judge every known set below a folder: the command `tidegate-train benchmark`.

Sets are measured in processes of one thread each, as many at a time as asked for. What a set gave is kept as JSON with
a fingerprint of all that decided it: recipe, recording, labels, source code and libraries. A set with the same
fingerprint is not measured again, so a run that was interrupted carries on where it was.
"""

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import orjson
from tqdm import tqdm

from edge.errors import ConfigError, OperatorError, quote
from edge.tables import structure
from training.benchmark_report import BROKE, Report, report
from training.known_sets import KnownSet
from training.outcome import Outcome, broken, measure
from training.recipe import default

ROOT = Path(__file__).parents[1]
MOST_JOBS = 2  # a fit and its arrays take some 1.5 GB
ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
}
LIBRARIES = ("numpy", "tensorflow", "keras", "ai-edge-litert", "tflite-runtime")
# Modules that no verdict and no figure depends on; a change of any other measures everything anew.
NO_FIGURE = {
    "edge": {"check", "cli", "config", "daemon", "demo", "embedded", "health", "line", "mailbox", "message",
             "mqtt", "notify", "replay_files", "subscriber", "topics"},
    "training": {"accuracy", "benchmark", "benchmark_report", "benchmark_tables", "budget_standings", "budget_table",
                 "card", "cli", "notation", "pack", "report", "standings", "table"},
}  # fmt: skip


def benchmark(sets: Sequence[KnownSet], work: Path, *, jobs: int | None, asked: Sequence[str]) -> Report:
    """Measure sets and put their outcomes together.

    Args:
        sets: which.
        work: folder where outcomes are kept.
        jobs: how many processes measure at a time; None for one a core, but not more than memory allows.
        asked: options of the command that chose the sets.
    """
    begun_at = time.monotonic()
    outcomes = run(sets, work, jobs=jobs or min(os.cpu_count() or 1, MOST_JOBS))
    command = " ".join(("tidegate-train benchmark --data DIR", *asked))
    return report(outcomes, command=command, seconds=time.monotonic() - begun_at)


def run(sets: Sequence[KnownSet], work: Path, *, jobs: int) -> list[Outcome]:
    """Measure sets, but for those whose outcome is kept; one line on stderr for each.

    Args:
        sets: which.
        work: folder where outcomes are kept.
        jobs: how many processes measure at a time.

    Returns:
        One for each set, in their order. One that broke off is told as a failure and is not kept.

    Raises:
        OperatorError: the folder cannot be written.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as denied:
        raise OperatorError(f"--work: must be a folder that can be written, got {work}: {denied.strerror}") from denied
    shared = _shared()
    marks = {known: _mark(known, shared) for known in sets}
    done = {known: kept for known in sets if (kept := _kept(work, known, marks[known]))}
    missing = sorted((known for known in sets if known not in done), key=lambda known: -known.path.stat().st_size)
    if done:
        print(f"{len(done)} of {len(sets)} sets are already measured in {work}", file=sys.stderr)
    for known, outcome in _measured(missing, jobs):
        done[known] = outcome
        if outcome.rows:
            _keep(work, known, marks[known], outcome)
    return [done[known] for known in sets]


def _measured(missing: Sequence[KnownSet], jobs: int) -> Iterator[tuple[KnownSet, Outcome]]:
    """Yield what each set gave as soon as it is there; the largest are begun first."""
    if not missing:
        return
    spawn = multiprocessing.get_context("spawn")
    with (
        _one_thread(),
        ProcessPoolExecutor(min(jobs, len(missing)), mp_context=spawn, initializer=begin_worker) as pool,
        _ended_at_once(pool),
        tqdm(total=len(missing), unit="set", disable=None) as bar,
    ):
        futures = {pool.submit(measure, known): known for known in missing}
        for future in as_completed(futures):
            outcome = _outcome(futures[future], future)
            yield futures[future], outcome
            bar.update()  # not before it was kept: who interrupts then has what was told
            tqdm.write(line(outcome), file=sys.stderr)


def _outcome(known: KnownSet, future: Future[Outcome]) -> Outcome:
    """Take what a worker returned; what it raised is ours, and told as such."""
    error = future.exception()
    if error is None:
        return future.result()
    return broken(known, f"{BROKE}{type(error).__name__}: {quote(str(error))}")


def line(one: Outcome) -> str:
    """Say in one line how a set went."""
    if one.failure:
        return f"{one.set}: {one.failure}"
    return (
        f"{one.set}: {one.fitted_rows} rows fitted in {one.fit_seconds:.1f} s, replayed at {one.rows_per_second:.0f}/s"
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the processes that are started inside use one thread each: two that want both cores only wait."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _ended_at_once(pool: ProcessPoolExecutor) -> Iterator[None]:
    """End the workers, in the middle of what they do, when the user interrupts."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise


def begin_worker() -> None:
    """Leave Ctrl-C, which every process of a terminal hears, to the parent, and end when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _shared() -> bytes:
    """Fingerprint what decides every set: recipe, source code, libraries."""
    digest = hashlib.sha256(orjson.dumps([default(), _versions()]))
    for package, without in NO_FIGURE.items():
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.stem not in without and "payloads" not in path.parts:
                digest.update(path.name.encode() + path.read_bytes())
    return digest.digest()


def _versions() -> Mapping[str, str]:
    return {name: found for name in LIBRARIES if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _mark(known: KnownSet, shared: bytes) -> str:
    """Fingerprint all that decides the outcome of one set."""
    digest = hashlib.sha256(shared + f"{known.name} {known.kind} {known.told}".encode())
    for path in (known.path, known.labels):
        digest.update(path.read_bytes() if path is not None and path.is_file() else b"")
    return digest.hexdigest()


def _place(work: Path, known: KnownSet) -> Path:
    return work / f"{known.name}.json"


def _kept(work: Path, known: KnownSet, mark: str) -> Outcome | None:
    """Return what was measured before under the same fingerprint."""
    path = _place(work, known)
    if not path.is_file():
        return None
    try:
        table = orjson.loads(path.read_bytes())
        if not isinstance(table, dict) or table.get("fingerprint") != mark:
            return None
        return structure(table["outcome"], Outcome)
    except (orjson.JSONDecodeError, ConfigError):  # written by another version, or cut short: measure anew
        return None


def _keep(work: Path, known: KnownSet, mark: str, outcome: Outcome) -> None:
    """Keep an outcome; whoever reads it never sees half of it."""
    path = _place(work, known)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    scratch.write_bytes(orjson.dumps({"fingerprint": mark, "outcome": outcome}, option=orjson.OPT_INDENT_2))
    scratch.replace(path)
