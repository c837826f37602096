"""Hold what is counted of alarm budgets to recordings whose events are known, and the verdict to cases by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edge.recording import Recording
from edge.replay import Replay
from edge.runtime import Model
from tests.training.conftest import PERIOD, Trial, chaos, recording_of
from training.budget import Account, accounts, budgets, is_kept, supported

# The fit of `chaotic` has seen the first 600 rows.
BEGIN, ROWS = 600, 2000
TOLD = (700, 900, 1100, 1999)  # rows with a spike that every budget tells, far apart; one is the very last
MINUTES = 10_080  # in a week: its steps


def calm() -> np.ndarray:
    """Go on where the fit ended, but for the random walk: what wanders is not the same as before."""
    values = chaos(ROWS)
    values[BEGIN:, 1] = values[BEGIN - 1, 1] + 0.1 * np.random.default_rng(1).normal(size=ROWS - BEGIN)
    return values


def spiked(*rows: int) -> Recording:
    values = calm()
    values[list(rows)] += 500.0
    return recording_of(values)


def measured(trial: Trial, recording: Recording, *, begin: int = BEGIN) -> tuple[Account, ...]:
    return accounts(trial.fitted.learned, Model(trial.fitted.graph), recording, begin)


@pytest.mark.training
def test_every_event_that_opens_after_the_fitted_rows_is_counted_once_and_no_other(chaotic: Trial) -> None:
    # rows   584 .. 590 .. 600 .. 700 .. 900 .. 1100 .. 1999
    #        primes ^ not counted   ^      ^       ^       ^
    without = [one.opened for one in measured(chaotic, spiked(590))]
    told = [one.opened for one in measured(chaotic, spiked(590, *TOLD))]
    assert without[0] == 0
    assert told[0] == len(TOLD)
    assert all(more >= len(TOLD) for more in told)


@pytest.mark.training
def test_an_event_that_is_open_when_the_judged_rows_begin_is_not_counted(chaotic: Trial) -> None:
    assert measured(chaotic, spiked(599))[0].opened == 0
    assert measured(chaotic, spiked(600))[0].opened == 1


@pytest.mark.training
def test_a_spike_that_lasts_is_one_event(chaotic: Trial) -> None:
    assert measured(chaotic, spiked(700, 701, 702, 703))[0].opened == 1


@pytest.mark.training
def test_the_budgets_side_by_side_are_each_what_it_would_be_alone(chaotic: Trial) -> None:
    model, learned, recording = Model(chaotic.fitted.graph), chaotic.fitted.learned, spiked()
    recording.values[range(650, ROWS, 50), 1] += np.linspace(1.0, 14.0, len(range(650, ROWS, 50)))
    found = measured(chaotic, recording)
    first = BEGIN - 2 * learned.window
    for one in found:
        line = Replay(replace(learned, false_alarms_per_week=one.asked), model, model.units)
        said = line.run(recording_of(recording.values[first:], start=float(recording.times[first])))
        opened = {event.id for event in said.news if event.start >= recording.times[BEGIN]}
        assert one.opened == len(opened)
    assert found[0].opened < found[1].opened < found[2].opened  # the more is allowed, the more is told


@pytest.mark.training
def test_time_is_counted_in_the_steps_that_were_judged(chaotic: Trial) -> None:
    recording = spiked(*TOLD)
    assert {one.weeks for one in measured(chaotic, recording)} == {(ROWS - BEGIN) / MINUTES}
    recording.values[1200:1300] = np.nan  # silence is no time in which an alarm could be false
    assert {one.weeks for one in measured(chaotic, recording)} == {(ROWS - BEGIN - 100) / MINUTES}


@pytest.mark.training
def test_a_span_too_short_for_the_own_budget_is_judged_at_a_larger_one(chaotic: Trial) -> None:
    own, *larger = measured(chaotic, spiked(*TOLD))
    assert own.due == pytest.approx((ROWS - BEGIN) / MINUTES)
    assert is_kept(own.due, own.opened) is None
    assert all(one.due >= 4.0 for one in larger)
    assert own.supported == supported(chaotic.fitted.learned.calibration.samples, PERIOD)


def test_larger_budgets_make_few_steps_worth_four_alarms_and_sixteen() -> None:
    assert budgets(1.0, 60.0, 1400) == (1.0, 32.0, 128.0)
    for steps in (250, 1400, 40_000):
        own, *larger = budgets(1.0, 60.0, steps)
        assert own == 1.0
        assert [steps / MINUTES * budget >= worth for budget, worth in zip(larger, (4.0, 16.0), strict=False)]


def test_a_budget_that_is_worth_enough_stands_alone() -> None:
    assert budgets(1.0, 3600.0, 20 * 168) == (1.0,)


def test_no_budget_beside_the_own_is_beyond_what_the_device_honours() -> None:
    assert budgets(1.0, 60.0, 533) == (1.0, 128.0, pytest.approx(0.02 * MINUTES))
    assert budgets(1.0, 60.0, 100) == (1.0, pytest.approx(0.02 * MINUTES))  # worth two alarms: too short at any
    assert budgets(1.0, 86_400.0, 293) == (1.0,)  # already beyond it


@pytest.mark.parametrize(
    ("due", "opened", "kept"),
    [
        (4.0, 2, True), (4.0, 8, True), (4.0, 1, False), (4.0, 9, False), (40.0, 80, True), (40.0, 81, False),
        (40.0, 19, False), (3.9, 0, None), (3.9, 8, None), (0.1, 8, None), (0.1, 9, False), (0.0, 0, None),
    ],
)  # fmt: skip
def test_a_budget_is_kept_within_a_factor_of_two_if_there_was_time_for_four_alarms(
    due: float, opened: int, kept: bool | None
) -> None:
    assert is_kept(due, opened) is kept


def test_calibration_samples_support_one_alarm_in_all_of_them() -> None:
    assert supported(10_080, 60.0) == pytest.approx(1.0)
    assert supported(0, 60.0) == pytest.approx(10_080.0)  # and none at all is no division by zero
