"""Messages and configuration of a trial, beside the line that hears them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from edge import config as configs
from edge.bundle import Bundle
from edge.config import Config
from edge.line import Line
from edge.load import Kind, Speaker, configuration

Load = Callable[[str], Bundle]
BEGIN = 1_700_000_000.0


def kind(bundle: Bundle, path: Path, *, is_split: bool = False, publish: tuple[str, ...] = ("state", "event")) -> Kind:
    return Kind(path, bundle.manifest.learned(), 0, publish, is_split)


def written(folder: Path, kinds: list[Kind]) -> Config:
    path = folder / "trial.toml"
    path.write_text(configuration(kinds, "127.0.0.1", 1999, "3.1.1"))
    return configs.load(path)


def test_a_table_for_each_kind_says_what_decides_its_cost(loaded: Load, bundles: Path, tmp_path: Path) -> None:
    path = bundles / "lstm-dynamic.bundle"
    one = kind(loaded("lstm-dynamic"), path)
    other = replace(one, qos=2, publish=(), is_split=True)
    config = written(tmp_path, [one, other])
    assert (config.broker.port, config.broker.protocol) == (1999, "3.1.1")
    first, second = config.streams.values()
    assert (first.bundle, first.qos, first.publish, first.has_sensor_in_topic) == (path, 0, ("state", "event"), False)
    assert (second.bundle, second.qos, second.publish, second.has_sensor_in_topic) == (path, 2, (), True)


@pytest.mark.parametrize("is_split", [False, True])
def test_the_line_understands_all_that_is_said_and_finds_nothing_strange(
    loaded: Load, bundles: Path, tmp_path: Path, is_split: bool
) -> None:
    bundle = loaded("lstm-dynamic")
    spoken = kind(bundle, bundles / "lstm-dynamic.bundle", is_split=is_split)
    line = Line(written(tmp_path, [spoken]), {spoken.bundle: (spoken.learned, bundle.model)})
    speaker, samples, streams = Speaker(0, spoken, 3, BEGIN), spoken.learned.window + 20, 3
    answers = []
    for topic, payload in speaker.say(samples * streams * spoken.messages):
        line.receive(topic, payload, retained=False, received_at=BEGIN)
        answers += line.advance()
    assert (sum(line.counts.refused.values()), line.counts.unrouted, line.firsts.take()) == (0, 0, [])
    states = [answer for answer in answers if answer.topic.endswith("/state")]
    assert len(states) == len(answers) == samples * streams
    scores = [orjson.loads(answer.payload)["score"] for answer in states]
    assert scores[0] is None
    assert max(scores[-3:]) < 1.0


def test_streams_take_turns_whatever_is_asked_for_at_once(loaded: Load, bundles: Path) -> None:
    one = kind(loaded("lstm-dynamic"), bundles / "lstm-dynamic.bundle", is_split=True)
    whole, pieces = Speaker(0, one, 3, BEGIN), Speaker(0, one, 3, BEGIN)
    said = [message for count in (0, 1, 4, 2, 7) for message in pieces.say(count)]
    assert said == whole.say(14)
    assert [topic for topic, _ in said[:7]] == [
        f"trial/k0/m{stream}/s{sensor}" for stream in (0, 1, 2) for sensor in (0, 1)
    ] + ["trial/k0/m0/s0"]
    first, second = (orjson.loads(said[place][1]) for place in (0, 6))
    assert (first["time"], second["time"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:13:25Z")
