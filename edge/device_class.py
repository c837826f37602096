"""Say what kind of quantity a sensor measures, in Home Assistant's words, where unit and name leave no doubt.

A wrong class is worse than none: Home Assistant refuses a unit that its class does not have, and converts the others.

Source: Home Assistant, `homeassistant/components/sensor/const.py` (classes, and the units of each).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Other spellings of a unit; the micro sign of the tables below is U+00B5, which every version takes.
SPELLINGS = {
    "degC": "°C", "deg C": "°C", "celsius": "°C", "Celsius": "°C", "℃": "°C",
    "degF": "°F", "deg F": "°F", "fahrenheit": "°F", "Fahrenheit": "°F", "℉": "°F",
    "lux": "lx", "percent": "%", "kW h": "kWh", "W h": "Wh",
    "W/m2": "W/m²", "m3/h": "m³/h", "ug/m3": "\u00b5g/m³", "μg/m3": "\u00b5g/m³", "μg/m³": "\u00b5g/m³",
}  # fmt: skip
OF_ONE_KIND = {
    "°C": "temperature", "°F": "temperature",
    "hPa": "atmospheric_pressure", "mbar": "atmospheric_pressure",
    "Pa": "pressure", "kPa": "pressure", "bar": "pressure", "psi": "pressure",
    "W": "power", "kW": "power", "Wh": "energy", "kWh": "energy", "MWh": "energy",
    "V": "voltage", "mV": "voltage", "A": "current", "mA": "current",
    "VA": "apparent_power", "var": "reactive_power", "Hz": "frequency", "kHz": "frequency",
    "lx": "illuminance", "W/m²": "irradiance", "dBm": "signal_strength",
    "mm/h": "precipitation_intensity", "m³/h": "volume_flow_rate", "L/min": "volume_flow_rate",
}  # fmt: skip
# Where the unit alone may mean several things, the sensor's name must say which: patterns in a name of small letters.
BY_NAME: Mapping[str, Sequence[tuple[str, str]]] = {
    "%": ((r"humid|\brh\b", "humidity"), (r"batter", "battery"), (r"moist", "moisture")),
    "ppm": (
        (r"\bco2\b|carbon dioxide", "carbon_dioxide"),
        (r"\bco\b|carbon monoxide", "carbon_monoxide"),
        (r"\bt?voc\b", "volatile_organic_compounds_parts"),
    ),
    "ppb": ((r"\bt?voc\b", "volatile_organic_compounds_parts"),),
    "\u00b5g/m³": (
        (r"\bpm ?2 ?5\b", "pm25"),
        (r"\bpm ?10\b", "pm10"),
        (r"\bpm ?1( 0)?\b", "pm1"),
        (r"\bt?voc\b", "volatile_organic_compounds"),
        (r"\bno2\b", "nitrogen_dioxide"),
        (r"\bo3\b|ozone", "ozone"),
    ),
    "m/s": ((r"wind|gust", "wind_speed"),),
    "km/h": ((r"wind|gust", "wind_speed"),),
    "mm": ((r"rain|precipitation", "precipitation"),),
    "K": ((r"temperature", "temperature"),),
}
# Their statistics are sums; a forecast is none.
ADDED_UP = {"energy"}


class Quantity(NamedTuple):
    """What Home Assistant is told of a number.

    Attributes:
        unit: as it spells it; None without.
        device_class: None where there is doubt.
        is_measurement: whether it may keep mean, least and most of it.
    """

    unit: str | None
    device_class: str | None
    is_measurement: bool


def quantity(name: str, unit: str) -> Quantity:
    """Say what a sensor measures.

    >>> quantity("outside", "degC")
    Quantity(unit='°C', device_class='temperature', is_measurement=True)
    >>> [quantity(name, "%").device_class for name in ("soil_moisture", "battery", "humidity_sensor_battery", "load")]
    ['moisture', 'battery', None, None]
    >>> quantity("flow", "")
    Quantity(unit=None, device_class=None, is_measurement=True)
    """
    spelt = SPELLINGS.get(unit, unit)
    found = OF_ONE_KIND.get(spelt) or _meant(name, BY_NAME.get(spelt, ()))
    return Quantity(spelt or None, found, found not in ADDED_UP)


def _meant(name: str, kinds: Sequence[tuple[str, str]]) -> str | None:
    """Find the one kind that a name speaks of; None where it speaks of none, or of several."""
    words = re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    found = [kind for pattern, kind in kinds if re.search(pattern, words)]
    return found[0] if len(found) == 1 else None
