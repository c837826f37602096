"""All kinds of anomaly through the whole line: what is told of a sensor that dies, sticks, lies, or is worked at."""

import json
import time
from collections.abc import Iterable, Mapping
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from edge.config import BrokerConfig
from edge.connection import Connection
from edge.desk import Desk
from edge.finding import KINDS
from edge.line import Line
from edge.mailbox import Message
from edge.message import Outgoing
from edge.pacing import Pacing
from edge.recording import Recording
from edge.replay import Replay
from edge.replay_detection import Detections, told
from edge.trust import Trust
from edge.usual import Usual, unknown
from edge.witnesses import Witnesses
from tests.edge.conftest import UNITS, learned_by_hand, persist
from tests.lines import BUNDLE, CLIMATE, climate, line_of, of, tell, tell_steps

PRESS = "plant/a/press/climate"
FEEDBACK = "tidegate/edge1/a-press/feedback"
HEARS = "[node]\nfeedback = true\n" + CLIMATE
BY_SENSOR = CLIMATE.replace("/climate", "/{sensor}").replace("[streams.plant]", '[streams.plant]\nvalue = "v"')


def limited(low: float, high: float) -> str:
    return CLIMATE + f"[streams.plant.detection.sensors.warm]\nlow = {low}\nhigh = {high}\n"


def phases(published: Iterable[Outgoing]) -> list[tuple[str, str]]:
    return [(str(event["kind"]), str(event["phase"])) for event in of("event", published)]


def anomalies(published: Iterable[Outgoing]) -> list[tuple[object, object]]:
    return [(told["anomaly"], told["event"]) for told in of("anomaly", published)]


def say(line: Line, sensor: str, step: int, value: float) -> list[Outgoing]:
    payload = json.dumps({"time": 10 * step, "v": value}).encode()
    return tell(line, f"plant/a/press/{sensor}", payload, step)


def wavy(step: int) -> float:
    return 20.0 + 0.1 * (step % 3)


def test_a_dead_sensor_is_one_silence_and_no_storm() -> None:
    line = line_of(BY_SENSOR)
    published = []
    for step in range(3000):
        published += say(line, "warm", step, wavy(step))
        if step < 1000 or step >= 2900:
            published += say(line, "damp", step, wavy(step))
        published += line.look(10.0 * step, 0.0)
    opened, closed = of("event", published)
    assert (opened["kind"], opened["phase"], opened["start"]) == ("silence", "open", "1970-01-01T02:46:30Z")
    assert (closed["id"], closed["phase"]) == (opened["id"], "close")
    assert carriers(opened) == ["damp"]
    assert anomalies(published) == [(True, opened["id"]), (False, opened["id"])]


def carriers(event: Mapping[str, object]) -> list[str]:
    told = event["explanation"]
    assert isinstance(told, Mapping)
    return [told["sensor"], *(other["sensor"] for other in told["others"])]


def test_a_stream_whose_gateway_died_is_one_silence_of_all_its_sensors() -> None:
    line = line_of()
    published = tell_steps(line, PRESS, range(400))
    published += line.look(3990.0 + 3 * 3600.0 + 1.0, 0.0)
    (opened,) = of("event", published)
    assert sorted(carriers(opened)) == ["damp", "warm"]


def test_a_stuck_sensor_is_frozen_and_a_constant_one_is_not() -> None:
    line = line_of()
    published = []
    for step in range(400):
        warm = wavy(step) if step < 200 or step >= 350 else 20.0
        published += tell(line, PRESS, climate(step, warm=warm, damp=50.0), step)
    opened, closed = of("event", published)
    assert (opened["kind"], opened["start"]) == ("frozen", "1970-01-01T00:33:20Z")
    assert carriers(opened) == ["warm"]
    assert closed["phase"] == "close"


def test_a_sensor_that_training_saw_standing_all_the_time_or_never_is_not_frozen() -> None:
    # training   warm says 20.0 for 50 samples; damp is not heard at all, which leaves its bounds the wrong way round
    usual = Usual(np.array([20.0, 1e300]), np.array([20.0, -1e300]), np.array([50.0, 0.0]), np.array([1.0, 1.0]))
    line = line_of(usual=usual)
    assert of("event", tell_steps(line, PRESS, range(400))) == []


