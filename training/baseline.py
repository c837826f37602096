"""Choose the season of the seasonal naive forecast: what a user would get for nothing."""

from edge.clock import DAY, WEEK, YEAR


def season(period: float, samples: int) -> int | None:
    """Choose the seasonal naive's season: the longest of day, week and year that half of the samples holds.

    Returns:
        Steps, or None where not even a day fits.

    >>> season(3600.0, 2000), season(5.0, 1500)
    (168, None)
    """
    fitting = [round(cycle / period) for cycle in (DAY, WEEK, YEAR) if 2 <= cycle / period <= samples / 2]
    return fitting[-1] if fitting else None
