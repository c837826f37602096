"""Hold flags to the alarm budget, and events to one flagged run each; in the drawings a column is a sample."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.alarm import BEHIND, GROWS, HELD, HOLD, STALE, STEP, WEEK, Alarms, alarm_surprise

ROW = np.zeros(1, dtype=np.intp)
SHARE = exp(-8.0)  # of the steps: a surprise of 8 is demanded


def alarms(*, close_after: int = 3, share: float = SHARE, streams: int = 1, sensors: int = 1) -> Alarms:
    made = Alarms(1, sensors, close_after)
    made.admit(streams)
    for row in range(streams):
        made.allow(row, share, None)
    return made


def judge(made: Alarms, *surprises: float) -> np.ndarray:
    """Judge consecutive samples of one stream with one statistic; return their scores."""
    return np.array([made.judge(ROW, np.full((1, 1, 1), one)).score[0] for one in surprises])


def drawn(made: Alarms, *surprises: float) -> str:
    return "".join("#" if score > 1.0 else "." for score in judge(made, *surprises))


# ---- the alarm budget


@given(st.floats(1e-6, 1e6), st.floats(1.01, 100.0), st.floats(0.1, 1e6))
def test_a_larger_alarm_budget_never_needs_more_surprise(budget: float, times: float, period: float) -> None:
    assert alarm_surprise(budget * times, period) <= alarm_surprise(budget, period)


@pytest.mark.parametrize(
    ("budget", "period", "probability"),
    [(1.0, WEEK / 1e6, 1e-6), (7.0, WEEK / 7e3, 1e-3), (1e9, 60.0, 0.02), (1e-9, 1.0, 1e-9)],
)
def test_what_is_demanded_is_the_surprise_of_the_budgets_share_of_the_steps(
    budget: float, period: float, probability: float
) -> None:
    assert exp(-alarm_surprise(budget, period)) == pytest.approx(probability, rel=1e-9)


def test_the_score_is_the_surprise_in_units_of_what_is_demanded() -> None:
    assert judge(alarms(), 0.0, 2.0, 4.0) == pytest.approx([0.0, 0.25, 0.5], rel=1e-2)
    assert judge(alarms(), 16.0) == pytest.approx([2.0], rel=1e-9)


# ---- one disturbance is one event


def begun(made: Alarms, *surprises: float) -> list[int]:
    """Judge consecutive samples and return with which of them an event began."""
    said = [made.judge(ROW, np.full((1, 1, 1), one)).begins[0] for one in surprises]
    return np.flatnonzero(said).tolist()


def test_what_outgrows_an_event_that_had_stopped_growing_is_another() -> None:
    assert begun(alarms(), 9.0, *[6.0] * GROWS, 30.0) == [0, GROWS + 1]
    assert begun(alarms(), 9.0, *[6.0] * (GROWS - 1), 30.0) == [0]


def test_what_exceeds_an_events_peak_by_less_than_would_hold_one_is_the_same_event() -> None:
    assert begun(alarms(), 9.0, *[6.0] * GROWS, 13.0) == [0]


def test_an_event_that_grows_and_grows_is_one() -> None:
    assert begun(alarms(), *np.linspace(9.0, 200.0, 100)) == [0]


def test_an_event_that_outgrew_another_has_an_age_of_its_own() -> None:
    made = alarms()
    surprises = [9.0] * (STALE - 10) + [60.0] * 20
    assert begun(made, *surprises) == [0, STALE - 10]
    assert drawn(made, 60.0) == "#"


@pytest.mark.parametrize(
    ("surprises", "flags"),
    [
        ((7, 7, 7), "..."),
        ((9, 0, 0, 0, 0), "###.."),  # ends with the last of three calm samples
        ((9, 5, 5, 5, 5), "#####"),  # less than what opened it is enough to hold it
        ((5, 5, 9, 5, 5), "..###"),
        ((9, 0, 0, 9, 0, 0, 0), "######."),
        ((9, 0, 5, 0, 0, 0), "#####."),
    ],
)
def test_an_event_is_held_by_less_than_opened_it_and_ends_after_calm_samples(
    surprises: tuple[float, ...], flags: str
) -> None:
    assert drawn(alarms(), *surprises) == flags


def test_a_sample_that_only_belongs_to_an_event_has_the_score_of_one() -> None:
    made = alarms()
    opened, held, calm = judge(made, 16.0, 16.0 * HOLD, 0.0)
    assert (opened, held, calm) == (pytest.approx(2.0), pytest.approx(1.2), HELD)


def test_a_stream_may_have_a_patience_of_its_own() -> None:
    made = alarms(streams=2)
    made.allow(1, SHARE, 1)
    wave = np.arange(2)
    said = [made.judge(wave, np.full((1, 2, 1), one)).score > 1.0 for one in (9.0, 0.0, 0.0, 0.0)]
    assert np.array(said).T.tolist() == [[True, True, True, False], [True, False, False, False]]


def test_forgetting_ends_an_event() -> None:
    made = alarms()
    judge(made, 9.0)
    made.forget(ROW)
    assert drawn(made, 5.0) == "."


# ---- what is demanded follows the alarms


def test_every_event_adds_to_what_is_demanded() -> None:
    made, opened_by = alarms(close_after=1), []
    for _ in range(6):
        surprise = 0.0
        while judge(made, surprise)[0] <= 1.0:
            surprise += 0.25
        opened_by.append(surprise)
        judge(made, 0.0)
    assert opened_by == pytest.approx([8.0 + STEP * alarms for alarms in range(6)], abs=0.4)


def test_time_without_alarms_takes_it_back_and_a_little_more() -> None:
    made = alarms(share=0.01, close_after=1)
    demanded = -log(0.01)
    judge(made, demanded + 1.0, 0.0)
    assert drawn(made, demanded + 0.9) == "."
    judge(made, *[0.0] * 99)
    assert drawn(made, demanded + 0.1) == "#"
    calm = alarms(share=0.01)
    judge(calm, *[0.0] * 1_000)
    assert drawn(calm, max(demanded - BEHIND * STEP, STEP) + 0.1, 0.0) == "##"


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.5, 2.5])
def test_a_stream_whose_surprises_are_misjudged_keeps_its_budget_all_the_same(scale: float) -> None:
    # The probability of a surprise s is exp(-s / scale): 40 times too many alarms, or 8 times too few.
    share, steps = 2e-3, 20_000
    made = alarms(share=share, close_after=1)
    surprises = np.random.default_rng(7).exponential(scale, steps)
    flags = np.array([made.judge(ROW, np.full((1, 1, 1), one)).score[0] > 1.0 for one in surprises])
    events = int((np.diff(flags.astype(int), prepend=0) == 1).sum())
    assert share * steps / 2 <= events <= share * steps * 2


# ---- states are no events


def test_what_stays_strange_for_very_long_ends_as_an_event_and_is_shelved() -> None:
    made = alarms()
    flags = drawn(made, *[9.0] * (STALE + 50))
    assert flags == "#" * STALE + "." * 50


def test_what_was_shelved_counts_again_after_it_was_calm_for_as_long() -> None:
    made = alarms()
    drawn(made, *[9.0] * STALE)
    assert made.shelved() > 0
    assert "#" not in drawn(made, *[0.0] * (STALE - 1), 100.0)
    assert drawn(made, *[0.0] * (STALE + 1), 100.0).endswith("#")
    assert made.shelved() == 0


def test_only_what_carried_the_event_is_shelved() -> None:
    made = alarms(sensors=2)
    state = np.array([[[9.0, 0.0]]])
    for _ in range(STALE):
        made.judge(ROW, state)
    assert made.judge(ROW, state).score[0] <= 1.0
    said = made.judge(ROW, np.array([[[9.0, 100.0]]]))
    assert said.score[0] > 1.0
    assert said.counted.tolist() == [[[0.0, 100.0]]]


# ---- many streams


def test_streams_are_judged_alone() -> None:
    random = np.random.default_rng(3)
    surprises = random.exponential(4.0, (200, 4))
    together, order = alarms(streams=4), np.array([2, 0, 3, 1])
    alone = [alarms() for _ in range(4)]
    for wave in surprises:
        said = together.judge(order, wave[None, order, None]).score
        for place, row in enumerate(order.tolist()):
            assert judge(alone[row], wave[row]).tobytes() == said[place : place + 1].tobytes()


def test_what_opened_while_the_stream_listened_closely_is_held_by_no_less_than_any_other() -> None:
    made = alarms(share=0.01, close_after=3)
    demanded = -log(0.01)
    judge(made, *[0.0] * 1_000)  # far behind its budget: next to nothing opens an event
    assert drawn(made, demanded - 1.0, *[HOLD * demanded - 0.1] * 3) == "###."
