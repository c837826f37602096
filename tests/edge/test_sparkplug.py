"""The lives of Sparkplug nodes: what is read of their messages, and what is counted, forgotten and asked for."""

import json
import math
import os
import pickle
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from edge import sparkplug
from edge.addresses import Table
from edge.config import Config
from edge.counts import ReadingCounts
from edge.errors import ReadingError
from edge.line import Line
from edge.payloads.sparkplug import filters, parse_topic
from edge.payloads.sparkplug_messages import parse
from edge.reading import REASONS
from edge.shards import NODES, Shards
from edge.sparkplug import Heard, Host
from tests.conftest import HOST, Mosquitto
from tests.lines import BUNDLE, line_of, of
from tests.nodes import START, birth, data, metric, payload, session
from tests.served import ROOT, WITHIN, Sensors, served, wait_until

FOLDER = Path(__file__).parent / "payloads" / "sparkplug"
SESSION = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
PLANT = f"""
[streams.plant]
bundle = "{BUNDLE}"
topic = "spBv1.0/{{group}}/{{node}}/{{device}}"
dialect = "sparkplug"
max_streams = 3
"""
ASKING = PLANT + "rebirth_requests = true\n"
NODE, DRIVE, SAW = "spBv1.0/plant/{}/press", "spBv1.0/plant/{}/press/drive", "spBv1.0/plant/{}/press/saw"
NBIRTH, NDEATH = NODE.format("NBIRTH"), NODE.format("NDEATH")
DBIRTH, DDATA, DDEATH = DRIVE.format("DBIRTH"), DRIVE.format("DDATA"), DRIVE.format("DDEATH")


def node_birth(number: int = 0) -> bytes:
    return payload(0, session(number))


def born_line(toml: str = PLANT) -> Line:
    """Return a line that has heard the births of a node and of a device of it."""
    line = line_of(toml)
    hear(line, NBIRTH, node_birth())
    hear(line, DBIRTH, birth(1))
    return line


def hear(line: Line, topic: str, content: bytes, at: float = START) -> list[Mapping[str, object]]:
    """Return the states that a message brings, and publish what else there is."""
    line.receive(topic, content, retained=False, received_at=at)
    return of("state", line.advance())


def asked(line: Line, topic: str, content: bytes, at: float) -> list[str]:
    """Return the topics that are published when a message arrives."""
    line.receive(topic, content, retained=False, received_at=at)
    return [news.topic for news in line.advance() if news.topic.startswith("spBv1.0")]


# What is read


def test_a_session_written_by_the_reference_is_read_as_it_was_meant() -> None:
    device = {"p": "Hydraulics/Pressure", "t": "Hydraulics/Oil Temperature", "g": "Guard/Closed"}
    tables = Config.from_table(
        {
            "streams": {
                "press": {
                    "bundle": "x",
                    "topic": "spBv1.0/plant/{node}",
                    "dialect": "sparkplug",
                    "stream": "{node}-itself",
                },
                "drive": {
                    "bundle": "x",
                    "topic": "spBv1.0/plant/{node}/drive",
                    "dialect": "sparkplug",
                    "sensors": device,
                },
            }
        }
    ).streams
    sensors = {"press": ["Supply Voltage"], "drive": ["p", "t", "g"]}
    host = Host([Table(name, table, sensors[name]) for name, table in tables.items()], ReadingCounts())
    for step in SESSION:
        at = parse_topic(step["topic"])
        assert at is not None
        heard = host.hear(at, (FOLDER / step["file"]).read_bytes(), received_at=START + 100.0)
        instants = [[one.time, [None if math.isnan(it) else it for it in one.values]] for one in heard.instants]
        assert instants == step["instants"], step["file"]
        assert [str(refused) for refused in heard.refused] == step["refused"], step["file"]


