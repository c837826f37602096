"""Hold a proposed configuration to the house that it was heard in: what is recognised, what is invented."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import config as configs
from edge import payloads
from edge.config import Config
from edge.stream_config import StreamConfig
from edge.topics import SENSOR, stream_name
from tests.houses.parts import Device, Sent

# Where a dialect has no decoder of its own, what comes nearest to its payloads.
NEAREST = {"zigbee2mqtt": "json", "tasmota": "json", "sparkplug": "json", "esphome": "plain"}


@dataclass(frozen=True)
class Verdict:
    """What became of a house.

    Attributes:
        recognised: devices that have a stream of their own with just their sensors.
        missed: the topics of the others.
        invented: streams that are no device's, with a topic that brings them to life.
    """

    recognised: int
    missed: Sequence[str]
    invented: Sequence[tuple[str, str]]


def load(path: Path) -> Config:
    """Load a proposal as the daemon would."""
    text = path.read_text(encoding="utf-8")
    for name in NEAREST.keys() - set(payloads.NAMES):
        text = text.replace(f'dialect = "{name}"', f'dialect = "{NEAREST[name]}"')
    beside = path.with_name("accepted.toml")
    beside.write_text(text, encoding="utf-8")
    return configs.load(beside)


def judge(config: Config, devices: Sequence[Device], sent: Iterable[Sent]) -> Verdict:
    """Compare the streams that a configuration brings to life with the devices that there are."""
    mine = {stream_of(config, device.topics[0]): device for device in devices if fits(config, device)}
    mine.pop(None, None)
    born = {stream_of(config, topic): topic for topic in map(configured_topic, {one.topic for one in sent})}
    born.pop(None, None)
    return Verdict(
        recognised=len(mine),
        missed=[device.topics[0] for device in devices if device not in mine.values()],
        invented=sorted((name, topic) for name, topic in born.items() if name is not None and name not in mine),
    )


def fits(config: Config, device: Device) -> bool:
    """Say whether all topics of a device go to one stream, which has its sensors and no others."""
    tables = {table_of(config, topic) for topic in device.topics}
    if len(tables) != 1 or None in tables or len({stream_of(config, topic) for topic in device.topics}) != 1:
        return False
    table = config.streams[str(tables.pop())]
    dialects = {device.dialect, NEAREST.get(device.dialect, device.dialect)}
    return table.dialect in dialects and set(table.sensors.values()) == device.sensors


def table_of(config: Config, topic: str) -> str | None:
    """Return the first table that a topic fits, as the daemon does."""
    return next((name for name, table in config.streams.items() if table.template.match(topic) is not None), None)


def stream_of(config: Config, topic: str) -> str | None:
    """Return the stream that a topic brings to life; None for none."""
    name = table_of(config, topic)
    if name is None:
        return None
    table: StreamConfig = config.streams[name]
    words = table.template.match(topic) or {}
    if SENSOR in words and words[SENSOR] not in table.sensors.values():
        return None
    return stream_name(table.pattern(name), words)


def configured_topic(topic: str) -> str:
    """Return a topic of Sparkplug as a configuration has it, without the type of the message."""
    levels = topic.split("/")
    return "/".join([*levels[:2], *levels[3:]]) if levels[0] == "spBv1.0" and len(levels) > 3 else topic
