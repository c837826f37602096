"""What ESPHome says: a bare value in `<prefix>/sensor/<name>/state`, `nan` where there is none.

A binary sensor says ON or OFF. There is no event time. States are retained, so that whoever subscribes hears an old
one first; the line takes no retained message for a reading.

Source: esphome.io, "MQTT Client Component" and "Binary Sensor Component".
"""

from collections.abc import Collection

NO_READINGS = frozenset({"status", "debug", "command"})  # levels: who is there, the log, and what others want


def is_reading(levels: Collection[str]) -> bool:
    """Say whether a topic may be a sensor's, by the levels that its template left open.

    >>> is_reading(["attic", "sensor", "warm"]), is_reading(["status"])
    (True, False)
    """
    return NO_READINGS.isdisjoint(levels)