@pytest.mark.parametrize(
    ("datatype", "sent", "value"),
    [
        (1, {"int_value": 0xFF}, -1.0),
        (1, {"int_value": 0xFFFFFFFF}, -1.0),
        (2, {"int_value": 0x8000}, -32768.0),
        (3, {"int_value": 0x7FFFFFFF}, 2147483647.0),
        (3, {"int_value": 0x80000000}, -2147483648.0),
        (4, {"long_value": 2**64 - 5}, -5.0),
        (5, {"int_value": 255}, 255.0),
        (7, {"int_value": 0xFFFFFFFF}, 4294967295.0),
        (8, {"long_value": 2**64 - 1}, 2.0**64),
        (9, {"float_value": 0.5}, 0.5),
        (10, {"double_value": -1e-300}, -1e-300),
        (11, {"boolean_value": True}, 1.0),
        (12, {"string_value": b"21.5"}, 21.5),
        (12, {"string_value": b"\xb0C"}, "not_a_number"),
        (10, {"double_value": math.nan}, "not_finite"),
        (10, {}, "wrong_type"),
        (10, {"is_null": True}, "null"),
        (10, {"double_value": 1.0, "quality": 0}, "quality"),
        (10, {"double_value": 1.0, "quality": 500}, "quality"),
        (10, {"double_value": 1.0, "quality": 192}, 1.0),
        (10, {"double_value": 1.0, "timestamp": 10**14}, "time"),
    ],
)
def test_a_value_is_read_by_the_data_type_of_its_birth(
    datatype: int, sent: Mapping[str, object], value: float | str
) -> None:
    host, at = host_of(), parse_topic(DBIRTH)
    assert at is not None
    heard = host.hear(at, payload(1, metric("warm", 1, datatype=datatype, **sent)), received_at=START)
    if isinstance(value, str):
        assert ([refused.reason for refused in heard.refused], heard.instants) == ([value], [])
    else:
        assert [one.values[0] for one in heard.instants] == [value]


def test_data_say_only_what_changed_and_complete_a_sample_together() -> None:
    # time     +0     +10 +11      +20           +30
    # says     birth  warm damp    warm          warm: only now it is certain that damp says nothing for +20
    line = born_line()
    assert hear(line, DDATA, data(2, 21.0, START + 10.0), START + 10.0) == []
    (state,) = hear(line, DDATA, payload(3, metric(alias=2, at=START + 11.0, double_value=51.0)), START + 11.0)
    assert (state["time"], state["values"]) == ("2026-01-15T09:30:56Z", {"warm": 21.0, "damp": 51.0})
    assert hear(line, DDATA, data(4, 22.0, START + 20.0), START + 20.0) == []
    (state,) = hear(line, DDATA, data(5, 23.0, START + 30.0), START + 30.0)
    assert state["values"] == {"warm": 22.0, "damp": None}


def test_what_a_node_buffered_is_read_in_the_order_in_which_it_happened() -> None:
    line = born_line()
    late = [
        metric(alias=alias, at=START + 10.0 * step, double_value=float(step), is_null=False)
        for step in (3, 1, 2)
        for alias in (1, 2)
    ]
    states = hear(line, DDATA, payload(2, *late), START + 30.0)
    assert [state["values"] for state in states] == [{"warm": float(step), "damp": float(step)} for step in (1, 2, 3)]


def test_a_metric_without_a_time_has_that_of_its_message_or_of_its_arrival() -> None:
    for sent_at, expected in ((START + 1.0, START + 1.0), (None, START + 2.0)):
        host, at = host_of(), parse_topic(DBIRTH)
        assert at is not None
        content = payload(1, metric("warm", 1, datatype=10, double_value=1.0), at=sent_at)
        assert [one.time for one in host.hear(at, content, received_at=START + 2.0).instants] == [expected]


# Lives


def host_of(toml: str = PLANT, counts: ReadingCounts | None = None) -> Host:
    streams = Config.from_table(tomllib.loads(toml)).streams
    tables = [Table(name, table, ["warm", "damp"]) for name, table in streams.items()]
    return Host(tables, ReadingCounts() if counts is None else counts)


def say(host: Host, topic: str, content: bytes, at: float = START) -> Heard:
    parsed = parse_topic(topic)
    assert parsed is not None
    return host.hear(parsed, content, received_at=at)


def reason(host: Host, topic: str, content: bytes) -> str:
    with pytest.raises(ReadingError) as refused:
        say(host, topic, content)
    return refused.value.reason


def test_data_mean_nothing_before_a_birth() -> None:
    host = host_of()
    assert reason(host, DDATA, data(7, 21.0)) == "unborn"
    say(host, DBIRTH, birth(8))
    assert say(host, DDATA, data(9, 21.0)).instants[0].values[0] == 21.0


def test_an_alias_that_the_birth_did_not_name_is_counted_and_silences_nobody() -> None:
    line = born_line()
    both = payload(2, metric(alias=77, at=START, double_value=1.0), metric(alias=1, at=START + 10.0, double_value=21.0))
    hear(line, DDATA, both, START + 10.0)
    assert line.counts.refused == {"unborn": 1}
    assert line.counts.last_refused == f"{DDATA}: unborn: 77: its birth does not name it"
    assert line.services[0].counts.accepted == 2


