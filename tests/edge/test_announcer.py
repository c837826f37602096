"""Hold what Home Assistant is told, and when, against what the broker keeps; days and seconds are drawn by hand."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from edge import homeassistant
from edge.addresses import Born
from edge.announcer import AT_ONCE, SETTLE, Announcer, announcer_for
from edge.config import Config
from edge.entities import Profile
from edge.homeassistant import Node
from edge.message import Outgoing
from edge.retold import SUBSCRIBED, SUBSCRIBED_EACH
from tests.edge.test_entities import PROFILE

NODE = Node("homeassistant", "tidegate", "edge1")
BOILER = '[streams.boiler]\nbundle = "b"\ntopic = "plant/boiler"\n'
MOTES = '[streams.motes]\nbundle = "b"\ntopic = "motes/{mote}"\nstream = "mote-{mote}"\n'
ENABLED = "[homeassistant]\nenabled = true\nforget_after = 30\n"
TODAY = 20_000


def config_of(streams: str, homeassistant: str = ENABLED) -> Config:
    return Config.from_table(tomllib.loads(homeassistant + streams))


@dataclass
class Broker:
    """What a broker keeps, and an announcer that speaks to it.

    Attributes:
        kept: payloads by topic.
        said: streams with what was said of each, oldest first.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    said: list[tuple[str, bytes]] = field(default_factory=list)

    def begin(self, streams: str, **profiles: Profile) -> "Broker":
        """Let a daemon start with a configuration, and hear what is kept."""
        config = config_of(streams)
        self.announcer = Announcer(config, {name: profiles.get(name, PROFILE) for name in config.streams})
        self.born: list[Born] = []
        self.connects, self.now = 1, 100.0
        self.look()
        self._send_kept()
        return self

    def settle(self, day: int = TODAY) -> list[str]:
        """Wait long enough; return the streams that something was said of."""
        self.now += SETTLE
        return self.look(day)

    def look(self, day: int = TODAY) -> list[str]:
        before = len(self.said)
        self._publish(self.announcer.look(self.born, connects=self.connects, now=self.now, day=day))
        return [stream for stream, _ in self.said[before:]]

    def reconnect(self) -> None:
        self.connects += 1
        self.look()
        self._send_kept()

    def devices(self) -> set[str]:
        """Return the names of the devices that are described."""
        return {json.loads(payload)["dev"]["name"] for payload in self.kept.values()}

    def _send_kept(self) -> None:
        for topic, payload in list(self.kept.items()):
            self.announcer.hear(topic, payload, retained=True)

    def _publish(self, news: Sequence[Outgoing]) -> None:
        for one in news:
            assert (one.qos, one.retain, one.expiry) == (1, True, None)
            self.said.append((one.topic.split("/")[2].removeprefix("tidegate_edge1_"), one.payload))
            self.kept.pop(one.topic, None)
            if one.payload:
                self.kept[one.topic] = one.payload


def test_a_stream_that_the_configuration_names_is_described_once_the_broker_has_sent_what_it_kept() -> None:
    broker = Broker().begin(BOILER + MOTES)
    assert broker.said == []
    assert broker.settle() == ["boiler"]
    assert broker.look() == []


def test_a_stream_of_a_placeholder_is_described_when_it_comes_to_life() -> None:
    broker = Broker().begin(BOILER + MOTES)
    broker.settle()
    broker.born += [Born(0, "boiler"), Born(1, "mote-3")]
    assert broker.look() == ["mote-3"]


def test_all_are_described_again_when_home_assistant_starts() -> None:
    broker = Broker().begin(BOILER + MOTES)
    broker.born.append(Born(1, "mote-3"))
    assert set(broker.settle()) == {"boiler", "mote-3"}
    broker.announcer.hear("homeassistant/status", b"offline", retained=False)
    assert broker.look() == []
    broker.announcer.hear("homeassistant/status", b"online", retained=False)
    assert broker.look() == ["boiler", "mote-3"]


def topics(broker: Broker) -> list[tuple[str, float]]:
    """Return what is to be said again once Home Assistant has subscribed, and how old it may be."""
    assert broker.announcer.retell(broker.now) == []
    broker.now += SUBSCRIBED + 2 * SUBSCRIBED_EACH
    return [(one.topic.removeprefix(NODE.base), one.max_age) for one in broker.announcer.retell(broker.now)]


def test_states_follow_when_home_assistant_starts_and_forecasts_where_entities_follow_them() -> None:
    near = replace(PROFILE, exposed=(1,), expire_after=90.0)
    broker = Broker().begin(BOILER + MOTES, boiler=near)
    broker.born.append(Born(1, "mote-3"))
    broker.settle()
    assert topics(broker) == []  # its entities knew nothing before
    broker.announcer.hear("homeassistant/status", b"online", retained=False)
    broker.look()
    assert topics(broker) == [
        ("boiler/state", 90.0),
        ("mote-3/state", PROFILE.expire_after),
        ("mote-3/forecast", PROFILE.expire_after),
    ]


def test_states_follow_once_and_not_every_day() -> None:
    broker = Broker().begin(BOILER)
    broker.settle()
    broker.announcer.hear("homeassistant/status", b"online", retained=False)
    broker.look()
    assert topics(broker) != []
    assert broker.look(TODAY + 1) == ["boiler"]
    assert topics(broker) == []


def test_states_follow_after_a_connection_that_was_lost_for_home_assistant_may_have_started_meanwhile() -> None:
    broker = Broker().begin(BOILER)
    broker.settle()
    broker.reconnect()
    assert broker.settle() == ["boiler"]
    assert [topic for topic, _ in topics(broker)] == ["boiler/state", "boiler/forecast"]