def test_a_sensor_that_training_never_heard_is_silent_no_sooner_than_one_that_nobody_knows() -> None:
    usual = Usual(np.array([15.0, 1e300]), np.array([25.0, -1e300]), np.array([5.0, 0.0]), np.array([1.0, 1.0]))
    line = line_of(usual=usual)
    tell_steps(line, PRESS, range(3))
    assert [carriers(event) for event in of("event", line.look(2000.0, 0.0))] == [["warm"]]


def test_what_cannot_be_is_out_of_range_and_no_measurement() -> None:
    line = line_of(limited(-40.0, 125.0))
    published = tell_steps(line, PRESS, range(20))
    published += tell(line, PRESS, climate(20, warm=999.0), 20)
    published += tell(line, PRESS, climate(21, warm=-999.0), 21)
    published += tell_steps(line, PRESS, range(22, 30))
    assert phases(published) == [("range", "open"), ("range", "close")]
    states = of("state", published)
    assert [state["values"]["warm"] for state in states[19:23]] == [20.0, None, None, 20.0]  # type: ignore[index]
    assert not any(state["anomaly"] for state in states)


def test_a_sensor_that_says_what_cannot_be_is_not_silent_besides() -> None:
    line = line_of(limited(-40.0, 125.0))
    published = tell_steps(line, PRESS, range(20))
    for step in range(20, 2000):
        published += tell(line, PRESS, climate(step, warm=999.0, damp=30.0 + wavy(step)), step)
        published += line.look(10.0 * step, 0.0)
    assert phases(published) == [("range", "open")]


def test_the_training_datas_range_is_a_limit_where_it_is_asked_for() -> None:
    usual = Usual(np.array([15.0, 40.0]), np.array([25.0, 60.0]), *[unknown(2).flat] * 2)
    asked = CLIMATE + "[streams.plant.detection]\nlearned_limits = true\n"
    for toml, expected in ((asked, [("range", "open")]), (CLIMATE, [])):
        line = line_of(toml, usual=usual)
        published = tell(line, PRESS, climate(0, warm=34.9), 0) + tell(line, PRESS, climate(1, warm=35.1), 1)
        assert phases(published) == expected


def test_a_limit_of_the_operators_holds_though_what_was_learned_contradicts_it() -> None:
    usual = Usual(np.array([-18.0, 40.0]), np.array([-17.0, 60.0]), *[unknown(2).flat] * 2)
    for limit, calm, strange in (("high = -20.0", -25.0, -17.5), ("low = -10.0", -5.0, -17.5)):
        asked = CLIMATE + f"[streams.plant.detection]\nlearned_limits = true\nsensors.warm = {{ {limit} }}\n"
        line = line_of(asked, usual=usual)
        assert of("event", tell(line, PRESS, climate(0, warm=calm), 0)) == []
        assert phases(tell(line, PRESS, climate(1, warm=strange), 1)) == [("range", "open")]


def test_payloads_that_cannot_be_read_are_told_as_such() -> None:
    line = line_of()
    published = tell_steps(line, PRESS, range(5))
    for step in range(5, 15):
        published += tell(line, PRESS, b'{"time": %d, "warm": 20.0, "damp": "broken"}' % (10 * step), step)
    assert phases(published) == [("quality", "open")]
    assert carriers(of("event", published)[0]) == ["damp"]
    assert len(of("state", published)) == 15


def test_payloads_that_speak_of_something_else_are_no_fault_of_the_sensors() -> None:
    line = line_of(CACHED)
    payloads = [b'{"action": "single", "linkquality": 80}'] * 30
    published = [news for step, one in enumerate(payloads) for news in tell(line, "zigbee2mqtt/attic", one, step)]
    assert of("event", published) == []
    assert line.counts.refused == {"missing": 30}


@pytest.mark.parametrize("payload", [b'{"warm": "broken"}', b'{"warm": "broken", "wet": 3}'])
def test_of_a_payload_that_cannot_be_read_in_part_only_that_part_is_told(payload: bytes) -> None:
    line = line_of(CLIMATE + '[streams.plant.sensors]\ndamp = "moist"\n')
    published = [news for step in range(10) for news in tell(line, PRESS, payload, step)]
    assert [carriers(event) for event in of("event", published)] == [["warm"]]


