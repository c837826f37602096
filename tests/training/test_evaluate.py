"""Hold what is measured to numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.cohort import PARTS
from edge.experts import EXPERTS, Experience
from edge.manifest_tables import QualityRow
from tests.training.conftest import START, Floats, Leaky, learned_of, series_of
from training.evaluate import detect, judge, skill
from training.rehearse import Span


def trusted(*experts: str) -> Experience:
    """Return the experience of streams in which only some experts were ever right."""
    loss = np.full((len(EXPERTS), 2, 2), 1e6)
    loss[[EXPERTS.index(expert) for expert in experts]] = 0.0
    return Experience(loss, np.ones_like(loss), np.full((2, 2), 1e3))


# Nothing is learned while it is judged: what the parts say can be followed by hand.
LEARNED = replace(learned_of(2), period=3600.0, cycles=(), experience=trusted("network"), until=np.inf)


class Constant:
    """A step graph that always forecasts the same changes, with half-widths of one spread."""

    units = 1

    def __init__(self, highway: float, correction: float, own: float = 0.0) -> None:
        self._parts = np.repeat(np.array([highway, own, correction, 1.0, 1.0], np.float32), 4)
        assert len(self._parts) == 4 * PARTS

    def __call__(self, x: Floats, lags: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Advance a wave by one step."""
        return np.tile(self._parts, (len(x), 1)), state


def span_of(
    values: NDArray[np.float64], judged: int, *, measured: NDArray[np.bool_] | None = None, begun: tuple[int, ...] = ()
) -> Span:
    return Span(series_of(values, period=3600.0, measured=measured, begun=begun), 0, judged, len(values))


def rows_of(span: Span, highway: float = 0.0, correction: float = 0.0) -> dict[tuple[str, int], QualityRow]:
    rows = judge(Constant(highway, correction), LEARNED, [span])
    return {(row.sensor, row.horizon): row for row in rows}


# ---- forecasts


def test_persistence_forecast_and_ridge_are_measured_as_by_hand() -> None:
    # Sensor a rises by 1 an hour, sensor b by 2: persistence misses 1 and 2 at one step, 3 and 6 at three.
    # The spreads are 0.5 and 2: the highway adds 0.5 and 2, the correction 0.25 and 1.
    rows = rows_of(span_of(np.arange(40.0)[:, None] * [1.0, 2.0], 20), highway=1.0, correction=0.5)
    assert {pair: row.persistence for pair, row in rows.items()} == pytest.approx(
        {("a", 1): 1.0, ("b", 1): 2.0, ("a", 3): 3.0, ("b", 3): 6.0}
    )
    assert {pair: row.ridge for pair, row in rows.items()} == pytest.approx(
        {("a", 1): 0.5, ("b", 1): 0.0, ("a", 3): 2.5, ("b", 3): 4.0}
    )
    assert {pair: row.forecast for pair, row in rows.items()} == pytest.approx(
        {("a", 1): 0.25, ("b", 1): 1.0, ("a", 3): 2.25, ("b", 3): 3.0}
    )
    assert {pair: row.samples for pair, row in rows.items()} == {("a", 1): 19, ("b", 1): 19, ("a", 3): 17, ("b", 3): 17}


def test_the_root_mean_square_is_over_the_judged_samples() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 2)).cumsum(axis=0)
    rows = rows_of(span_of(values, 300))
    for horizon in (1, 3):
        missed = values[300 + horizon :] - values[300:-horizon]
        for place, sensor in enumerate("ab"):
            expected = np.sqrt((missed[:, place] ** 2).mean())
            assert rows[sensor, horizon].persistence == pytest.approx(expected)
            assert rows[sensor, horizon].forecast == pytest.approx(expected)


def test_the_seasonal_forecast_is_the_value_one_day_before_the_truth() -> None:
    day = np.sin(2 * np.pi * np.arange(24.0) / 24)
    days = np.concatenate([day + 0.1 * number for number in range(8)])
    rows = rows_of(span_of(np.stack((days, days), axis=1), 120))
    assert [rows["a", horizon].seasonal for horizon in (1, 3)] == pytest.approx([0.1, 0.1])


