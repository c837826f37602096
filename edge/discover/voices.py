"""Say of each device what it speaks and which of its values are sensors' readings.

A voice is one stream to be: a topic whose payload is a table, or the topics of one device that carry a value each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge.discover import bare, tasmota
from edge.discover.excluded import why_no_sensor
from edge.discover.facts import Fact
from edge.discover.heard import Heard, Values, time_path
from edge.discover.names import key_of, sensor_names
from edge.discover.survey import Survey
from edge.payloads.sparkplug import PREFIX
from edge.topics import broken_topic_rule

NO_FACT = Fact(topic="", path="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One sensor of a voice.

    Attributes:
        name: what it will be called.
        path: where it stands in the payload, or its word in the topic.
        fact: what a registry says of it.
        values: what was heard.
        period: seconds between its messages; None if it spoke once.
    """

    name: str
    path: str
    fact: Fact
    values: Values
    period: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One stream to be.

    Attributes:
        topic: of the configuration: with {sensor} where each sensor has a topic to itself.
        topics: that were heard.
        dialect: how its payloads are written.
        sensors: what it measures.
        heard: a record for each topic.
        time: path of the event time, None if there is none.
        left_out: values that are no readings, with the reason.
        about: what its registry calls the device.
    """

    topic: str
    topics: tuple[str, ...]
    dialect: str
    sensors: tuple[Sensor, ...]
    heard: tuple[Heard, ...]
    time: str | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    about: str = ""


def voices(survey: Survey) -> tuple[list[Voice], dict[str, str]]:
    """Return all voices, and the topics that are none with the reason."""
    silent: dict[str, str] = {}
    found: list[Voice] = []
    values: dict[str, Heard] = {}
    for topic, heard in survey.heard.items():
        why = _why_none(survey, topic, heard)
        if why:
            silent[topic] = why
        elif "" in heard.values:
            values[topic] = heard
        else:
            voice = _table(survey, topic, heard)
            if voice.sensors or (voice.dialect == "sparkplug" and not voice.left_out):
                found.append(voice)
            else:
                silent[topic] = "no sensor's numbers in it"
    tables = {voice.topic for voice in found}
    of_values, no_readings = _of_values(survey, values, tables)
    return sorted([*found, *of_values], key=lambda voice: (voice.dialect, voice.topic)), {**silent, **no_readings}


def _why_none(survey: Survey, topic: str, heard: Heard) -> str:
    if topic in survey.groups:
        return "a group of Zigbee2MQTT"
    if any(topic.startswith(f"{base}/bridge/") for base in survey.bridges):
        return "of Zigbee2MQTT itself"
    if "{" in topic or "}" in topic or broken_topic_rule(topic) is not None:
        return "a configuration cannot name its topic"
    if {"score", "anomaly"} <= {*heard.values, *heard.texts} and any(
        path.startswith("expected") for path in heard.texts
    ):
        return "what Tidegate says"
    return "" if heard.values or topic.startswith(PREFIX) else "no number in it"


def dialect_of(survey: Survey, topic: str, heard: Heard) -> str:
    """Recognise how the tables of a topic are written."""
    if topic.startswith(PREFIX):
        return "sparkplug"
    if topic in survey.devices or any(topic.startswith(f"{base}/") for base in survey.bridges):
        return "zigbee2mqtt"
    if tasmota.is_sensor(topic, heard):
        return "tasmota"
    return "zigbee2mqtt" if "linkquality" in heard.values else "json"


def _table(survey: Survey, topic: str, heard: Heard) -> Voice:
    """Describe a topic whose payloads are tables."""
    dialect = dialect_of(survey, topic, heard)
    device = survey.devices.get(topic)
    facts = _facts(survey, topic)
    if dialect == "tasmota":
        facts = {**tasmota.facts(topic, heard), **facts}
    is_listed = any(path is not None for path in facts) and dialect != "tasmota"
    reasons = {path: _why_no_sensor(path, heard, facts, is_listed=is_listed) for path in heard.values}
    paths = [path for path, why in reasons.items() if not why]
    names = sensor_names(paths)
    return Voice(
        topic=topic,
        topics=(topic,),
        dialect=dialect,
        sensors=tuple(
            Sensor(name=name, path=path, fact=facts.get(path, NO_FACT), values=heard.values[path], period=heard.period)
            for name, path in zip(names, paths, strict=True)
        ),
        heard=(heard,),
        time=time_path([heard]),
        left_out=tuple((path, why) for path, why in reasons.items() if why)
        + tuple((path, "no number") for path in heard.texts if path),
        about=device.model if device is not None else "",
    )


def _facts(survey: Survey, topic: str) -> dict[str | None, Fact]:
    """Return what registries say of a topic; the device's own registry knows best, discovery adds the class."""
    facts = dict(survey.facts.get(topic, {}))
    device = survey.devices.get(topic)
    for fact in device.facts if device is not None else ():
        known = facts.get(fact.path, NO_FACT)
        facts[fact.path] = replace(fact, device_class=known.device_class, excluded=fact.excluded or known.excluded)
    return facts


def _why_no_sensor(path: str, heard: Heard, facts: Mapping[str | None, Fact], *, is_listed: bool) -> str:
    """Say why a value is no reading; empty if it is one."""
    fact = facts.get(path)
    why = fact.excluded if fact is not None else ""
    if why or why_no_sensor(path):
        return why or why_no_sensor(path)
    if key_of(path) == "voltage" and "battery" in heard.values:
        return "battery"
    return "not in the registry" if is_listed and fact is None else ""


def _of_values(survey: Survey, values: Mapping[str, Heard], tables: set[str]) -> tuple[list[Voice], dict[str, str]]:
    """Put topics of one value together where they are of one device; return those that are no readings as well."""
    kinds: dict[tuple[str, str], dict[str, str]] = {}
    silent: dict[str, str] = {}
    for topic in values:
        place = bare.place_of(topic, survey, tables)
        why = _facts(survey, topic).get("", NO_FACT).excluded or why_no_sensor(place.word)
        if why or place.is_repeated:
            silent[topic] = why or "repeats what its device says in one table"
        else:
            kinds.setdefault((place.dialect, place.topic), {})[place.word] = topic
    found = [
        _of_topics(survey, topic, dialect=dialect, topics={word: (one, values[one]) for word, one in topics.items()})
        for dialect, topic, topics in bare.put_together(kinds)
    ]
    return found, silent


def _of_topics(survey: Survey, topic: str, *, dialect: str, topics: Mapping[str, tuple[str, Heard]]) -> Voice:
    """Describe a device whose sensors have topics of their own, each by its word."""
    words = sorted(topics)
    return Voice(
        topic=topic,
        topics=tuple(topics[word][0] for word in words),
        dialect=dialect,
        sensors=tuple(
            Sensor(
                name=name,
                path=word,
                fact=_facts(survey, topics[word][0]).get("", NO_FACT),
                values=topics[word][1].values[""],
                period=topics[word][1].period,
            )
            for name, word in zip(sensor_names(words), words, strict=True)
        ),
        heard=tuple(topics[word][1] for word in words),
    )