def test_each_kind_can_be_switched_off_for_a_stream_and_for_a_sensor() -> None:
    only = CLIMATE + '[streams.plant.detection]\nkinds = ["silence"]\n'
    line = line_of(only)
    published = tell_steps(line, PRESS, range(10))
    published += tell(line, PRESS, climate(10, warm=90.0), 10)
    assert of("event", published) == []
    assert not of("state", published)[-1]["anomaly"]
    one = CLIMATE + '[streams.plant.detection.sensors.warm]\nkinds = ["silence"]\n'
    for sensor, expected in (("warm", []), ("damp", [("forecast", "open")])):
        line = line_of(one)
        published = tell_steps(line, PRESS, range(10))
        published += tell(line, PRESS, climate(10, **{sensor: 90.0}), 10)
        assert phases(published) == expected


def test_a_stream_is_anomalous_while_anything_is() -> None:
    line = line_of(limited(-40.0, 125.0))
    published = tell_steps(line, PRESS, range(10))
    published += tell(line, PRESS, climate(10, warm=999.0), 10)
    published += tell(line, PRESS, climate(11, warm=999.0, damp=90.0), 11)
    published += [news for step in range(12, 16) for news in tell(line, PRESS, climate(step, warm=999.0), step)]
    published += [news for step in range(16, 20) for news in tell(line, PRESS, climate(step), step)]
    (out, odd) = (event["id"] for event in of("event", published) if event["phase"] == "open")
    assert anomalies(published) == [(True, out), (True, odd), (True, out), (False, out)]


# Sensors that speak only when something changed


def test_a_value_that_holds_is_forecast_from_and_a_dead_sensor_behind_it_is_silent() -> None:
    line = line_of(BY_SENSOR, pacing=Pacing(("last", "last"), (0.0, 1e6)))
    published = []
    for step in range(3000):
        published += say(line, "warm", step, wavy(step))
        if step < 1000 and step % 5 == 0:
            published += say(line, "damp", step, 50.0 + 0.1 * (step % 2))
        published += line.look(10.0 * step, 0.0)
    states = of("state", published)
    assert states[-1]["values"]["damp"] is not None  # type: ignore[index]
    assert states[-1]["expected"]["damp"]["forecast"] is not None  # type: ignore[index]
    (opened,) = of("event", published)
    assert (opened["kind"], carriers(opened)) == ("silence", ["damp"])


# Zigbee2MQTT repeats what it knows

CACHED = """
[streams.rooms]
bundle = "by-hand.bundle"
topic = "zigbee2mqtt/{room}"
dialect = "zigbee2mqtt"
"""


def test_a_cached_field_is_no_measurement_and_a_sensor_that_died_behind_it_is_silent() -> None:
    line = line_of(CACHED)
    published = []
    for step in range(3000):
        warm = wavy(step) if step < 1000 else 20.0  # dead from then on, and repeated for ever
        payload = json.dumps({"warm": warm, "damp": 50.0 + step % 5, "linkquality": step % 7}).encode()
        published += tell(line, "zigbee2mqtt/attic", payload, step)
        published += line.look(10.0 * step, 0.0)
    states = of("state", published)
    assert [state["values"]["warm"] is None for state in states[998:1004]] == [False, False, *[True] * 4]  # type: ignore[index]
    (opened,) = (event for event in of("event", published) if event["kind"] != "forecast")
    assert (opened["kind"], opened["phase"], carriers(opened)) == ("silence", "open", ["warm"])
    assert line.counts.repeated >= 2000


def test_a_payload_of_a_time_that_was_heard_is_no_reading() -> None:
    line = line_of(CACHED)
    said = [{"warm": 20.0, "damp": 50.0, "last_seen": "1970-01-01T00:00:10Z"}] * 2
    published = [
        news for step, one in enumerate(said, 1) for news in tell(line, "zigbee2mqtt/a", json.dumps(one).encode(), step)
    ]
    assert len(of("state", published)) == 1
    assert line.counts.repeated == 2


# Feedback


def test_feedback_is_off_unless_it_is_switched_on() -> None:
    line = line_of()
    tell_steps(line, PRESS, range(5))
    assert tell(line, FEEDBACK, b"maintenance", 5) == []
    assert line.counts.unrouted == 1


def test_nothing_is_told_of_what_begins_during_maintenance_and_the_span_is() -> None:
    line = line_of(HEARS)
    published = tell_steps(line, PRESS, range(10))
    published += tell(line, FEEDBACK, b'{"feedback": "maintenance", "for": 100}', 10)
    for step in range(10, 20):
        published += tell(line, PRESS, climate(step, warm=20.0 if step % 5 else 90.0), step)
    published += line.look(201.0, 0.0)
    assert phases(published) == [("maintenance", "open"), ("maintenance", "close")]
    assert anomalies(published) == []
    assert line.services[0].maintenance.suppressed > 0