def test_all_are_described_again_to_a_broker_that_may_have_forgotten() -> None:
    broker = Broker().begin(BOILER)
    broker.settle()
    broker.kept.clear()
    broker.reconnect()
    assert broker.look() == []
    assert broker.settle() == ["boiler"]


def test_many_streams_are_described_in_turns() -> None:
    broker = Broker().begin(MOTES)
    broker.settle()
    broker.born += [Born(0, f"mote-{number}") for number in range(2 * AT_ONCE + 1)]
    turns = []
    while not turns or broker.announcer.has_more:
        turns.append(len(broker.look()))
    assert turns == [AT_ONCE, AT_ONCE, 1]


def test_a_stream_that_left_the_configuration_is_removed() -> None:
    broker = Broker().begin(BOILER + MOTES)
    broker.settle()
    assert broker.devices() == {"boiler"}
    broker.begin(MOTES).settle()
    assert broker.kept == {}
    assert broker.announcer.told.removed == 1


def test_a_stream_of_a_placeholder_is_kept_while_its_table_makes_such_names_and_removed_when_it_no_longer_does() -> (
    None
):
    broker = Broker().begin(MOTES)
    broker.born.append(Born(0, "mote-3"))
    broker.settle()
    broker.begin(BOILER + MOTES).settle()
    assert broker.devices() == {"boiler", "mote-3"}
    broker.begin(MOTES.replace('"mote-{mote}"', '"{mote}-mote"')).settle()
    assert broker.devices() == set()


def test_a_stream_of_a_placeholder_that_no_run_has_heard_for_too_long_is_removed() -> None:
    broker = Broker().begin(MOTES)
    broker.born.append(Born(0, "mote-3"))
    broker.settle()
    broker.begin(MOTES).settle(TODAY + 30)
    assert broker.devices() == {"mote-3"}
    broker.look(TODAY + 31)
    assert broker.devices() == set()


def test_a_stream_that_is_there_is_never_too_old_and_its_day_is_kept_up_to_date() -> None:
    broker = Broker().begin(MOTES)
    broker.born.append(Born(0, "mote-3"))
    broker.settle()
    assert broker.look(TODAY + 1) == ["mote-3"]
    broker.look(TODAY + 100)
    broker.begin(MOTES).settle(TODAY + 130)
    assert broker.devices() == {"mote-3"}


def test_a_machine_that_wakes_in_1970_does_not_make_its_streams_old() -> None:
    broker = Broker().begin(MOTES)
    broker.born.append(Born(0, "mote-3"))
    broker.settle()
    broker.begin(MOTES).born.append(Born(0, "mote-3"))
    broker.settle(day=0)
    broker.begin(MOTES).settle(TODAY + 1)
    assert broker.devices() == {"mote-3"}


def test_a_stream_that_comes_to_life_only_when_it_was_removed_is_back() -> None:
    broker = Broker().begin(MOTES)
    broker.born.append(Born(0, "mote-3"))
    broker.settle()
    broker.begin(MOTES).settle(TODAY + 31)
    broker.born.append(Born(0, "mote-3"))
    broker.look(TODAY + 31)
    assert broker.devices() == {"mote-3"}


def test_components_that_a_stream_no_longer_has_are_removed_by_their_mere_platform() -> None:
    broker = Broker().begin(BOILER)
    broker.settle()
    slim = replace(PROFILE, publish=("state",))
    assert broker.begin(BOILER, boiler=slim).settle() == ["boiler", "boiler"]
    removing, last = (json.loads(payload)["cmps"] for _, payload in broker.said[-2:])
    gone = set(removing) - set(last)
    assert gone == {"event", "forecast_temperature_6", "forecast_flow_6"}
    assert {key: removing[key] for key in gone} == {
        "event": {"p": "event"},
        "forecast_temperature_6": {"p": "sensor"},
        "forecast_flow_6": {"p": "sensor"},
    }
    assert broker.begin(BOILER, boiler=slim).settle() == ["boiler"]


def test_what_others_keep_is_left_alone() -> None:
    other = Node("homeassistant", "tidegate", "edge2")
    theirs = homeassistant.announce(other, homeassistant.Stamp("boiler", "boiler", 0), PROFILE, gone={}).news
    broker = Broker()
    broker.kept = {
        theirs.topic: theirs.payload,
        "homeassistant/device/0x01/config": b'{"dev":{"ids":["1"]},"o":{"name":"zigbee2mqtt"},"cmps":{}}',
        "homeassistant/device/a/config": b'{"o":{"name":"tidegate"}}',
        "homeassistant/device/b/config": b'["tidegate"]',
        "homeassistant/device/c/config": b'"tidegate" and no JSON',
    }
    before = dict(broker.kept)
    broker.begin(MOTES).settle(TODAY + 100)
    assert broker.kept == before


def test_what_somebody_says_at_our_topics_while_we_listen_is_no_memory() -> None:
    broker = Broker().begin(MOTES)
    broker.settle()
    gone = homeassistant.announce(NODE, homeassistant.Stamp("old", "old", 0), PROFILE, gone={}).news
    broker.announcer.hear(gone.topic, gone.payload, retained=False)
    assert broker.look() == []


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        ("homeassistant/status", True),
        ("homeassistant/device/tidegate_edge1_boiler/config", True),
        ("homeassistant/device//config", False),
        ("homeassistant/device/a/b/config", False),
        ("homeassistant/sensor/kitchen/state", False),
        ("homeassistant/device/config", False),
        ("plant/boiler", False),
    ],
)
def test_only_what_was_subscribed_to_for_this_is_taken_apart_from_readings(topic: str, wanted: bool) -> None:
    assert Broker().begin(BOILER).announcer.wants(topic) == wanted


def test_nobody_speaks_unless_it_is_enabled() -> None:
    assert announcer_for(config_of(BOILER, ""), {}) is None
