"""Say in words and figures how an alarm budget was kept."""

from edge.alarm import COMMONEST

CAPPED = (
    f"In brackets: what the device honours of it, as alarms may begin at no more than {100.0 * COMMONEST:g} % of the "
    "steps; that is what is judged."
)


def is_capped(asked: float, allowed: float) -> bool:
    """Tell whether the device honours less of an alarm budget than it was asked for."""
    return allowed < 0.999 * asked


def asked_and_allowed(asked: float, allowed: float) -> str:
    """Write an alarm budget, and in brackets what the device honours of it where that is less.

    >>> asked_and_allowed(1.0, 1.0), asked_and_allowed(1.0, 0.14)
    ('1', '1 (0.14)')
    """
    return f"{asked:.4g} ({allowed:.2g})" if is_capped(asked, allowed) else f"{asked:.4g}"


def kept_in_words(kept: bool | None, due: float, opened: int) -> str:
    """Say whether alarms came at the rate of the budget, see `training.budget.is_kept`.

    >>> kept_in_words(None, 0.1, 0), kept_in_words(True, 8.0, 7), kept_in_words(False, 8.0, 1)
    ('too short to tell', 'yes', 'no, too few')
    """
    if kept is None:
        return "too short to tell"
    return "yes" if kept else f"no, too {direction(due, opened)}"


def direction(due: float, opened: int) -> str:
    """Say whether alarms were many or few."""
    return "many" if opened > due else "few"