def test_an_event_says_that_a_person_knows_of_it() -> None:
    line = line_of(HEARS)
    published = tell_steps(line, PRESS, range(10)) + tell(line, PRESS, climate(10, warm=90.0), 10)
    published += tell(line, FEEDBACK, b"acknowledge", 11)
    published += [news for step in range(11, 16) for news in tell(line, PRESS, climate(step), step)]
    assert [(event["phase"], event["feedback"]) for event in of("event", published)] == [
        ("open", None),
        ("update", "acknowledged"),
        ("close", "acknowledged"),
    ]


def test_a_false_alarm_ends_at_once_and_what_carried_it_is_not_told_again_before_it_was_calm() -> None:
    line = line_of(HEARS)
    published = tell_steps(line, PRESS, range(10)) + tell(line, PRESS, climate(10, warm=90.0), 10)
    published += tell(line, FEEDBACK, b"false_alarm", 11)
    for step in range(11, 60):
        published += tell(line, PRESS, climate(step, warm=20.0 if step % 4 else 90.0), step)
    assert [(event["phase"], event["feedback"]) for event in of("event", published)] == [
        ("open", None),
        ("close", "false_alarm"),
    ]
    assert anomalies(published)[-1][0] is False


def test_feedback_on_a_stream_that_is_not_served_or_without_a_meaning_is_counted() -> None:
    line = line_of(HEARS)
    tell_steps(line, PRESS, range(5))
    tell(line, "tidegate/edge1/nobody/feedback", b"acknowledge", 5)
    tell(line, FEEDBACK, b"off with it", 5)
    tell(line, FEEDBACK, b"maintenance", 5, retained=True)
    assert (line.counts.unrouted, line.counts.refused, line.counts.retained) == (1, {"feedback": 1}, 1)


def test_what_waits_for_the_time_at_the_end_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connection = Connection(BrokerConfig(), client_id="n", status_topic=None, subscriptions=[])
    held = [Message(PRESS, climate(0), False, 100.0)]
    monkeypatch.setattr(connection, "take", lambda timeout: held)
    nobody = Witnesses(kernel=lambda: False, timesync=tmp_path)
    doubt = Trust(1e9, started_at=time.monotonic(), witnesses=nobody)
    desk = Desk(line_of(), connection, doubt)
    desk.work(0.0)
    assert (desk.line.counts.received, desk.counters()["dropped_clock"]) == (0, 0)
    assert desk.doubt == (False, 1, 0)
    desk.stop()
    assert desk.counters()["dropped_clock"] == 1


def test_the_daemon_tells_silence_though_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    line, connection = line_of(), Connection(BrokerConfig(), client_id="n", status_topic=None, subscriptions=[])
    published: list[Outgoing] = []
    monkeypatch.setattr(connection, "publish", lambda *news: published.append(Outgoing(*news)))
    monkeypatch.setattr(connection, "take", lambda timeout: [])
    desk = Desk(line, connection)
    now = time.time()
    for age in range(9000, 7200, -10):
        line.receive(PRESS, json.dumps({"warm": 20.0, "damp": 50.0}).encode(), retained=False, received_at=now - age)
    line.advance()
    line.services[0].watch._silence._longest[:] = 600.0
    desk.work(0.0)
    assert published == []  # for nobody knows how long there was a broker to be heard
    connection.session.ready = True
    desk.look(now, now - 9000.0)
    assert phases(published) == [("silence", "open")]


# A replay tells what the line tells


def wave_of(step: int) -> tuple[float, float]:
    return wavy(step), 50.0 + 0.2 * (step % 4)


def dead(step: int) -> tuple[float, float]:
    return (nan if 300 <= step < 500 else wave_of(step)[0]), wave_of(step)[1]


def stuck(step: int) -> tuple[float, float]:
    return (20.0 if 300 <= step < 500 else wave_of(step)[0]), wave_of(step)[1]


def hot(step: int) -> tuple[float, float]:
    return (900.0 if 300 <= step < 320 else wave_of(step)[0]), wave_of(step)[1]