def test_there_is_no_seasonal_forecast_where_no_day_was_seen_twice() -> None:
    rows = rows_of(span_of(np.random.default_rng(1).normal(size=(60, 2)), 40))
    assert {row.seasonal for row in rows.values()} == {None}


def test_coverage_and_width_are_those_of_the_interval() -> None:
    # Sensor a has a spread of 0.5, so its interval is the last value ± 0.5: every second truth lies in it.
    steps = np.tile([0.4, 0.6], 50)
    values = np.stack((np.cumsum(steps), np.cumsum(steps)), axis=1)
    row = rows_of(span_of(values, 50))["a", 1]
    assert row.coverage == pytest.approx(0.5, abs=0.02)
    assert row.width == pytest.approx(1.0)


def test_missing_truths_and_other_lives_are_not_judged() -> None:
    measured = np.ones((40, 2), np.bool_)
    measured[25:30, 1] = False
    values = np.arange(40.0)[:, None] * np.ones(2)
    rows = rows_of(span_of(values, 20, measured=measured))
    assert (rows["a", 1].samples, rows["b", 1].samples) == (19, 14)
    # A new life at 30: no forecast across it, none until its window of 4 is full, and no truth in the last 3 steps.
    values[32:] += 100.0  # every method is judged on the same samples, so nobody sees this jump
    begun = rows_of(span_of(values, 20, begun=(30,)))
    assert begun["a", 1].samples == 9 + 6
    assert begun["a", 3].samples == 7 + 4
    assert begun["a", 1].persistence == pytest.approx(1.0)
    assert begun["a", 1].ridge == pytest.approx(1.0)


def test_a_sensor_without_truths_has_a_row_that_says_so() -> None:
    measured = np.ones((40, 2), np.bool_)
    measured[15:, 1] = False
    row = rows_of(span_of(np.arange(80.0).reshape(40, 2), 20, measured=measured))["b", 3]
    assert (row.samples, row.forecast, row.persistence, row.ridge) == (0, 0.0, 0.0, 0.0)


def test_what_is_judged_is_what_the_weights_make_of_the_parts() -> None:
    # Sensor a has a spread of 0.5: the highway adds 0.5, the own line 0.25, the correction 0.1 of its 4.5.
    values = np.arange(40.0)[:, None] * [1.0, 2.0]
    graph, span = Constant(1.0, 9.0, own=0.5), span_of(values, 20)
    moves = {"persistence": 0.0, "own": 0.25, "highway": 0.5, "network": 0.5 + 0.45}
    for experts in (("persistence",), ("own",), ("highway",), ("network",), ("own", "highway"), EXPERTS):
        known = replace(LEARNED, correction=np.full((2, 2), 0.1), experience=trusted(*experts))
        rows = judge(graph, known, [span])
        assert rows[0].forecast == pytest.approx(1.0 - np.mean([moves[expert] for expert in experts]))
        assert rows[0].ridge == pytest.approx(1.0 - 0.5)  # the highway alone, whoever is trusted


def test_all_streams_are_judged_together() -> None:
    learned = learned_of(2)
    span = Span(series_of(np.random.default_rng(1).normal(size=(40, 2))), 10, 20, 40)
    rows = judge(Leaky(learned), learned, [span, span])
    assert [(row.sensor, row.horizon) for row in rows] == [("a", 1), ("b", 1), ("a", 3), ("b", 3)]
    assert {row.samples for row in rows} == {2 * 19, 2 * 17}


def test_ridge_is_the_line_that_did_not_see_the_sample_where_there_is_one() -> None:
    values = np.arange(40.0)[:, None] * [1.0, 2.0]
    lines = np.zeros((40, 2, 2, 2), np.float32)
    lines[:, 0] = 2.0  # spreads: 1.0 of sensor a, as much as it rises in a step
    lines[:, 1] = 1.0
    span = replace(span_of(values, 20), lines=lines)
    rows = judge(Constant(0.0, 0.0), replace(LEARNED, experience=trusted("own")), [span])
    assert rows[0].ridge == pytest.approx(0.0, abs=1e-9)
    assert rows[0].forecast == pytest.approx(0.5)


# ---- skill


