"""Hold the rehearsal to the replay: what is calibrated and judged is what the device will say, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.cohort import Verdicts
from edge.recording import Recording
from edge.replay import Replay
from edge.runtime import Model
from tests.training.conftest import START, Leaky, Trial, chaos, learned_of, recording_of, series_of
from training.rehearse import Rehearsal, Span, rehearse
from training.series import lay_on_grid

NAN = np.nan
LEARNED = learned_of(2)
HORIZONS = LEARNED.horizons


def eventful(rows: int, *, seed: int, stream: str) -> Recording:
    """Draw rows with missing cells, bridged gaps, gaps that start anew, and a row that comes twice."""
    random = np.random.default_rng(seed)
    minutes = np.cumsum(random.choice([1, 1, 1, 1, 1, 1, 1, 3, 50], size=rows))
    values = random.normal(size=(rows, 2)).cumsum(axis=0)
    values[random.random(values.shape) < 0.2] = NAN
    minutes[rows // 2] = minutes[rows // 2 - 1]
    return replace(recording_of(values, stream=stream), times=START + 60.0 * minutes)


def span_of(recording: Recording) -> Span:
    [series], _ = lay_on_grid(
        [recording], LEARNED.sensors, LEARNED.pacing, period=LEARNED.period, max_gap=LEARNED.max_gap
    )
    return Span(series, 0, 0, len(series))


def places_of(span: Span, recording: Recording) -> NDArray[np.intp]:
    """Find the row that each sample was made of; -1 for an empty one."""
    first: dict[float, int] = {}
    for row, time in enumerate(recording.times.tolist()):
        first.setdefault(time, row)
    return np.array([first.get(time, -1) for time in span.series.times.tolist()])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(5, 80))
def test_a_rehearsal_says_bit_for_bit_what_a_replay_says(seed: int, rows: int) -> None:
    recording = eventful(rows, seed=seed, stream="one")
    leaky = Leaky(LEARNED)
    replayed = Replay(LEARNED, leaky, leaky.units).run(recording)
    [said] = rehearse(leaky, LEARNED, [span_of(recording)]).streams
    places = places_of(span_of(recording), recording)
    for name in ("expected", "lower", "upper", "score"):
        mine, theirs = getattr(said, name)[places >= 0], getattr(replayed, name)[places[places >= 0]]
        assert np.array_equal(mine, theirs, equal_nan=True), name


def test_the_quantised_graph_says_in_a_rehearsal_what_it_says_in_a_replay(chaotic: Trial) -> None:
    learned, model = chaotic.fitted.learned, Model(chaotic.fitted.graph)
    recordings = [recording_of(chaos(120, seed=seed), stream=f"s{seed}") for seed in range(3)]
    spans = [
        Span(series, 0, 0, len(series))
        for series in lay_on_grid(
            recordings, learned.sensors, learned.pacing, period=learned.period, max_gap=learned.max_gap
        )[0]
    ]
    for recording, said in zip(recordings, rehearse(model, learned, spans).streams, strict=True):
        replayed = Replay(learned, model, model.units).run(recording)
        for name in ("expected", "lower", "upper", "score"):
            assert np.array_equal(getattr(said, name), getattr(replayed, name), equal_nan=True), name


def test_streams_side_by_side_say_what_each_says_alone() -> None:
    recordings = [eventful(rows, seed=rows, stream=f"s{rows}") for rows in (30, 90, 60)]
    leaky = Leaky(LEARNED)
    spans = [span_of(recording) for recording in recordings]
    together = rehearse(leaky, LEARNED, spans).streams
    for span, said in zip(spans, together, strict=True):
        [alone] = rehearse(leaky, LEARNED, [span]).streams
        for name in ("expected", "lower", "upper", "score", "forecast", "forecast_lower", "forecast_upper"):
            assert np.array_equal(getattr(said, name), getattr(alone, name), equal_nan=True), name


def test_every_forecast_is_the_one_that_the_replay_makes() -> None:
    recording = eventful(60, seed=3, stream="one")
    leaky = Leaky(LEARNED)
    seen: list[Verdicts] = []
    Replay(LEARNED, leaky, leaky.units).run(recording, watch=seen.append)
    [said] = rehearse(leaky, LEARNED, [span_of(recording)]).streams
    for name in ("forecast", "forecast_lower", "forecast_upper"):
        replayed = np.concatenate([getattr(verdicts, name) for verdicts in seen])
        assert np.array_equal(getattr(said, name), replayed, equal_nan=True), name


def test_a_span_says_what_a_device_says_that_is_switched_on_at_its_beginning() -> None:
    values = np.random.default_rng(1).normal(size=(50, 2))
    leaky = Leaky(LEARNED)
    [said] = rehearse(leaky, LEARNED, [Span(series_of(values), 10, 20, 40)]).streams
    late = replace(recording_of(values[10:40]), times=START + 60.0 * np.arange(10.0, 40.0))
    replayed = Replay(LEARNED, leaky, leaky.units).run(late)
    assert np.array_equal(said.expected, replayed.expected, equal_nan=True)
    assert said.judged == 10
    assert np.array_equal(said.values, values[10:40])


def test_nothing_is_said_until_the_window_is_full_nor_after_a_restart() -> None:
    # window of 4: the first forecast is made at sample 3, for sample 4; sample 7 starts anew
    series = series_of(np.random.default_rng(1).normal(size=(14, 2)), begun=[7])
    [said] = rehearse(Leaky(LEARNED), LEARNED, [Span(series, 0, 0, 14)]).streams
    assert np.flatnonzero(~np.isnan(said.expected[:, 0])).tolist() == [4, 5, 6, 11, 12, 13]
    assert np.flatnonzero(~np.isnan(said.forecast[:, 0, 0])).tolist() == [3, 4, 5, 6, 10, 11, 12, 13]


def test_the_progress_counts_every_sample_once() -> None:
    spans = [Span(series_of(np.zeros((length, 2)), stream=f"s{length}"), 0, 0, length) for length in (5, 9)]
    done: list[int] = []
    rehearse(Leaky(LEARNED), LEARNED, spans, progress=done.append)
    assert sum(done) == 14


def rehearsed(series_begun: list[int], measured: NDArray[np.bool_] | None = None) -> Rehearsal:
    values = np.arange(10.0)[:, None] * np.ones(2)
    [said] = rehearse(
        Leaky(LEARNED), LEARNED, [Span(series_of(values, begun=series_begun, measured=measured), 2, 4, 10)]
    ).streams
    return said


def test_a_truth_is_what_was_measured_so_many_steps_later() -> None:
    truths = rehearsed([]).truths(HORIZONS)[:, :, 0]
    assert np.array_equal(truths[:, 0], [3, 4, 5, 6, 7, 8, 9, NAN], equal_nan=True)
    assert np.array_equal(truths[:, 1], [5, 6, 7, 8, 9, NAN, NAN, NAN], equal_nan=True)


def test_there_is_no_truth_after_a_restart_or_where_nothing_was_measured() -> None:
    measured = np.ones((10, 2), np.bool_)
    measured[3] = False
    truths = rehearsed([6], measured).truths((1,))[:, 0, 0]
    #        sample   2    3  4    5   6  7  8    9
    assert np.array_equal(truths, [NAN, 4, 5, NAN, 7, 8, 9, NAN], equal_nan=True)


@pytest.mark.parametrize("begin", [0, 3, 6, 8])
def test_lives_are_counted_from_the_first_sample_of_the_span(begin: int) -> None:
    series = series_of(np.zeros((10, 2)), begun=[6])
    [said] = rehearse(Leaky(LEARNED), LEARNED, [Span(series, begin, begin, 10)]).streams
    assert said.starts.tolist() == [max(0, start - begin) for start in series.starts[begin:].tolist()]


# ---- lines that did not see a sample


def test_lines_that_did_not_see_a_sample_speak_instead_of_the_graphs() -> None:
    series = series_of(np.random.default_rng(1).normal(size=(30, 2)))
    drawn = np.random.default_rng(2).normal(size=(30, 2, 2, 2)).astype(np.float32)
    learned = replace(LEARNED, correction=np.zeros((2, 2)), until=np.inf)  # equal weights throughout
    [said] = rehearse(Leaky(LEARNED), learned, [Span(series, 5, 10, 30, drawn)]).streams
    spread = learned.scaling.spread
    assert said.highway == pytest.approx(said.values[:, None] + spread * drawn[5:, 0])
    # persistence, own line, highway, and the highway again without a correction
    move = spread * (drawn[5:, 1] + 2.0 * drawn[5:, 0]) / 4.0
    assert said.forecast[3:] == pytest.approx((said.values[:, None] + move)[3:], abs=1e-6)


def test_only_the_streams_that_have_lines_of_their_own_hear_them() -> None:
    series = [series_of(np.random.default_rng(seed).normal(size=(20 + seed, 2)), stream=f"s{seed}") for seed in (1, 2)]
    lines = np.ones((22, 2, 2, 2), np.float32)
    leaky = Leaky(LEARNED)
    mixed = rehearse(leaky, LEARNED, [Span(series[0], 0, 0, 21), Span(series[1], 0, 0, 22, lines)]).streams
    [plain] = rehearse(leaky, LEARNED, [Span(series[0], 0, 0, 21)]).streams
    assert np.array_equal(mixed[0].forecast, plain.forecast, equal_nan=True)
    assert mixed[1].highway == pytest.approx(mixed[1].values[:, None] + LEARNED.scaling.spread * np.ones((2, 2)))


def test_the_highway_is_heard_from_the_first_sample_on() -> None:
    series = series_of(np.random.default_rng(1).normal(size=(12, 2)), begun=[7])
    [said] = rehearse(Leaky(LEARNED), LEARNED, [Span(series, 0, 0, 12)]).streams
    assert np.isfinite(said.highway).all()


def test_half_widths_are_told_as_the_graph_gave_them_whatever_the_intervals_learned() -> None:
    series = series_of(10.0 * np.random.default_rng(1).normal(size=(200, 2)))
    span = Span(series, 0, 0, 200)
    [taught], [untaught] = (
        rehearse(Leaky(LEARNED), replace(LEARNED, until=until), [span]).streams for until in (-np.inf, np.inf)
    )
    assert np.array_equal(taught.below, untaught.below, equal_nan=True)
    assert np.array_equal(taught.above, untaught.above, equal_nan=True)
    assert (taught.below > 0.0).all()
    made = ~np.isnan(untaught.forecast)
    assert (untaught.forecast - untaught.forecast_lower)[made] == pytest.approx(untaught.below[made], abs=1e-9)
    assert (untaught.forecast_upper - untaught.forecast)[made] == pytest.approx(untaught.above[made], abs=1e-9)
    assert not np.allclose(taught.forecast_upper[-1], untaught.forecast_upper[-1])


def test_the_experience_is_the_mean_of_what_the_streams_ended_with() -> None:
    spans = [
        Span(series_of(np.random.default_rng(seed).normal(size=(40, 2)), stream=f"s{seed}"), 0, 10, 40)
        for seed in (1, 2)
    ]
    leaky = Leaky(LEARNED)
    together = rehearse(leaky, LEARNED, spans).experience
    apart = [rehearse(leaky, LEARNED, [span]).experience for span in spans]
    for name in ("loss", "reach", "heard"):
        mean = np.mean([getattr(one, name) for one in apart], axis=0)
        assert getattr(together, name) == pytest.approx(mean)
        assert mean.all()
