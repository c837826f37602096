"""Draw the curves of a study of memory: score against gap."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.memory_tasks import TASKS, Task
from training.study import Curve, Result, curves

COLOURS = {"rnn": "#d55e00", "gru": "#009e73", "lstm": "#0072b2"}  # apart for the colour-blind too: Okabe & Ito (2008)


def draw(results: Sequence[Result], path: Path) -> None:
    """Write a picture, PNG or SVG by its name: a panel for each task, a line for each cell, a band over the seeds."""
    figure = Figure(figsize=(4.5 * len(TASKS), 3.6), layout="constrained")
    for panel, task in zip(figure.subplots(1, len(TASKS), squeeze=False)[0], TASKS, strict=True):
        _panel(panel, task, curves(results, task.name))
    figure.savefig(path, dpi=150)


def _panel(panel: Axes, task: Task, found: Sequence[Curve]) -> None:
    for curve in found:
        gaps = list(curve.results)
        scores = [[one.score for one in curve.results[gap]] for gap in gaps]
        colour = COLOURS[curve.cell]
        panel.plot(gaps, list(curve.medians.values()), marker="o", color=colour, label=curve.cell)
        panel.fill_between(gaps, list(map(min, scores)), list(map(max, scores)), color=colour, alpha=0.15, linewidth=0)
    panel.axhline(task.chance, color="grey", linestyle="--", linewidth=1, label="chance")
    panel.set_xscale("log")
    ticks = list(found[0].results)
    panel.set_xticks(ticks, labels=list(map(str, ticks)))
    panel.minorticks_off()
    panel.set_ylim(-0.05, 1.05)
    panel.set(title=task.name, xlabel="gap (steps)", ylabel=task.measure)
    panel.legend(loc="lower left")
