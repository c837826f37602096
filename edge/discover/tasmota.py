"""Tasmota's telemetry, by its shape: the order of its levels is the owner's choice.

Source: tasmota.github.io, "MQTT" (FullTopic) and "JSON Status Responses" (SENSOR: Time, groups of values, TempUnit).
"""

from edge.discover.excluded import words_of
from edge.discover.facts import Fact
from edge.discover.heard import Heard

TIME = "Time"
_UNITS = {
    "apparent_power": "VA",
    "carbon_dioxide": "ppm",
    "current": "A",
    "frequency": "Hz",
    "humidity": "%",
    "illuminance": "lx",
    "power": "W",
    "reactive_power": "var",
    "today": "kWh",
    "total": "kWh",
    "voltage": "V",
    "yesterday": "kWh",
}
_TEMPERATURES = frozenset({"temperature", "dew_point"})
_CONSTANT = {"yesterday": "changes once a day", "period": "energy since the last message"}


def is_sensor(topic: str, heard: Heard) -> bool:
    """Say whether a topic is the SENSOR message of a Tasmota."""
    has_time = TIME in heard.offsets or TIME in heard.texts
    return "SENSOR" in topic.split("/") and has_time and any("." in path for path in heard.values)


def facts(topic: str, heard: Heard) -> dict[str | None, Fact]:
    """Say in which units its values are, and which of them are the chip's own."""
    return {path: _fact(topic, path, heard) for path in heard.values}


def _fact(topic: str, path: str, heard: Heard) -> Fact:
    group, _, word = path.rpartition(".")
    if word.isdigit():  # a phase of a list
        group, _, word = group.rpartition(".")
    name = words_of(word)
    excluded = "the chip itself" if group == "ESP32" else _CONSTANT.get(name, "")
    return Fact(topic=topic, path=path, unit=_unit(name, heard), excluded=excluded)


def _unit(name: str, heard: Heard) -> str:
    if name in _TEMPERATURES:
        unit = heard.texts.get("TempUnit", "")
        return f"°{unit}" if unit in ("C", "F") else ""
    return heard.texts.get("PressureUnit", "") if "pressure" in name else _UNITS.get(name, "")
