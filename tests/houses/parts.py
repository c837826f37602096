"""What the devices of a simulated house share: messages, what is expected of a device, values that move."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sin
from typing import NamedTuple


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
