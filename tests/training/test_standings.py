"""Hold means over sets, and the lines that are printed of them, to cases worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.benchmark_report import Report, group, report
from training.benchmark_tables import summary, tables, text
from training.flags import from_flags, tally
from training.forecasts import Interval, Missed, Pair
from training.known_sets import Kind, KnownSet
from training.outcome import OURS, Detector, Outcome, broken
from training.standings import all_forecasts, flag_standings, forecast_standing
from training.table import markdown


def missed(rmse: float) -> Missed:
    return Missed(rmse=rmse, mae=rmse / 2)


def pair(forecast: float, *, persistence: float = 1.0, ridge: float = 2.0, still: bool = False) -> Pair:
    return Pair(
        sensor="t", horizon=1, samples=9, still=still, forecast=missed(forecast), persistence=missed(persistence),
        ridge=missed(ridge), seasonal=missed(4.0), interval=Interval(coverage=0.8, width=1.0),
        seasonal_interval=Interval(coverage=0.9, width=2.0),
    )  # fmt: skip


def outcome(name: str, kind: Kind, **changes: object) -> Outcome:
    return replace(broken(KnownSet(name, kind, Path("x"), None, None), ""), **changes)


def flagged(name: str, kind: Kind, *rows: int) -> Outcome:
    flags = from_flags(np.isin(np.arange(100), rows), calm=1)
    found = tally(flags, 60.0 * np.arange(100), [(60.0 * 50, 60.0 * 59)], begin=20)
    return outcome(name, kind, detectors=(Detector(name=OURS, tally=found),), rows=100)


def test_a_set_is_the_mean_of_its_pairs_and_all_sets_count_alike() -> None:
    one = forecast_standing(outcome("forecast/a", "forecast", pairs=(pair(0.9), pair(1.1), pair(0.8))))
    two = forecast_standing(outcome("forecast/b", "forecast", pairs=(pair(1.5, ridge=0.5),)))
    assert one.skill == pytest.approx((0.1 - 0.1 + 0.2) / 3)
    assert (one.won, one.poor, one.pairs, one.worst) == (2, 1, 3, pytest.approx(-0.1))
    assert two.skill == pytest.approx(-2.0)
    assert (one.persistence, one.ridge, one.seasonal) == pytest.approx((0.0, -1.0, -3.0))
    both = all_forecasts([one, two])
    assert both.skill == pytest.approx(((0.1 - 0.1 + 0.2) / 3 - 2.0) / 2)
    assert (both.won, both.poor, both.pairs, both.worst) == (2, 2, 4, pytest.approx(-2.0))
    assert (both.coverage, both.width, both.seasonal_coverage) == pytest.approx((0.8, 0.5, 0.9))


def test_a_pair_that_stands_still_is_named_and_counts_nowhere() -> None:
    one = forecast_standing(
        outcome("forecast/a", "forecast", pairs=(pair(0.9), pair(7.0, persistence=0.0, still=True)))
    )
    assert (one.pairs, one.still, one.skill) == (1, ("t +1",), pytest.approx(0.1))


def test_a_set_without_pairs_has_no_skill_and_counts_in_no_mean() -> None:
    empty = forecast_standing(outcome("forecast/a", "forecast", failure="must have more"))
    one = forecast_standing(outcome("forecast/b", "forecast", pairs=(pair(0.9),)))
    assert empty.skill is None
    assert all_forecasts([empty, one]).skill == pytest.approx(0.1)


def test_the_flags_of_several_sets_are_counted_together() -> None:
    (ours,) = flag_standings("msl", "all", [flagged("msl/a", "msl", 30, 50), flagged("msl/b", "msl", 40, 45)])
    assert (ours.precision, ours.recall) == pytest.approx((1 / 4, 1 / 2))
    assert ours.f05 == pytest.approx(1.25 * 0.25 * 0.5 / (0.25 * 0.25 + 0.5))
    assert ours.false_alarm_rate == pytest.approx(3 / 140)
    assert ours.false_a_day == pytest.approx(3 / (140 * 60 / 86_400))
    assert ours.median_delay == 0.0


def test_nabs_artificial_folders_are_one_group() -> None:
    names = [group(outcome(f"nab/artificial{kind}/x", "nab")) for kind in ("NoAnomaly", "WithAnomaly")]
    assert names == ["artificial", "artificial"]
    assert group(outcome("nab/realAdExchange/x", "nab")) == "realAdExchange"


@pytest.fixture
def whole() -> Report:
    """A report with three kinds, two groups of one of them, and a set that failed."""
    sets = (
        outcome("forecast/a", "forecast", pairs=(pair(0.9),)),
        flagged("skab/anomaly-free/x", "skab"),
        flagged("skab/valve1/0", "skab", 30, *range(50, 60)),
        outcome("msl/z", "msl", failure="must have a sensor that moves"),
        flagged("msl/a", "msl", 50),
    )
    return report(sets, command="tidegate-train benchmark --data DIR", seconds=1.0)


def test_the_terminal_shows_every_set_and_the_page_the_groups(whole: Report) -> None:
    assert "skab/valve1/0, tidegate" in text(whole)
    shown = "\n".join(map(markdown, tables(whole, details=False)))
    assert "skab/valve1/0, tidegate" not in shown
    assert "| valve1, tidegate | 0.952 |" in shown
    assert "| forecast/a | +10.0 % |" in shown


def test_the_summary_is_one_line_that_ends_with_what_failed(whole: Report) -> None:
    line = summary(whole)
    assert "\n" not in line
    assert line.startswith("forecast: mean skill +10.0 %, worst set +10.0 % (forecast/a), worst pair +10.0 %")
    assert line.endswith("5 sets, 1 not fitted, 0 s of fitting")


def test_skab_is_summed_up_by_its_labelled_runs_if_they_are_one_group(whole: Report) -> None:
    assert whole.headline("skab") == "all"
    calm = tally(from_flags(np.zeros(100, np.bool_), calm=1), 60.0 * np.arange(100), [], begin=20)
    free = outcome("skab/anomaly-free/x", "skab", detectors=(Detector(name=OURS, tally=calm),))
    assert report((free, flagged("skab/valve1/0", "skab")), command="", seconds=0.0).headline("skab") == "valve1"


def test_the_report_knows_what_is_ours(whole: Report) -> None:
    assert not whole.broke
    ours = outcome("msl/y", "msl", failure="BROKE: ValueError: 'x'")
    assert report((ours,), command="", seconds=0.0).broke
