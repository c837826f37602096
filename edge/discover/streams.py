"""Put devices that say the same together: under one topic with {placeholders} where that means them and nobody else.

A placeholder is a promise for all that will ever speak there, so it is made only where no topic was heard that fits and
carries no readings, and where other devices that fit have tables of their own: those stand before it, and the first
table that a topic fits is the one it belongs to. Devices with tables of their own share a bundle where they are alike.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.discover.names import clean, device_name, unique
from edge.discover.voices import Sensor, Voice
from edge.topics import SENSOR, TopicTemplate, is_stream_name

FIXED = (f"{{{SENSOR}}}", "tele")  # levels that no placeholder may stand for, though they differ in their place
PLACEHOLDERS = (("device",), ("place", "device"))  # for one level that differs, and for two


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One table [streams.NAME] to be.

    Attributes:
        name: of the table.
        topic: with placeholders if it is of several devices.
        pattern: of the streams' names; empty: as the configuration has it by default.
        bundle: the name of the model, which all devices with these sensors share.
        voices: of the devices.
        streams: the names that these will have.
    """

    name: str
    topic: str
    pattern: str
    bundle: str
    voices: tuple[Voice, ...]
    streams: tuple[str, ...]

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """Return the sensors of the first device, as all have the same."""
        return self.voices[0].sensors


@dataclass(frozen=True, slots=True)
class _Group:
    """Voices that one topic serves."""

    topic: str
    voices: tuple[Voice, ...]

    @property
    def placeholders(self) -> list[str]:
        """Return what stands for a level of a device's own."""
        return [name for name in TopicTemplate(self.topic).names if name != SENSOR]

    @property
    def is_template(self) -> bool:
        """Whether the topic is of several devices."""
        return bool(self.placeholders)

    @property
    def names(self) -> list[str]:
        """Return by which names the streams of a template go, unless it says otherwise."""
        template = TopicTemplate(self.topic)
        found = [template.match(voice.topics[0]) or {} for voice in self.voices]
        return ["-".join(words[name] for name in self.placeholders) for words in found]


def streams(voices: Sequence[Voice], others: Iterable[str]) -> list[Stream]:
    """Return tables for all voices, those of one device first.

    Args:
        voices: all that shall have a stream.
        others: all further topics that were heard; none of them may become a stream by a placeholder.
    """
    alike: dict[tuple[object, ...], list[Voice]] = defaultdict(list)
    for voice in voices:
        alike[_signature(voice)].append(voice)
    strangers = frozenset(others)
    groups: list[_Group] = []
    for kind in sorted(alike.values(), key=len, reverse=True):  # the topic of many is worth more
        groups += _group(kind, [group for group in groups if group.is_template], strangers)
    groups.sort(key=lambda group: (group.is_template, group.voices[0].dialect, group.topic))
    names = unique(_titles(groups), "stream")
    patterns, bundles = _patterns(groups, names), _bundles(groups, names)
    return [
        Stream(
            name=name,
            topic=group.topic,
            pattern=pattern,
            bundle=bundle,
            voices=group.voices,
            streams=_streams(group, name, pattern),
        )
        for group, name, pattern, bundle in zip(groups, names, patterns, bundles, strict=True)
    ]


def _titles(groups: Sequence[_Group]) -> list[str]:
    """Return what to call the tables; a device has its name before those that a placeholder stands for."""
    alone = {device_name(group.topic) for group in groups if not group.is_template}
    titles = [device_name(group.topic) or group.voices[0].dialect for group in groups]
    return [
        f"{title}-devices" if group.is_template and title in alone else title
        for group, title in zip(groups, titles, strict=True)
    ]


def _streams(group: _Group, name: str, pattern: str) -> tuple[str, ...]:
    if not group.is_template:
        return (name,)
    return tuple(f"{name}-{one}" if pattern else one for one in group.names)


def _signature(voice: Voice) -> tuple[object, ...]:
    """Say what devices must share to have one table."""
    levels = voice.topic.split("/")
    fixed = tuple((place, level) for place, level in enumerate(levels) if level in FIXED)
    return voice.dialect, len(levels), fixed, _measured(voice), voice.time