def test_a_metric_that_is_no_sensor_is_nobodys_business() -> None:
    line = born_line()
    hear(line, DDATA, payload(2, metric(alias=3, at=START, string_value=b"text")))
    assert line.counts.refused == {}


def test_metrics_may_be_named_where_a_birth_gives_no_alias() -> None:
    host = host_of()
    say(host, DBIRTH, payload(1, metric("warm", at=START, datatype=3, int_value=1)))
    assert say(host, DDATA, payload(2, metric("warm", at=START, int_value=0xFFFFFFFF))).instants[0].values[0] == -1.0


def test_the_death_of_a_node_ends_the_lives_of_its_devices() -> None:
    host = host_of()
    say(host, NBIRTH, node_birth(4))
    say(host, DBIRTH, birth(1))
    assert say(host, NDEATH, payload(None, session(4))) == Heard((), (), ())
    assert reason(host, DDATA, data(2, 21.0)) == "unborn"
    assert reason(host, DBIRTH, birth(3)) == "unborn"  # of a node that is dead
    say(host, NBIRTH, node_birth(5))
    assert reason(host, DDATA, data(1, 21.0)) == "unborn"  # the device is to be born anew
    say(host, DBIRTH, birth(2))
    say(host, DDATA, data(3, 21.0))


def test_the_last_will_of_an_old_session_kills_nobody() -> None:
    host = host_of()
    say(host, NBIRTH, node_birth(5))
    say(host, DBIRTH, birth(1))
    say(host, NDEATH, payload(None, session(4)))
    assert say(host, DDATA, data(2, 21.0)).instants[0].values[0] == 21.0


def test_the_death_of_a_device_is_its_own() -> None:
    host = host_of()
    say(host, NBIRTH, node_birth())
    say(host, DBIRTH, birth(1))
    say(host, SAW.format("DBIRTH"), birth(2))
    say(host, DDEATH, payload(3))
    assert reason(host, DDATA, data(4, 21.0)) == "unborn"
    say(host, SAW.format("DDATA"), data(5, 21.0))


def test_a_birth_takes_the_place_of_the_one_before_it() -> None:
    host = host_of()
    say(host, DBIRTH, birth(1))
    say(host, DBIRTH, payload(2, metric("damp", 1, START, datatype=10, double_value=1.0)))
    assert [math.isnan(value) for value in say(host, DDATA, data(3, 21.0)).instants[0].values] == [True, False]


# Whose fault it is


def kinds(line: Line, topic: str, contents: list[bytes]) -> list[tuple[object, object]]:
    """Return kind and sensor of the events that messages open."""
    told = []
    for content in contents:
        line.receive(topic, content, retained=False, received_at=START + 1.0)
        told += of("event", line.advance())
    return [(event["kind"], event["explanation"]["sensor"]) for event in told]  # type: ignore[index]


def test_a_sensor_whose_source_calls_it_bad_is_told_and_its_neighbour_is_not() -> None:
    bad = [payload(seq, metric(alias=2, at=START, double_value=1.0, quality=0)) for seq in range(2, 60)]
    assert kinds(born_line(), DDATA, bad) == [("quality", "damp")]


def test_data_without_a_birth_are_no_fault_of_the_sensors() -> None:
    assert kinds(line_of(PLANT), DDATA, [data(seq, 21.0) for seq in range(60)]) == []


# Sequence numbers


def test_messages_of_a_node_are_numbered_together_and_over_255_comes_0() -> None:
    counts = ReadingCounts()
    host = host_of(counts=counts)
    say(host, NBIRTH, node_birth())
    say(host, DBIRTH, birth(1))
    for number in range(2, 520):
        topic = DDATA if number % 3 else NODE.format("NDATA")
        say(host, topic, data(number % 256, 21.0) if number % 3 else payload(number % 256))
    assert counts.sequence_gaps == 0


@pytest.mark.parametrize(
    ("before", "after", "gaps"), [(5, 6, 0), (5, 7, 1), (255, 0, 0), (255, 1, 1), (5, 5, 0), (5, 4, 1)]
)
def test_a_number_that_is_skipped_is_a_gap_and_one_that_comes_twice_is_none(before: int, after: int, gaps: int) -> None:
    counts = ReadingCounts()
    host = host_of(counts=counts)
    say(host, DBIRTH, birth(before))
    heard = say(host, DDATA, data(after, 21.0))
    assert (counts.sequence_gaps, heard.instants[0].values[0]) == (gaps, 21.0)


