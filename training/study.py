"""Show which cells remember: the command `tidegate-train study memory`.

Cells of equal parameter count learn the tasks of `training.memory_tasks`, each gap from scratch, with the very code
that fits a bundle: `build`, `fit`, `correct`. What is the study's own is the recipe: no dropout, sequences whose gaps
are of every scale up to the one that is judged, and a learning rate for each cell. Judged is the whole gap alone, on
sequences that neither taught nor stopped.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from training import equal
from training.equal import Cell
from training.learn import LOOKS, fit
from training.memory_tasks import TASKS, Task, growing
from training.network import Network, build, correct
from training.recipe import Architecture, Training
from training.workers import side_by_side

REFERENCE = Architecture(cell="lstm", units=(24,), dropout=0.0)  # the other cells get as many parameters
# The rate with which each remembers longest, of those tried: rnn .001, .003, .01; gru .01; lstm .01, .02. No rate is
# the best everywhere: over 100 steps the rnn adds with .20 at .003 and .05 at .01, over 50 with .21 and .52 (seed 1).
LEARNING_RATES = {"rnn": 0.01, "gru": 0.01, "lstm": 0.02}
TAUGHT, STOPPED, JUDGED = 4096, 128, 1000  # sequences
KEPT = 0.5  # of the way from chance to perfect; less is called forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Say what a study tries."""

    gaps: tuple[int, ...] = (10, 25, 50, 100, 200, 400)
    cells: tuple[Cell, ...] = ("rnn", "gru", "lstm")
    seeds: int = 3
    updates: int = 400
    jobs: int = 2


QUICK = Plan(gaps=(10, 50), seeds=1, updates=300)


@dataclass(frozen=True, slots=True)
class Trial:
    """Name one fit."""

    task: Task
    architecture: Architecture
    parameters: int
    gap: int
    seed: int
    updates: int


@dataclass(frozen=True, slots=True)
class Result:
    """Say what one fit came to.

    Attributes:
        task, cell, units, parameters, gap, seed: what was tried.
        score: in the measure of the task; `chance` is worth nothing, 1 is perfect.
        seconds: it took.
    """

    task: str
    cell: str
    units: int
    parameters: int
    gap: int
    seed: int
    chance: float
    score: float
    seconds: float


def trials(plan: Plan) -> list[Trial]:
    """List the fits of a study: all of them with one seed, then with the next."""
    sizes = [(task, *_sized(task, cell)) for task in TASKS for cell in plan.cells]
    return [
        Trial(task, architecture, count, gap, seed, plan.updates)
        for seed in range(1, plan.seeds + 1)
        for gap in plan.gaps
        for task, architecture, count in sizes
    ]


def _sized(task: Task, cell: Cell) -> tuple[Architecture, int]:
    """Return a cell of as many parameters as the reference has, and how many those are."""

    def count(architecture: Architecture) -> int:
        return equal.parameters(_build(task, architecture, seed=1))

    architecture = equal.matched(REFERENCE, cell, count)
    return architecture, count(architecture)


def _build(task: Task, architecture: Architecture, *, seed: int) -> Network:
    return build(architecture, inputs=task.inputs, horizons=1, sensors=task.outputs, seed=seed)


def study(plan: Plan, say: Callable[[str], None]) -> list[Result]:
    """Run a study; each result is said as it comes."""
    waiting = trials(plan)
    results = []
    for result in side_by_side(run, waiting, jobs=plan.jobs):
        results.append(result)
        say(
            f"[{len(results)}/{len(waiting)}] {result.task}, gap {result.gap}, {result.cell}, seed {result.seed}: "
            f"{result.score:.2f} ({result.seconds:.0f} s)"
        )
    return sorted(results, key=lambda one: (one.task, plan.cells.index(one.cell), one.gap, one.seed))


def run(trial: Trial) -> Result:
    """Teach one network one gap from scratch, and judge it on that gap."""
    began = time.monotonic()
    task, cell, gap = trial.task, trial.architecture.cell, trial.gap
    teach, stop, judge = (trial.seed * 3 + part for part in range(3))
    whole = np.full(JUDGED, gap, np.intp)
    network = _build(task, trial.architecture, seed=trial.seed)
    fit(
        network,
        task.draw(growing(TAUGHT, gap, teach), teach),
        task.draw(whole[:STOPPED], stop),
        Training(learning_rate=LEARNING_RATES[cell], updates=trial.updates, patience=LOOKS),
        interval=trial.architecture.interval,
        seed=trial.seed,
    )
    held = task.draw(whole, judge)
    due = held.weight[:, :, 0, 0] > 0
    score = task.judge(correct(network, held.x)[:, :, 0, 0][due], held.target[:, :, 0][due])
    units, seconds = trial.architecture.units[0], time.monotonic() - began
    return Result(task.name, cell, units, trial.parameters, gap, trial.seed, task.chance, score, seconds)


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold what one cell came to at every gap of a task.

    Attributes:
        results: of each gap, rising; of every seed.
    """

    cell: str
    results: dict[int, tuple[Result, ...]]

    @property
    def medians(self) -> dict[int, float]:
        """Return the median score of the seeds at each gap."""
        return {gap: median(one.score for one in found) for gap, found in self.results.items()}

    @property
    def longest(self) -> int | None:
        """Return the longest gap up to which the median cell keeps what it was shown; None if it keeps nothing."""
        kept = None
        for gap, score in self.medians.items():
            chance = self.results[gap][0].chance
            if score < chance + KEPT * (1.0 - chance):
                break
            kept = gap
        return kept


def curves(results: Sequence[Result], task: str) -> list[Curve]:
    """Gather the results of a task, cell by cell."""
    mine = [one for one in results if one.task == task]
    return [
        Curve(cell, _by_gap([one for one in mine if one.cell == cell])) for cell in dict.fromkeys(r.cell for r in mine)
    ]


def _by_gap(results: Sequence[Result]) -> dict[int, tuple[Result, ...]]:
    return {gap: tuple(one for one in results if one.gap == gap) for gap in sorted({one.gap for one in results})}


def text(results: Sequence[Result]) -> str:
    """Write a study for a terminal: a table for each task, and how far each cell remembers."""
    return "\n".join(line for task in TASKS for line in _table(task, curves(results, task.name)))


def _table(task: Task, found: Sequence[Curve]) -> Iterator[str]:
    gaps = list(found[0].results)
    seeds = len(found[0].results[gaps[0]])
    spread = f"median of {seeds} seeds (worst–best)" if seeds > 1 else "one seed"
    yield f"{task.name}: {task.measure}, {spread}; chance {task.chance:.2f}, perfect 1.00"
    yield ""
    yield f"| cell | units | parameters | {' | '.join(f'gap {gap}' for gap in gaps)} | remembers up to |"
    yield f"|---|--:|--:|{'--:|' * (len(gaps) + 1)}"
    for curve in found:
        first = curve.results[gaps[0]][0]
        cells = " | ".join(_cell(curve.results[gap]) for gap in gaps)
        longest = "–" if curve.longest is None else f"{curve.longest}"
        yield f"| {curve.cell} | {first.units} | {first.parameters} | {cells} | {longest} |"
    yield ""


def _cell(results: Sequence[Result]) -> str:
    scores = sorted(one.score for one in results)
    spread = f" ({scores[0]:.2f}–{scores[-1]:.2f})" if len(scores) > 1 else ""
    return f"{median(scores):.2f}{spread}"
