"""What a fuzzer feeds: everything that reads bytes of strangers, and what must hold whatever they are.

`make fuzz` drives it by coverage (atheris); `tests/edge/test_fuzzed.py` drives it with what devices really send.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from edge import feedback
from edge.addresses import Table
from edge.config import Config
from edge.counts import ReadingCounts
from edge.discover.proposal import propose
from edge.discover.survey import Survey
from edge.errors import ReadingError
from edge.mailbox import Message
from edge.payloads import dialect
from edge.payloads.numbers import find_numbers
from edge.payloads.sparkplug import OF_DEVICES, OF_NODES, parse_topic
from edge.reading import REASONS, Decoded
from edge.sparkplug import Host
from edge.suppressed import Suppressed

FOLDER = Path(__file__).parent / "edge" / "payloads"
ARRIVAL = 1_768_469_450.0  # Unix seconds; a morning of January 2026
BERLIN = ZoneInfo("Europe/Berlin")
LATEST = 253_402_300_800.0  # Unix seconds; the year 10000, which no date in words reaches
PATHS = ("temperature", "ENERGY.Power.0", "DS18B20-1.Temperature", "state")
PLANT = Config.from_table(
    {
        "streams": {
            "plant": {
                "bundle": "plant.bundle",
                "topic": "spBv1.0/{group}/{node}/{device}",
                "dialect": "sparkplug",
                "sensors": {"warm": "warm", "damp": "Humidity"},
                "rebirth_requests": True,
            }
        }
    }
)
TOPICS = (
    "homeassistant/sensor/boiler/config", "homeassistant/device/boiler/config", "zigbee2mqtt/bridge/devices",
    "zigbee2mqtt/bridge/groups", "zigbee2mqtt/bridge/info", "zigbee2mqtt/boiler", "tele/boiler/SENSOR",
    "attic/sensor/warm/state", "shed/climate", "spBv1.0/plant/DBIRTH/line/press", "spBv1.0/plant/DDATA/line/press",
)  # fmt: skip
TABLES = tuple(Table(name, table, list(table.sensors)) for name, table in PLANT.streams.items())
BASE = "tidegate/edge1/"


def _hold(decoded: Decoded) -> None:
    assert any(map(math.isfinite, decoded.values))
    assert not any(map(math.isinf, decoded.values))
    assert decoded.time is None or 0.0 <= decoded.time < LATEST


def _decode(name: str, paths: tuple[str, ...]) -> Callable[[bytes], None]:
    decoder = dialect(name, paths, time_path="Time" if paths else None, zone=BERLIN)
    return lambda payload: _hold(decoder.decode(payload, ARRIVAL))


def _sparkplug(payload: bytes) -> None:
    """Let a node say pieces of a payload, one after the other; where it is cut its own bytes say."""
    host = Host(TABLES, ReadingCounts())
    kinds = (*OF_NODES, *OF_DEVICES)
    for piece in payload.split(b"\xff\xff")[:8]:
        kind = kinds[piece[0] % len(kinds)] if piece else "NDATA"
        at = parse_topic(f"spBv1.0/plant/{kind}/line{'' if kind in OF_NODES else '/press'}")
        assert at is not None
        try:
            heard = host.hear(at, piece[1:], received_at=ARRIVAL)
        except ReadingError as refused:
            assert refused.reason in REASONS
            continue
        assert {refused.reason for refused in heard.refused} <= set(REASONS)
        for one in heard.instants:
            _hold(one)


def _discover(payload: bytes) -> None:
    """Let everybody say it, then propose what there is."""
    survey = Survey()
    for topic in TOPICS:
        survey.take(topic, payload, retained=False, received_at=ARRIVAL)
    propose(survey)


def _suppress(payload: bytes) -> None:
    words = Suppressed(BASE, hears_feedback=True)
    for ending in ("feedback", "event"):
        span = words.read(Message(f"{BASE}boiler/{ending}", payload, False, ARRIVAL))
        assert span is None or span.start <= span.end


def _numbers(payload: bytes) -> None:
    found = find_numbers(payload, ARRIVAL, "Time", zone=BERLIN)
    assert found.values or found.left_out
    assert all(map(math.isfinite, found.values.values()))


READERS: Mapping[str, Callable[[bytes], object]] = {
    "json": _decode("json", PATHS),
    "zigbee2mqtt": _decode("zigbee2mqtt", PATHS),
    "attribute": _decode("zigbee2mqtt", ()),
    "tasmota": _decode("tasmota", PATHS),
    "esphome": _decode("esphome", ()),
    "plain": _decode("plain", ()),
    "sparkplug": _sparkplug,
    "feedback": feedback.parse,
    "suppressed": _suppress,
    "numbers": _numbers,
    "discover": _discover,
}


def feed(data: bytes) -> None:
    """Feed one reader: the first byte says which, the others are what it reads.

    Raises:
        Exception: the reader does not keep its word; `ReadingError` of a known reason is its word.
    """
    if not data:
        return
    read = tuple(READERS.values())[data[0] % len(READERS)]
    try:
        read(data[1:])
    except ReadingError as refused:
        assert refused.reason in REASONS, refused.reason


def seeds() -> list[bytes]:
    """Return what devices really send, as each reader would get it."""
    payloads = [path.read_bytes() for path in sorted(FOLDER.glob("*/*")) if path.name != "expected.json"]
    payloads += [b"maintenance", b'{"feedback": "maintenance", "for": 60}']
    payloads += [b'{"feedback": "acknowledged", "start": "2026-01-15T09:30:00Z", "end": null}']
    return [bytes([place]) + payload for place in range(len(READERS)) for payload in payloads]
