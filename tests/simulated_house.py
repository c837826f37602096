"""A house of 60 devices that speak six dialects, and everything else that is on a broker beside them.

What each device is expected to be recognised as is written beside it, by hand and not by the code under test.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import sin
from typing import NamedTuple

BASE = "zigbee2mqtt"
PUBLISHED, SETTABLE = 1, 7  # what may be done with a value: hear it; hear, set and ask for it


class Sent(NamedTuple):
    """A message; a retained one is kept by the broker."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device.

    Attributes:
        dialect: that it speaks.
        topics: on which its readings are sent.
        sensors: the paths, or the words of its topics, that are readings.
        units: by path, of those that a registry tells.
    """

    dialect: str
    topics: tuple[str, ...]
    sensors: frozenset[str]
    units: Mapping[str, str] = field(default_factory=dict)


def as_json(**values: object) -> bytes:
    return json.dumps(values).encode()


def table(values: Mapping[str, object]) -> bytes:
    return json.dumps(values).encode()


def wave(step: int, device: int, centre: float, swing: float) -> float:
    """Draw a value that moves, each device's at its own phase."""
    return round(centre + swing * sin(0.7 * step + device), 2)


# Zigbee2MQTT: ten climates, two of which have names with spaces or levels, five plugs, five of motion and light.

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


def zigbee_devices() -> list[Device]:
    climate = ("temperature", "humidity", "pressure")
    return [
        *(zigbee(name, climate, temperature="°C", humidity="%", pressure="hPa") for name in CLIMATES),
        *(zigbee(name, ("power", "energy", "voltage"), power="W", energy="kWh", voltage="V") for name in PLUGS),
        *(zigbee(name, ("illuminance",), illuminance="lx") for name in MOTIONS),
    ]


def zigbee_registry() -> Iterator[Sent]:
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


def zigbee_round(step: int) -> Iterator[Sent]:
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


# Tasmota: six of the usual order of levels, four of another; three of the first measure energy.

DRY = [f"tasmota_{number:02}" for number in range(3)]
METERS = [f"meter_{number}" for number in range(3)]
TURNED = [f"attic_{number}" for number in range(4)]
ENERGY = ("Total", "Today", "Power", "Factor", "Voltage", "Current")


def tasmota_devices() -> list[Device]:
    ds18b20 = frozenset({"DS18B20.Temperature"})
    units = {"DS18B20.Temperature": "°C"}
    energy = {"ENERGY.Power": "W", "ENERGY.Total": "kWh"}
    meter = frozenset(f"ENERGY.{word}" for word in ENERGY)
    return [
        *(Device(dialect="tasmota", topics=(f"tele/{name}/SENSOR",), sensors=ds18b20, units=units) for name in DRY),
        *(Device(dialect="tasmota", topics=(f"tele/{name}/SENSOR",), sensors=meter, units=energy) for name in METERS),
        *(Device(dialect="tasmota", topics=(f"{name}/tele/SENSOR",), sensors=ds18b20, units=units) for name in TURNED),
    ]


def tasmota_kept() -> Iterator[Sent]:
    for name in (*DRY, *METERS):
        yield Sent(f"tele/{name}/LWT", b"Online", True)
    for name in TURNED:
        yield Sent(f"{name}/tele/LWT", b"Online", True)


