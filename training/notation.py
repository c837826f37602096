"""Write the figures of a table, and a dash where there is none."""

NOTHING = "–"


def signed(value: float | None) -> str:
    """Write a skill.

    >>> signed(0.0123), signed(None)
    ('+1.2 %', '–')
    """
    return NOTHING if value is None else f"{100.0 * value:+.1f} %".replace("-", "−")


def percent(value: float | None) -> str:
    """Write a share."""
    return NOTHING if value is None else f"{100.0 * value:.1f} %"


def points(value: float | None) -> str:
    """Write a number with one decimal."""
    return NOTHING if value is None else f"{value:.1f}".replace("-", "−")


def share_of(value: float | None) -> str:
    """Write a share of one."""
    return NOTHING if value is None else f"{value:.3f}"


def number(value: float | None) -> str:
    """Write a number of sensor units."""
    return NOTHING if value is None else f"{value:.4g}"


def duration(value: float | None) -> str:
    """Write seconds as people do.

    >>> duration(90.0), duration(7200.0)
    ('1.5 min', '2.0 h')
    """
    if value is None:
        return NOTHING
    for seconds, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if value >= seconds:
            return f"{value / seconds:.1f} {unit}"
    return f"{value:.0f} s"


def size(value: float | None) -> str:
    """Write a quantity that may be of any size.

    >>> size(0.0123), size(7.25), size(1758.3)
    ('0.012', '7.2', '1758')
    """
    if value is None:
        return NOTHING
    return f"{value:.2g}" if value < 1.0 else f"{value:.1f}" if value < 100.0 else f"{value:.0f}"
