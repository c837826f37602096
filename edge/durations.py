"""Spans of time as an operator writes them: 90s, 15m, 12h, 7d, 2w."""

import math
import re

from edge.errors import ConfigError, quote

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_duration(text: str) -> float:
    """Read a span of time.

    Returns:
        Seconds, > 0.

    Raises:
        ConfigError: it is none.

    >>> parse_duration("7d"), parse_duration("1.5h")
    (604800.0, 5400.0)
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if not 0.0 < seconds < math.inf:
        raise ConfigError(f"must be a span of time such as 90s, 15m, 12h, 7d or 2w, got {quote(text)}")
    return seconds
