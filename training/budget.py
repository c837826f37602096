"""Ask whether a stream keeps to its alarm budget: how many events open on normal rows that nothing was fitted to.

What is replayed is a device that is given the bundle at the end of the fitted rows: some rows before it prime the
memory, and its account of alarms begins empty, neither ahead of the budget nor behind it. The same rows go through one
cohort under several names, each with a budget of its own, which costs hardly more than once.
"""

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from edge.alarm import COMMONEST, WEEK, allowed_share
from edge.learned import Learned
from edge.recording import Recording
from edge.replay import Replay, align
from edge.runtime import Model
from training.side_by_side import Piece, lay

PRIMING = 2  # windows of rows before the first that is judged
FACTOR = 2.0  # by which the measured rate may differ from the budget
ENOUGH = 4.0  # alarms that a span must be worth: of fewer, chance alone too often makes half or twice as many
WORTH = (ENOUGH, 4.0 * ENOUGH)  # alarms that the span is worth at least at the budgets beside the bundle's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Say how a stream kept to one alarm budget.

    Attributes:
        asked: the alarm budget, false alarms a week.
        allowed: what the device honours of it: alarms may begin at a share of `COMMONEST` of the steps at most.
        supported: the smallest budget that the calibration samples know of: at it, they are worth one alarm.
        weeks: how long the stream was judged.
        opened: events that opened in this time.
    """

    asked: float
    allowed: float
    supported: float
    weeks: float
    opened: int

    @property
    def due(self) -> float:
        """Return how many alarms the budget is worth in this time."""
        return self.allowed * self.weeks


def is_kept(due: float, opened: int) -> bool | None:
    """Tell whether alarms came at the rate of the budget; None where the time was too short to tell.

    However short it was, more than would be too many of `ENOUGH` are too many.

    Args:
        due: alarms that the budget is worth.
        opened: alarms that there were.

    >>> is_kept(4.0, 8), is_kept(4.0, 1), is_kept(3.9, 8), is_kept(3.9, 9)
    (True, False, None, False)
    """
    if opened > FACTOR * max(due, ENOUGH):
        return False
    return None if due < ENOUGH else opened >= due / FACTOR


def supported(samples: int, period: float) -> float:
    """Return the smallest alarm budget, a week, that calibration samples know of: at it, they are worth one alarm."""
    return WEEK / (period * max(samples, 1))


def budgets(own: float, period: float, steps: int) -> tuple[float, ...]:
    """Choose the alarm budgets to try: the bundle's own, and larger ones at which few steps are worth enough alarms.

    Args:
        own: false alarms a week.
        period: seconds a step.
        steps: how many will be judged.

    >>> budgets(1.0, 600.0, 3947)  # four weeks; not quite
    (1.0, 2.0, 8.0)
    """
    most = COMMONEST * WEEK / period
    weeks = max(steps, 1) * period / WEEK
    larger = {min(2.0 ** ceil(log2(worth / weeks)), most) for worth in WORTH}
    return (own, *sorted(budget for budget in larger if budget > own))


def accounts(learned: Learned, model: Model, recording: Recording, begin: int) -> tuple[Account, ...]:
    """Replay the rows from `begin` on, at several alarm budgets, and count the events that open in them.

    Args:
        learned: what training learned of the rows before.
        model: the graph.
        recording: normal rows of one stream.
        begin: first row that is judged.
    """
    first = max(0, begin - PRIMING * learned.window)
    asked = budgets(learned.false_alarms_per_week, learned.period, len(recording.times) - begin)
    named = {f"{budget:g} a week": budget for budget in asked}
    values = align(recording, learned)[first:]
    laid = lay([Piece(name, recording.times[first:], values) for name in named], learned.sensors)
    said = Replay(learned, model, model.units, budget=lambda name: (named[name], None)).run(laid)
    ids = np.array(said.events)
    rows = [laid.streams == place for place in range(len(asked))]
    return tuple(
        Account(
            asked=budget,
            allowed=allowed_share(budget, learned.period) * WEEK / learned.period,
            supported=supported(learned.calibration.samples, learned.period),
            weeks=int((~np.isnan(said.score[mine][begin - first :])).sum()) * learned.period / WEEK,
            opened=_opened(ids[mine], begin - first),
        )
        for budget, mine in zip(asked, rows, strict=True)
    )


def _opened(ids: np.ndarray, begin: int) -> int:
    """Count the events that opened at a row from `begin` on; `ids` is what was open at each row, or an empty text."""
    return len(set(ids[begin:].tolist()) - set(ids[:begin].tolist()) - {""})
