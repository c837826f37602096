"""One step of the line beside the TFLite graph alone, and beside what a Python user would write or pick instead.

    python -m tests.bench.step                          # waves of 1, 10, 100 and 1,000 streams of 8 sensors
    python -m tests.bench.step --waves 1000 --sensors 1 8 --json

`step` is all that a sample costs between grid and message: window, graph, experts, intervals, score, alarms. The
graph alone is called on a wave of the same size in turn. The others are timed a reading: the textbook's window of 60
run anew through the same TFLite graph, Keras `predict` on that window, and River's HalfSpaceTrees and a GaussianScorer
for each sensor, which forecast nothing.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import cycle, islice

import numpy as np

from edge.cohort import Cohort
from edge.pacing import Sample
from edge.runtime import WindowModel
from tests.bench.common import PERIOD, START, UNITS, WINDOW, Figure, bundle, parser, recording, tell

LEAST = 20_000  # samples in a run, but no more steps than
MOST_STEPS = 1000


def cpu_us(work: Callable[[], object], readings: int) -> float:
    """Return the microseconds of processor time a reading."""
    begun = time.process_time()
    work()
    return 1e6 * (time.process_time() - begun) / readings


class Waves:
    """Draw waves of samples without end, all streams in each."""

    def __init__(self, size: int, sensors: int) -> None:
        """Begin with the first sample."""
        self._values = cycle(recording(sensors, 4 * WINDOW, seed=3).values.tolist())
        self._rows = range(size)
        self._time = START

    def take(self, steps: int) -> list[list[tuple[int, Sample]]]:
        """Return the next waves."""
        return list(islice(self._next(), steps))

    def _next(self) -> Iterator[list[tuple[int, Sample]]]:
        for values in self._values:
            self._time += PERIOD
            sample = Sample(self._time, tuple(values), False)
            yield [(row, sample) for row in self._rows]


def against_graph(size: int, sensors: int, runs: int) -> Figure:
    """Measure the step and the graph alone in turn, on waves of one size."""
    loaded = bundle(sensors)
    learned, model = loaded.manifest.learned(), loaded.model
    cohort = Cohort(learned, model, model.units)
    for number in range(size):
        cohort.admit(f"stream{number}")
    waves = Waves(size, sensors)
    for wave in waves.take(2 * WINDOW):
        cohort.advance(wave)
    random = np.random.default_rng(1)
    x, lags, state = (
        random.normal(size=(size, width)).astype(np.float32) for width in (model.inputs, model.lags, model.units)
    )
    steps = min(MOST_STEPS, max(20, LEAST // size))
    ours, alone = [], []
    for _ in range(runs):
        drawn = waves.take(steps)
        ours.append(cpu_us(lambda found=drawn: [cohort.advance(wave) for wave in found], steps * size))  # type: ignore[misc]
        alone.append(cpu_us(lambda: [model(x, lags, state) for _ in range(steps)], steps * size))
    return Figure(
        name=f"step over graph alone, wave of {size}, {sensors} sensors",
        unit="us a stream",
        ours=tuple(ours),
        reference=tuple(alone),
        bound="must 3, goal 1.5 in a wave of 1,000" if size == 1000 else "",
    )


def against_others(sensors: int, runs: int) -> list[Figure]:
    """Measure a step of 1,000 streams beside what others take for one reading."""
    ours = against_graph(1000, sensors, runs).ours
    figures = []
    for name, bound, work, readings in _others(sensors):
        theirs = tuple(cpu_us(work, readings) for _ in range(runs))
        figures.append(Figure(name=f"a reading, beside {name}", unit="us", ours=ours, reference=theirs, bound=bound))
    return figures


Other = tuple[str, str, Callable[[], object], int]  # name, bound, what takes the time, readings that it takes it for


def _others(sensors: int) -> Iterator[Other]:
    yield _window_anew(sensors)
    if find_spec("keras"):
        yield _keras(sensors)
    if find_spec("river"):
        yield from _river(sensors)
    else:
        print("note: no River here: pip install river", file=sys.stderr)


def _window_anew(sensors: int) -> Other:
    model = bundle(sensors).model
    random = np.random.default_rng(1)
    window = WindowModel(model, WINDOW)
    x, lags, state = (
        random.normal(size=(1, width)).astype(np.float32) for width in (model.inputs, model.lags, window.units)
    )
    work = lambda: [window(x, lags, state) for _ in range(50)]  # noqa: E731
    return f"a window of {WINDOW} run anew", "must 1/20, goal 1/100", work, 50


def _keras(sensors: int) -> Other:
    import keras

    network = keras.Sequential([
        keras.Input((WINDOW, sensors)),
        *(keras.layers.LSTM(units, return_sequences=place + 1 < len(UNITS)) for place, units in enumerate(UNITS)),
        keras.layers.Dense(sensors),
    ])  # fmt: skip
    past = np.random.default_rng(1).normal(size=(1, WINDOW, sensors)).astype(np.float32)
    network.predict(past, verbose=0)
    work = lambda: [network.predict(past, verbose=0) for _ in range(10)]  # noqa: E731
    return "Keras predict", "must 1/1,000, goal 1/10,000", work, 10


def _river(sensors: int) -> Iterator[Other]:
    from river import anomaly

    drawn = np.random.default_rng(1).random((500, sensors)).tolist()
    rows = [{str(sensor): value for sensor, value in enumerate(row)} for row in drawn]
    trees = anomaly.HalfSpaceTrees(seed=1)
    scorers = [anomaly.GaussianScorer() for _ in range(sensors)]

    def score() -> None:
        for row in rows:
            for scorer, value in zip(scorers, row.values(), strict=True):
                scorer.score_one(None, value)
                scorer.learn_one(None, value)

    yield "River's HalfSpaceTrees", "", lambda: [(trees.score_one(row), trees.learn_one(row)) for row in rows], 500
    yield "River's GaussianScorer for each sensor", "", score, 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    built = parser(__doc__)
    built.add_argument("--waves", type=int, nargs="+", default=[1, 10, 100, 1000])
    built.add_argument("--sensors", type=int, nargs="+", default=[8])
    built.add_argument("--no-others", action="store_true", help="leave out the window run anew, Keras and River")
    options = built.parse_args(arguments)
    figures = [against_graph(size, sensors, options.runs) for sensors in options.sensors for size in options.waves]
    if not options.no_others:
        figures += against_others(options.sensors[-1], options.runs)
    tell(figures, as_json=options.json, runtime=bundle(options.sensors[-1]).model.runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
