"""Compare the quantisations of one network: what each costs in forecasts and flags, and what it weighs and takes.

A set is trained once, and the same network is converted in every mode, calibrated and measured as `fit` would.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import orjson
from numpy.typing import NDArray

from edge.manifest_tables import QualityRow
from edge.recording import Recording
from edge.replay import Replay
from edge.runtime import Model
from training.fit import Fitted, serve
from training.known_sets import KnownSet
from training.prepare import Prepared, prepare
from training.recipe import Quantisation, Recipe
from training.series import read
from training.step_time import WAVES
from training.teach import Say, Taught, teach

ROOT = Path(__file__).parent.parent
Mode = Literal["float32", "dynamic", "float16", "int8"]
MODES: tuple[Mode, ...] = get_args(Mode)
RMSE_WITHIN, EQUAL_FLAGS = 0.01, 0.995  # what a quantisation is held to
SECOND = ROOT / ".venv-tflite" / "bin" / "python"  # made by `make runtimes`


@dataclass(frozen=True, slots=True)
class Cost:
    """Say what a quantisation costs on one set, beside float32.

    Attributes:
        set: its name.
        mode: the quantisation.
        pairs, serving: pairs of sensor and horizon, and how many of them the correction serves; a quantisation costs
            nothing where it serves none.
        parity: relative RMSE of the correction against Keras, see `edge.manifest.ParityTable`.
        rmse_change: mean over the pairs of sensor and horizon of RMSE / RMSE of float32 - 1, on the test split.
        worst_change: the largest of them.
        equal_flags: share of the rows after those that were fitted that have the same flag.
        flagged: share of these rows that are flagged.
        size: bytes of model.tflite.
        step_us: for each runtime that is here, microseconds a step and stream in waves of `WAVES`.
    """

    set: str
    mode: str
    pairs: int
    serving: int
    parity: float
    rmse_change: float | None
    worst_change: float | None
    equal_flags: float
    flagged: float
    size: int
    step_us: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _Served:
    """Hold one conversion: what was fitted, and the flags of the rows after those that were fitted."""

    fitted: Fitted
    flagged: NDArray[np.bool_]


def study(known: KnownSet, recipe: Recipe, say: Say, *, second: Path) -> list[Cost]:
    """Train a set once, convert it in every mode, and compare.

    Args:
        known: the set.
        recipe: how to train; its quantisation is left aside.
        say: told each stage in words.
        second: a Python with another runtime; left out where there is none.
    """
    recording = read([known.path], rows=None, until=None)[0]
    rows = known.fitted_rows(len(recording.times))
    prepared = prepare(read([known.path], rows=rows, until=None), recipe)
    taught = teach(prepared, recipe, say)
    served = [_served(prepared, taught, recipe, mode, say) for mode in MODES]
    flagged = [_flags(one, recording)[rows:] for one in served]
    pairs = [_Served(one, flags) for one, flags in zip(served, flagged, strict=True)]
    say("timing")
    times = step_times([one.graph for one in served], [Path(sys.executable), second])
    return [_cost(known.name, pairs[0], one, mine) for one, mine in zip(pairs, times, strict=True)]


def _served(prepared: Prepared, taught: Taught, recipe: Recipe, mode: Mode, say: Say) -> Fitted:
    """Convert in a mode, however far from Keras it is."""
    quantisation = replace(Quantisation(), mode=mode, parity=float("inf"))
    return serve(prepared, taught, replace(recipe, quantisation=quantisation), say)


def _flags(fitted: Fitted, recording: Recording) -> NDArray[np.bool_]:
    model = Model(fitted.graph)
    return Replay(fitted.learned, model, model.units).run(recording).flagged


def _cost(name: str, wide: _Served, narrow: _Served, step_us: dict[str, tuple[float, ...]]) -> Cost:
    changes = rmse_changes(wide.fitted.quality, narrow.fitted.quality)
    return Cost(
        set=name,
        mode=narrow.fitted.mode,
        pairs=narrow.fitted.learned.correction.size,
        serving=int((narrow.fitted.learned.correction > 0.0).sum()),
        parity=narrow.fitted.parity.correction,
        rmse_change=float(np.mean(changes)) if changes else None,
        worst_change=max(changes, default=None),
        equal_flags=float(np.mean(wide.flagged == narrow.flagged)) if len(wide.flagged) else 1.0,
        flagged=float(np.mean(narrow.flagged)) if len(narrow.flagged) else 0.0,
        size=len(narrow.fitted.graph),
        step_us=step_us,
    )


def rmse_changes(wide: Sequence[QualityRow], narrow: Sequence[QualityRow]) -> list[float]:
    """Return RMSE / RMSE - 1 for each pair of sensor and horizon that the first does not forecast without error."""
    return [
        theirs.forecast / mine.forecast - 1.0 for mine, theirs in zip(wide, narrow, strict=True) if mine.forecast > 0.0
    ]


def step_times(graphs: Sequence[bytes], pythons: Sequence[Path]) -> list[dict[str, tuple[float, ...]]]:
    """Time graphs on the runtime of each Python, each in a process of its own.

    Returns:
        For each graph and runtime that takes it, the microseconds a step and stream in waves of `WAVES`.
    """
    times: list[dict[str, tuple[float, ...]]] = [{} for _ in graphs]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{place}.tflite" for place in range(len(graphs))]
        for path, graph in zip(paths, graphs, strict=True):
            path.write_bytes(graph)
        for python in pythons:
            if python.exists():
                runtime, found = _timed(python, paths)
                for mine, one in zip(times, found, strict=True):
                    mine.update({runtime: tuple(one)} if one else {})
    return times


def _timed(python: Path, paths: Sequence[Path]) -> tuple[str, list[list[float] | None]]:
    command = [str(python), "-m", "training.step_time", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said = orjson.loads(done.stdout)
    return said["runtime"], said["us"]


HEADER = ("set", "mode", "serves", "parity", "RMSE", "worst pair", "equal flags", "flagged", "bytes")


def cells(cost: Cost, runtimes: Sequence[str]) -> tuple[str, ...]:
    """Write a cost as the cells of a table below `HEADER` and a column for each runtime and size of wave."""
    changes = ("–" if change is None else f"{change:+.2%}" for change in (cost.rmse_change, cost.worst_change))
    unknown = (None,) * len(WAVES)
    times = [time for runtime in runtimes for time in cost.step_us.get(runtime, unknown)]
    return (
        cost.set,
        cost.mode,
        f"{cost.serving} of {cost.pairs}",
        f"{cost.parity:.2%}",
        *changes,
        f"{cost.equal_flags:.3%}",
        f"{cost.flagged:.2%}",
        str(cost.size),
        *("refused" if time is None else f"{time:.2f}" for time in times),
    )


def summary(costs: Sequence[Cost]) -> list[str]:
    """Say for each mode on how many sets it holds: RMSE within 1 %, and 99.5 % of the flags equal.

    Sets on which the correction serves nothing are left out: there is nothing there that could be lost.
    """
    served = [cost for cost in costs if cost.serving]
    idle = len({cost.set for cost in costs} - {cost.set for cost in served})
    return [*(_held(served, mode) for mode in MODES[1:] if served), f"the correction serves nothing on {idle} more"]


def _held(costs: Sequence[Cost], mode: Mode) -> str:
    mine = [cost for cost in costs if cost.mode == mode]
    rmse = sum(cost.rmse_change is None or abs(cost.rmse_change) <= RMSE_WITHIN for cost in mine)
    flags = sum(cost.equal_flags >= EQUAL_FLAGS for cost in mine)
    parities = [cost.parity for cost in mine]
    return (
        f"{mode}: RMSE within {RMSE_WITHIN:.0%} on {rmse} of {len(mine)} sets, at least {EQUAL_FLAGS:.1%} equal flags "
        f"on {flags}; parity {np.median(parities):.2%} in the median, {max(parities):.2%} at worst"
    )
