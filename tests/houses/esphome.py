"""ESPHome: eight alike, two of their own; announced to Home Assistant, states kept by the broker."""

from collections.abc import Iterator, Sequence

from tests.houses.parts import Device, Sent, table, wave

ALIKE = [f"room-{number}" for number in range(8)]
OWN = {"cellar": ("water_level",), "roof": ("wind_speed", "rain_rate", "light_level")}
ESPHOME_UNITS = {"temperature": "°C", "humidity": "%", "water_level": "cm"}


def words(name: str) -> Sequence[str]:
    return OWN.get(name, ("temperature", "humidity"))


def devices() -> list[Device]:
    return [
        Device(
            dialect="esphome",
            topics=tuple(f"{name}/sensor/{word}/state" for word in words(name)),
            sensors=frozenset(words(name)),
            units={word: unit for word, unit in ESPHOME_UNITS.items() if word in words(name)},
        )
        for name in (*ALIKE, *OWN)
    ]


def kept() -> Iterator[Sent]:
    for name in (*ALIKE, *OWN):
        yield Sent(f"{name}/status", b"online", True)
        for word in (*words(name), "wifi_signal", "uptime", "free_space"):
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


def said(step: int) -> Iterator[Sent]:
    for number, name in enumerate((*ALIKE, *OWN)):
        for place, word in enumerate((*words(name), "wifi_signal", "uptime", "free_space")):
            yield Sent(f"{name}/sensor/{word}/state", b"%.2f" % wave(step, number + place, 20.0, 4.0), True)
        yield Sent(f"{name}/binary_sensor/window/state", b"ON" if step % 2 else b"OFF", True)