def test_a_new_birth_of_a_node_begins_at_its_own_number() -> None:
    counts = ReadingCounts()
    host = host_of(counts=counts)
    say(host, NBIRTH, node_birth())
    say(host, DBIRTH, birth(1))
    say(host, NBIRTH, node_birth())
    say(host, DBIRTH, birth(1))
    say(host, NDEATH, payload(None))
    say(host, NBIRTH, node_birth())
    assert counts.sequence_gaps == 0


# Requests for births


def test_nodes_are_asked_for_nothing_unless_the_configuration_says_so() -> None:
    line = line_of(PLANT)
    assert asked(line, DDATA, data(9, 21.0), START) == []
    assert line.counts.rebirth_requests == 0


def test_a_node_is_asked_for_its_births_once_a_minute_at_most() -> None:
    line = line_of(ASKING)
    ncmd = NODE.format("NCMD")
    assert asked(line, DDATA, data(9, 21.0), START) == [ncmd]
    assert [asked(line, DDATA, data(10, 21.0), START + after) for after in (0.0, 1.0, 59.9)] == [[], [], []]
    assert asked(line, DDATA, data(10, 21.0), START + 60.0) == [ncmd]
    assert asked(line, DDATA, data(10, 21.0), START - 3600.0) == [ncmd]  # the clock was set
    assert asked(line, DDATA.replace("press", "mill"), data(10, 21.0), START) == [ncmd.replace("press", "mill")]
    assert line.counts.rebirth_requests == 4


def test_a_request_is_the_command_that_the_specification_names() -> None:
    line = line_of(ASKING)
    line.receive(DDATA, data(9, 21.0), retained=False, received_at=START)
    (news,) = line.advance()
    assert (news.qos, news.retain) == (0, False)
    message = parse(news.payload)
    (command,) = message.metrics
    assert (command.name, command.value) == ("Node Control/Rebirth", (11, True, False))
    assert message.time_ms == command.time_ms == 1000 * START


def test_a_gap_and_an_unknown_alias_are_reasons_to_ask_too() -> None:
    ncmd = NODE.format("NCMD")
    assert asked(born_line(ASKING), DDATA, data(4, 21.0), START) == [ncmd]
    assert asked(born_line(ASKING), DDATA, payload(2, metric(alias=77, double_value=1.0)), START) == [ncmd]
    assert asked(born_line(ASKING), DDATA, data(2, 21.0), START) == []


# Bounds


def test_no_more_nodes_and_metrics_are_remembered_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "MOST_METRICS", 4)
    monkeypatch.setattr(sparkplug, "MOST_NODES", 1)
    host = host_of()
    say(host, DBIRTH, birth(1))
    assert reason(host, SAW.format("DBIRTH"), birth(2)) == "unborn"
    say(host, DDEATH, payload(3))
    say(host, SAW.format("DBIRTH"), birth(4))
    assert reason(host, DDATA.replace("press", "mill"), data(5, 1.0)) == "streams_refused"


@pytest.mark.parametrize(
    "metrics", [[], [metric("", alias, datatype=10, double_value=1.0) for alias in range(4)]], ids=["empty", "nameless"]
)
def test_births_that_name_nothing_fill_no_memory_either(
    monkeypatch: pytest.MonkeyPatch, metrics: list[Mapping[str, object]]
) -> None:
    monkeypatch.setattr(sparkplug, "MOST_METRICS", 40)
    host = host_of()
    for device in range(100):
        with suppress(ReadingError):
            say(host, f"spBv1.0/plant/DBIRTH/press/d{device}", payload(None, *metrics))
    (node,) = host._nodes.values()
    assert sum(max(1, len(life.aliases)) for life in node.lives.values()) == 40
    for device in range(100):
        say(host, f"spBv1.0/plant/DDEATH/press/d{device}", payload(None))
    assert (node.lives, host._metrics) == ({}, 0)


def test_streams_beyond_the_most_are_refused_and_their_numbers_followed() -> None:
    line = born_line()
    for number, device in enumerate(("a", "b", "c", "d"), start=2):
        hear(line, f"spBv1.0/plant/DBIRTH/press/{device}", birth(number))
    assert (line.counts.streams_refused, line.counts.sequence_gaps) == (2, 0)


