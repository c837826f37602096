"""Zigbee2MQTT: ten climates, two of which have names with spaces or levels, five plugs, five of motion and light."""

import json
from collections.abc import Iterator, Sequence

from tests.houses.parts import Device, Sent, as_json, table, wave

BASE = "zigbee2mqtt"
PUBLISHED, SETTABLE = 1, 7  # what may be done with a value: hear it; hear, set and ask for it
CLIMATES = [*(f"climate_{number}" for number in range(8)), "climate of the hall", "Wohnzimmer/Süd"]
PLUGS = [f"plug_{number}" for number in range(5)]
MOTIONS = [f"motion_{number}" for number in range(5)]
LAMP, CONTACT, GROUP = "lamp", "door", "all_lamps"


def exposed(name: str, unit: str = "", access: int = PUBLISHED, **more: object) -> dict[str, object]:
    return {
        "type": "numeric",
        "name": name,
        "property": name,
        "access": access,
        **({"unit": unit} if unit else {}),
        **more,
    }


LINK = exposed("linkquality", "lqi", value_min=0, value_max=255)
BATTERY = exposed("battery", "%", value_min=0, value_max=100)
EXPOSES: dict[str, list[dict[str, object]]] = {
    "climate": [
        exposed("temperature", "°C", value_min=-20, value_max=60),
        exposed("humidity", "%"),
        exposed("pressure", "hPa"),
        BATTERY,
        exposed("voltage", "mV"),
        LINK,
    ],
    "plug": [
        {"type": "switch", "features": [{"type": "binary", "name": "state", "property": "state", "access": SETTABLE}]},
        exposed("power", "W"),
        exposed("energy", "kWh"),
        exposed("voltage", "V"),
        exposed("countdown", "s", SETTABLE),
        exposed("device_temperature", "°C", category="diagnostic"),
        LINK,
    ],
    "motion": [
        {"type": "binary", "name": "occupancy", "property": "occupancy", "access": PUBLISHED},
        exposed("illuminance", "lx"),
        exposed("occupancy_timeout", "s", SETTABLE),
        BATTERY,
        LINK,
    ],
    "lamp": [
        {
            "type": "light",
            "features": [
                {"type": "binary", "name": "state", "property": "state", "access": SETTABLE},
                exposed("brightness", "", SETTABLE, value_min=0, value_max=254),
                {
                    "type": "composite",
                    "name": "color_xy",
                    "property": "color",
                    "access": SETTABLE,
                    "features": [exposed("x", "", SETTABLE), exposed("y", "", SETTABLE)],
                },
            ],
        },
        LINK,
    ],
    "contact": [{"type": "binary", "name": "contact", "property": "contact", "access": PUBLISHED}, BATTERY, LINK],
}


def zigbee(name: str, sensors: Sequence[str], **units: str) -> Device:
    return Device(dialect="zigbee2mqtt", topics=(f"{BASE}/{name}",), sensors=frozenset(sensors), units=units)


def devices() -> list[Device]:
    climate = ("temperature", "humidity", "pressure")
    return [
        *(zigbee(name, climate, temperature="°C", humidity="%", pressure="hPa") for name in CLIMATES),
        *(zigbee(name, ("power", "energy", "voltage"), power="W", energy="kWh", voltage="V") for name in PLUGS),
        *(zigbee(name, ("illuminance",), illuminance="lx") for name in MOTIONS),
    ]


def kept() -> Iterator[Sent]:
    kinds = [("climate", CLIMATES), ("plug", PLUGS), ("motion", MOTIONS), ("lamp", [LAMP]), ("contact", [CONTACT])]
    devices: list[dict[str, object]] = [{"friendly_name": "Coordinator", "type": "Coordinator", "definition": None}]
    for kind, names in kinds:
        definition = {"vendor": "Aqara", "model": f"M-{kind}", "exposes": EXPOSES[kind]}
        devices += [{"friendly_name": name, "type": "EndDevice", "definition": definition} for name in names]
        for name in names:
            yield Sent(f"{BASE}/{name}/availability", b'{"state":"online"}', True)
    yield Sent(f"{BASE}/bridge/devices", json.dumps(devices).encode(), True)
    yield Sent(f"{BASE}/bridge/groups", json.dumps([{"id": 1, "friendly_name": GROUP}]).encode(), True)
    info = {"version": "2.1", "config": {"advanced": {"cache_state": True, "last_seen": "disable"}}}
    yield Sent(f"{BASE}/bridge/info", table(info), True)
    yield Sent(f"{BASE}/bridge/state", b'{"state":"online"}', True)
    yield Sent(f"{BASE}/bridge/logging", as_json(level="info", message="started"))


def said(step: int) -> Iterator[Sent]:
    for number, name in enumerate(CLIMATES):
        values = {
            "temperature": wave(step, number, 21.0, 1.0),
            "humidity": wave(step, number, 45.0, 3.0),
            "pressure": wave(step, number, 1010.0, 2.0),
        }
        yield Sent(f"{BASE}/{name}", as_json(**values, battery=97, voltage=2975, linkquality=120 + step))
    for number, name in enumerate(PLUGS):
        update = {"installed_version": 65, "latest_version": 65, "state": "idle"}
        values = {"power": wave(step, number, 40.0, 9.0), "energy": 12.5 + 0.01 * step, "voltage": 230.0 + step % 2}
        yield Sent(
            f"{BASE}/{name}",
            table(
                {**values, "state": "ON", "countdown": 0, "device_temperature": 31, "linkquality": 90, "update": update}
            ),
        )
    for number, name in enumerate(MOTIONS):
        values = {"illuminance": wave(step, number, 300.0, 50.0), "occupancy": step % 2 == 0}
        yield Sent(f"{BASE}/{name}", as_json(**values, occupancy_timeout=90, battery=80, linkquality=60))
    lamp = as_json(state="ON", brightness=100 + step, color={"x": 0.1 + step / 100, "y": 0.2}, linkquality=99)
    yield Sent(f"{BASE}/{LAMP}", lamp)
    yield Sent(f"{BASE}/{GROUP}", lamp)
    yield Sent(f"{BASE}/{CONTACT}", as_json(contact=step % 2 == 0, battery=100, linkquality=77))
    yield Sent(f"{BASE}/{LAMP}/set", as_json(brightness=100 + step))
