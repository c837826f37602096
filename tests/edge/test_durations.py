"""Hold spans of time to what an operator writes."""

import pytest

from edge.durations import parse_duration
from edge.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90.0), ("15m", 900.0), ("12h", 43_200.0), ("7d", 604_800.0), ("2w", 1_209_600.0), (" 1.5h ", 5400.0)],
)
def test_a_span_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "0s", "-1d", "1e3s", "7 d", "7D", "1y", "nan", "7d7h", "9" * 400 + "d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must be a span of time such as 90s"):
        parse_duration(text)
