"""Hold the cohort to its promises: with a graph that can be followed by eye, then with the real ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy import nan

from edge.alarm import alarm_surprise
from edge.bundle import Bundle
from edge.clock import DAY
from edge.cohort import LONGEST, PARTS, Cohort, Verdicts, waves
from edge.experts import EXPERTS, inexperienced, weigh
from edge.pacing import Sample
from tests.edge.conftest import (
    NEVER,
    UNITS,
    at,
    calm_calibration,
    cohort_by_hand,
    learned_by_hand,
    persist,
    same,
    trusting,
)  # fmt: skip

WINDOW = 4  # steps, of the cohort by hand


def advance_all(cohort: Cohort, samples: Sequence[Sample], row: int = 0) -> list[Verdicts]:
    return [cohort.advance([(row, sample)]) for sample in samples]


def steady(steps: int) -> list[Sample]:
    return [at(step, 5.0, 50.0) for step in range(steps)]


# ---- waves


def test_waiting_samples_are_cut_into_waves_of_at_most_one_a_stream() -> None:
    # stream 0   a b c        wave   1  2  3
    # stream 1   d                   a  b  c
    # stream 2   e f                 d  f
    #                                e
    a, b, c, d, e, f = (at(step) for step in range(6))
    cut = waves([(0, a), (2, e), (0, b), (1, d), (2, f), (0, c)])
    assert cut == [[(0, a), (2, e), (1, d)], [(0, b), (2, f)], [(0, c)]]


def test_nothing_that_waits_is_no_wave() -> None:
    assert waves([]) == []


# ---- warming up


def test_there_is_neither_forecast_nor_score_before_the_window_is_full() -> None:
    # step       0  1  2  3  4  5       (window 4)
    # forecast            ^  ^  ^
    # score                  ^  ^
    said = advance_all(cohort_by_hand(), steady(6))
    assert [bool(np.isfinite(verdicts.forecast).all()) for verdicts in said] == [False] * 3 + [True] * 3
    assert [bool(np.isfinite(verdicts.score[0])) for verdicts in said] == [False] * 4 + [True] * 2
    for verdicts in said[:4]:
        for absent in (verdicts.expected, verdicts.lower, verdicts.upper):
            assert np.isnan(absent).all()
    for verdicts in said[:3]:
        for absent in (verdicts.forecast, verdicts.forecast_lower, verdicts.forecast_upper):
            assert np.isnan(absent).all()


def test_what_was_forecast_is_what_is_expected_one_step_later() -> None:
    said = advance_all(cohort_by_hand(), [at(step) for step in range(8)])
    for before, after in pairwise(said[3:]):
        assert after.expected.tolist() == before.forecast[:, 0].tolist()
        assert after.lower.tolist() == before.forecast_lower[:, 0].tolist()
        assert after.upper.tolist() == before.forecast_upper[:, 0].tolist()


def test_the_warm_up_begins_anew_after_a_restart() -> None:
    # step      0  1  2  3  4 | 100 101 102 103 104
    # score                 ^                    ^
    cohort = cohort_by_hand()
    again = [at(100, restart=True), *(at(step) for step in range(101, 105))]
    said = advance_all(cohort, [at(step) for step in range(5)] + again)
    assert [bool(np.isfinite(verdicts.score[0])) for verdicts in said] == ([False] * 4 + [True]) * 2
    assert [bool(verdicts.restarted[0]) for verdicts in said] == [False] * 5 + [True] + [False] * 4


def test_after_a_restart_everything_is_said_as_by_a_stream_that_was_never_heard(
    loaded: Callable[[str], Bundle],
) -> None:
    # The slow scale and what was learned are kept on purpose; no sample of this stream was scored before the restart.
    cohort, fresh = real(loaded("lstm-dynamic"), 1), real(loaded("lstm-dynamic"), 1)
    advance_all(cohort, lively(10, seed=1)[0])
    again = lively(40, seed=2)[0]
    again[0] = again[0]._replace(restart=True)
    for mine, theirs in zip(advance_all(cohort, again), advance_all(fresh, again), strict=True):
        assert same(mine, theirs)


@pytest.mark.parametrize("heard", [(nan, nan), (5.0, nan)])
def test_a_sensor_that_was_never_heard_has_no_forecast(heard: tuple[float, float]) -> None:
    said = advance_all(cohort_by_hand(), [at(step, *heard) for step in range(8)])
    assert np.isnan(said[-1].forecast[0, :, 1]).all()
    assert np.isnan(said[-1].expected[0, 1])


# ---- what is missing


def test_a_missing_value_is_held_and_not_scored() -> None:
    cohort = cohort_by_hand()
    advance_all(cohort, steady(5))
    said = cohort.advance([(0, at(5, 5.0, nan))])
    assert said.values.tolist() == [[5.0, 50.0]]
    assert said.measured.tolist() == [[True, False]]
    assert (said.score.tolist(), said.share.tolist()) == ([0.0], [[0.0, 0.0]])
    assert said.expected.tolist() == [[5.0, 50.0]]


def test_a_missing_value_hides_no_deviation_of_another_sensor() -> None:
    cohort = cohort_by_hand()
    advance_all(cohort, steady(5))
    said = cohort.advance([(0, at(5, 5.0 + 15.0, nan))])
    assert said.score[0] > 1.0
    assert said.share.tolist() == [[1.0, 0.0]]


def test_a_sample_without_any_value_has_no_score_but_a_forecast() -> None:
    cohort = cohort_by_hand()
    advance_all(cohort, steady(5))
    said = cohort.advance([(0, at(5, nan, nan))])
    assert np.isnan(said.score[0])
    assert said.expected.tolist() == [[5.0, 50.0]]
    assert said.forecast[0, 0].tolist() == [5.0, 50.0]


def test_a_sensor_that_never_moved_in_training_is_forecast_but_not_judged() -> None:
    unmoved = replace(calm_calibration(2), scored=np.array([True, False]))
    cohort = cohort_by_hand(calibration=unmoved)
    advance_all(cohort, steady(5))
    said = cohort.advance([(0, at(5, 5.0, 1e6))])
    assert (said.score.tolist(), said.share.tolist()) == ([0.0], [[0.0, 0.0]])
    assert said.expected.tolist() == [[5.0, 50.0]]
    assert np.isnan(cohort.advance([(0, at(6, nan, 1e6))]).score[0])


# ---- the sum of the parts


def counting(x: np.ndarray, lags: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stand for a graph: the highway says how many steps the state has counted, the own line 7, the correction 100."""
    parts = np.ones((len(x), PARTS, 2, 2), dtype=np.float32)
    parts[:, 0] = state[:, :1, None]
    parts[:, 1] = 7.0
    parts[:, 2] = 100.0
    return parts.reshape(len(x), -1), state + 1.0


