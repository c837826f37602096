"""`deploy/asyncapi.yaml` beside what is really said: every kind of message, by the golden replays and a real daemon."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest
import yaml

from edge import feedback
from edge.errors import ReadingError
from edge.finding import KINDS
from edge.message import Outgoing
from tests.conftest import HOST, Mosquitto
from tests.edge.test_kinds import HEARS, PRESS, limited
from tests.lines import CLIMATE, climate, line_of, tell, tell_steps
from tests.served import Sensors, served
from tests.served import climate as mote

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "deploy" / "asyncapi.yaml").read_text(encoding="utf-8"))
SENT = {
    operation["channel"]["$ref"].rpartition("/")[2]: operation["bindings"]["mqtt"]
    for operation in DOCUMENT["operations"].values()
    if operation["action"] == "send"
}


def validator(channel: str) -> jsonschema.Draft202012Validator:
    """Return what holds a payload to its schema; references go through the whole document."""
    schema = {"$ref": f"#/components/schemas/{channel}", "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema)


def hold(topic: str, payload: object, *, qos: int, retain: bool) -> str:
    """Hold a message to the document; return its channel."""
    (channel,) = (name for name in SENT if re.fullmatch(pattern(name), topic))
    validator(channel).validate(payload)
    assert {"qos": qos, "retain": retain} == SENT[channel]
    return channel


def pattern(channel: str) -> str:
    """Return what an address matches; the prefix may be several levels."""
    address = re.escape(DOCUMENT["channels"][channel]["address"])
    return re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_.-]+", address.replace(r"\{prefix\}", "[^+#]+"))


def golden() -> Iterator[Mapping[str, object]]:
    for path in sorted((ROOT / "tests" / "replays").glob("*/expected.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            if "topic" in said:
                yield said


def strange() -> Iterator[Outgoing]:
    """Say what no golden replay says: events of every kind, and what people make of them."""
    line = line_of(HEARS)
    yield from tell_steps(line, PRESS, range(10))
    yield from tell(line, PRESS, climate(10, warm=90.0), 10)
    yield from tell(line, "tidegate/edge1/a-press/feedback", b"acknowledge", 11)
    yield from tell(line, "tidegate/edge1/a-press/feedback", b"false_alarm", 12)
    yield from tell(line, "tidegate/edge1/a-press/feedback", b"maintenance", 13)
    yield from line.look(1e5, 0.0)
    line = line_of(limited(0.0, 100.0))
    for step in range(300):
        yield from tell(line, PRESS, climate(step, warm=min(float(step), 100.0), damp=50.0), step)
    yield from tell(line, PRESS, climate(300, warm=101.0), 300)
    for step in range(301, 312):
        yield from tell(line, PRESS, b"nothing", step)
    yield from line.look(1e6, 0.0)
    named = line_of(CLIMATE.replace("plant/{line}/{machine}/climate", "plant/climate"))
    yield from tell(named, "plant/climate", climate(1), 1)


def test_the_document_says_what_it_must() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {operation["channel"]["$ref"].rpartition("/")[2] for operation in DOCUMENT["operations"].values()} == set(
        DOCUMENT["channels"]
    )
    for name, channel in DOCUMENT["channels"].items():
        assert set(channel["parameters"]) == set(re.findall(r"\{(\w+)\}", channel["address"]))
        assert channel["messages"] == {name: {"$ref": f"#/components/messages/{name}"}}
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_golden_message_is_as_the_document_says() -> None:
    channels = {
        hold(str(said["topic"]), said["payload"], qos=said["qos"], retain=said["retain"])  # type: ignore[arg-type]
        for said in golden()
    }
    assert channels == {"state", "forecast", "anomaly", "event"}


def test_events_of_every_kind_and_phase_are_as_the_document_says() -> None:
    told = [(hold(one.topic, json.loads(one.payload), qos=one.qos, retain=one.retain), one) for one in strange()]
    events = [json.loads(one.payload) for channel, one in told if channel == "event"]
    assert {event["kind"] for event in events} == {*KINDS, "maintenance"}
    assert {event["phase"] for event in events} == {"open", "update", "close"}
    assert {json.loads(one.payload)["since"] is None for channel, one in told if channel == "anomaly"} == {False, True}
    assert {event["feedback"] for event in events} == {None, "acknowledged", "false_alarm"}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_daemon_says_of_itself_is_as_the_document_says(
    bundles: Path, mosquitto: Mosquitto, tmp_path: Path, workers: int
) -> None:
    node = f"asyncapi-{workers}"
    config = (
        f'[node]\nname = "{node}"\nworkers = {workers}\nhealth_every = 0.2\n'
        f'[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n[homeassistant]\nenabled = true\n'
        f'[streams.motes]\nbundle = "{bundles / "stack-dynamic.bundle"}"\ntopic = "{node}/{{mote}}/climate"\n'
    )
    sensors = Sensors(mosquitto.port, node)
    with served(tmp_path / "daemon", config) as daemon:
        validator("status").validate(sensors.hear("status").decode())
        for step in range(3):
            sensors.publish(f"{node}/m1/climate", mote(1.2e9 + 5.0 * step, 40.0, 20.0))
        health = sensors.health(lambda told: told["readings"]["received"] == 3)  # type: ignore[index]
        hold(f"tidegate/{node}/health", health, qos=0, retain=False)
        daemon.end(15)
    validator("status").validate(sensors.hear("status").decode())
    sensors.close()


@pytest.mark.parametrize(
    ("payload", "is_heard"),
    [
        (b"acknowledge", True),
        (b'{"feedback": "maintenance", "for": 60}', True),
        (b'{"feedback": "maintenance", "for": -1}', False),
        (b"nonsense", False),
        (b'{"for": 1}', False),
    ],
)
def test_feedback_is_heard_where_the_document_allows_it(payload: bytes, is_heard: bool) -> None:
    said = json.loads(payload) if payload.startswith(b"{") else payload.decode()
    assert validator("feedback").is_valid(said) == is_heard
    if is_heard:
        feedback.parse(payload)
    else:
        with pytest.raises(ReadingError):
            feedback.parse(payload)


def test_the_examples_of_the_readme_are_as_the_document_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:<stream>/)?(\w+)`[^`]*?\n\n```json\n(.*?)```", readme, flags=re.DOTALL)
    told = dict.fromkeys(channel for channel, _ in named)
    assert {"state", "forecast", "event", "anomaly"} <= set(told)
    for channel, text in named:
        validator(channel).validate(json.loads(text))
    (health,) = (text for text in re.findall(r"```json\n(.*?)```", readme, flags=re.DOTALL) if "uptime_s" in text)
    validator("health").validate(json.loads(health))
