"""What the tests of training share: recordings that are drawn in memory, and recipes that are fitted in seconds."""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.experts import inexperienced
from edge.interval import no_leeway
from edge.learned import Learned
from edge.manifest import Manifest
from edge.pacing import plain
from edge.recording import Recording
from edge.scale import Scaling, width
from edge.usual import unknown
from training.calibrate import unknowing
from training.fit import Fitted, serve
from training.pack import pack
from training.prepare import Prepared, prepare
from training.recipe import Architecture, Data, Recipe, Training
from training.series import Series
from training.teach import Taught, teach

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

START = 1_600_000_200.0  # Unix seconds; no full hour and no midnight
PERIOD = 60.0
RECIPE = """
name = "quick"
seed = 1
[data]
window = 8
lags = 4
horizons = [1, 3]
[network]
units = [8]
[training]
updates = 60
epochs = 100
subsequence = 32
burn_in = 8
stride = 8
learning_rate = 0.02
"""
LETTERS = "abcdefgh"


def series_of(
    values: Doubles,
    *,
    measured: NDArray[np.bool_] | None = None,
    begun: Sequence[int] = (),
    period: float = PERIOD,
    stream: str = "one",
) -> Series:
    """Lay values of shape (samples, sensors) on a grid; `begun` are the samples at which the memory starts anew."""
    index = np.arange(len(values))
    starts = np.maximum.accumulate(np.where(np.isin(index, begun), index, 0))
    whole = np.ones(values.shape, np.bool_) if measured is None else measured
    return Series(stream, START + period * index, values, whole, whole, starts)


def recording_of(values: Doubles, *, period: float = PERIOD, stream: str = "one", start: float = START) -> Recording:
    """Make a recording of values of shape (rows, sensors), nan where nothing was measured."""
    times = start + period * np.arange(len(values))
    return Recording(
        sensors=tuple(LETTERS[: values.shape[1]]),
        stream_names=(stream,),
        streams=np.zeros(len(values), np.intp),
        times=times,
        values=values,
        written=tuple(map(repr, times.tolist())),
        refused=(),
        dropped=(),
    )


def write_table(path: Path, recording: Recording) -> Path:
    """Write a recording of one stream as a CSV file, gzipped when its name says so."""
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "wt", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(("time", *recording.sensors))
        for time, row in zip(recording.times.tolist(), recording.values.tolist(), strict=True):
            lines.writerow((repr(time), *("" if np.isnan(value) else repr(value) for value in row)))
    return path


def chaos(rows: int, *, seed: int = 0) -> Doubles:
    """Draw a logistic map beside a random walk: a network beats every line on the first, nothing beats the last value
    on the second. Shape (rows, 2).
    """
    random = np.random.default_rng(seed)
    values = np.empty((rows, 2))
    value = 0.3
    for row in range(rows):
        value = 3.8 * value * (1.0 - value)
        values[row, 0] = value
    values[:, 0] = 20.0 + 5.0 * values[:, 0]
    values[:, 1] = np.cumsum(random.normal(size=rows))
    return values


def quick(**changes: object) -> Recipe:
    """Return a recipe that is fitted in two or three seconds; most of that is TensorFlow's tracing."""
    recipe = Recipe(
        name="quick",
        data=Data(window=8, lags=4, horizons=(1, 3)),
        network=Architecture(units=(8,)),
        training=Training(updates=60, epochs=100, subsequence=32, burn_in=8, stride=8, learning_rate=0.02),
    )
    return replace(recipe, **changes)


def hear_nothing(text: str) -> None:
    """Take what a fit says of its progress."""


def learned_of(sensors: int, *, horizons: tuple[int, ...] = (1, 3), window: int = 4, lags: int = 3) -> Learned:
    """Return what a cohort needs, all parts at full weight, nothing calibrated."""
    whole = np.ones((len(horizons), sensors))
    scaling = Scaling(np.linspace(-1.0, 2.0, sensors), np.linspace(0.5, 2.0, sensors), np.linspace(0.1, 0.3, sensors))
    return Learned(
        sensors=tuple(LETTERS[:sensors]),
        period=PERIOD,
        window=window,
        lags=lags,
        max_gap=3,
        horizons=horizons,
        means=(2.0, 5.0),
        cycles=(86_400.0,),
        scaling=scaling,
        correction=whole,
        experience=inexperienced(len(horizons), sensors),
        until=-np.inf,
        coverage=0.9,
        leeway=no_leeway(len(horizons), sensors),
        below=whole,
        above=whole,
        calibration=unknowing(sensors),
        false_alarms_per_week=1.0,
        close_after=3,
        usual=unknown(sensors),
        units=("",) * sensors,
        pacing=plain(sensors),
    )


class Leaky:
    """A step graph that is written down: its state is a leaky sum of x, its parts are a fixed map of lags and state."""

    def __init__(self, learned: Learned, *, highway: float = 0.1, correction: float = 0.05) -> None:
        """Choose how strongly the forecast follows the window and the state."""
        self.size = len(learned.horizons) * len(learned.sensors)
        self.units = width(len(learned.sensors), len(learned.means), len(learned.cycles))
        self._strengths = highway, correction

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance a wave by one step."""
        after = np.float32(0.9) * state + np.float32(0.1) * x
        highway, correction = (np.float32(strength) for strength in self._strengths)
        direct = np.repeat(highway * (lags[:, :1] - lags[:, -1:]), self.size, axis=1)
        turn = np.repeat(correction * after[:, :1], self.size, axis=1)
        half_widths = np.repeat(np.float32(0.5) + np.abs(after[:, 1:2]), 2 * self.size, axis=1)
        return np.concatenate((direct, 0.5 * direct, turn, half_widths), axis=1), after


@dataclass(frozen=True)
class Trial:
    """Hold a whole fit."""

    recipe: Recipe
    prepared: Prepared
    taught: Taught
    fitted: Fitted

    def pack(self, path: Path) -> Manifest:
        """Write the bundle."""
        return pack(path, self.fitted, self.prepared, self.recipe, 1)


def fit(recordings: Sequence[Recording], recipe: Recipe) -> Trial:
    """Fit a bundle as the command does."""
    prepared = prepare(recordings, recipe)
    taught = teach(prepared, recipe, hear_nothing)
    return Trial(recipe, prepared, taught, serve(prepared, taught, recipe, hear_nothing))


@pytest.fixture(scope="session")
def chaotic() -> Trial:
    """One fit of 600 rows of chaos, shared by all tests that only look at it."""
    return fit([recording_of(chaos(600))], quick())
