"""What `tidegate-train fit` takes, beside the textbook: windows, one target each, until it forecasts as well.

    python -m tests.bench.fitting                                     # some 5 minutes
    python -m tests.bench.fitting --runs 5 --limit 20                 # an hour
    python -m tests.bench.fitting --data data.csv --rows 8000 --json

The textbook is a Keras model of the same layers and units: every window of 60 scaled samples is shuffled and mapped to
the sensors at all horizons (Adam, mean square). After each epoch it is judged on rows that follow those of the fit,
and ends when it forecasts them as well as our bundle does, or after `--limit` times the processor time of our fit;
then the ratio is an upper bound. It is given what a user would not have: what judging takes is not counted, no row is
kept from it for stopping, and its rate is halved after an epoch that was no better on the very rows that judge it. Its
batch and first rate are those that were the fastest of 32, 64 and 256, and of .001, .003 and .004.

Both are judged on the same samples, by the mean square over all horizons and sensors, in spreads of our fit split. Ours
is what the bundle says with the state carried and nothing learned on the way, the network quantised. Each is fitted in
a process of its own, because a setting of TensorFlow cannot be taken back; what importing TensorFlow takes is left out.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.recording import Recording
from edge.scale import Scaling
from tests.bench.common import WINDOW, Figure, parser, recording, tell

HELD = 5  # one row that is held out for so many that are fitted
TOGETHER = 1024  # windows that the textbook forecasts at once

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Task:
    """What is fitted: the first `rows` rows of a file, or of so many drawn sensors."""

    rows: int
    sensors: int
    seed: int
    data: Path | None

    def whole(self) -> Recording:
        """Return the rows that are fitted, and after them those that are held out."""
        rows = self.rows + self.rows // HELD
        if self.data is None:
            return recording(self.sensors, rows, seed=self.seed)
        from training.series import read

        return read([self.data], rows=rows, until=None)[0]

    def seen(self) -> Recording:
        """Return the rows that are fitted."""
        whole, cut = self.whole(), slice(self.rows)
        parts = {name: getattr(whole, name)[cut] for name in ("streams", "times", "values", "written")}
        return replace(whole, **parts)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of a piece of work: by the clock, and of the processor."""

    wall: float
    cpu: float

    def __add__(self, other: "Took") -> "Took":
        """Return what both took."""
        return Took(self.wall + other.wall, self.cpu + other.cpu)


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold what both are judged on.

    Attributes:
        level: shape (samples, sensors), spreads around the centre; where nothing was measured, the last that was.
        truth: shape (samples held out, horizons, sensors), the same unit; nan where it is unknown.
        begin: the first sample that is held out.
        horizons: steps ahead.
    """

    level: Floats
    truth: Doubles
    begin: int
    horizons: tuple[int, ...]

    def loss(self, forecast: NDArray[np.floating]) -> float:
        """Return the mean square of what forecasts, of the truth's shape, missed."""
        return float(np.nanmean((self.truth - forecast) ** 2))

    def persistence(self) -> float:
        """Return the loss of the last value."""
        return self.loss(self.level[self.begin :, None])


@dataclass(frozen=True, slots=True)
class Fit:
    """Hold what a fit took.

    Attributes:
        whole: all of it.
        training: the part that is training; the textbook's is all.
        best: until its best loss; ours is all of it.
        loss: the best.
        peak_mb: the most memory it held, TensorFlow's libraries in it.
    """

    whole: Took
    training: Took
    best: Took
    loss: float
    peak_mb: float


