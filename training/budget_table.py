"""Write how alarm budgets were kept: a table of clean sets, one of rows outside of labels, and a summary."""

from collections.abc import Sequence

from edge.alarm import COMMONEST
from training.budget import ENOUGH, FACTOR, PRIMING
from training.notation import NOTHING
from training.standings import BudgetStanding
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
CAPPED = (
    f"In brackets: what the device honours of it, as alarms may begin at no more than {100.0 * COMMONEST:g} % of the "
    "steps; that is what is judged."
)
CARRIED = (
    "These recordings were replayed whole: the account of alarms is carried over from the rows before, and labelled "
    "events are on it."
)


def budget_tables(clean: Sequence[BudgetStanding], outside: Sequence[BudgetStanding]) -> list[Table]:
    """Lay out how the budgets were kept; no table where there is nothing to say."""
    found = []
    if clean:
        rows = tuple((*_cells(one), _support(one)) for one in clean)
        found.append(Table(CLEAN, ("set", *FIGURES, "samples support"), rows, (EXPLAINED, *_capped(clean))))
    if outside:
        notes = (CARRIED, *_capped(outside))
        found.append(Table(OUTSIDE, ("sets", *FIGURES), tuple(map(_cells, outside)), notes))
    return found


def _cells(one: BudgetStanding) -> tuple[str, ...]:
    budget = f"{one.asked:.4g} ({one.allowed:.2g})" if _is_capped(one) else f"{one.asked:.4g}"
    return one.name, _size(one.weeks), budget, _size(one.due), str(one.opened), _size(one.ratio), _verdict(one)


def _size(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.2g}" if value < 1.0 else f"{value:.1f}"


def _is_capped(one: BudgetStanding) -> bool:
    return one.allowed < 0.999 * one.asked


def _capped(standings: Sequence[BudgetStanding]) -> tuple[str, ...]:
    return (CAPPED,) if any(map(_is_capped, standings)) else ()


def _verdict(one: BudgetStanding) -> str:
    if one.kept is None:
        return "too short to tell"
    return "yes" if one.kept else f"no, too {_direction(one)}"


def _direction(one: BudgetStanding) -> str:
    return "many" if one.opened > one.due else "few"


def _support(one: BudgetStanding) -> str:
    """Say from which budget on the calibration samples have seen what is as rare, and whether this one is smaller."""
    supported = one.supported or 0.0
    return f"from {supported:.2g}" + (", extrapolated" if one.allowed < supported else "")


def budget_summary(standings: Sequence[BudgetStanding]) -> list[str]:
    """Write the clause of the summary, or none."""
    if not standings:
        return []
    judged = [one for one in standings if one.kept is not None]
    wrong = [_direction(one) for one in judged if not one.kept]
    return [
        f"alarm budgets: {len(judged) - len(wrong)} of {len(judged)} kept within a factor of {FACTOR:g} "
        f"({wrong.count('many')} with too many alarms, {wrong.count('few')} with too few), "
        f"{len(standings) - len(judged)} on spans too short to tell"
    ]