def _measured(voice: Voice) -> tuple[tuple[str, str, str], ...]:
    """Say what devices must share to be served by one model: degrees Celsius are no degrees Fahrenheit."""
    if not voice.sensors:  # nobody has told what it measures, so it is like no other
        return ((voice.topic, "", ""),)
    return tuple((sensor.name, sensor.path, sensor.fact.unit) for sensor in voice.sensors)


def _group(kind: Sequence[Voice], templates: Sequence[_Group], strangers: frozenset[str]) -> list[_Group]:
    """Put voices of one kind together as far as a topic can mean them alone."""
    levels = [voice.topic.split("/") for voice in kind]
    differ = [place for place, words in enumerate(zip(*levels, strict=True)) if len(set(words)) > 1]
    topic = _template(levels[0], differ)
    if topic is not None and _means_only(_Group(topic, tuple(kind)), templates, strangers):
        return [_Group(topic, tuple(kind))]
    parts: dict[str, list[Voice]] = defaultdict(list)
    for voice, words in zip(kind, levels, strict=True):
        parts[words[differ[0]] if len(differ) > 1 else voice.topic].append(voice)
    if len(parts) == len(kind):
        return [_Group(voice.topic, (voice,)) for voice in kind]
    groups: list[_Group] = []
    for part in parts.values():
        groups += _group(part, [*templates, *(group for group in groups if group.is_template)], strangers)
    return groups


def _template(levels: Sequence[str], differ: Sequence[int]) -> str | None:
    """Write a topic with placeholders where levels differ; None where too many do, or all."""
    if not 1 <= len(differ) <= len(PLACEHOLDERS):
        return None
    names = dict(zip(differ, PLACEHOLDERS[len(differ) - 1], strict=True))
    written = [f"{{{names[place]}}}" if place in names else level for place, level in enumerate(levels)]
    has_words = any(level and "{" not in level for level in written)
    return "/".join(written) if has_words else None


def _means_only(group: _Group, templates: Sequence[_Group], strangers: frozenset[str]) -> bool:
    """Say whether a topic names a stream for each, brings nobody else to life, and takes from no other template."""
    template = TopicTemplate(group.topic)
    names = group.names
    if len(set(names)) < len(names) or not all(map(is_stream_name, names)):
        return False
    words = {sensor.path for sensor in group.voices[0].sensors}
    for stranger in strangers:
        values = template.match(stranger)
        if values is not None and (SENSOR not in values or values[SENSOR] in words):
            return False
    mine = {topic for voice in group.voices for topic in voice.topics}
    theirs = {topic for other in templates for voice in other.voices for topic in voice.topics}
    if any(template.match(topic) is not None for topic in theirs):
        return False
    return not any(TopicTemplate(other.topic).match(topic) for other in templates for topic in mine)


def _bundles(groups: Sequence[_Group], names: Sequence[str]) -> list[str]:
    """Name the bundle of each table: devices that are alike share one, called after what they measure."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        voice = group.voices[0]
        alike[voice.dialect, _measured(voice)].append(place)
    wanted = [names[places[0]] if len(places) == 1 else _measures(groups[places[0]]) for places in alike.values()]
    bundles = [""] * len(groups)
    for bundle, places in zip(unique(wanted, "stream"), alike.values(), strict=True):
        for place in places:
            bundles[place] = bundle
    return bundles


def _measures(group: _Group) -> str:
    return clean("-".join(sensor.name for sensor in group.voices[0].sensors[:3]))


def _patterns(groups: Sequence[_Group], names: Sequence[str]) -> list[str]:
    """Say how the streams of each template are named, so that no two streams have one name."""
    taken = [name for group, name in zip(groups, names, strict=True) if not group.is_template]
    taken += [name for group in groups if group.is_template for name in group.names]
    shapes = [len(group.placeholders) for group in groups]
    clashes = len(set(taken)) < len(taken)
    return [
        "-".join([name, *(f"{{{one}}}" for one in group.placeholders)])
        if group.is_template and (clashes or shapes.count(shape) > 1)
        else ""
        for group, name, shape in zip(groups, names, shapes, strict=True)
    ]
