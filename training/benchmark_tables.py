"""Write the benchmark's report: a table for each kind, for a terminal or as Markdown, and one summary line."""

from collections.abc import Callable, Mapping, Sequence

from edge.errors import counted
from training.benchmark_report import Report
from training.budget_table import budget_summary, budget_tables
from training.flags import share
from training.forecasts import Pair
from training.notation import NOTHING, duration, number, percent, points, share_of, signed
from training.outcome import OURS, Outcome
from training.standings import FlagStanding, ForecastStanding, NabScores, method_skill
from training.table import Table, plain

Columns = Sequence[tuple[str, Callable[[FlagStanding], str]]]


def text(report: Report) -> str:
    """Write everything for a terminal, the summary line last."""
    shown = [*pair_tables(report), *tables(report, details=True)]
    begin = f"{report.command}: {counted(len(report.outcomes), 'set')}, {report.seconds:.0f} s, {report.machine}"
    return "\n\n".join([begin, *map(plain, shown), *failures(report), summary(report)])


def pair_tables(report: Report) -> list[Table]:
    """Lay out every pair of sensor and horizon."""
    header = ("set, sensor, steps ahead", "skill", "RMSE", "persist.", "ridge", "seasonal", "MAE", "persist.", "ridge",
              "seasonal", "inside", "width", "seasonal's", "samples")  # fmt: skip
    rows = tuple(_pair(one, pair) for one in report.outcomes for pair in one.pairs)
    return [Table("forecasts, pair by pair", header, rows)] if rows else []


def _pair(one: Outcome, pair: Pair) -> tuple[str, ...]:
    methods = (pair.forecast, pair.persistence, pair.ridge, pair.seasonal)
    wide = pair.seasonal_interval
    return (
        f"{one.set} {pair.sensor} +{pair.horizon}",
        signed(method_skill(pair, pair.forecast)),
        *(number(None if method is None else method.rmse) for method in methods),
        *(number(None if method is None else method.mae) for method in methods),
        percent(pair.interval.coverage),
        number(pair.interval.width),
        number(None if wide is None else wide.width),
        str(pair.samples),
    )


def tables(report: Report, *, details: bool) -> list[Table]:
    """Lay out a table for each kind, and the alarm budgets; details are the single sets of what is flagged."""
    found = [_forecast_table(report)] if report.forecasts else []
    for kind in dict.fromkeys(one.kind for one in report.flags):
        groups = [one for one in report.flags if one.kind == kind]
        singles = [one for one in report.single_flags if one.kind == kind] if details else []
        found.append(_flag_table(kind, [*singles, *groups], _speed(report) if details else {}))
    return [*found, *budget_tables(report)]


def _speed(report: Report) -> dict[str, tuple[str, str]]:
    """Return for each set the seconds of its fit and the rows a second of its replay."""
    return {one.set: (f"{one.fit_seconds:.0f}", f"{one.rows_per_second:.0f}") for one in report.outcomes}


def _forecast_table(report: Report) -> Table:
    header = ("set", "skill", "worst pair", "won", "below −5 %", "persistence", "ridge", "seasonal naive",
              "inside 90 %", "width / seasonal's", "fit s", "rows/s")  # fmt: skip
    speed = _speed(report)
    rows = tuple((*_forecast_row(one), *speed.get(one.name, ("", ""))) for one in report.forecasts)
    still = [pair for one in report.forecasts[-1:] for pair in one.still]
    notes = [f"stand still or cannot be judged, and count nowhere: {', '.join(still)}"] if still else []
    return Table(
        "forecast: skill against the better of persistence and ridge on the judged part", header, rows, tuple(notes)
    )


def _forecast_row(one: ForecastStanding) -> tuple[str, ...]:
    return (
        one.name,
        *map(signed, (one.skill, one.worst)),
        f"{one.won}/{one.pairs}",
        f"{one.poor}/{one.pairs}",
        *map(signed, (one.persistence, one.ridge, one.seasonal)),
        percent(one.coverage),
        NOTHING if one.width is None else f"{one.width:.2f}",
    )


def _false_a_file(one: FlagStanding) -> str:
    mean = one.tally.false_episodes / max(one.tally.files, 1)
    return f"{mean:.2f} (most {one.tally.worst_episodes})"


