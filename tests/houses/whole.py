"""A house of 60 devices that speak six dialects, and everything else that is on a broker beside them.

What each device is expected to be recognised as is written beside it, by hand and not by the code under test.
"""

from tests.houses import announced, esphome, plain, sparkplug, tasmota, zigbee
from tests.houses.parts import Device, Sent, table


def devices() -> list[Device]:
    """Return the 60 devices: 20 Zigbee2MQTT, 10 Tasmota, 10 ESPHome, 10 announced, 5 plain, 5 Sparkplug."""
    makers = (zigbee.devices, tasmota.devices, esphome.devices, announced.devices, plain.devices, sparkplug.devices)
    return [device for make in makers for device in make()]


def kept() -> list[Sent]:
    """Return what was sent before anybody listened: what the broker keeps, and what nobody hears any more."""
    before = [Sent("old/thermometer/temperature", b"19.5", True), Sent("old/report", b'{"temperature":19.5}', True)]
    node = [
        Sent("tidegate/edge1/status", b"online", True),
        Sent("tidegate/edge1/boiler/anomaly", b'{"anomaly":false,"since":null,"event":null}', True),
    ]
    makers = (zigbee.kept, tasmota.kept, esphome.kept, announced.kept)
    return [*before, *node, *(sent for make in makers for sent in make())]


def said(step: int, now: float) -> list[Sent]:
    """Return what the whole house says in one round.

    Args:
        step: the number of the round; in the first one Sparkplug's births come too.
        now: Unix seconds UTC.
    """
    births = sparkplug.births(now) if step == 0 else iter(())
    verdict = {"time": now, "values": {"warm": 20.0 + step}, "score": 0.1, "anomaly": False, "expected": {"warm": None}}
    return [
        *births,
        *zigbee.said(step),
        *tasmota.said(step, now),
        *esphome.said(step),
        *announced.said(step, now),
        *plain.said(step),
        *sparkplug.said(step, now),
        Sent("tidegate/edge1/boiler/state", table(verdict)),
        Sent("site/watch/edge1/boiler/state", table(verdict)),
    ]
