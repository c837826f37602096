"""Tasmota: six of the usual order of levels, three of which measure energy, and four of another order."""

from collections.abc import Iterator
from datetime import UTC, datetime

from tests.houses.parts import Device, Sent, as_json, wave

DRY = [f"tasmota_{number:02}" for number in range(3)]
METERS = [f"meter_{number}" for number in range(3)]
TURNED = [f"attic_{number}" for number in range(4)]
ENERGY = ("Total", "Today", "Power", "Factor", "Voltage", "Current")


def devices() -> list[Device]:
    ds18b20 = frozenset({"DS18B20.Temperature"})
    units = {"DS18B20.Temperature": "°C"}
    energy = {"ENERGY.Power": "W", "ENERGY.Total": "kWh"}
    meter = frozenset(f"ENERGY.{word}" for word in ENERGY)
    return [
        *(Device(dialect="tasmota", topics=(f"tele/{name}/SENSOR",), sensors=ds18b20, units=units) for name in DRY),
        *(Device(dialect="tasmota", topics=(f"tele/{name}/SENSOR",), sensors=meter, units=energy) for name in METERS),
        *(Device(dialect="tasmota", topics=(f"{name}/tele/SENSOR",), sensors=ds18b20, units=units) for name in TURNED),
    ]


def kept() -> Iterator[Sent]:
    for name in (*DRY, *METERS):
        yield Sent(f"tele/{name}/LWT", b"Online", True)
    for name in TURNED:
        yield Sent(f"{name}/tele/LWT", b"Online", True)


def said(step: int, now: float) -> Iterator[Sent]:
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
