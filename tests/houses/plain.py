"""Bare numbers: two of one shape, one device of two quantities, two that stand alone."""

from collections.abc import Iterator

from tests.houses.parts import Device, Sent, wave

PLAIN = {
    "garden/north/soil/moisture": "moisture",
    "garden/south/soil/moisture": "moisture",
    "house/gas_meter": "gas_meter",
    "solar/inverter1/ac_watts": "ac_watts",
}


def devices() -> list[Device]:
    return [
        *(Device(dialect="plain", topics=(topic,), sensors=frozenset({word})) for topic, word in PLAIN.items()),
        Device(
            dialect="plain",
            topics=("shed/humidity", "shed/temperature"),
            sensors=frozenset({"temperature", "humidity"}),
        ),
    ]


def said(step: int) -> Iterator[Sent]:
    topics = (*PLAIN, "shed/humidity", "shed/temperature", "shed/rssi", "house/uptime", "house/router/battery")
    for number, topic in enumerate(topics):
        yield Sent(topic, b"%.2f" % wave(step, number, 30.0, 5.0))
    yield Sent("house/mode", b"away" if step % 2 else b"home")
    yield Sent("house/status", b"%d" % step)
