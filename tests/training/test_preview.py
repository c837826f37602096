"""Try alarm budgets on chaos with one thing wrong in it."""

from pathlib import Path

import pytest

from edge import bundle
from edge.bundle import Bundle
from tests.training.conftest import START, Trial, chaos, recording_of
from training.preview import ALL, BUDGETS, CALIBRATED, NEWER, Preview, preview
from training.side_by_side import History, histories

TAUGHT, ROWS, WRONG = 600, 1500, 1000


@pytest.fixture(scope="module")
def packed(chaotic: Trial, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path: Path = tmp_path_factory.mktemp("preview") / "chaotic.bundle"
    chaotic.pack(path)
    return bundle.load(path)


def streams(packed: Bundle, *, calibrated_from: int = 450, after: int = TAUGHT - 1, rows: int = ROWS) -> list[History]:
    values = chaos(rows)
    values[WRONG : WRONG + 3, 1] += 80.0
    recording = recording_of(values)
    times = recording.times
    wrong = [(START + 60.0 * WRONG, START + 60.0 * (WRONG + 2))]
    calibrated = {"one": (START + 60.0 * calibrated_from, float(times[TAUGHT - 1]))}
    return histories(packed, [recording], START + 60.0 * after, calibrated, {"one": wrong})


@pytest.fixture(scope="module")
def told(packed: Bundle) -> Preview:
    return preview(packed, streams(packed))


def test_every_budget_is_tried_on_both_spans_and_the_own_one_among_them(packed: Bundle) -> None:
    told = preview(packed, streams(packed), budgets=(0.5, 20.0))
    assert told.configured == 1.0
    assert [(rate.span, rate.budget) for rate in told.rates] == [
        (span, budget) for span in (CALIBRATED, NEWER) for budget in (0.5, 1.0, 20.0)
    ]


def test_a_larger_budget_gives_at_least_as_many_events(told: Preview) -> None:
    for span in (CALIBRATED, NEWER):
        counts = [rate.events for rate in told.rates if rate.span == span]
        assert len(counts) == len(BUDGETS)
        assert counts == sorted(counts)


def test_a_rate_is_events_over_weeks(told: Preview) -> None:
    weeks = {CALIBRATED: 150 * 60.0 / 604_800.0, NEWER: 900 * 60.0 / 604_800.0}
    for rate in told.rates:
        assert rate.per_week == pytest.approx(rate.events / weeks[rate.span])


def test_a_budget_is_worth_what_the_device_honours_of_it(told: Preview) -> None:
    most = 0.02 * 604_800.0 / 60.0  # alarms begin at one step in fifty at most
    for rate in told.rates:
        steps = {CALIBRATED: 150, NEWER: 900}[rate.span]
        assert rate.allowed == pytest.approx(min(rate.budget, most))
        assert rate.due == pytest.approx(rate.allowed * steps * 60.0 / 604_800.0)
        assert (rate.kept is None) == (rate.due < 4.0)


def test_a_larger_budget_is_judged_without_labelled_events_and_capped(packed: Bundle) -> None:
    told = preview(packed, streams(packed), budgets=(100.0, 1e6))
    [fewer, more] = [rate for rate in told.rates if rate.span == NEWER and rate.budget > 1.0]
    assert more.allowed == pytest.approx(201.6)
    assert (fewer.due, more.due) == pytest.approx((100.0 / 11.2, 18.0))
    for rate in (fewer, more):
        opened = rate.events - rate.labelled
        assert rate.kept is (rate.due / 2.0 <= opened <= 2.0 * rate.due)


def test_what_is_wrong_is_among_the_strongest_and_names_its_sensor(told: Preview) -> None:
    wrong = START + 60.0 * WRONG
    (alarm,) = [alarm for alarm in told.strongest if alarm.start <= wrong <= alarm.end]
    assert (alarm.span, alarm.stream, alarm.sensor) == (NEWER, "one", "b")
    assert alarm.share > 0.5
    assert alarm.from_budget == min(BUDGETS)


def test_the_strongest_are_sorted_and_began_in_their_span(told: Preview) -> None:
    for span, begin, end in ((CALIBRATED, 450, TAUGHT), (NEWER, TAUGHT, ROWS)):
        alarms = [alarm for alarm in told.strongest if alarm.span == span]
        scores = [alarm.score for alarm in alarms]
        assert scores == sorted(scores, reverse=True)
        assert all(START + 60.0 * begin <= alarm.start < START + 60.0 * end for alarm in alarms)


def test_events_in_labels_are_counted_apart(told: Preview) -> None:
    assert {rate.labelled for rate in told.rates if rate.span == NEWER} == {1}
    assert {rate.labelled for rate in told.rates if rate.span == CALIBRATED} == {0}


def test_rows_of_neither_kind_are_all_counted(packed: Bundle) -> None:
    told = preview(packed, streams(packed, calibrated_from=ROWS, after=ROWS), budgets=())
    assert [(rate.span, rate.budget) for rate in told.rates] == [(ALL, 1.0)]