def test_the_state_is_carried_from_step_to_step_and_begins_anew_after_a_restart() -> None:
    cohort = Cohort(learned_by_hand(experience=trusting("highway")), counting, UNITS)
    cohort.admit("s0")
    samples = [at(step, 0.0, 0.0, restart=step == 6) for step in range(11)]
    said = advance_all(cohort, samples)
    counted = [verdicts.forecast[0, 0, 0] for verdicts in said]
    assert counted[3:6] == [3.0, 4.0, 5.0]
    assert counted[9:] == [3.0, 4.0]


def test_a_forecast_is_the_last_value_and_what_each_part_earned_in_sensor_units() -> None:
    known = learned_by_hand(
        experience=trusting("network"),
        correction=np.array([[0.0, 0.25], [0.5, 1.0]]),
        below=np.array([[1.0, 2.0], [3.0, 4.0]]),
        above=np.array([[5.0, 6.0], [7.0, 8.0]]),
    )
    known = replace(known, scaling=replace(known.scaling, centre=np.array([1.0, 2.0]), spread=np.array([1.0, 10.0])))
    cohort = Cohort(known, counting, UNITS)
    cohort.admit("s0")
    said = advance_all(cohort, steady(4))[-1]  # the state has counted 3
    ahead = [[5.0 + 3.0, 50.0 + 10.0 * (3.0 + 25.0)], [5.0 + 53.0, 50.0 + 10.0 * (3.0 + 100.0)]]
    assert said.forecast[0].tolist() == ahead
    assert (said.forecast - said.forecast_lower)[0].tolist() == [[1.0, 20.0], [3.0, 40.0]]
    assert (said.forecast_upper - said.forecast)[0].tolist() == [[5.0, 60.0], [7.0, 80.0]]


