"""Sparkplug: a node of its own metrics, three presses alike, and an oven; their payloads are laid out by hand."""

import struct
from collections.abc import Iterator, Mapping, Sequence

from tests.houses.parts import Device, Sent, as_json, wave

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


def topic_of(kind: str, device: str) -> str:
    group, node = NODE.split("/")
    return f"spBv1.0/{group}/{'D' if device else 'N'}{kind}/{node}{f'/{device}' if device else ''}"


def devices() -> list[Device]:
    return [
        Device(
            dialect="sparkplug",
            topics=(f"spBv1.0/{NODE}{f'/{device}' if device else ''}",),
            sensors=frozenset(name for name, datatype, _ in metrics if datatype != BOOLEAN),
            units={name: unit for name, _, unit in metrics if unit},
        )
        for device, metrics in METRICS.items()
    ]


def births(now: float) -> Iterator[Sent]:
    for device, metrics in METRICS.items():
        said = [born(name, alias, datatype, unit, 1.0) for alias, (name, datatype, unit) in enumerate(metrics, 1)]
        if not device:
            said += [born("bdSeq", 90, 8, "", 0.0), born("Node Control/Rebirth", 91, BOOLEAN, "", 0.0)]
        yield Sent(topic_of("BIRTH", device), whole(1, int(1e3 * now)) + b"".join(said))


def said(step: int, now: float) -> Iterator[Sent]:
    for number, (device, metrics) in enumerate(METRICS.items()):
        said = [
            told(alias, datatype, wave(step, number, 90.0, 9.0)) for alias, (_, datatype, _) in enumerate(metrics, 1)
        ]
        yield Sent(topic_of("DATA", device), whole(1, int(1e3 * now)) + b"".join(said))
    yield Sent("spBv1.0/STATE/scada", as_json(online=True, timestamp=int(1e3 * now)))
