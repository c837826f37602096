"""Hold classes to Home Assistant's own rules, and doubt to silence."""

import pytest

from edge.device_class import BY_NAME, OF_ONE_KIND, SPELLINGS, Quantity, quantity


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("outside", "°C", "temperature"),
        ("kitchen_humidity", "%", "humidity"),
        ("RH", "%", "humidity"),
        ("batteryLevel", "%", "battery"),
        ("soilMoisture", "%", "moisture"),
        ("load", "%", None),
        ("humidity_sensor_battery", "%", None),
        ("pressure", "hPa", "atmospheric_pressure"),
        ("supply", "bar", "pressure"),
        ("heat_pump", "W", "power"),
        ("mains", "V", "voltage"),
        ("phase1", "A", "current"),
        ("co2", "ppm", "carbon_dioxide"),
        ("CO", "ppm", "carbon_monoxide"),
        ("cooler", "ppm", None),
        ("pm2.5", "µg/m³", "pm25"),
        ("PM10", "ug/m3", "pm10"),
        ("pm1", "μg/m³", "pm1"),
        ("dust", "µg/m³", None),
        ("wind_speed", "m/s", "wind_speed"),
        ("belt", "m/s", None),
        ("boiler", "K", None),
        ("flow", "", None),
        ("flow", "furlongs", None),
    ],
)
def test_a_class_is_named_where_unit_and_name_leave_no_doubt(name: str, unit: str, kind: str | None) -> None:
    assert quantity(name, unit).device_class == kind


def test_a_unit_is_spelt_as_home_assistant_spells_it_and_else_left_as_it_is() -> None:
    assert [quantity("x", unit).unit for unit in ("degC", "lux", "furlongs", "")] == ["°C", "lx", "furlongs", None]


def test_a_forecast_of_energy_is_no_sum_that_statistics_may_add_up() -> None:
    assert quantity("meter", "kWh") == Quantity("kWh", "energy", is_measurement=False)


def test_every_other_spelling_leads_to_one_that_is_known() -> None:
    assert set(SPELLINGS.values()) <= {*OF_ONE_KIND, *BY_NAME}
    assert not set(SPELLINGS) & {*OF_ONE_KIND, *BY_NAME}
