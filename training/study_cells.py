"""Show what memory is worth on recordings: the command `tidegate-train study cells`.

Every recording is fitted with one recipe but for the cell, on its first 80 %, and judged on the rest: once as it would
be served, once with the recurrent correction switched off. Cells have as many parameters as the recipe's own; `none` is
a hidden layer without memory, so what it lacks is memory and nothing else.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from edge.errors import OperatorError
from edge.manifest_tables import QualityRow
from edge.recording import Recording, stem
from edge.runtime import Model
from training import equal
from training.equal import Cell
from training.evaluate import judge, skill
from training.fit import Fitted, fit
from training.network import build
from training.prepare import Prepared, prepare
from training.recipe import Architecture, Recipe
from training.rehearse import Span
from training.series import lay_on_grid, read
from training.terminal import named
from training.workers import side_by_side

FITTED = 0.8  # share of a recording's rows


@dataclass(frozen=True, slots=True)
class Result:
    """Say what one cell is worth on one recording.

    Attributes:
        recording, cell: what was fitted.
        parameters: numbers that training moved.
        skill: mean over the pairs of sensor and horizon, of the forecast that is served, against the better of
            persistence and ridge on the judged part itself.
        ratio: geometric mean over the pairs of the RMSE with the correction to that without: below 1 it helps.
        seconds: that the fit took.
    """

    recording: str
    cell: str
    parameters: int
    skill: float
    ratio: float
    seconds: float


def study(
    files: Sequence[Path], cells: Sequence[Cell], recipe: Recipe, say: Callable[[str], None], *, jobs: int
) -> list[Result]:
    """Run a study; each result is said as it comes.

    Raises:
        OperatorError: a recording is not enough to train on.
    """
    waiting = [(file, cell) for file in files for cell in cells]
    results: list[Result] = []
    for result in side_by_side(partial(run, recipe=recipe), waiting, jobs=jobs):
        results.append(result)
        say(
            f"[{len(results)}/{len(waiting)}] {result.recording}, {result.cell}: skill {result.skill:+.1%}, "
            f"RMSE x {result.ratio:.3f} by the correction ({result.seconds:.0f} s)"
        )
    order = [(stem(file), str(cell)) for file, cell in waiting]
    return sorted(results, key=lambda one: order.index((one.recording, one.cell)))


def run(item: tuple[Path, Cell], *, recipe: Recipe) -> Result:
    """Fit one cell on the first part of a recording, and judge it on the rest.

    Raises:
        OperatorError: the recording is not enough to train on; it is named.
    """
    file, cell = item
    [whole] = read([file], rows=None, until=None)
    try:
        [first] = read([file], rows=int(FITTED * len(whole.times)), until=None)
        architecture, parameters = _sized(prepare([first], recipe), recipe, cell)
        began = time.monotonic()
        prepared, fitted = fit([first], replace(recipe, network=architecture), _hear_nothing)
        seconds = time.monotonic() - began
    except OperatorError as wrong:
        raise named([file], wrong) from wrong
    served, without = _judged(prepared, fitted, whole, after=float(first.times.max()))
    return Result(stem(file), cell, parameters, _mean_skill(served), _ratio(served, without), seconds)


def _sized(prepared: Prepared, recipe: Recipe, cell: Cell) -> tuple[Architecture, int]:
    """Return a cell of as many parameters as the recipe's own has, and how many those are."""

    def count(architecture: Architecture) -> int:
        network = build(
            architecture,
            inputs=prepared.steps[0].x.shape[1],
            horizons=len(prepared.horizons),
            sensors=len(prepared.sensors),
            seed=recipe.seed,
        )
        return equal.parameters(network)

    architecture = equal.matched(recipe.network, cell, count)
    return architecture, count(architecture)


def _judged(
    prepared: Prepared, fitted: Fitted, whole: Recording, *, after: float
) -> tuple[list[QualityRow], list[QualityRow]]:
    """Measure the samples after the training data, as served and without the correction."""
    learned = fitted.learned
    series, _ = lay_on_grid([whole], prepared.sensors, prepared.pacing, period=prepared.period, max_gap=learned.max_gap)
    begins = [int(np.searchsorted(one.times, after, side="right")) for one in series]
    spans = [
        Span(one, max(0, begin - 2 * learned.window), begin, len(one))
        for one, begin in zip(series, begins, strict=True)
    ]
    model = Model(fitted.graph)
    linear = replace(learned, correction=np.zeros_like(learned.correction))
    return judge(model, learned, spans), judge(model, linear, spans)


def _mean_skill(rows: Sequence[QualityRow]) -> float:
    return float(np.mean([skill(row) for row in rows if row.samples]))


def _ratio(served: Sequence[QualityRow], without: Sequence[QualityRow]) -> float:
    pairs = [(one.forecast, other.forecast) for one, other in zip(served, without, strict=True) if other.forecast > 0]
    return float(np.exp(np.mean([np.log(max(one, 1e-12) / other) for one, other in pairs]))) if pairs else 1.0


def _hear_nothing(text: str) -> None:
    """Take what a fit says of its progress."""


def text(results: Sequence[Result]) -> str:
    """Write a study for a terminal: a row for each recording and cell, then the means."""
    lines = [
        f"judged on the last {1 - FITTED:.0%} of each recording; skill against the better of persistence and ridge "
        "there; ratio of the RMSE with the correction to that without",
        "",
        "| recording | cell | parameters | skill | ratio | fit, s |",
        "|---|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one.recording} | {one.cell} | {one.parameters} | {one.skill:+.1%} | {one.ratio:.3f} | {one.seconds:.0f} |"
        for one in results
    ]
    return "\n".join([*lines, *_means(results)])


def _means(results: Sequence[Result]) -> Iterator[str]:
    for cell in dict.fromkeys(one.cell for one in results):
        mine = [one for one in results if one.cell == cell]
        ratio = float(np.exp(np.mean([np.log(one.ratio) for one in mine])))
        worth = float(np.mean([one.skill for one in mine]))
        yield f"| mean | {cell} | | {worth:+.1%} | {ratio:.3f} | {sum(one.seconds for one in mine):.0f} in all |"
