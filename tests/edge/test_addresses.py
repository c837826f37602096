"""Which stream a topic belongs to."""

import tomllib

from edge.addresses import Address, Addresses, Refused, Table
from edge.config import Config
from tests.lines import CLIMATE

BY_SENSOR = CLIMATE.replace("/climate", "/{sensor}") + '[streams.plant.sensors]\nwarm = "temperature"\n'


def addresses(toml: str = CLIMATE) -> Addresses:
    streams = Config.from_table(tomllib.loads(toml)).streams
    return Addresses([Table(name, table, ["warm", "damp"]) for name, table in streams.items()])


def test_a_topic_names_its_stream_and_perhaps_its_sensor() -> None:
    assert addresses().find("plant/a/press/climate") == Address(0, "a-press", None)
    found = addresses(BY_SENSOR)
    assert found.find("plant/a/press/damp") == Address(0, "a-press", 1)
    assert found.find("plant/a/press/temperature") == Address(0, "a-press", 0)


def test_a_topic_of_no_table_is_nobodys() -> None:
    assert addresses().find("elsewhere") is None


def test_a_word_that_is_no_sensor_is_refused_and_brings_no_stream_to_life() -> None:
    found = addresses(BY_SENSOR)
    refused = found.find("plant/a/press/warm")
    assert refused == Refused(0, "unrouted", "must name one of temperature, damp")
    assert found._owners == {}


def test_two_topics_of_one_name_are_told_apart_by_who_came_first() -> None:
    found = addresses()
    assert found.find("plant/a/x-y/climate") == Address(0, "a-x-y", None)
    refused = found.find("plant/a-x/y/climate")
    assert isinstance(refused, Refused)
    assert refused.reason == "stream_name"
    assert found.find("plant/a/x-y/climate") == Address(0, "a-x-y", None)


def test_streams_beyond_the_most_are_refused_and_those_before_are_not() -> None:
    found = addresses(CLIMATE + "max_streams = 1\n")
    found.find("plant/a/x/climate")
    assert found.find("plant/a/y/climate") == Refused(0, "streams_refused", "max_streams is 1")
    assert isinstance(found.find("plant/a/x/climate"), Address)
