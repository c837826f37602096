"""Write how alarm budgets were kept: a table of clean sets, one of rows outside of labels, and a summary."""

from collections.abc import Sequence

from edge.errors import counted
from training.benchmark_report import Report
from training.budget import ENOUGH, FACTOR, PRIMING
from training.budget_standings import BudgetStanding
from training.budget_words import CAPPED, asked_and_allowed, direction, is_capped, kept_in_words
from training.notation import size
from training.table import Table

CLEAN = "budget: events on rows that nothing was fitted to, of sets without labelled events"
OUTSIDE = "budget: false episodes outside of labelled events, at the default budget"
FIGURES = ("weeks", "budget a week", "worth", "opened", "ratio", f"within a factor of {FACTOR:g}")
EXPLAINED = (
    f"Worth: alarms that the budget allows in these weeks; of fewer than {ENOUGH:g} nothing can be said but that there "
    f"were far too many. The stream is new: {PRIMING} windows of rows before prime its memory, and its account of "
    "alarms begins empty. Samples support: at this budget there is one alarm in all calibration samples; what is rarer "
    "is extrapolated."
)
CARRIED = (
    "These recordings were replayed whole: the account of alarms is carried over from the rows before, and labelled "
    "events are on it."
)


def budget_tables(report: Report) -> list[Table]:
    """Lay out how the budgets were kept; no table where there is nothing to say."""
    found = []
    if report.together:
        clean = (*report.budgets, report.together)
        rows = tuple((*_cells(one), _support(one)) for one in clean)
        found.append(Table(CLEAN, ("set", *FIGURES, "samples support"), rows, (EXPLAINED, *_capped(clean))))
    if report.outside:
        notes = (CARRIED, *_capped(report.outside))
        found.append(Table(OUTSIDE, ("sets", *FIGURES), tuple(map(_cells, report.outside)), notes))
    return found


def _cells(one: BudgetStanding) -> tuple[str, ...]:
    verdict = kept_in_words(one.kept, one.due, one.opened)
    budget = asked_and_allowed(one.asked, one.allowed)
    return one.name, size(one.weeks), budget, size(one.due), str(one.opened), size(one.ratio), verdict


def _capped(standings: Sequence[BudgetStanding]) -> tuple[str, ...]:
    return (CAPPED,) if any(is_capped(one.asked, one.allowed) for one in standings) else ()


def _support(one: BudgetStanding) -> str:
    """Say from which budget on the calibration samples have seen what is as rare, and whether this one is smaller."""
    if one.supported is None:
        return ""
    return f"from {size(one.supported)}" + (", extrapolated" if one.allowed < one.supported else "")


def budget_summary(report: Report) -> list[str]:
    """Write the clause of the summary, or none."""
    whole = report.together
    if not whole:
        return []
    judged = [one for one in report.budgets if one.kept is not None]
    wrong = [direction(one.due, one.opened) for one in judged if not one.kept]
    return [
        f"alarm budgets: {counted(whole.opened, 'alarm')} for {size(whole.due)} due at {whole.asked:g} a week, "
        f"{len(judged) - len(wrong)} of {len(judged)} kept within a factor of {FACTOR:g} "
        f"({wrong.count('many')} with too many alarms, {wrong.count('few')} with too few), "
        f"{len(report.budgets) - len(judged)} on spans too short to tell"
    ]
