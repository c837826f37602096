"""Put together how alarm budgets were kept: set by set, on all sets without labels, and outside of labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.alarm import WEEK, allowed_share
from training.budget import Account, is_kept
from training.flags import DAY, Tally, share
from training.outcome import OURS, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStanding:
    """Say how one alarm budget was kept on a set, or on several together.

    Attributes:
        name: of the set, or of the folder.
        asked, allowed: false alarms a week, and what the device honours of it.
        supported: the smallest budget that the calibration samples know of; None of several sets.
        weeks: how long it was judged.
        due, opened: alarms that the budget is worth, and events that there were.
        ratio: the second as a share of the first; None where nothing was judged.
        kept: whether they agree within a factor of 2; None where the time was too short to tell.
    """

    name: str
    asked: float
    allowed: float
    supported: float | None
    weeks: float
    due: float
    opened: int
    ratio: float | None
    kept: bool | None


def budget_standings(one: Outcome) -> list[BudgetStanding]:
    """Say how each alarm budget was kept on a set without labelled events."""
    return [_budget_standing(one.set, account, account.supported) for account in one.budgets]


def together(outcomes: Sequence[Outcome]) -> BudgetStanding | None:
    """Say how the bundles' own budget was kept on all sets without labelled events; None without such sets."""
    own = [one.budgets[0] for one in outcomes if one.budgets]
    if not own:
        return None
    worth = sum(account.due for account in own)
    weeks = sum(account.weeks for account in own)
    return _pooled("all sets", own[0].asked, weeks, worth, sum(account.opened for account in own))


def outside_labels(folder: str, outcomes: Sequence[Outcome], budget: float) -> BudgetStanding | None:
    """Say how the default budget was kept outside of the labelled events of some sets; None without such rows."""
    ours = [each.tally for one in outcomes for each in one.detectors if each.name == OURS]
    weeks = sum(tally.normal_days for tally in ours) * DAY / WEEK
    if weeks <= 0.0:
        return None
    worth = sum(_worth(tally, budget) for tally in ours)
    return _pooled(folder, budget, weeks, worth, sum(tally.false_episodes for tally in ours))


def _worth(tally: Tally, budget: float) -> float:
    rows = tally.false_rows + tally.calm_rows
    return rows * allowed_share(budget, tally.normal_days * DAY / max(rows, 1))


def _pooled(name: str, asked: float, weeks: float, worth: float, opened: int) -> BudgetStanding:
    allowed = worth / weeks if weeks > 0.0 else asked
    account = Account(asked=asked, allowed=allowed, supported=0.0, weeks=weeks, opened=opened)
    return _budget_standing(name, account, None)


def _budget_standing(name: str, account: Account, supported: float | None) -> BudgetStanding:
    return BudgetStanding(
        name=name,
        asked=account.asked,
        allowed=account.allowed,
        supported=supported,
        weeks=account.weeks,
        due=account.due,
        opened=account.opened,
        ratio=share(account.opened, account.due),
        kept=is_kept(account.due, account.opened),
    )
