"""Hold what the benchmark says of alarm budgets to cases worked out by hand."""

from dataclasses import replace

import pytest

from tests.training.test_standings import flagged, outcome
from training.benchmark_report import report
from training.benchmark_tables import summary, tables, text
from training.budget import Account
from training.budget_standings import budget_standings, outside_labels


def account(asked: float, weeks: float, opened: int, *, allowed: float | None = None) -> Account:
    return Account(asked=asked, allowed=allowed or asked, supported=2.0, weeks=weeks, opened=opened)


def budgets_of(*accounts: Account) -> list[list[str]]:
    """Return the cells that a clean set gets, without its name."""
    (table,) = tables(
        report((outcome("forecast/a", "forecast", budgets=accounts),), command="", seconds=0.0), details=False
    )[1:]
    return [list(row[1:]) for row in table.rows[:-1]]


def test_a_clean_set_has_a_line_for_each_budget_and_says_what_the_samples_support() -> None:
    assert budgets_of(account(1.0, 2.0, 3), account(4.0, 2.0, 4), account(4.0, 2.0, 3), account(4.0, 2.0, 17)) == [
        ["2.0", "1", "2.0", "3", "1.5", "too short to tell", "from 2.0, extrapolated"],
        ["2.0", "4", "8.0", "4", "0.5", "yes", "from 2.0"],
        ["2.0", "4", "8.0", "3", "0.38", "no, too few", "from 2.0"],
        ["2.0", "4", "8.0", "17", "2.1", "no, too many", "from 2.0"],
    ]


def test_a_budget_that_the_device_does_not_honour_is_told_and_judged_by_what_it_does() -> None:
    (cells,) = budgets_of(account(1.0, 40.0, 5, allowed=0.14))
    assert cells == ["40.0", "1 (0.14)", "5.6", "5", "0.89", "yes", "from 2.0, extrapolated"]
    capped = outcome("forecast/a", "forecast", budgets=(account(1.0, 40.0, 5, allowed=0.14),))
    assert "no more than 2 % of the steps" in text(report((capped,), command="", seconds=0.0))
    assert "no more than" not in text(
        report((replace(capped, budgets=(account(1.0, 40.0, 5),)),), command="", seconds=0.0)
    )


def test_a_set_that_nothing_was_heard_of_is_too_short() -> None:
    (one,) = budget_standings(outcome("forecast/a", "forecast", budgets=(account(1.0, 0.0, 0),)))
    assert (one.due, one.ratio, one.kept) == (0.0, None, None)


def test_outside_of_labels_false_episodes_are_held_to_the_time_without_labels() -> None:
    # Of 80 judged minutes in each set 10 are labelled; rows 30 and 40 and 45 are false, 50 is right.
    sets = [flagged("msl/a", "msl", 30, 50), flagged("msl/b", "msl", 40, 45)]
    one = outside_labels("msl", sets, 144.0)
    assert one is not None
    assert (one.weeks, one.due, one.opened) == (pytest.approx(140 / 10_080), pytest.approx(2.0), 3)
    assert (one.ratio, one.kept, one.supported) == (pytest.approx(1.5), None, None)
    most = outside_labels("msl", sets, 1e6)
    assert most is not None and most.due == pytest.approx(0.02 * 140)  # beyond what is honoured
    assert outside_labels("msl", [], 1.0) is None


def test_sets_without_labels_are_not_told_again_outside_of_labels() -> None:
    failed = outcome("wsn/c", "wsn", detectors=flagged("wsn/c", "wsn").detectors, failure="must have a sensor")
    free = replace(flagged("skab/anomaly-free/x", "skab"), budgets=(account(1.0, 2.0, 3),))
    whole = report((free, flagged("skab/valve1/0", "skab", 50), failed), command="", seconds=0.0)
    assert [one.name for one in whole.budgets] == ["skab/anomaly-free/x"]
    assert [one.name for one in whole.outside] == ["skab/valve1"]


def test_the_own_budgets_of_all_sets_are_told_together() -> None:
    # Fewer than four alarms are due on either; together it is enough to tell. The larger budgets count once only.
    one = outcome("forecast/a", "forecast", budgets=(account(1.0, 3.0, 1), account(4.0, 3.0, 12)))
    two = outcome("forecast/b", "forecast", budgets=(account(1.0, 30.0, 1, allowed=0.1),))
    whole = report((one, two), command="", seconds=0.0)
    assert whole.together is not None
    assert (whole.together.weeks, whole.together.due, whole.together.opened) == (33.0, pytest.approx(6.0), 2)
    assert whole.together.kept is False
    row = tables(whole, details=False)[1].rows[-1]
    assert row == ("all sets", "33.0", "1 (0.18)", "6.0", "2", "0.33", "no, too few", "")
    assert report((), command="", seconds=0.0).together is None


def test_the_summary_counts_the_budgets_that_were_kept() -> None:
    found = (account(1.0, 2.0, 3), account(4.0, 2.0, 4), account(4.0, 2.0, 3), account(4.0, 2.0, 17))
    line = summary(report((outcome("forecast/a", "forecast", budgets=found),), command="", seconds=0.0))
    assert (
        "; alarm budgets: 3 alarms for 2.0 due at 1 a week, 1 of 3 kept within a factor of 2 "
        "(1 with too many alarms, 1 with too few), 1 on spans too short to tell; 1 sets"
    ) in line
