"""What a survey keeps is bounded, and what it ignores is counted."""

import tracemalloc

import pytest

from edge.discover import survey as surveys
from edge.discover.proposal import propose
from edge.discover.survey import Survey
from edge.discover.voices import voices
from tests.houses import sparkplug
from tests.houses import whole as house
from tests.houses.parts import table

NOW = 1.7e9


def heard(*messages: tuple[str, bytes], retained: bool = False, every: float = 10.0) -> Survey:
    survey = Survey()
    for place, (topic, payload) in enumerate(messages):
        survey.take(topic, payload, retained=retained, received_at=NOW + every * place)
    return survey


def test_a_million_topics_fill_no_memory() -> None:
    survey = Survey()
    tracemalloc.start()
    for number in range(surveys.MOST_TOPICS):
        survey.take(f"flood/{number}", b"%d" % number, retained=False, received_at=NOW)
    early = tracemalloc.get_traced_memory()[0]
    for number in range(surveys.MOST_TOPICS, 1_000_000, 50):
        survey.take(f"flood/{number}", b"%d" % number, retained=False, received_at=NOW)
        survey.take(f"kept/{number}", b"1", retained=True, received_at=NOW)
    later = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(survey.heard) == surveys.MOST_TOPICS
    assert len(survey.kept) == surveys.MOST_ASIDE
    assert survey.ignored.topics == 2 * 19_800 - surveys.MOST_ASIDE
    assert early < 30e6
    assert later - early < 3e6  # the names of what the broker keeps


def test_the_values_of_all_payloads_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "MOST_PATHS", 100)
    survey = Survey()
    for number in range(50):
        payload = table({f"v{number}_{place}": place for place in range(30)})
        survey.take("wild", payload, retained=False, received_at=NOW + number)
    assert survey.heard["wild"].paths == 100
    assert survey.ignored.paths == 47  # all messages from the fourth on


def test_facts_beyond_what_is_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "MOST_FACTS", 3)
    config = b'{"stat_t": "t/%d", "unit_of_meas": "W"}'
    survey = heard(*((f"homeassistant/sensor/x{number}/config", config % number) for number in range(5)), retained=True)
    assert (sum(map(len, survey.facts.values())), survey.ignored.facts) == (3, 2)


def test_long_topics_and_large_payloads_are_counted_and_left() -> None:
    survey = heard(("x" * 1001, b"1"), ("a", b"1" * 70_000))
    assert (survey.ignored.long_topics, survey.ignored.large, dict(survey.heard)) == (1, 1, {})


def test_what_only_the_broker_had_kept_is_no_stream_until_it_speaks() -> None:
    survey = heard(("shed/temperature", b"20"), retained=True)
    assert not propose(survey).streams
    assert propose(survey).left_out == {"shed/temperature": "only what the broker had kept came, and nothing new"}
    survey.take("shed/temperature", b"21", retained=False, received_at=NOW)
    assert [stream.topic for stream in propose(survey).streams] == ["shed/temperature"]


def test_the_period_is_the_median_of_what_was_sent_and_not_of_what_was_kept() -> None:
    survey = Survey()
    survey.take("a/power", b"1", retained=True, received_at=NOW)
    for time in (100.0, 110.0, 120.0, 130.0, 1000.0, 1010.0):  # one gap
        survey.take("a/power", b"1", retained=False, received_at=NOW + time)
    assert survey.heard["a/power"].period == 10.0


def test_the_range_and_the_share_of_repeats_are_told() -> None:
    survey = heard(*(("a/power", value) for value in (b"1", b"1", b"3", b"3", b"2")))
    values = survey.heard["a/power"].values[""]
    assert (values.low, values.high, values.repeats, values.count) == (1.0, 3.0, 2, 5)


def test_an_event_time_is_found_and_how_far_it_is_from_arrival() -> None:
    payload = b'{"boot": 1600000000, "stamp": "2023-11-14T22:13:10Z", "t": 1699999999000, "warm": 1}'
    (voice,), _ = voices(heard(("kiln", payload), every=0.0))
    assert voice.time == "t"
    assert [sensor.path for sensor in voice.sensors] == ["boot", "warm"]
    assert list(voice.heard[0].offsets["stamp"]) == [-10.0]


def test_units_come_from_the_registries() -> None:
    survey = Survey()
    for sent in house.kept():
        survey.take(sent.topic, sent.payload, retained=sent.retain, received_at=NOW)
    for sent in house.said(0, NOW):
        survey.take(sent.topic, sent.payload, retained=False, received_at=NOW)
    units = {
        topic: {sensor.path: sensor.fact.unit for sensor in voice.sensors if sensor.fact.unit}
        for voice in voices(survey)[0]
        for topic in voice.topics
    }
    for device in house.devices():
        for topic in device.topics:
            assert units[topic].items() >= device.units.items(), device


def test_metrics_of_sparkplug_have_no_names_before_their_birth() -> None:
    survey = Survey()
    births, data = list(sparkplug.births(NOW)), list(sparkplug.said(1, NOW))
    for sent in data:
        survey.take(sent.topic, sent.payload, retained=False, received_at=NOW)
    found = propose(survey)
    assert [stream.topic for stream in found.streams if not stream.sensors] == sorted(
        device.topics[0] for device in sparkplug.devices()
    )  # who knows whether they are alike?
    assert len({stream.bundle for stream in found.streams}) == 5
    assert list(found.remarks) == ["12 Sparkplug values without a name: their births were not heard"]
    for sent in (*births, *data):
        survey.take(sent.topic, sent.payload, retained=False, received_at=NOW)
    assert sum(len(voice.sensors) for voice in voices(survey)[0]) == 9


def test_a_negative_number_of_sparkplug_keeps_its_sign() -> None:
    survey = Survey()
    born = sparkplug.born("Torque", 1, sparkplug.INT16, "", -5.0)
    survey.take("spBv1.0/g/DBIRTH/n/d", born, retained=False, received_at=NOW)
    survey.take("spBv1.0/g/DDATA/n/d", sparkplug.told(1, sparkplug.INT16, -7.0), retained=False, received_at=NOW + 1.0)
    assert survey.heard["spBv1.0/g/n/d"].values["Torque"].low == -7.0


def test_a_table_with_nan_as_python_writes_it_is_read() -> None:
    survey = Survey()
    for step in range(3):
        survey.take("shed/climate", b'{"warm": NaN, "damp": 40.5}', retained=False, received_at=NOW + step)
    assert set(survey.heard["shed/climate"].values) == {"damp"}
