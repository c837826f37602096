"""What the tests of the device's core share: a small cohort whose numbers can be followed by eye, and real bundles."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edge import bundle
from edge.bundle import Bundle
from edge.cohort import PARTS, Cohort, Verdicts
from edge.evidence import FEATURES, RESIDUAL, SHARP, SMOOTHED, Calibration
from edge.experts import EXPERTS, Experience, inexperienced
from edge.interval import no_leeway
from edge.learned import Learned
from edge.pacing import Sample, plain
from edge.scale import Scaling
from edge.tail import Means, Peaks
from edge.usual import unknown
from tests import make_bundles

ROOT = make_bundles.ROOT
# Files whose tests meet text, topics, sockets and databases, and neither an array nor a runtime. The second runtime and
# its numpy cannot change what they say, so `make test` runs them once; a new file runs on both until it is listed here.
ONCE = (
    "discover/test_registries.py",
    "discover/test_streams.py",
    "discover/test_survey.py",
    "test_announcer.py",
    "test_asyncapi.py",
    "test_connection.py",
    "test_dialects.py",
    "test_discovery.py",
    "test_doubted.py",
    "test_feedback_live.py",
    "test_fuzzed.py",
    "test_homeassistant.py",
    "test_intake.py",
    "test_journal.py",
    "test_loopback.py",
    "test_mailbox.py",
    "test_payloads.py",
    "test_process.py",
    "test_reading.py",
    "test_recorder.py",
    "test_sparkplug.py",
    "test_tables.py",
    "test_trust.py",
    "test_trust_live.py",
    "test_wire.py",
    "test_witnesses.py",
)
UNITS = 2
NEVER = float("inf")  # no truth is newer: the experts keep their weights and the intervals their width
nan = float("nan")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the files that run once."""
    here = Path(__file__).parent
    once = {here / name for name in ONCE}
    for item in items:
        if item.path in once:
            item.add_marker("once")


def calm_calibration(sensors: int) -> Calibration:
    """Return a calibration in which a quotient of 1 has the surprise 1, and so on up to 20; nothing else is strange."""
    residual = np.equal(SHARP, RESIDUAL)[:, None] * np.ones((2, 1, sensors))
    anything = np.full((len(SMOOTHED), sensors), np.inf)
    return Calibration(
        scored=np.ones(sensors, np.bool_),
        centre=np.zeros((FEATURES, sensors)),
        spread=np.ones((FEATURES, sensors)),
        others=np.zeros((sensors, sensors)),
        energy=np.ones(sensors),
        peaks=Peaks(1e9 - (1e9 - 20.0) * residual, residual + 1e300, residual + 1.0, 20.0 * residual),
        means=Means(np.zeros_like(anything), anything, anything, np.ones_like(anything)),
        looks=1.0,
        samples=0,
        positions=np.full((2, sensors), np.nan),
    )


def learned_by_hand(**changes: object) -> Learned:
    """Return what training might have learned of two sensors: forecasts are the last value, intervals ± 1.

    The window has 4 steps, a step 10 s, nothing is learned of any truth, and a score of 1 needs a surprise of about 3.9
    (the most the budget can ask).
    """
    one = np.ones((2, 2))
    known = Learned(
        sensors=("warm", "damp"),
        period=10.0,
        window=4,
        lags=2,
        max_gap=3,
        horizons=(1, 3),
        means=(6.0,),
        cycles=(),
        scaling=Scaling(np.zeros(2), np.ones(2), np.ones(2)),
        correction=one,
        experience=inexperienced(2, 2),
        until=NEVER,
        coverage=0.9,
        leeway=no_leeway(2, 2),
        below=one,
        above=one,
        calibration=calm_calibration(2),
        false_alarms_per_week=1e9,
        close_after=2,
        usual=unknown(2),
        units=("", ""),
        pacing=plain(2),
    )
    return replace(known, **changes)


def trusting(expert: str, *, horizons: int = 2, sensors: int = 2) -> Experience:
    """Return the experience of a stream that one expert never failed and all others always did."""
    known = inexperienced(horizons, sensors)
    loss = np.full(known.loss.shape, 1e3)
    loss[EXPERTS.index(expert)] = 0.0
    return Experience(loss, np.ones(known.reach.shape), np.full(known.heard.shape, 1e3))


def persist(x: np.ndarray, lags: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stand for the graph: no step away from the last value, half-widths of 1, a state that counts the steps."""
    parts = np.zeros((len(x), PARTS, 2, 2), dtype=np.float32)
    parts[:, 3:] = 1.0
    return parts.reshape(len(x), -1), state + 1.0


def cohort_by_hand(streams: int = 1, **changes: object) -> Cohort:
    """Return a cohort of that kind with streams s0, s1 and so on."""
    cohort = Cohort(learned_by_hand(**changes), persist, UNITS)
    for stream in range(streams):
        cohort.admit(f"s{stream}")
    return cohort


def at(step: int, *values: float, restart: bool = False) -> Sample:
    """Return the sample of a step of 10 s; both sensors say the step's number unless told otherwise."""
    return Sample(10.0 * step, values or (float(step),) * 2, restart)


def verdict(
    score: float, step: int, *, row: int = 0, sensor: int = 0, restarted: bool = False, begins: bool = False
) -> Verdicts:
    """Return what may be said of one sample of a stream at a step of 10 s; `sensor` carries all of the deviation."""
    ahead = np.array([[[21.0, 51.0], [23.0, 53.0]]])
    return Verdicts(
        rows=np.array([row]),
        times=np.array([10.0 * step]),
        values=np.array([[22.0 + step, 52.0 + step]]),
        measured=np.array([[True, True]]),
        expected=np.array([[20.0, 50.0]]),
        lower=np.array([[19.5, 49.0]]),
        upper=np.array([[20.5, 51.0]]),
        score=np.array([score]),
        share=np.eye(2)[None, sensor],
        begins=np.array([begins]),
        restarted=np.array([restarted]),
        forecast=ahead,
        forecast_lower=ahead - 0.5,
        forecast_upper=ahead + 0.25,
    )


def numbers(verdicts: Verdicts) -> list[np.ndarray]:
    """Return every array of numbers in verdicts; compare them with `same`."""
    names = (
        "times", "values", "measured", "expected", "lower", "upper", "score", "share", "begins", "restarted",
        "forecast", "forecast_lower", "forecast_upper",
    )  # fmt: skip
    return [getattr(verdicts, name) for name in names]


def same(one: Verdicts, other: Verdicts) -> bool:
    """Tell whether verdicts are the same bit for bit; the rows may have other numbers."""
    return all(same_bits(mine, theirs) for mine, theirs in zip(numbers(one), numbers(other), strict=True))


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two arrays are the same bit for bit, but for the sign of a nan, which says nothing."""
    return one.shape == other.shape and settled(one).tobytes() == settled(other).tobytes()


def settled(array: np.ndarray) -> np.ndarray:
    """Return an array whose nans are all of the same bits."""
    return np.where(np.isnan(array), np.nan, array)


@pytest.fixture(scope="session")
def loaded(bundles: Path) -> Callable[[str], Bundle]:
    """Return a function that loads a bundle by its name, once."""

    @cache
    def load(name: str) -> Bundle:
        return bundle.load(bundles / f"{name}.bundle")

    return load
