"""Hold the season of the seasonal naive forecast to numbers drawn by hand."""

import pytest

from edge.clock import DAY, WEEK, YEAR
from training.baseline import season


@pytest.mark.parametrize(
    ("period", "samples", "steps"),
    [
        (3600.0, 47, None),
        (3600.0, 48, 24),
        (3600.0, 335, 24),
        (3600.0, 336, 168),
        (DAY, 13, None),
        (DAY, 14, 7),
        (DAY, 731, 365),
        (WEEK, 200, round(YEAR / WEEK)),
        (5.0, 10_000, None),
    ],
)
def test_the_season_is_the_longest_cycle_that_half_of_the_samples_hold(
    period: float, samples: int, steps: int | None
) -> None:
    assert season(period, samples) == steps