def test_the_lives_of_nodes_survive_a_snapshot() -> None:
    host = host_of()
    say(host, DBIRTH, birth(1))
    again: Host = pickle.loads(pickle.dumps(host))
    assert say(again, DDATA, data(2, 21.0)).instants == say(host, DDATA, data(2, 21.0)).instants


MESSAGES = [(FOLDER / step["file"]).read_bytes() for step in SESSION] + [birth(1), data(2, 21.0), node_birth()]
TOPICS = (NBIRTH, NDEATH, NODE.format("NDATA"), DBIRTH, DDATA, DDEATH)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Take a good message and cut it, or change some of its bytes."""
    good = draw(st.sampled_from(MESSAGES))
    place = draw(st.integers(min_value=0, max_value=len(good)))
    return good[:place] + draw(st.binary(max_size=4)) + good[place + draw(st.integers(0, 4)) :]


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.binary() | damaged()), max_size=8))
def test_any_bytes_are_read_or_refused_for_a_known_reason(messages: list[tuple[str, bytes]]) -> None:
    host = host_of(ASKING)
    begun = time.process_time()
    for topic, content in messages:
        try:
            heard = say(host, topic, content)
        except ReadingError as refused:
            assert refused.reason in REASONS
            continue
        assert {refused.reason for refused in heard.refused} <= set(REASONS)
        for one in heard.instants:
            assert one.time is not None
            assert 0.0 <= one.time < 1e11
            assert any(map(math.isfinite, one.values))
            assert not any(map(math.isinf, one.values))
    assert time.process_time() - begun < 2.0


def test_a_message_as_long_as_may_be_is_read_in_bounded_time() -> None:
    host = host_of()
    say(host, DBIRTH, birth(1))
    metrics = (metric(alias=1, at=START + 0.001 * number, double_value=1.0) for number in range(3_000))
    content = payload(2, *metrics)
    begun = time.process_time()
    assert len(say(host, DDATA, content).instants) == 3_000
    assert time.process_time() - begun < 2.0


# Where messages go


def test_whoever_hears_a_device_hears_its_node_and_the_devices_beside_it() -> None:
    assert filters("spBv1.0/plant/+/drive") == filters("spBv1.0/plant/+/saw") == filters("spBv1.0/plant/+")
    assert filters("spBv1.0/plant/press/drive") == (
        "spBv1.0/plant/NBIRTH/press",
        "spBv1.0/plant/NDATA/press",
        "spBv1.0/plant/NDEATH/press",
        "spBv1.0/plant/DBIRTH/press/+",
        "spBv1.0/plant/DDATA/press/+",
        "spBv1.0/plant/DDEATH/press/+",
    )


@pytest.mark.parametrize(
    "topic",
    ["spBv1.0/STATE/scada", "spBv1.0/plant/NCMD/press", "spBv1.0/plant/DDATA/press", "spBv1.0/a/b/c", "spBv1.0x"],
)
def test_other_topics_of_the_namespace_belong_to_nobody(topic: str) -> None:
    line = born_line()
    hear(line, topic, birth(2))
    assert (line.counts.unrouted, line.counts.refused) == (1, {})


def test_one_worker_hears_all_of_sparkplug() -> None:
    toml = PLANT + '[streams.other]\nbundle = "x"\ntopic = "other/{name}"\n'
    streams = Config.from_table(tomllib.loads(toml)).streams
    shards = Shards([Table(name, table, ["warm", "damp"]) for name, table in streams.items()], 8)
    topics = [kind.format(verb) for kind, verb in ((NODE, "NBIRTH"), (DRIVE, "DDATA"), (SAW, "DDEATH"))]
    assert {shards(topic, retained=False) for topic in topics} == {NODES}
    assert len({shards(f"other/{name}", retained=False) for name in range(30)}) > 1


def test_feedback_on_a_stream_of_sparkplug_goes_to_the_worker_that_serves_it_and_the_stream_is_known_as_born() -> None:
    streams = Config.from_table(tomllib.loads(PLANT)).streams
    shards = Shards([Table(name, table, ["warm", "damp"]) for name, table in streams.items()], 8, "tidegate/edge1/")
    line = line_of("[node]\nfeedback = true\n" + PLANT)
    for device in ("drive", "saw", "drill", "one-too-many"):
        topic = f"spBv1.0/plant/DBIRTH/press/{device}"
        shards(topic, retained=False)
        hear(line, topic, birth(1))
    shards(DDEATH, retained=False)
    assert list(shards.born) == list(line.born)
    assert len(shards.born) == 3
    for stream in ("plant-press-drive", "plant-press-saw", "plant-press-drill"):
        assert shards(f"tidegate/edge1/{stream}/feedback", retained=False) == NODES


# The extra


def test_without_its_library_the_operator_is_told_what_to_install(tmp_path: Path) -> None:
    config = tmp_path / "tidegate.toml"
    config.write_text(PLANT, encoding="utf-8")
    code = "import sys; sys.modules['google.protobuf'] = None; from edge.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "check", "--config", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    problem = "streams.plant.dialect: must have its library: pip install 'tidegate[sparkplug]', got 'sparkplug'"
    assert f"error: {config}: {problem}" in done.stderr.splitlines()


def test_the_messages_are_read_by_pure_python_as_they_are_by_the_compiled_library() -> None:
    code = (
        "import sys, pathlib; from edge.payloads.sparkplug_messages import parse\n"
        "from google.protobuf.internal import api_implementation\n"
        "print([parse(pathlib.Path(name).read_bytes()) for name in sys.argv[1:]])\n"
        "print(api_implementation.Type(), file=sys.stderr)"
    )
    files = [str(FOLDER / step["file"]) for step in SESSION]
    said = {}
    for name in ("upb", "python"):
        environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": name}
        done = subprocess.run(
            [sys.executable, "-c", code, *files],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        said[done.stderr.strip()] = done.stdout
    assert "python" in said
    assert len(set(said.values())) == 1


# At a real broker


class Press:
    """A node that publishes with paho, and hears what it is asked for."""

    def __init__(self, port: int, group: str) -> None:
        self.group = group
        self.asked: list[bytes] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, userdata, message: self.asked.append(bytes(message.payload))
        self._client.connect(HOST, port)
        self._client.subscribe(f"spBv1.0/{group}/NCMD/press", 1)
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN)

    def say(self, kind: str, content: bytes) -> None:
        device = "/drive" if kind.startswith("D") else ""
        self._client.publish(f"spBv1.0/{self.group}/{kind}/press{device}", content, 0).wait_for_publish(WITHIN)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_daemon_asks_a_node_for_its_birth_and_judges_what_it_then_says(
    mosquitto: Mosquitto, bundles: Path, tmp_path: Path, workers: int
) -> None:
    node = f"sparkplug{workers}"
    config = (
        f'[node]\nname = "{node}"\nhealth_every = 0.1\nworkers = {workers}\n'
        f'[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n'
        f'[streams.press]\nbundle = "{bundles / "lstm-dynamic.bundle"}"\ntopic = "spBv1.0/{node}/{{node}}/{{device}}"\n'
        'dialect = "sparkplug"\nrebirth_requests = true\nstream = "{device}"\n'
        '[streams.press.sensors]\ntemperature = "Oil/Temperature"\nhumidity = "Oil/Water"\n'
        "[streams.press.grid]\nfuture = 1e9\n"
    )
    told, press = Sensors(mosquitto.port, node), Press(mosquitto.port, node)
    try:
        with served(tmp_path / "daemon", config):
            press.say("DDATA", data(200, 1.0))
            wait_until(lambda: press.asked != [])
            press.say("NBIRTH", node_birth())
            names = [
                metric("Oil/Temperature", 1, START, datatype=10, double_value=28.0),
                metric("Oil/Water", 2, START, datatype=10, double_value=45.0),
            ]
            press.say("DBIRTH", payload(1, *names))
            for step in range(1, 17):
                at = START + 5.0 * step
                changed = [
                    metric(alias=1, at=at, double_value=28.0),
                    metric(alias=2, at=at, double_value=45.0 + 0.01 * (step % 3)),
                ]
                press.say("DDATA", payload(step + 1, *changed, at=at))
            states = [json.loads(told.hear("drive/state")) for _ in range(17)]
            assert states[0]["values"] == {"humidity": 45.0, "temperature": 28.0}
            assert states[-1]["time"] == "2026-01-15T09:32:05Z"
            assert states[-1]["next"]["temperature"]["forecast"] == pytest.approx(28.0, abs=5.0)
            press.say("NDEATH", payload(None, session(0)))
            press.say("DDATA", data(18, 29.0))
            readings = told.health(lambda table: table["readings"]["refused"].get("unborn") == 2)["readings"]  # type: ignore[index]
            assert (readings["rebirth_requests"], readings["sequence_gaps"]) == (1, 0)  # type: ignore[index]
    finally:
        press.close()
        told.close()
