"""JSON devices that Home Assistant was told of: five by component, five in the form for whole devices."""

from collections.abc import Iterator

from tests.houses.parts import Device, Sent, as_json, table, wave

WEATHER = [f"weather/station{number}/report" for number in range(5)]
TANKS = [f"heating/tank{number}" for number in range(5)]


def devices() -> list[Device]:
    air = {"air.temp": "°C", "air.rh": "%"}
    tank = {"top": "°C", "bottom": "°C"}
    return [
        *(Device(dialect="json", topics=(topic,), sensors=frozenset(air), units=air) for topic in WEATHER),
        *(Device(dialect="json", topics=(f"{topic}/state",), sensors=frozenset(tank), units=tank) for topic in TANKS),
    ]


def kept() -> Iterator[Sent]:
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


def said(step: int, now: float) -> Iterator[Sent]:
    for number, topic in enumerate(WEATHER):
        air = {"temp": wave(step, number, 8.0, 2.0), "rh": wave(step, number, 70.0, 5.0)}
        yield Sent(topic, as_json(ts=now - 1.5, air=air, bat=90, boots=3, station=number))
    for number, topic in enumerate(TANKS):
        values = {"top": wave(step, number, 60.0, 3.0), "bottom": wave(step, number, 40.0, 3.0)}
        yield Sent(f"{topic}/state", as_json(**values, target=50, rssi=-60 - step, cycles=1000 + step))
