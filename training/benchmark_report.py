"""Put the outcomes of all sets together: the standings of every kind, group and detector."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from training.budget_standings import BudgetStanding, budget_standings, outside_labels, together
from training.known_sets import KINDS
from training.outcome import OURS, Outcome
from training.recipe import default
from training.standings import (
    FlagStanding,
    ForecastStanding,
    all_forecasts,
    flag_standings,
    forecast_standing,
)

ALL = "all"
BROKE = "BROKE: "  # begins a failure that is ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold all that a benchmark measured.

    Attributes:
        command: what was asked for, without its paths.
        machine: what it ran on.
        seconds: how long the run took; sets that were measured before took none of it.
        outcomes: set by set.
        forecasts: a standing for each forecast set, and one for all.
        single_flags: Tidegate's standing on each other set.
        flags: a standing for each kind, group of sets and detector; the last group of a kind is all of it.
        budgets: how alarm budgets were kept, a standing for each set without labelled events and budget.
        together: how the bundles' own was kept on all of those sets; None if there are none.
        outside: how the default one was kept outside of labelled events, a standing for each folder.
    """

    command: str
    machine: str
    seconds: float
    outcomes: tuple[Outcome, ...]
    forecasts: tuple[ForecastStanding, ...]
    single_flags: tuple[FlagStanding, ...]
    flags: tuple[FlagStanding, ...]
    budgets: tuple[BudgetStanding, ...]
    together: BudgetStanding | None
    outside: tuple[BudgetStanding, ...]

    @property
    def broke(self) -> bool:
        """Tell whether a set could not be measured for a reason that is ours."""
        return any(one.failure.startswith(BROKE) for one in self.outcomes)

    def headline(self, kind: str) -> str:
        """Return the group that stands for a kind: all of it, but for SKAB the only one with labels, if it is one."""
        groups = list(dict.fromkeys(one.group for one in self.flags if one.kind == kind))
        labelled = {one.group for one in self.flags if one.kind == kind and one.tally.labels} - {ALL}
        return labelled.pop() if kind == "skab" and len(labelled) == 1 else groups[-1]


def report(outcomes: Sequence[Outcome], *, command: str, seconds: float) -> Report:
    """Put outcomes together."""
    forecasts = [forecast_standing(one) for one in outcomes if one.kind == "forecast"]
    flagged = [one for one in outcomes if one.detectors]
    return Report(
        command=command,
        machine=f"{platform.machine()}, Python {platform.python_version()}",
        seconds=round(seconds, 1),
        outcomes=tuple(outcomes),
        forecasts=(*forecasts, all_forecasts(forecasts)) if forecasts else (),
        single_flags=tuple(one for each in flagged for one in _ours(each)),
        flags=tuple(one for kind in KINDS for one in _groups(kind, [each for each in flagged if each.kind == kind])),
        budgets=tuple(one for each in outcomes for one in budget_standings(each)),
        together=together(outcomes),
        outside=_outside(outcomes),
    )


def _ours(one: Outcome) -> list[FlagStanding]:
    return [found for found in flag_standings(one.kind, one.set, [one]) if found.detector == OURS]


def _groups(kind: str, outcomes: Sequence[Outcome]) -> list[FlagStanding]:
    """Sum up each folder of a kind, if there are several, and all of it."""
    folders = dict.fromkeys(group(one) for one in outcomes)
    several = folders if len(folders) > 1 else ()
    parts = [(name, [one for one in outcomes if group(one) == name]) for name in several]
    whole = [(ALL, list(outcomes))] if outcomes else []
    return [one for name, sets in (*parts, *whole) for one in flag_standings(kind, name, sets)]


def _outside(outcomes: Sequence[Outcome]) -> tuple[BudgetStanding, ...]:
    """Sum up the sets of each folder that have labelled events and could be fitted."""
    labelled = [one for one in outcomes if one.detectors and not one.budgets and not one.failure]
    budget = default().detection.false_alarms_per_week
    folders = dict.fromkeys(one.folder for one in labelled)
    found = [outside_labels(name, [one for one in labelled if one.folder == name], budget) for name in folders]
    return tuple(one for one in found if one)


def group(one: Outcome) -> str:
    """Return the name of the group that a set is summed up in.

    NAB's artificial files, with and without anomalies, are one group.
    """
    name = one.folder.rpartition("/")[2]
    return "artificial" if one.kind == "nab" and name.startswith("artificial") else name