def tasmota_round(step: int, now: float) -> Iterator[Sent]:
    local = datetime.fromtimestamp(now + 7200.0, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    wifi = {"AP": 1, "RSSI": 80 + step, "Signal": -60}
    for number, name in enumerate((*DRY, *TURNED)):
        topic = f"tele/{name}" if name in DRY else f"{name}/tele"
        values = {"Id": "01131B1C0", "Temperature": wave(step, number, 20.0, 2.0)}
        yield Sent(f"{topic}/SENSOR", as_json(Time=local, DS18B20=values, TempUnit="C"))
        yield Sent(f"{topic}/STATE", as_json(Time=local, UptimeSec=100 + step, Heap=27, POWER="ON", Wifi=wifi))
    for number, name in enumerate(METERS):
        energy: dict[str, object] = {
            word: round(1.0 + place + 0.01 * step * (number + 1), 3) for place, word in enumerate(ENERGY)
        }
        energy |= {"TotalStartTime": "2019-01-01T00:00:00", "Yesterday": 1.25, "Period": step}
        yield Sent(f"tele/{name}/SENSOR", as_json(Time=local, ENERGY=energy))
        yield Sent(f"stat/{name}/RESULT", b'{"POWER":"ON"}')
        yield Sent(f"stat/{name}/POWER", b"ON")
        yield Sent(f"cmnd/{name}/POWER", b"TOGGLE")


# ESPHome: eight alike, two of their own; announced to Home Assistant, states kept by the broker.

ALIKE = [f"room-{number}" for number in range(8)]
OWN = {"cellar": ("water_level",), "roof": ("wind_speed", "rain_rate", "light_level")}
ESPHOME_UNITS = {"temperature": "°C", "humidity": "%", "water_level": "cm"}


def esphome_words(name: str) -> Sequence[str]:
    return OWN.get(name, ("temperature", "humidity"))


def esphome_devices() -> list[Device]:
    return [
        Device(
            dialect="esphome",
            topics=tuple(f"{name}/sensor/{word}/state" for word in esphome_words(name)),
            sensors=frozenset(esphome_words(name)),
            units={word: unit for word, unit in ESPHOME_UNITS.items() if word in esphome_words(name)},
        )
        for name in (*ALIKE, *OWN)
    ]


def esphome_kept() -> Iterator[Sent]:
    for name in (*ALIKE, *OWN):
        yield Sent(f"{name}/status", b"online", True)
        for word in (*esphome_words(name), "wifi_signal", "uptime", "free_space"):
            config: dict[str, object] = {
                "name": word,
                "stat_t": f"{name}/sensor/{word}/state",
                "uniq_id": f"{name}{word}",
            }
            config |= {"unit_of_meas": ESPHOME_UNITS[word]} if word in ESPHOME_UNITS else {}
            config |= {"ent_cat": "diagnostic"} if word == "free_space" else {}
            yield Sent(f"homeassistant/sensor/{name}/{word}/config", table(config), True)
            yield Sent(f"{name}/sensor/{word}/state", b"1.5", True)
        yield Sent(f"{name}/binary_sensor/window/state", b"ON", True)
        yield Sent(f"{name}/debug", b"[D][main] loop took long")


def esphome_round(step: int) -> Iterator[Sent]:
    for number, name in enumerate((*ALIKE, *OWN)):
        for place, word in enumerate((*esphome_words(name), "wifi_signal", "uptime", "free_space")):
            yield Sent(f"{name}/sensor/{word}/state", b"%.2f" % wave(step, number + place, 20.0, 4.0), True)
        yield Sent(f"{name}/binary_sensor/window/state", b"ON" if step % 2 else b"OFF", True)


# JSON devices that Home Assistant was told of: five component by component, five in the form for whole devices.

WEATHER = [f"weather/station{number}/report" for number in range(5)]
TANKS = [f"heating/tank{number}" for number in range(5)]


def announced_devices() -> list[Device]:
    air = {"air.temp": "°C", "air.rh": "%"}
    tank = {"top": "°C", "bottom": "°C"}
    return [
        *(Device(dialect="json", topics=(topic,), sensors=frozenset(air), units=air) for topic in WEATHER),
        *(Device(dialect="json", topics=(f"{topic}/state",), sensors=frozenset(tank), units=tank) for topic in TANKS),
    ]


def announced_kept() -> Iterator[Sent]:
    parts = (
        ("temp", {"val_tpl": "{{ value_json.air.temp | round(1) }}", "unit_of_meas": "°C", "dev_cla": "temperature"}),
        ("rh", {"val_tpl": "{{ value_json['air']['rh'] }}", "unit_of_meas": "%", "dev_cla": "humidity"}),
        ("bat", {"val_tpl": "{{ value_json.bat }}", "unit_of_meas": "%", "dev_cla": "battery"}),
        ("ratio", {"val_tpl": "{{ (value_json.air.rh / 100) | round(2) }}"}),
    )
    for number, topic in enumerate(WEATHER):
        for word, part in parts:
            payload = table({**part, "stat_t": topic, "uniq_id": f"w{number}{word}"})
            yield Sent(f"homeassistant/sensor/w{number}_{word}/config", payload, True)
    for number, topic in enumerate(TANKS):
        cmps = {
            "top": {"p": "sensor", "val_tpl": "{{ value_json.top }}", "unit_of_meas": "°C", "dev_cla": "temperature"},
            "bottom": {"p": "sensor", "val_tpl": "{{ value_json.bottom }}", "unit_of_meas": "°C"},
            "target": {"p": "number", "val_tpl": "{{ value_json.target }}", "cmd_t": "~/set", "min": 30, "max": 70},
            "rssi": {"p": "sensor", "val_tpl": "{{ value_json.rssi }}", "ent_cat": "diagnostic"},
        }
        device = {"~": topic, "dev": {"ids": [f"t{number}"]}, "o": {"name": "tanks"}, "stat_t": "~/state", "cmps": cmps}
        yield Sent(f"homeassistant/device/tank{number}/config", table(device), True)
        yield Sent(f"{topic}/config", b'{"target":50}', True)
    yield Sent("homeassistant/status", b"online", True)


def announced_round(step: int, now: float) -> Iterator[Sent]:
    for number, topic in enumerate(WEATHER):
        air = {"temp": wave(step, number, 8.0, 2.0), "rh": wave(step, number, 70.0, 5.0)}
        yield Sent(topic, as_json(ts=now - 1.5, air=air, bat=90, boots=3, station=number))
    for number, topic in enumerate(TANKS):
        values = {"top": wave(step, number, 60.0, 3.0), "bottom": wave(step, number, 40.0, 3.0)}
        yield Sent(f"{topic}/state", as_json(**values, target=50, rssi=-60 - step, cycles=1000 + step))


# Five plain ones: two of one shape, one of two quantities, two that stand alone.

PLAIN = {
    "garden/north/soil/moisture": "moisture",
    "garden/south/soil/moisture": "moisture",
    "house/gas_meter": "gas_meter",
    "solar/inverter1/ac_watts": "ac_watts",
}


def plain_devices() -> list[Device]:
    return [
        *(Device(dialect="plain", topics=(topic,), sensors=frozenset({word})) for topic, word in PLAIN.items()),
        Device(
            dialect="plain",
            topics=("shed/humidity", "shed/temperature"),
            sensors=frozenset({"temperature", "humidity"}),
        ),
    ]


def plain_round(step: int) -> Iterator[Sent]:
    topics = (*PLAIN, "shed/humidity", "shed/temperature", "shed/rssi", "house/uptime", "house/router/battery")
    for number, topic in enumerate(topics):
        yield Sent(topic, b"%.2f" % wave(step, number, 30.0, 5.0))
    yield Sent("house/mode", b"away" if step % 2 else b"home")
    yield Sent("house/status", b"%d" % step)


# Sparkplug: a node of its own metrics, three presses alike, and an oven.

NODE, PRESSES, OVEN = "plant/line1", ("press1", "press2", "press3"), "oven"
DOUBLE, BOOLEAN, INT16 = 10, 11, 2
METRICS: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "": (("Cabinet/Temperature", DOUBLE, "°C"),),
    **{press: (("Pressure", DOUBLE, "bar"), ("Torque", INT16, ""), ("Running", BOOLEAN, "")) for press in PRESSES},
    OVEN: (("Zone 1", DOUBLE, "°C"), ("Zone 2", DOUBLE, "°C")),
}


def varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def piece(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def valued(datatype: int, value: float) -> bytes:
    if datatype == DOUBLE:
        return varint(13 << 3 | 1) + struct.pack("<d", value)
    return whole(14 if datatype == BOOLEAN else 10, int(value) & 0xFFFF)


def born(name: str, alias: int, datatype: int, unit: str, value: float) -> bytes:
    said = piece(1, name.encode()) + whole(2, alias) + whole(4, datatype) + valued(datatype, value)
    if unit:
        said += piece(9, piece(1, b"engUnit") + piece(2, whole(1, 12) + piece(8, unit.encode())))
    return piece(2, said)


def told(alias: int, datatype: int, value: float) -> bytes:
    return piece(2, whole(2, alias) + valued(datatype, value))


def sparkplug_topic(kind: str, device: str) -> str:
    group, node = NODE.split("/")
    return f"spBv1.0/{group}/{'D' if device else 'N'}{kind}/{node}{f'/{device}' if device else ''}"


def sparkplug_devices() -> list[Device]:
    return [
        Device(
            dialect="sparkplug",
            topics=(f"spBv1.0/{NODE}{f'/{device}' if device else ''}",),
            sensors=frozenset(name for name, datatype, _ in metrics if datatype != BOOLEAN),
            units={name: unit for name, _, unit in metrics if unit},
        )
        for device, metrics in METRICS.items()
    ]


def sparkplug_births(now: float) -> Iterator[Sent]:
    for device, metrics in METRICS.items():
        said = [born(name, alias, datatype, unit, 1.0) for alias, (name, datatype, unit) in enumerate(metrics, 1)]
        if not device:
            said += [born("bdSeq", 90, 8, "", 0.0), born("Node Control/Rebirth", 91, BOOLEAN, "", 0.0)]
        yield Sent(sparkplug_topic("BIRTH", device), whole(1, int(1e3 * now)) + b"".join(said))


def sparkplug_round(step: int, now: float) -> Iterator[Sent]:
    for number, (device, metrics) in enumerate(METRICS.items()):
        said = [
            told(alias, datatype, wave(step, number, 90.0, 9.0)) for alias, (_, datatype, _) in enumerate(metrics, 1)
        ]
        yield Sent(sparkplug_topic("DATA", device), whole(1, int(1e3 * now)) + b"".join(said))
    yield Sent("spBv1.0/STATE/scada", as_json(online=True, timestamp=int(1e3 * now)))


# All of it


def devices() -> list[Device]:
    """Return the 60 devices: 20 Zigbee2MQTT, 10 Tasmota, 10 ESPHome, 10 announced, 5 plain, 5 Sparkplug."""
    makers = (zigbee_devices, tasmota_devices, esphome_devices, announced_devices, plain_devices, sparkplug_devices)
    return [device for make in makers for device in make()]


def kept() -> list[Sent]:
    """Return what was sent before anybody listened: what the broker keeps, and what nobody hears any more."""
    before = [Sent("old/thermometer/temperature", b"19.5", True), Sent("old/report", b'{"temperature":19.5}', True)]
    node = [
        Sent("tidegate/edge1/status", b"online", True),
        Sent("tidegate/edge1/boiler/anomaly", b'{"anomaly":false,"since":null,"event":null}', True),
    ]
    makers = (zigbee_registry, tasmota_kept, esphome_kept, announced_kept)
    return [*before, *node, *(sent for make in makers for sent in make())]


def said(step: int, now: float) -> list[Sent]:
    """Return what the whole house says in one round.

    Args:
        step: the number of the round; in the first one Sparkplug's births come too.
        now: Unix seconds UTC.
    """
    births = sparkplug_births(now) if step == 0 else iter(())
    verdict = {"time": now, "values": {"warm": 20.0 + step}, "score": 0.1, "anomaly": False, "expected": {"warm": None}}
    return [
        *births,
        *zigbee_round(step),
        *tasmota_round(step, now),
        *esphome_round(step),
        *announced_round(step, now),
        *plain_round(step),
        *sparkplug_round(step, now),
        Sent("tidegate/edge1/boiler/state", table(verdict)),
        Sent("site/watch/edge1/boiler/state", table(verdict)),
    ]