def row_of(forecast: float, persistence: float, ridge: float) -> QualityRow:
    return QualityRow(
        sensor="a", horizon=1, samples=9, forecast=forecast, persistence=persistence, seasonal=0.1, ridge=ridge,
        coverage=0.9, width=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("forecast", "persistence", "ridge", "expected"),
    [
        (0.5, 1.0, 2.0, 0.5),
        (0.5, 2.0, 1.0, 0.5),
        (1.0, 1.0, 1.0, 0.0),
        (3.0, 2.0, 2.0, -0.5),
        (0.0, 0.0, 0.0, 0.0),
        (0.1, 0.0, 0.0, -1.0),
    ],
)
def test_skill_is_measured_against_the_better_baseline(
    forecast: float, persistence: float, ridge: float, expected: float
) -> None:
    assert skill(row_of(forecast, persistence, ridge)) == pytest.approx(expected)


# ---- events


def flags(drawn: str) -> NDArray[np.bool_]:
    return np.array([mark == "!" for mark in drawn])


def spans(drawn: str) -> list[tuple[float, float]]:
    """Read labelled events from a drawing: runs of `=`, one row every ten seconds."""
    edges = np.flatnonzero(np.diff([0, *(mark == "=" for mark in drawn), 0]))
    return [(START + 10.0 * begin, START + 10.0 * (end - 1)) for begin, end in edges.reshape(-1, 2).tolist()]


def times(drawn: str) -> NDArray[np.float64]:
    return START + 10.0 * np.arange(len(drawn))


def test_events_are_found_missed_and_made_up() -> None:
    labels = "....====.....===......==...."
    flagged = ".!....!!!.........!!....!..!"
    # event 1 found at its third row; events 2 and 3 missed; false runs: row 1, rows 18-19, row 24, row 27
    found = detect(times(flagged), flags(flagged), spans(labels))
    assert (found.found, found.missed, found.false) == (1, 2, 4)
    assert found.delays == (20.0,)
    assert found.flagged_share == pytest.approx(6 / 19)


def test_a_run_that_touches_an_event_is_not_false() -> None:
    labels = "....====...."
    early = "..!!!......."
    late = ".......!!!.."
    for flagged, delay in ((early, 0.0), (late, 30.0)):
        found = detect(times(flagged), flags(flagged), spans(labels))
        assert (found.found, found.missed, found.false) == (1, 0, 0)
        assert found.delays == (delay,)


def test_both_ends_of_a_label_belong_to_the_event() -> None:
    for row in (4, 7):
        flagged = "".join("!" if place == row else "." for place in range(12))
        assert detect(times(flagged), flags(flagged), spans("....====....")).found == 1
    for row in (3, 8):
        flagged = "".join("!" if place == row else "." for place in range(12))
        assert detect(times(flagged), flags(flagged), spans("....====....")).false == 1


@pytest.mark.parametrize(("bridge", "false"), [(1, 4), (2, 3), (3, 2), (4, 1)])
def test_flags_that_lie_close_are_one_run(bridge: int, false: int) -> None:
    flagged = "!!.!..!...!."
    assert detect(times(flagged), flags(flagged), [], bridge=bridge).false == false


def test_flagging_everything_finds_everything_and_shows_it() -> None:
    labels = "....====....=..."
    found = detect(times(labels), np.ones(len(labels), np.bool_), spans(labels))
    assert (found.found, found.missed, found.false, found.flagged_share) == (2, 0, 0, 1.0)


def test_without_flags_nothing_is_found() -> None:
    labels = "....====...."
    found = detect(times(labels), np.zeros(len(labels), np.bool_), spans(labels))
    assert (found.found, found.missed, found.false, found.flagged_share, found.delays) == (0, 1, 0, 0.0, ())


@given(st.text(".!", min_size=1, max_size=40), st.text(".=", min_size=1, max_size=40), st.integers(1, 5))
def test_every_event_is_found_or_missed_and_shares_are_shares(flagged: str, labels: str, bridge: int) -> None:
    found = detect(times(flagged), flags(flagged), spans(labels), bridge=bridge)
    assert found.found + found.missed == len(spans(labels))
    assert len(found.delays) == found.found
    assert all(delay >= 0.0 for delay in found.delays)
    assert 0.0 <= found.flagged_share <= 1.0
    assert 0 <= found.false <= flagged.count("!")
