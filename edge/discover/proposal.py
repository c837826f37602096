"""Decide what of a survey is proposed, and say what is not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.discover.streams import Stream, streams
from edge.discover.survey import Survey
from edge.discover.voices import voices
from edge.discover.zigbee2mqtt import Bridge
from edge.errors import counted

UNHEARD = "in the registry of Zigbee2MQTT, and said nothing"
OLD = "only what the broker had kept came, and nothing new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is proposed, and what was heard besides.

    Attributes:
        streams: the tables to be.
        left_out: topics that are no streams, with the reason.
        bridges: settings of each Zigbee2MQTT, by its base topic.
        remarks: what was not looked at, in words.
    """

    streams: Sequence[Stream]
    left_out: Mapping[str, str]
    bridges: Mapping[str, Bridge]
    remarks: Sequence[str]

    @property
    def tally(self) -> str:
        """Count devices by how they speak, in words."""
        dialects = Counter(voice.dialect for stream in self.streams for voice in stream.voices)
        told = ", ".join(f"{count} {dialect}" for dialect, count in sorted(dialects.items()))
        return counted(sum(dialects.values()), "stream") + (f" ({told})" if told else "")


def propose(survey: Survey) -> Proposal:
    """Decide."""
    speaking, silent = voices(survey)
    unheard = dict.fromkeys(survey.devices.keys() - survey.heard.keys(), UNHEARD)
    left_out = {**unheard, **survey.aside, **dict.fromkeys(survey.kept, OLD), **silent}
    return Proposal(
        streams=streams(speaking, left_out),
        left_out=left_out,
        bridges=survey.bridges,
        remarks=_remarks(survey),
    )


def _remarks(survey: Survey) -> list[str]:
    ignored = survey.ignored
    counts = {
        "not looked at: more topics spoke than are kept": ignored.topics,
        "looked at in part: more values than are kept": ignored.paths,
        "not looked at: their topics are too long": ignored.long_topics,
        "not looked at: their payloads are too large": ignored.large,
    }
    remarks = [f"{counted(count, 'message')} {why}" for why, count in counts.items() if count]
    if ignored.facts:
        remarks.append(f"{counted(ignored.facts, 'word')} of registries beyond what is kept")
    if survey.births.unnamed:
        count = counted(survey.births.unnamed, "Sparkplug value")
        remarks.append(f"{count} without a name: their births were not heard")
    if survey.births.unread:
        count = counted(survey.births.unread, "message")
        remarks.append(f"{count} of Sparkplug not read for want of a library: pip install 'tidegate[sparkplug]'")
    if survey.births.ignored:
        remarks.append(f"{counted(survey.births.ignored, 'birth')} of Sparkplug nodes beyond what is kept")
    return remarks
