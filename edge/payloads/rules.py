"""What must hold of the keys of a table [streams.NAME] that decide how its payloads are read."""

from zoneinfo import ZoneInfo

from edge.payloads import BARE, NAMES, SPARKPLUG, is_installed, sparkplug

UTC = "UTC"


def broken_dialect_rule(name: str) -> str | None:
    """Find the rule that the name of a dialect breaks; None if it keeps them."""
    if name not in NAMES:
        return f"must be one of {', '.join(NAMES)}"
    if not is_installed(name):
        return f"must have its library: pip install 'tidegate[{name}]'"
    return None


def broken_topic_rule(name: str, topic: str) -> str | None:
    """Find the rule of a dialect that a topic breaks; None if it keeps them."""
    return sparkplug.TOPIC_RULE if name == SPARKPLUG and not sparkplug.is_topic(topic) else None


def broken_zone_rule(name: str) -> str | None:
    """Find the rule that the name of a time zone breaks; None if it keeps it."""
    try:
        find_zone(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; a folder of names
        return "must be a time zone that this system knows, as in Europe/Berlin"
    return None


def find_zone(name: str) -> ZoneInfo | None:
    """Return a time zone; None for UTC, which needs none.

    Raises:
        KeyError, ValueError, OSError: this system knows no such zone.
    """
    return None if name == UTC else ZoneInfo(name)


def is_one_value(name: str, topic: str) -> bool:
    """Say whether a payload is one value and its topic does not say whose."""
    return name in BARE and "{sensor}" not in topic
