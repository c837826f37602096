"""What registries say of sensors: Zigbee2MQTT's list of devices, Home Assistant's discovery, Sparkplug's births.

A registry is somebody else's JSON: whatever in it is not as expected is passed over.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_WORDS = 80  # characters of a text that a registry may make us keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a registry says of one value.

    Attributes:
        topic: where it is sent.
        path: where it stands in the payload; "" for a bare value, None if only its sender could say.
        unit, device_class: as the registry has them, empty where it does not say.
        low, high: between which it can be.
        excluded: why it is no reading of a sensor; empty if it is one.
    """

    topic: str
    path: str | None
    unit: str = ""
    device_class: str = ""
    low: float | None = None
    high: float | None = None
    excluded: str = ""


def text_of(value: object, most: int = MOST_WORDS) -> str:
    r"""Return a text as it is but for what has no place in a line, cut; anything else is an empty one.

    >>> text_of("°C"), text_of("a\nb"), text_of(None)
    ('°C', 'ab', '')
    """
    return "".join(filter(str.isprintable, value[:most])) if isinstance(value, str) else ""


def number_of(value: object) -> float | None:
    """Return a finite number; None for anything else.

    >>> number_of(-40), number_of(True), number_of("3"), number_of(10**400)
    (-40.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def table_of(value: object) -> Mapping[str, object]:
    """Return a table; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def tables_of(value: object) -> Sequence[Mapping[str, object]]:
    """Return the tables of a list; anything else has none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