def test_a_network_whose_correction_does_not_serve_counts_as_the_highway() -> None:
    known = learned_by_hand(experience=trusting("network"), correction=np.array([[0.0, 1.0], [1.0, 1.0]]))
    cohort = Cohort(known, counting, UNITS)
    assert set(cohort.trust().values()) == {0.0}
    cohort.admit("s0")
    assert cohort.trust() == pytest.approx({"persistence": 0.0, "own": 0.0, "highway": 0.25, "network": 0.75})


def test_the_graph_sees_scaled_lags_oldest_first_and_what_the_clock_knows() -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def watch(x: np.ndarray, lags: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append((x.copy(), lags.copy()))
        return persist(x, lags, state)

    cohort = Cohort(learned_by_hand(cycles=(DAY,)), watch, UNITS)
    cohort.admit("s0")
    advance_all(cohort, [Sample(0.0, (1.0, 2.0), False), Sample(DAY / 4, (3.0, nan), False)])
    (first, first_lags), (second, second_lags) = seen
    # levels, changes since the step before, mask, distance of the slow mean, sine and cosine of the day
    assert first[0].tolist() == pytest.approx([1.0, 2.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0], abs=1e-6)
    slow = -2.0 * (1.0 - 2.0 / 7.0)  # the mean over 6 steps took 2/7 of the new value
    assert second[0].tolist() == pytest.approx([3.0, 2.0, 2.0, 0.0, 1.0, 0.0, slow, 0.0, 1.0, 0.0], abs=1e-6)
    assert first_lags.tolist() == [[1.0, 2.0, 1.0, 2.0]]
    assert second_lags.tolist() == [[1.0, 2.0, 3.0, 2.0]]


# ---- the experts


SAYS = {"persistence": 0.0, "own": 2.0, "highway": 1.0, "network": 4.0}  # moves from the last value


def opinionated(x: np.ndarray, lags: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stand for a graph whose experts say `SAYS` for each step of the horizon, with half-widths of 1."""
    parts = np.ones((len(x), PARTS, 2, 2), dtype=np.float32)
    ahead = np.array([1.0, 3.0], dtype=np.float32)[:, None]
    parts[:, 0], parts[:, 1] = SAYS["highway"] * ahead, SAYS["own"] * ahead
    parts[:, 2] = (SAYS["network"] - SAYS["highway"]) * ahead
    return parts.reshape(len(x), -1), state + 1.0


def opinions(**changes: object) -> Cohort:
    cohort = Cohort(learned_by_hand(**changes), opinionated, UNITS)
    cohort.admit("s0")
    return cohort


def climbing(steps: int, slope: float, *, start: int = 0) -> list[Sample]:
    return [at(step, slope * step, slope * step) for step in range(start, start + steps)]


def test_without_experience_a_forecast_is_the_mean_of_the_experts() -> None:
    said = advance_all(opinions(experience=inexperienced(2, 2)), steady(4))[-1]
    mean = sum(SAYS.values()) / len(SAYS)
    assert said.forecast[0].tolist() == [[5.0 + mean, 50.0 + mean], [5.0 + 3 * mean, 50.0 + 3 * mean]]


@pytest.mark.parametrize("expert", EXPERTS)
def test_a_stream_begins_with_the_experts_that_training_trusted(expert: str) -> None:
    said = advance_all(opinions(experience=trusting(expert)), steady(4))[-1]
    ahead = [[SAYS[expert]] * 2, [3 * SAYS[expert]] * 2]
    assert (said.forecast[0] - [5.0, 50.0]).tolist() == ahead


@pytest.mark.parametrize("expert", EXPERTS)
def test_forecasts_follow_the_expert_that_is_right(expert: str) -> None:
    said = advance_all(opinions(until=-NEVER), climbing(60, SAYS[expert]))
    ahead = np.array([1.0, 3.0])[:, None] * SAYS[expert]
    missed = np.abs([verdicts.forecast[0] - verdicts.values[0] - ahead for verdicts in said[3:]])
    assert missed[0].min() > 0.2  # nothing was learned yet
    assert missed[-1].max() < 1e-6


def test_the_experience_of_a_stream_is_what_it_learned() -> None:
    cohort = opinions(until=-NEVER)
    advance_all(cohort, climbing(60, SAYS["own"]))
    assert (weigh(cohort.experience([0])).argmax(axis=0) == EXPERTS.index("own")).all()


def test_each_horizon_is_judged_by_what_was_said_so_many_steps_ago() -> None:
    # step       0  1  2  3  4  5  6  7     (window 4)
    # horizon 1              1  2  3  4     truths that were forecast
    # horizon 3                    1  2
    cohort = opinions(until=-NEVER)
    advance_all(cohort, climbing(8, SAYS["own"]))
    heard = cohort.experience([0]).heard
    assert heard[0] == pytest.approx([4.0, 4.0], rel=0.02)
    assert heard[1] == pytest.approx([2.0, 2.0], rel=0.02)
    assert cohort.experience([0]).loss[EXPERTS.index("own")] == pytest.approx(np.zeros((2, 2)), abs=1e-9)


def test_a_truth_that_is_missing_teaches_nothing_of_its_sensor() -> None:
    cohort = opinions(until=-NEVER)
    advance_all(cohort, climbing(6, SAYS["own"]))
    before = cohort.experience([0]).heard
    cohort.advance([(0, at(6, 12.0, nan))])
    after = cohort.experience([0]).heard
    assert (after[:, 0] > before[:, 0]).all()
    assert after[:, 1].tolist() == before[:, 1].tolist()


def test_nothing_is_learned_of_what_was_trained_on() -> None:
    # Samples are 10 s apart: up to 10 * 30 nothing is learned, from there on everything is.
    cohort, fresh = opinions(until=300.0), opinions(until=-NEVER)
    said = advance_all(cohort, climbing(31, SAYS["own"]))
    untaught = cohort.experience([0])
    for name in ("loss", "reach", "heard"):
        assert not getattr(untaught, name).any()
    mean = sum(SAYS.values()) / len(SAYS)
    assert [verdicts.forecast[0, 0, 0] - verdicts.values[0, 0] for verdicts in said[3:]] == [mean] * 28
    assert (said[-1].forecast_upper - said[-1].forecast).tolist() == np.ones((1, 2, 2)).tolist()
    cohort.advance([(0, climbing(1, SAYS["own"], start=31)[0])])
    assert cohort.experience([0]).heard.tolist() == np.ones((2, 2)).tolist()
    advance_all(fresh, climbing(31, SAYS["own"]))
    assert fresh.experience([0]).heard.min() > 20.0


def test_a_restart_forgets_what_was_said_and_keeps_what_was_learned() -> None:
    # step       0 … 9 | 100 101 102 103 104     the jump to 100 was forecast by nobody
    # horizon 1                            1
    cohort = opinions(until=-NEVER)
    advance_all(cohort, climbing(10, SAYS["own"]))
    before = cohort.experience([0])
    again = [at(100, 7.0, 7.0, restart=True), *(at(step, 7.0, 7.0) for step in range(101, 104))]
    advance_all(cohort, again)
    after = cohort.experience([0])
    for name in ("loss", "reach", "heard"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    cohort.advance([(0, at(104, 7.0, 7.0))])
    learned = cohort.experience([0]).heard - before.heard
    assert (learned[0] > 0.9).all()
    assert (learned[1] == 0.0).all()


def test_intervals_widen_where_truths_keep_missing_them_and_narrow_where_they_do_not() -> None:
    drawn = np.random.default_rng(1)
    values = 5.0 + drawn.standard_normal((1600, 2)) * [3.0, 0.05]
    said = advance_all(cohort_by_hand(until=-NEVER), [at(step, *row) for step, row in enumerate(values.tolist())])
    late = said[1000:]
    width = np.mean([verdicts.upper - verdicts.lower for verdicts in late], axis=0)[0]
    assert width[0] > 4.0
    assert width[1] < 1.0
    inside = np.mean([(one.lower <= one.values) & (one.values <= one.upper) for one in late], axis=0)[0]
    assert inside == pytest.approx([0.9, 0.9], abs=0.05)


def test_wider_intervals_do_not_hide_a_deviation_from_the_score() -> None:
    # What makes intervals honest follows the truths; the score is measured in half-widths as they were calibrated.
    taught, untaught = cohort_by_hand(until=-NEVER), cohort_by_hand()
    samples = [at(step, 5.0 + 3.0 * (step % 2), 50.0) for step in range(60)]
    mine, theirs = advance_all(taught, samples)[-1], advance_all(untaught, samples)[-1]
    assert (mine.upper - mine.lower)[0, 0] > (theirs.upper - theirs.lower)[0, 0]
    assert mine.score.tolist() == theirs.score.tolist()


def test_the_future_of_one_stream_does_not_teach_another() -> None:
    cohort = Cohort(learned_by_hand(until=-NEVER), opinionated, UNITS)
    alone = opinions(until=-NEVER)
    cohort.admit("s0")
    cohort.admit("s1")
    for mine, other in zip(climbing(40, SAYS["own"]), climbing(40, SAYS["network"]), strict=True):
        together, apart = cohort.advance([(0, mine), (1, other)]), alone.advance([(0, mine)])
        assert same(one(together, 0), apart)


# ---- scores


def test_the_alarm_budget_of_a_stream_scales_its_score() -> None:
    cohort = cohort_by_hand()
    cohort.admit("s1", false_alarms_per_week=1.0)
    for step in range(5):
        cohort.advance([(0, at(step, 5.0, 50.0)), (1, at(step, 5.0, 50.0))])
    said = cohort.advance([(0, at(5, 8.0, 50.0)), (1, at(5, 8.0, 50.0))])
    ratio = alarm_surprise(1.0, 10.0) / alarm_surprise(1e9, 10.0)
    # The share of the steps that a budget allows is taken off at every step: a generous one demands less already.
    assert said.score[0] == pytest.approx(ratio * said.score[1], rel=0.05)
    assert said.score[0] > said.score[1] > 0.0


def test_verdicts_do_not_change_afterwards() -> None:
    cohort = cohort_by_hand()
    said = advance_all(cohort, steady(6))[-1]
    before = [said.values.tolist(), said.expected.tolist(), said.forecast.tolist()]
    advance_all(cohort, [at(6, 99.0, 99.0)])
    assert [said.values.tolist(), said.expected.tolist(), said.forecast.tolist()] == before


# ---- many streams, with the real graphs


def real(loaded: Bundle, streams: int) -> Cohort:
    """Return a cohort that learns of everything it hears."""
    cohort = Cohort(replace(loaded.manifest.learned(), until=-NEVER), loaded.model, loaded.model.units)
    for stream in range(streams):
        cohort.admit(f"s{stream}")
    return cohort


def lively(steps: int, *, streams: int = 1, seed: int) -> list[list[Sample]]:
    """Return samples of two sensors for each stream: walks with gaps, missing values and restarts."""
    drawn = np.random.default_rng(seed)
    values = np.array([45.0, 28.0]) + np.cumsum(0.05 * drawn.standard_normal((streams, steps, 2)), axis=1)
    values[drawn.random(values.shape) < 0.05] = nan
    restarts = drawn.random((streams, steps)) < 0.01
    restarts[0] = restarts[:, 0] = False
    return [
        [
            Sample(1e9 + 5.0 * step, tuple(values[stream, step].tolist()), bool(restarts[stream, step]))
            for step in range(steps)
        ]
        for stream in range(streams)
    ]


def one(verdicts: Verdicts, place: int) -> Verdicts:
    """Return the verdicts of one stream of a wave."""
    return Verdicts(*(getattr(verdicts, name)[place : place + 1] for name in Verdicts.__slots__))


@pytest.mark.parametrize("name", ["lstm-dynamic", "gru-dynamic"])
@pytest.mark.parametrize("streams", [1, 2, 7, 8, 9, 64, 65, 513])
def test_a_wave_of_many_says_bit_for_bit_what_waves_of_one_say(
    loaded: Callable[[str], Bundle], name: str, streams: int
) -> None:
    steps = 19
    together, apart = real(loaded(name), streams), real(loaded(name), streams)
    samples = lively(steps, streams=streams, seed=streams)
    forecast = 0
    for step in range(steps):
        wave = [(row, samples[row][step]) for row in range(streams)]
        said = together.advance(wave)
        for row in range(streams) if streams < 100 else (0, 1, 255, 511, 512):
            alone = apart.advance([wave[row]])
            assert same(one(said, row), alone)
            forecast += int(np.isfinite(alone.score[0]))
    assert forecast > 0


@pytest.mark.parametrize("name", ["lstm-dynamic", "lstm-float32", "stack-dynamic", "rnn-dynamic"])
def test_who_else_is_in_the_wave_and_in_which_order_does_not_matter(loaded: Callable[[str], Bundle], name: str) -> None:
    streams, steps = 12, 24
    samples = lively(steps, streams=streams, seed=3)
    crowd, alone = real(loaded(name), streams), real(loaded(name), 1)
    drawn = np.random.default_rng(4)
    for step in range(steps):
        others = [row for row in range(1, streams) if drawn.random() < 0.5]
        order = drawn.permutation([0, *others]).tolist()
        said = crowd.advance([(row, samples[row][step]) for row in order])
        assert same(one(said, order.index(0)), alone.advance([(0, samples[0][step])]))


def test_streams_admitted_later_do_not_disturb_the_others(loaded: Callable[[str], Bundle]) -> None:
    grown, plain = real(loaded("lstm-dynamic"), 3), real(loaded("lstm-dynamic"), 3)
    samples = lively(40, streams=43, seed=5)
    for step in range(40):
        wave = [(row, samples[row][step]) for row in range(3)]
        late = [(row, samples[row][step]) for row in range(3, len(grown.streams))]
        said = grown.advance(wave + late)
        expected = plain.advance(wave)
        assert all(same(one(said, row), one(expected, row)) for row in range(3))
        grown.admit(f"late{step}")


def test_a_stream_admitted_later_is_served_like_one_of_the_first(loaded: Callable[[str], Bundle]) -> None:
    grown, plain = real(loaded("lstm-dynamic"), 30), real(loaded("lstm-dynamic"), 1)
    samples = lively(24, streams=30, seed=6)
    for step in range(5):
        grown.advance([(row, samples[row][step]) for row in range(30)])
    row = grown.admit("late")
    for sample in lively(24, seed=7)[0]:
        assert same(grown.advance([(row, sample)]), plain.advance([(0, sample)]))


def test_the_future_never_changes_the_past(loaded: Callable[[str], Bundle]) -> None:
    here, there = real(loaded("lstm-dynamic"), 1), real(loaded("lstm-dynamic"), 1)
    common = lively(40, seed=8)[0]
    mine = advance_all(here, common + lively(10, seed=9)[0])
    theirs = advance_all(there, common + [sample._replace(values=(1e6, -1e6)) for sample in lively(10, seed=10)[0]])
    assert all(same(before, after) for before, after in zip(mine[:40], theirs[:40], strict=True))
    assert not same(mine[41], theirs[41])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("wild", [1e20, 1e39, -1e300])
def test_wild_values_do_not_silence_a_stream_for_good(loaded: Callable[[str], Bundle], wild: float) -> None:
    cohort = real(loaded("lstm-dynamic"), 1)
    samples = lively(80, seed=11)[0]
    samples[20:22] = [sample._replace(values=(wild, wild)) for sample in samples[20:22]]
    samples[-1] = samples[-1]._replace(values=(45.0, 28.0))
    said = advance_all(cohort, samples)[-1]
    assert np.isfinite(said.forecast).all()
    assert np.isfinite(said.score[0])


def test_a_wave_is_cut_where_it_grows_too_long_and_no_stream_overtakes_itself() -> None:
    first, second = at(0, 1.0, 1.0), at(1, 2.0, 2.0)
    cut = waves([(row, sample) for sample in (first, second) for row in range(LONGEST + 3)])
    assert [len(wave) for wave in cut] == [LONGEST, 3, LONGEST, 3]
    assert [row for row, _ in cut[0] + cut[1]] == list(range(LONGEST + 3))
    assert {sample.time for _, sample in cut[0] + cut[1]} == {first.time}