def timed(work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> tuple[Took, Found]:
    """Do a piece of work and say what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work(*given, **named)
    return Took(time.perf_counter() - wall, time.process_time() - cpu), found


def ours(task: Task) -> tuple[Fit, Judged]:
    """Fit as `training.fit.fit` does, and forecast the rows that are held out."""
    from edge.runtime import Model
    from training.fit import serve
    from training.prepare import prepare
    from training.recipe import default
    from training.rehearse import Span, rehearse
    from training.series import lay_on_grid
    from training.teach import teach

    recipe = replace(default(), seed=task.seed)
    preparing, prepared = timed(prepare, [task.seen()], recipe)
    training, taught = timed(teach, prepared, recipe, _tell)
    serving, fitted = timed(serve, prepared, taught, recipe, _tell)
    (series,), _ = lay_on_grid(
        [task.whole()], prepared.sensors, prepared.pacing, period=prepared.period, max_gap=fitted.learned.max_gap
    )
    begin = len(prepared.series[0])
    span = Span(series, begin - 2 * prepared.window, begin, len(series))
    frozen = replace(fitted.learned, until=np.inf)
    (said,) = rehearse(Model(fitted.graph), frozen, [span]).streams
    scaling, held = prepared.scaling, slice(said.judged, None)
    judged = Judged(
        _scaled(series.values, scaling).astype(np.float32),
        _scaled(said.truths(prepared.horizons)[held], scaling),
        begin,
        prepared.horizons,
    )
    loss = judged.loss(_scaled(said.forecast[held], scaling))
    whole = preparing + training + serving
    return Fit(whole, training, whole, loss, _peak_mb()), judged


def _scaled(values: Doubles, scaling: Scaling) -> Doubles:
    return (values - scaling.centre) / scaling.spread


def textbook(judged: Judged, seed: int, batch: int, rate: float, *, until: float, limit: float) -> Fit:
    """Train the textbook's network until its loss is `until`, or for `limit` seconds of processor time."""
    from training.recipe import default
    from training.tensorflow_quietly import keras

    level, horizons = judged.level, judged.horizons
    sensors, units = level.shape[1], default().network.units
    keras.utils.set_random_seed(seed)
    network = keras.Sequential([
        keras.Input((WINDOW, sensors)),
        *(keras.layers.LSTM(width, return_sequences=place + 1 < len(units)) for place, width in enumerate(units)),
        keras.layers.Dense(len(horizons) * sensors),
    ])  # fmt: skip
    network.compile(keras.optimizers.Adam(rate), loss="mse")
    made = np.arange(WINDOW - 1, judged.begin - horizons[-1])
    past, ahead = windows(level, made), level[made[:, None] + horizons].reshape(len(made), -1)
    held = windows(level, np.arange(judged.begin, len(level)))
    took, best, best_after = Took(0.0, 0.0), float("inf"), Took(0.0, 0.0)
    while best > until and took.cpu < limit:
        epoch, _ = timed(network.fit, past, ahead, batch_size=batch, verbose=0)
        took += epoch
        loss = judged.loss(network.predict(held, TOGETHER, verbose=0).reshape(judged.truth.shape))
        if loss < best:
            best, best_after = loss, took
        else:
            network.optimizer.learning_rate = rate = rate / 2
        _tell(f"the textbook: {took.cpu:.0f} of {limit:.0f} s of the processor, loss {loss:.4g}, ours {until:.4g}")
    return Fit(took, took, best_after, best, _peak_mb())


def windows(level: Floats, newest: NDArray[np.intp]) -> Floats:
    """Return the windows that end with some samples, shape (windows, steps, sensors)."""
    found: Floats = level[newest[:, None] + np.arange(1 - WINDOW, 1)]
    return found


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr)


def alone(work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found:
    """Do a piece of work in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def figures(case: str, fits: Sequence[Fit], theirs: Sequence[Fit], persistence: Sequence[float]) -> list[Figure]:
    """Lay the fits of each run beside the textbook's."""
    short = sum(other.loss > fit.loss for fit, other in zip(fits, theirs, strict=True))
    bound = "must 1/3, goal 1/10"
    if short:
        bound += f"; in {short} of {len(fits)} runs the textbook did not get there, so the ratio is less than this"
    measured: tuple[tuple[str, str, Callable[[Fit], float], str], ...] = (
        ("whole fit beside the textbook's training", "s", lambda fit: fit.whole.wall, bound),
        ("the same, processor time", "s", lambda fit: fit.whole.cpu, bound),
        ("training beside training", "s", lambda fit: fit.training.wall, ""),
        ("the same, processor time", "s", lambda fit: fit.training.cpu, ""),
        ("whole fit beside the textbook's until its own best, processor time", "s", lambda fit: fit.best.cpu, ""),
        ("most memory", "MB", lambda fit: fit.peak_mb, ""),
        ("held-out loss beside the textbook's best", "", lambda fit: fit.loss, ""),
    )
    beside = [
        Figure(
            name=f"{name}, {case}", unit=unit, ours=tuple(map(of, fits)), reference=tuple(map(of, theirs)), bound=said
        )
        for name, unit, of, said in measured
    ]
    last = Figure(
        name=f"the same beside the last value's, {case}", unit="", ours=beside[-1].ours, reference=tuple(persistence)
    )
    return [*beside, last]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__, runs=1)
    built.add_argument("--rows", type=int, default=20_000)
    built.add_argument("--sensors", type=int, default=8, help="that are drawn where there is no --data")
    built.add_argument("--data", type=Path, help="a file of one stream, instead of drawn sensors")
    built.add_argument("--batch", type=int, default=64, help="windows in an update of the textbook's (default 64)")
    built.add_argument("--rate", type=float, default=0.003, help="at which the textbook learns (default .003)")
    built.add_argument("--limit", type=float, default=10.0, help="fits that the textbook may take (default 10)")
    options = built.parse_args(arguments)
    os.environ["TQDM_DISABLE"] = "1"
    fits, theirs, persistence = [], [], []
    for seed in range(1, options.runs + 1):
        fit, judged = alone(ours, Task(options.rows, options.sensors, seed, options.data))
        limit = options.limit * fit.whole.cpu
        theirs.append(alone(textbook, judged, seed, options.batch, options.rate, until=fit.loss, limit=limit))
        fits.append(fit)
        persistence.append(judged.persistence())
    case = f"{options.rows} rows, {judged.level.shape[1]} sensors"
    tell(figures(case, fits, theirs, persistence), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
