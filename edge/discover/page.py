"""Write what was found as a configuration, with comments that say what was heard and what is left to decide.

The file is written by hand: it is made of comments more than of keys, and a library that keeps those of a file which is
there (tomlkit) has nothing to keep.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from edge.discover.facts import text_of
from edge.discover.heard import offset
from edge.discover.proposal import Proposal
from edge.discover.streams import Stream
from edge.discover.voices import Sensor
from edge.discover.zigbee2mqtt import Bridge
from edge.errors import counted

MOST_EXAMPLES = 12  # topics that are named of those that are left out for one reason
MOST_NAMES = 6
ZONE = 900.0  # seconds; offsets of time zones are multiples of it
AHEAD = 60.0  # seconds that an event time may be ahead of its arrival by default


class Broker(Protocol):
    """Where was listened, as the table [broker] has it."""

    @property
    def host(self) -> str:
        """Its name or address."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def username(self) -> str:
        """Who we are there; empty for nobody."""

    @property
    def password_file(self) -> str:
        """Where the password stands; empty for none."""


def page(proposal: Proposal, broker: Broker, *, told: Sequence[str], file: str) -> str:
    """Return the configuration.

    Args:
        proposal: what to propose.
        broker: where was listened.
        told: what was heard, when, and what of it was lost; in words.
        file: the name it will have, for the commands in it.
    """
    lines = [*_head([*told, *proposal.remarks], file), *_broker(broker)]
    for place, stream in enumerate(proposal.streams):
        table = _table(stream, proposal.bridges, _learning(proposal.streams, place))
        lines += ["", *(table if stream.sensors else map(_disabled, table))]
    return "\n".join([*lines, *_tail(proposal)]) + "\n"


def quoted(text: str) -> str:
    r"""Write a text for TOML.

    >>> print(quoted('a "b" é\x7f'))
    "a \"b\" é\u007f"
    """
    whole = text.encode("utf-8", "replace").decode()  # JSON can write halves of characters, which no file can hold
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def _head(told: Sequence[str], file: str) -> Iterator[str]:
    yield "## Written by `tidegate discover`."
    yield from (f"## {text_of(line, 200)}." for line in told)
    yield "##"
    yield "## Look through the tables: delete streams and sensors that need no watching, and name them as you like."
    yield "## Each names a bundle, the model that is to be learnt from its history, so first record some:"
    yield f"##     tidegate record --config {file} --for 7d"
    yield "## then export it and train on the workstation, as each table says, and prove the whole:"
    yield f"##     tidegate check --config {file}"
    yield ""
    yield "[node]"
    yield '#name = "edge1"'
    yield ""


def _broker(broker: Broker) -> Iterator[str]:
    yield "[broker]"
    yield f"host = {quoted(broker.host)}"
    yield f"port = {broker.port}"
    if broker.username:
        yield f"username = {quoted(broker.username)}"
    if broker.password_file:
        yield f"password_file = {quoted(broker.password_file)}"


def _learning(streams: Sequence[Stream], place: int) -> Iterator[str]:
    """Say how the bundle of a table is learnt, once for all tables that share it."""
    bundle = streams[place].bundle
    mine = [stream for stream in streams if stream.bundle == bundle]
    if mine[0] is not streams[place]:
        yield f"Learnt with that of streams.{mine[0].name}."
        return
    names = ",".join(name for stream in mine for name in stream.streams)
    yield "Learnt from its history, once there is some:"
    yield f"    tidegate export recorder.db {bundle}.csv.gz --streams {names}"
    yield f"    tidegate-train fit --data {bundle}.csv.gz --out {bundle}.bundle"


def _table(stream: Stream, bridges: Mapping[str, Bridge], learning: Iterator[str]) -> Iterator[str]:
    first = stream.voices[0]
    yield from (f"## {line}" for line in _story(stream, bridges))
    yield f"[streams.{stream.name}]"
    yield from (f"## {line}" for line in learning)
    yield f"bundle = {quoted(f'{stream.bundle}.bundle')}"
    yield f"topic = {quoted(stream.topic)}"
    if first.dialect != "json":
        yield f"dialect = {quoted(first.dialect)}"
    if stream.pattern:
        yield f"stream = {quoted(stream.pattern)}"
    yield from _time(stream)
    if first.dialect == "sparkplug":
        yield "## Its payloads need a library: pip install 'tidegate[sparkplug]'"
    yield ""
    yield f"[streams.{stream.name}.sensors]"
    if not stream.sensors:
        yield "## No birth was heard, which alone names metrics: this table has none and is switched off. Restart"
        yield '## the node while discover listens, or name them here and take each # away: warm = "Boiler/Temperature"'
    width = max((len(f"{sensor.name} = {quoted(sensor.path)}") for sensor in stream.sensors), default=0)
    for place, sensor in enumerate(stream.sensors):
        told = [voice.sensors[place] for voice in stream.voices]
        yield f"{sensor.name} = {quoted(sensor.path)}".ljust(width) + f"  # {_measured(told)}"
    for sensor in stream.sensors:
        yield from _limits(stream.name, sensor)


def _disabled(line: str) -> str:
    return line if not line or line.startswith("#") else f"#{line}"