LIVES = {"silence": dead, "frozen": stuck, "range": hot}
KNOWN = Usual(np.array([15.0, 40.0]), np.array([25.0, 60.0]), np.array([3.0, 3.0]), np.array([2.0, 2.0]))


@pytest.mark.parametrize("kind", LIVES)
def test_a_replay_tells_the_events_that_the_line_tells(kind: str, tmp_path: Path) -> None:
    toml, count = limited(0.0, 100.0), 600
    line, published = line_of(toml, usual=KNOWN), []
    for step in range(count):
        published += line.look(10.0 * step, 0.0)
        said = {
            name: value for name, value in zip(("warm", "damp"), LIVES[kind](step), strict=True) if not isnan(value)
        }
        published += tell(line, PRESS, json.dumps({"time": 10 * step, **said}).encode(), step)
    live = [(event["id"], event["kind"], event["phase"]) for event in of("event", published)]

    (tmp_path / "tidegate.toml").write_text(toml)
    learned = learned_by_hand(usual=KNOWN)
    found = Detections(tmp_path / "tidegate.toml", BUNDLE)
    replayed = Replay(learned, persist, UNITS, told=told(found, learned, KINDS)).run(
        Recording(
            sensors=("warm", "damp"),
            stream_names=("a-press",),
            streams=np.zeros(count, dtype=np.intp),
            times=np.arange(count) * 10.0,
            values=np.array([LIVES[kind](step) for step in range(count)]),
            written=tuple(str(10 * step) for step in range(count)),
            refused=(),
            dropped=(),
        )
    )
    assert [(event.id, event.kind, event.phase) for event in replayed.news] == live
    assert {kind} <= {told for _, told, _ in live}
    inside = [place for place, told in enumerate(replayed.kinds) if told == kind]
    assert len(inside) > 10
    assert replayed.anomalous[inside].all()


def test_what_outlasts_maintenance_is_told_when_it_is_over() -> None:
    line = line_of(limited(0.0, 100.0).replace("[streams.plant]", "[node]\nfeedback = true\n[streams.plant]", 1))
    published = tell_steps(line, PRESS, range(10))
    published += tell(line, FEEDBACK, b'{"feedback": "maintenance", "for": 100}', 10)
    for step in range(10, 19):
        published += tell(line, PRESS, climate(step, damp=400.0 if step == 12 else 50.0, warm=900.0), step)
    assert phases(published) == [("maintenance", "open")]
    over = line.look(201.0, 0.0)
    assert phases(over) == [("maintenance", "close"), ("range", "open")]
    assert of("event", over)[1]["start"] == "1970-01-01T00:01:40Z"
    assert [told for told, _ in anomalies(over)] == [True]
    well = tell(line, PRESS, climate(21), 21)
    assert phases(well) == [("range", "close")]
    assert [told for told, _ in anomalies(well)] == [False]
    assert line.services[0].maintenance.suppressed >= 1


def test_silence_ends_with_the_first_reading_after_it() -> None:
    line = line_of()
    published = []
    for step in range(500):
        published += tell(line, PRESS, climate(step, warm=wavy(step)), step)
        published += line.look(10.0 * step, 0.0)
    published += line.look(10.0 * 5000, 0.0)
    assert phases(published) == [("silence", "open")]
    assert phases(tell(line, PRESS, climate(5001), 5001)) == [("silence", "close")]


def test_maintenance_may_begin_before_the_first_reading_of_a_stream_that_is_named() -> None:
    for dialect, topic, first in (("", "plant/press", PRESS), ("", "plant/press/{sensor}", "plant/press/warm")):
        toml = f'[node]\nfeedback = true\n[streams.press]\nbundle = "{BUNDLE}"\ntopic = "{topic}"\n{dialect}'
        line = line_of(toml)
        (opened,) = of("event", tell(line, "tidegate/edge1/press/feedback", b"maintenance", 1))
        assert (opened["kind"], opened["phase"]) == ("maintenance", "open"), first
        assert line.counts.unrouted == 0
        assert line.services[0].rows == {"press": 0}


def test_feedback_that_nobody_can_mean_is_told_once() -> None:
    line = line_of(HEARS)
    tell_steps(line, PRESS, range(5))
    for _ in range(2):
        tell(line, FEEDBACK, b"maintenence", 5)
    (told,) = line.firsts.take()
    assert told.startswith(
        "streams.a-press: no reading in 'tidegate/edge1/a-press/feedback': feedback: must be one of "
    )