NAB: Columns = (
    ("openings: standard", lambda one: points(one.openings.standard)),
    ("low FP", lambda one: points(one.openings.low_fp)),
    ("low FN", lambda one: points(one.openings.low_fn)),
    ("rows: standard", lambda one: points(one.rows.standard)),
    ("low FP", lambda one: points(one.rows.low_fp)),
    ("low FN", lambda one: points(one.rows.low_fn)),
    ("found", lambda one: f"{one.tally.openings.windows - one.tally.openings.missed}/{one.tally.openings.windows}"),
    ("episodes", lambda one: str(one.tally.episodes)),
    ("flagged", lambda one: percent(one.false_alarm_rate)),
)
SKAB: Columns = (
    ("point F1", lambda one: share_of(one.point_f1)),
    ("false alarm rate", lambda one: percent(one.false_alarm_rate)),
    ("missed alarm rate", lambda one: percent(one.missed_alarm_rate)),
    ("false episodes a file", _false_a_file),
    ("found", lambda one: f"{one.tally.found}/{one.tally.labels}"),
)
EVENTS: Columns = (
    ("event F0.5", lambda one: share_of(one.f05)),
    ("precision", lambda one: share_of(one.precision)),
    ("recall", lambda one: share_of(one.recall)),
    ("found", lambda one: f"{one.tally.found}/{one.tally.labels}"),
    ("false episodes", lambda one: str(one.tally.false_episodes)),
    ("a normal day", lambda one: points(one.false_a_day)),
    ("normal rows flagged", lambda one: percent(one.false_alarm_rate)),
    ("median delay", lambda one: duration(one.median_delay)),
    ("point F1", lambda one: share_of(one.point_f1)),
    ("F0.5 of runs", lambda one: share_of(one.f05_runs)),
)
JUDGED_BY = {"nab": NAB, "skab": SKAB}
TITLES = {
    "nab": "nab: score of the Numenta Anomaly Benchmark (found: windows in which an event opens)",
    "skab": "skab: rows after the first 400, point by point",
}


def _flag_table(kind: str, standings: Sequence[FlagStanding], speed: Mapping[str, tuple[str, str]]) -> Table:
    columns = JUDGED_BY.get(kind, EVENTS)
    header = ("sets, detector", *(name for name, _ in columns), *(("fit s", "rows/s") if speed else ()))
    blank = ("", "") if speed else ()
    rows = tuple((_who(one), *(write(one) for _, write in columns), *speed.get(one.group, blank)) for one in standings)
    return Table(TITLES.get(kind, f"{kind}: labelled events by overlap"), header, rows)


def _who(one: FlagStanding) -> str:
    failed = f" ({one.failed} not fitted)" if one.failed else ""
    return f"{one.group}, {one.detector}{failed}"


def failures(report: Report) -> list[str]:
    """Say which sets could not be fitted and why, in one text, or in none."""
    lines = [f"not fitted: {one.set}: {one.failure}" for one in report.outcomes if one.failure]
    return ["\n".join(lines)] if lines else []


def summary(report: Report) -> str:
    """Write one line over everything that was measured."""
    said = [_forecast_summary(report.forecasts[-1], report.forecasts[:-1])] if report.forecasts else []
    for one in report.flags:
        if one.detector == OURS and one.group == report.headline(one.kind):
            said.append(_flag_summary(one))
    said += budget_summary(report)
    failed = sum(bool(one.failure) for one in report.outcomes)
    seconds = sum(one.fit_seconds for one in report.outcomes)
    said.append(f"{len(report.outcomes)} sets, {failed} not fitted, {seconds:.0f} s of fitting")
    return "; ".join(said)


def _forecast_summary(one: ForecastStanding, sets: Sequence[ForecastStanding]) -> str:
    worst = min((each for each in sets if each.skill is not None), key=lambda each: each.skill or 0.0, default=one)
    return (
        f"forecast: mean skill {signed(one.skill)}, worst set {signed(worst.skill)} ({worst.name}), "
        f"worst pair {signed(one.worst)}, {one.won} of {one.pairs} pairs won, "
        f"{percent(share(one.poor, one.pairs))} of pairs below −5 %, {percent(one.coverage)} inside the 90 % intervals"
    )


def _flag_summary(one: FlagStanding) -> str:
    match one.kind:
        case "nab":
            return f"nab: {_nab(one.openings)} on openings, {_nab(one.rows)} on rows"
        case "skab":
            rates = f"false alarm rate {percent(one.false_alarm_rate)}, {_false_a_file(one)} false episodes a file"
            return f"skab {one.group}: point F1 {share_of(one.point_f1)}, {rates}"
    return (
        f"{one.kind}: event F0.5 {share_of(one.f05)}, {one.tally.found} of {one.tally.labels} found, "
        f"{one.tally.false_episodes} false episodes ({points(one.false_a_day)} a day), "
        f"{percent(one.false_alarm_rate)} of normal rows flagged, point F1 {share_of(one.point_f1)}"
    )


def _nab(scores: NabScores) -> str:
    return " / ".join(map(points, (scores.standard, scores.low_fp, scores.low_fn)))