def _story(stream: Stream, bridges: Mapping[str, Bridge]) -> Iterator[str]:
    """Say in lines who speaks, how often, and what of it is left out."""
    voices = stream.voices
    live = sum(heard.live for voice in voices for heard in voice.heard)
    abouts = sorted({voice.about for voice in voices if voice.about})
    who = f"{counted(len(voices), 'device')}: {_some([_speaker(stream, place) for place in range(len(voices))])}"
    yield text_of(f"{who}{f' ({_some(abouts)})' if abouts else ''}", 200)
    yield f"{counted(live, 'message')}, {_pace(stream)}"
    left_out = sorted({pair for voice in voices for pair in voice.left_out})
    if left_out:
        yield f"Not proposed: {_some([text_of(f'{path} ({why})') for path, why in left_out], 24)}"
    cut = max(heard.cut for voice in voices for heard in voice.heard)
    if stream.topic != voices[0].topic:
        yield "Whoever else speaks there becomes a stream of this table"
    if cut:
        yield f"{counted(cut, 'further value')} of a message were not looked at"
    bridge = next((bridge for base, bridge in bridges.items() if stream.topic.startswith(f"{base}/")), None)
    if bridge is not None and bridge.repeats:
        yield "cache_state is on: a message repeats what did not change"
    if bridge is not None and bridge.last_seen == "disable":
        yield "Its messages have no event time: last_seen is off in Zigbee2MQTT (advanced: last_seen: ISO_8601)"


def _speaker(stream: Stream, place: int) -> str:
    topics = stream.voices[place].topics
    return topics[0] if len(topics) == 1 else stream.voices[place].topic


def _pace(stream: Stream) -> str:
    periods = sorted(sensor.period for voice in stream.voices for sensor in voice.sensors if sensor.period is not None)
    if not periods:
        return "none of them spoke twice: listen longer to learn how often they do"
    middle = periods[len(periods) // 2]
    if periods[-1] > 1.5 * periods[0]:
        return f"one every {_number(middle)} s ({_number(periods[0])} to {_number(periods[-1])} s)"
    return f"one every {_number(middle)} s"


def _time(stream: Stream) -> Iterator[str]:
    """Write where the event time stands, and whether it can be true."""
    first = stream.voices[0]
    heard = [one for voice in stream.voices for one in voice.heard]
    if first.dialect == "sparkplug":
        return
    if first.time is None:
        if first.dialect == "json" and any("time" in (*one.values, *one.texts) for one in heard):
            yield "## What stands at `time` is no time of these days."
            yield 'time = ""'
        return
    ahead = offset(heard, first.time)
    side = "ahead of" if ahead > 0.0 else "before"
    yield f"## Event times are {_number(abs(ahead))} s {side} their arrival (the median)."
    zones = round(ahead / ZONE)
    if zones and abs(ahead - zones * ZONE) < AHEAD:
        hours = zones * ZONE / 3600.0
        yield f"## That is {hours:+g} h: local time that does not say so. Let its sender add the offset, or send UTC."
        if first.dialect == "tasmota":
            yield '#timezone = "Europe/Berlin"'
    yield f"time = {quoted(first.time)}"


def _measured(told: Sequence[Sensor]) -> str:
    """Say what was heard of a sensor, of all devices together, and what its registry says."""
    fact = told[0].fact
    low, high = min(one.values.low for one in told), max(one.values.high for one in told)
    followed = sum(one.values.count - 1 for one in told)
    parts = [", ".join(filter(None, (fact.unit, fact.device_class)))]
    parts.append(f"{_number(low)} to {_number(high)} heard" if high > low else f"{_number(low)} heard")
    if followed:
        parts.append(f"{sum(one.values.repeats for one in told) / followed:.0%} unchanged")
    return "; ".join(filter(None, parts))


def _limits(table: str, sensor: Sensor) -> Iterator[str]:
    """Propose what the registry says that a sensor can measure, unless what was heard is beyond it."""
    low, high, heard = sensor.fact.low, sensor.fact.high, sensor.values
    if (low is not None and low > heard.low) or (high is not None and high < heard.high) or low == high:
        return
    yield "## What its registry says that it can measure:"
    yield f"#[streams.{table}.detection.sensors.{sensor.name}]"
    yield from (f"#{name} = {limit!r}" for name, limit in (("low", low), ("high", high)) if limit is not None)


def _tail(proposal: Proposal) -> Iterator[str]:
    """List what was heard and is not proposed."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for topic, why in proposal.left_out.items():
        reasons[why].append(text_of(topic))
    if reasons:
        yield ""
        yield "## Heard and not proposed:"
    for why, topics in sorted(reasons.items()):
        yield f"##   {why}: {_some(sorted(topics), MOST_EXAMPLES)}"


def _some(names: Sequence[str], most: int = MOST_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _number(value: float) -> str:
    """Write a number with four digits, as people do.

    >>> _number(300.02), _number(0.5), _number(1234567.0)
    ('300', '0.5', '1234567')
    """
    if abs(value) >= 1000.0 and math.isfinite(value):
        return f"{value:.0f}"
    return f"{value:.4g}"
