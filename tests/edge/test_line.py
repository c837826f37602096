"""The line without a broker: what is published of what arrived, and what becomes of payloads that are no readings."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.line import Line
from edge.message import Outgoing
from tests.lines import BUNDLE, CLIMATE, climate, line_of, of, tell, tell_steps

PRESS, DRILL, SAW = ("plant/a/press/climate", "plant/a/drill/climate", "plant/b/saw/climate")
BY_SENSOR = f"""
[streams.rooms]
bundle = "{BUNDLE}"
topic = "rooms/{{room}}/{{sensor}}"
dialect = "plain"
sensors = {{ warm = "temperature" }}
"""
TWO_PLANTS = f"""
[streams.plant]
bundle = "one.bundle"
topic = "plant/{{line}}/{{machine}}/climate"
max_streams = 2
[streams.boiler]
bundle = "{BUNDLE}"
topic = "boiler"
publish = ["state"]
[streams.boiler.sensors]
warm = "meta.t.0"
"""


def topics(published: list[Outgoing]) -> list[str]:
    return [news.topic for news in published]


def grid_counts(line: Line) -> dict[str, int]:
    return {name: count for name, count in asdict(line.services[0].counts).items() if count}


# Where a payload goes


def test_a_payload_is_answered_by_a_state_of_the_stream_that_its_topic_names() -> None:
    published = tell(line_of(), PRESS, climate(0, warm=21.5), 0)
    assert topics(published) == ["tidegate/edge1/a-press/state"]
    assert of("state", published)[0]["values"] == {"warm": 21.5, "damp": 50.0}


def test_the_prefix_and_the_node_of_the_configuration_begin_every_topic() -> None:
    line = line_of(f'[node]\nname = "pi"\nprefix = "site/tide"\n{CLIMATE}')
    assert topics(tell(line, PRESS, climate(0), 0)) == ["site/tide/pi/a-press/state"]


def test_the_first_forecast_comes_with_the_sample_that_fills_the_window() -> None:
    # step        0  1  2  3  4      window of 4
    # forecast             ^  ^
    # score                   ^      judged by the forecast made one step before
    published = tell_steps(line_of(), PRESS, range(5))
    states = of("state", published)
    assert [state["next"]["warm"]["forecast"] for state in states] == [None, None, None, 20.0, 20.0]
    assert [state["score"] for state in states] == [None, None, None, None, 0.0]
    assert [forecast["time"] for forecast in of("forecast", published)] == [
        "1970-01-01T00:00:30Z",
        "1970-01-01T00:00:40Z",
    ]


def test_a_machine_that_was_never_heard_before_becomes_a_stream_of_the_cohort() -> None:
    line = line_of()
    tell_steps(line, PRESS, range(3))
    assert topics(tell(line, SAW, climate(3), 3)) == ["tidegate/edge1/b-saw/state"]
    assert line.services[0].cohort.streams == ["a-press", "b-saw"]


def test_streams_that_wait_together_are_answered_in_the_order_of_their_arrival() -> None:
    line = line_of()
    for step in (0, 1):
        for topic in (SAW, PRESS):
            line.receive(topic, climate(step), retained=False, received_at=10.0 * step)
    assert topics(line.advance()) == [f"tidegate/edge1/{stream}/state" for stream in ("b-saw", "a-press") * 2]
    assert line.advance() == []


def test_what_a_stream_hears_does_not_depend_on_the_others_of_its_wave() -> None:
    together, alone = line_of(), line_of()
    for step in range(8):
        for topic in (SAW, PRESS, DRILL):
            together.receive(topic, climate(step, warm=step**2), retained=False, received_at=10.0 * step)
    published = [news for news in together.advance() if "a-press" in news.topic]
    assert published == [news for step in range(8) for news in tell(alone, PRESS, climate(step, warm=step**2), step)]


def test_streams_beyond_the_ceiling_are_counted_and_not_remembered() -> None:
    line = line_of(TWO_PLANTS)
    for topic in (PRESS, DRILL, SAW, SAW, PRESS):
        tell(line, topic, climate(0), 0)
    assert line.services[0].cohort.streams == ["a-press", "a-drill"]
    assert line.counts.streams_refused == 2
    remembered = set(line._addresses._owners)
    assert remembered == {"a-press", "a-drill"}  # a stranger's million topics must not fill the memory


def test_a_topic_of_no_stream_is_counted() -> None:
    line = line_of()
    assert tell(line, "plant/a/press", climate(0), 0) == []
    assert line.counts.unrouted == 1


def test_each_bundle_serves_its_own_streams() -> None:
    line = line_of(TWO_PLANTS)
    tell(line, PRESS, climate(0), 0)
    payload = b'{"time": 0, "meta": {"t": [21.0]}, "damp": 50.0}'
    assert of("state", tell(line, "boiler", payload, 0))[0]["values"] == {"warm": 21.0, "damp": 50.0}
    assert [service.cohort.streams for service in line.services] == [["a-press"], ["boiler"]]


def test_only_the_messages_that_a_table_asks_for_are_published() -> None:
    line = line_of(TWO_PLANTS)
    payloads = [json.dumps({"time": 10 * step, "meta": {"t": [99.0 * (step == 5)]}, "damp": 1}) for step in range(9)]
    published = [news for step in range(9) for news in tell(line, "boiler", payloads[step].encode(), step)]
    assert topics(published) == ["tidegate/edge1/boiler/state"] * 9
    assert [state["anomaly"] for state in of("state", published)].count(True) >= 1


def test_two_topics_whose_streams_would_have_one_name_are_told_apart() -> None:
    line = line_of()
    tell(line, "plant/a-b/c/climate", climate(0), 0)
    assert tell(line, "plant/a/b-c/climate", climate(0, warm=99.0), 0) == []
    assert line.counts.refused == {"stream_name": 1}
    assert line.counts.last_refused == "plant/a/b-c/climate: stream_name: a-b-c is the name of another topic's stream"


@pytest.mark.parametrize("word", ["..", "ü", "x" * 80, "a b"])
def test_a_topic_that_makes_no_name_is_refused(word: str) -> None:
    line = line_of()
    assert tell(line, f"plant/{word}/press/climate", climate(0), 0) == []
    assert line.counts.refused == {"stream_name": 1}


def test_a_retained_payload_is_never_a_measurement() -> None:
    line = line_of()
    assert tell(line, PRESS, climate(0), 0, retained=True) == []
    assert (line.counts.received, line.counts.retained) == (1, 1)
    assert line.services[0].cohort.streams == []


# Sensors that have a topic to themselves


def test_sensors_with_topics_of_their_own_complete_a_sample_together() -> None:
    line = line_of(BY_SENSOR)
    assert tell(line, "rooms/attic/temperature", b"21.5", 0) == []
    published = tell(line, "rooms/attic/damp", b" 50 ", 0)
    assert topics(published) == ["tidegate/edge1/attic/state"]
    assert of("state", published)[0]["values"] == {"warm": 21.5, "damp": 50.0}


def test_a_sensor_that_stays_silent_is_absent_from_the_sample_that_the_next_step_closes() -> None:
    line = line_of(BY_SENSOR)
    tell(line, "rooms/attic/temperature", b"21.5", 0)
    published = tell(line, "rooms/attic/temperature", b"21.6", 1)
    assert of("state", published)[0]["values"] == {"warm": 21.5, "damp": None}


def test_a_topic_of_a_sensor_that_the_bundle_does_not_have_belongs_to_no_stream() -> None:
    line = line_of(BY_SENSOR)
    for word in ("pressure", "warm"):  # warm speaks under the word temperature
        assert tell(line, f"rooms/attic/{word}", b"1", 0) == []
    assert (line.counts.unrouted, line.services[0].cohort.streams) == (2, [])


def test_a_json_payload_of_one_sensor_holds_its_value_at_the_configured_path() -> None:
    toml = BY_SENSOR.replace('dialect = "plain"', 'value = "v.now"\ntime = "at"')
    line = line_of(toml)
    tell(line, "rooms/attic/temperature", b'{"v": {"now": "21.5"}, "at": "1970-01-01T00:00:20Z"}', 2)
    published = tell(line, "rooms/attic/damp", b'{"v": {"now": 50}, "at": 21}', 2)
    assert of("state", published)[0] | {"expected": 0, "next": 0} == {
        "time": "1970-01-01T00:00:21Z",
        "values": {"warm": 21.5, "damp": 50.0},
        "score": None,
        "anomaly": False,
        "expected": 0,
        "next": 0,
    }


# Events


def spike(line: Line, at: int, steps: int) -> list[Outgoing]:
    warm = [20.0 + 12.0 * (step == at) for step in range(steps)]
    return [news for step in range(steps) for news in tell(line, PRESS, climate(step, warm=warm[step]), step)]


def test_a_spike_opens_an_event_that_names_the_sensor_and_calm_samples_close_it() -> None:
    published = spike(line_of(), at=5, steps=12)
    events, anomalies = of("event", published), of("anomaly", published)
    assert [event["phase"] for event in events] == ["open", "close"]
    assert {event["id"] for event in events} == {"a-press-forecast-19700101T000050Z"}
    why = events[0]["explanation"]
    assert (why["sensor"], why["expected"], why["actual"], why["share"]) == ("warm", 20.0, 32.0, 1.0)
    assert [(anomaly["anomaly"], anomaly["since"]) for anomaly in anomalies] == [
        (True, "1970-01-01T00:00:50Z"),
        (False, events[1]["end"]),
    ]


def test_a_stream_that_the_configuration_names_is_calm_from_its_first_reading_on_and_no_other() -> None:
    named = line_of(CLIMATE.replace("plant/{line}/{machine}/climate", "plant/climate"))
    calm = {"anomaly": False, "since": None, "event": None}
    assert of("anomaly", tell_steps(named, "plant/climate", range(3))) == [calm]
    assert of("anomaly", tell_steps(line_of(), PRESS, range(3))) == []


def test_events_are_sent_surely_and_the_anomaly_is_kept_for_whoever_comes_later() -> None:
    published = spike(line_of(), at=5, steps=12)
    manners = {news.topic.rpartition("/")[2]: (news.qos, news.retain) for news in published}
    assert manners == {"state": (0, False), "forecast": (0, False), "event": (1, False), "anomaly": (1, True)}
    assert {news.expiry for news in published if news.topic.endswith("/forecast")} == {30.0}


def test_a_table_may_close_events_later_than_the_bundle_would() -> None:
    # step       5  6  7  8  9  10 11    the spike and its way back are flagged, or strange enough for the longer span
    by_default, patient = (
        spike(line_of(), at=5, steps=30),
        spike(line_of(f"{CLIMATE}detection = {{ close_after = 9 }}\n"), at=5, steps=30),
    )
    closed = [
        next(place for place, news in enumerate(published) if b'"close"' in news.payload)
        for published in (by_default, patient)
    ]
    assert closed[0] < closed[1]


def test_an_alarm_budget_of_a_table_decides_what_is_flagged() -> None:
    strict = line_of(f"{CLIMATE}detection = {{ false_alarms_per_week = 0.001 }}\n")
    assert of("event", spike(line_of(), at=5, steps=12)) != []
    assert of("event", spike(strict, at=5, steps=12)) == []


# Payloads that are no readings

REFUSED = [
    (b"not json", "malformed"),
    (b"", "malformed"),
    (b"\xff\xfe\x00", "malformed"),
    (b'{"time": 50, "warm": 20.0, "da', "malformed"),
    (b"[" * 100_000, "malformed"),
    (b'{"warm":' * 5_000 + b"1" + b"}" * 5_000, "malformed"),
    (b'{"warm": NaN, "damp": NaN}', "not_finite"),
    (b'{"warm": Infinity, "damp": -Infinity}', "not_finite"),
    (b'{"warm": 1e999, "damp": 1e999}', "not_finite"),
    (b'{"warm": "NaN", "damp": "inf"}', "not_finite"),
    (b'{"warm": null, "damp": null}', "null"),
    (b'{"warm": "", "damp": ""}', "null"),
    (b'{"warm": "unavailable", "damp": "unknown"}', "unavailable"),
    (b'{"warm": "twenty", "damp": "20,5"}', "not_a_number"),
    (b'{"warm": true, "damp": false}', "wrong_type"),
    (b'{"warm": [20.0], "damp": {"value": 50.0}}', "wrong_type"),
    (b'{"warm": ' + b"[" * 500 + b"]" * 500 + b"}", "wrong_type"),
    (b"{}", "missing"),
    (b"[]", "missing"),
    (b"20.0", "missing"),
    (b"null", "missing"),
    (b'{"WARM": 20.0}', "missing"),
    (b'{"warm": 20.0, "damp": 50.0, "time": "yesterday"}', "time"),
    (b'{"warm": 20.0, "damp": 50.0, "time": null}', "time"),
    (b'{"warm": 20.0, "damp": 50.0, "time": -1}', "time"),
    (b'{"warm": 20.0, "damp": 50.0, "time": "1969-12-31T23:59:59Z"}', "time"),
    (b'{"warm": 20.0, "damp": 50.0, "time": 1e300}', "time"),
]


@pytest.mark.parametrize(("payload", "reason"), REFUSED, ids=lambda value: repr(value)[:40])
def test_a_payload_that_is_no_reading_is_counted_under_its_reason_and_changes_nothing(
    payload: bytes, reason: str
) -> None:
    clean, disturbed = line_of(), line_of()
    expected = tell_steps(clean, PRESS, range(9))
    published = []
    for step in range(9):
        published += tell(disturbed, PRESS, payload, step)
        published += tell(disturbed, DRILL, payload, step)
        published += tell(disturbed, PRESS, climate(step), step)
    assert [
        news for news in published if b'"kind":"quality"' not in news.payload and "anomaly" not in news.topic
    ] == expected
    assert disturbed.counts.refused == {reason: 18}
    assert disturbed.counts.last_refused.startswith(f"{DRILL}: {reason}: ")
    assert len(disturbed.counts.last_refused) <= 320


OFF_THE_GRID = [
    (climate(100_000_000), "future"),  # 1,000,000,000 s, received within the first two minutes
    (climate(6), "duplicate"),
    (climate(5), "late"),
    (climate(4), "late"),
    (climate(0), "unconfirmed"),
]


@pytest.mark.parametrize(("payload", "count"), OFF_THE_GRID, ids=lambda value: repr(value)[:40])
def test_a_reading_that_does_not_fit_the_grid_is_counted_and_changes_nothing(payload: bytes, count: str) -> None:
    clean, disturbed = line_of(), line_of()
    expected = [*tell_steps(clean, PRESS, range(7)), *tell_steps(clean, PRESS, range(7, 12))]
    published = tell_steps(disturbed, PRESS, range(7))
    published += tell(disturbed, PRESS, payload, 6)
    published += tell_steps(disturbed, PRESS, range(7, 12))
    assert published == expected
    assert grid_counts(disturbed) == {"accepted": 12, count: 1}


def test_a_clock_that_runs_ahead_a_little_is_no_fault() -> None:
    line = line_of(f"{CLIMATE}grid = {{ future = 5.0 }}\n")
    assert tell(line, PRESS, b'{"time": 5, "warm": 1, "damp": 1}', 0) != []
    assert tell(line, PRESS, b'{"time": 15.1, "warm": 1, "damp": 1}', 1) == []
    assert grid_counts(line) == {"accepted": 1, "future": 1}


def test_numbers_in_quotes_are_numbers() -> None:
    state = of("state", tell(line_of(), PRESS, b'{"time": "0", "warm": "21.5", "damp": " 5e1 "}', 0))[0]
    assert (state["time"], state["values"]) == ("1970-01-01T00:00:00Z", {"warm": 21.5, "damp": 50.0})


@pytest.mark.parametrize("bad", ["null", '"unavailable"', "NaN", "1e999", "true", '"wet"', "[[[1]]]"])
def test_a_value_that_is_no_number_leaves_those_beside_it_measured(bad: str) -> None:
    line = line_of()
    tell_steps(line, PRESS, range(5))
    payload = f'{{"time": 50, "warm": 21.0, "damp": {bad}}}'.encode()
    published = tell(line, PRESS, payload, 5)
    assert of("state", published)[0]["values"] == {"warm": 21.0, "damp": None}
    assert of("state", published)[0]["next"]["damp"]["forecast"] == 50.0
    assert sum(line.counts.refused.values()) == 1


def test_a_missing_value_is_absent_and_no_fault() -> None:
    line = line_of()
    published = tell(line, PRESS, b'{"time": 0, "warm": 21.0}', 0)
    assert of("state", published)[0]["values"] == {"warm": 21.0, "damp": None}
    assert line.counts.refused == {}


@pytest.mark.parametrize("wild", [1e39, -1e39, 1e300, -1.7e308])
def test_values_beyond_all_measure_are_anomalous_and_leave_no_trace_in_the_memory(wild: float) -> None:
    line = line_of()
    tell_steps(line, PRESS, range(6))
    flagged = [of("state", tell(line, PRESS, climate(step, warm=wild), step))[0]["anomaly"] for step in (6, 7, 8)]
    states = of("state", tell_steps(line, PRESS, range(9, 40)))
    assert flagged[0] is True
    assert states[-1]["next"]["warm"]["forecast"] == 20.0
    assert states[-1]["score"] is not None


# Nothing is invented


def test_nothing_is_forecast_or_flagged_before_the_window_is_full_again_after_a_long_gap() -> None:
    # step      0 … 9      50 51 52 53 54 55 …     the gap is longer than what is bridged (3 steps)
    # sample                    (made at the third: three readings must agree on the new time)
    line = line_of()
    tell_steps(line, PRESS, range(10))
    published = [
        news for step in range(50, 60) for news in tell(line, PRESS, climate(step, warm=500.0 * (step % 2)), step)
    ]
    states = of("state", published)
    assert [state["score"] is None for state in states] == [True] * 4 + [False] * 6
    assert [state["next"]["warm"]["forecast"] is None for state in states] == [True] * 3 + [False] * 7
    assert [event for event in of("event", published) if event["start"] < "1970-01-01T00:09:00Z"] == []
    assert grid_counts(line) == {"accepted": 20, "restarts": 1}


def test_steps_that_nobody_filled_are_forecast_over_and_not_told() -> None:
    line = line_of()
    tell_steps(line, PRESS, range(6))
    published = tell(line, PRESS, climate(9), 9)
    assert [state["time"] for state in of("state", published)] == ["1970-01-01T00:01:30Z"]
    assert of("state", published)[0]["score"] == 0.0
    assert grid_counts(line) == {"accepted": 7, "empty": 3}


# Whatever comes


WORDS = st.sampled_from([*PRESS.split("/"), "b", "saw", "", "a-b", "+", "$SYS", "ü", "\0", "sensor"])
TOPICS = st.one_of(
    st.sampled_from([PRESS, DRILL, SAW]), st.lists(WORDS, min_size=1, max_size=5).map("/".join), st.text(max_size=20)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
TABLES = st.dictionaries(st.sampled_from(["time", "warm", "damp", "x"]), VALUES)
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    TABLES.map(lambda table: json.dumps(table).encode()),
    st.tuples(TABLES, st.integers(0, 40)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]]),
    st.builds(climate, st.integers(-5, 30), VALUES, VALUES),
)
TIMES = st.integers(0, 30)


def everything(line: Line) -> Iterator[int]:
    """Yield the counts of payloads by where they ended; partly refused payloads are counted in two places."""
    yield from (line.counts.retained, line.counts.unrouted, line.counts.streams_refused)
    yield from line.counts.refused.values()
    for service in line.services:
        counts = service.counts
        yield from (counts.accepted, counts.duplicate, counts.late, counts.future, counts.unconfirmed)
        yield sum(len(grid._rivals) for grid in service._grids)


@given(st.lists(st.tuples(TOPICS, PAYLOADS, TIMES, st.booleans()), max_size=40))
def test_nothing_is_raised_and_nothing_goes_uncounted_whatever_arrives(
    arrivals: list[tuple[str, bytes, int, bool]],
) -> None:
    line = line_of()
    for topic, payload, step, retained in arrivals:
        for news in tell(line, topic, payload, step, retained=retained):
            json.loads(news.payload)
    assert line.counts.received == len(arrivals) <= sum(everything(line))
    healthy = of("state", tell_steps(line, "plant/c/healthy/climate", range(5)))
    assert [state["score"] for state in healthy] == [None] * 4 + [0.0]


@given(st.lists(st.tuples(TOPICS, PAYLOADS, TIMES), max_size=20))
def test_a_stream_is_answered_the_same_whatever_arrives_on_other_topics(
    arrivals: list[tuple[str, bytes, int]],
) -> None:
    clean, disturbed = line_of(), line_of()
    mine = "plant/c/healthy/climate"
    expected = tell_steps(clean, mine, range(20))
    published = []
    for step in range(20):
        for topic, payload, at in arrivals[step : step + 1]:
            disturbed.receive(topic, payload, retained=False, received_at=10.0 * at)
        published += [news for news in tell(disturbed, mine, climate(step), step) if "c-healthy" in news.topic]
    assert published == expected


# What the operator hears of once


def test_the_first_refusal_of_each_table_and_kind_is_kept_until_it_is_taken() -> None:
    line = line_of(BY_SENSOR)
    for word, payload in (("damp", b"wet"), ("damp", b"dry"), ("pressure", b"1"), ("damp", b"nan"), ("damp", b"wet")):
        tell(line, f"rooms/attic/{word}", payload, 0)
    assert line.firsts.take() == [
        "streams.rooms: no reading in 'rooms/attic/damp': not_a_number: 'wet'",
        "streams.rooms: no reading in 'rooms/attic/pressure': unrouted: must name one of temperature, damp",
        "streams.rooms: no reading in 'rooms/attic/damp': not_finite: nan",
    ]
    tell(line, "rooms/attic/damp", b"wet", 1)
    assert line.firsts.take() == []


def test_a_reading_from_the_future_and_a_stream_too_many_are_refusals_too() -> None:
    line = line_of(TWO_PLANTS)
    tell(line, PRESS, climate(100), 0)
    for topic in (DRILL, SAW):
        tell(line, topic, climate(0), 0)
    assert [text.partition("': ")[2] for text in line.firsts.take()] == [
        "future: its time is 1000 s after its arrival",
        "streams_refused: max_streams is 2",
    ]


def test_every_payload_of_a_table_breaks_its_silence_but_what_the_broker_kept() -> None:
    line = line_of()
    (plant,) = line.vigil.tables
    tell(line, PRESS, climate(0), 0, retained=True)
    assert (plant.filter, plant.patience, plant.payloads) == ("plant/+/+/climate", 100.0, 0)
    for topic, payload in ((PRESS, climate(0)), (PRESS, b"{"), ("plant/../x/climate", climate(0)), ("other", b"1")):
        tell(line, topic, payload, 0)
    assert plant.payloads == 3
