"""People speak to a real daemon through a real broker, whoever judges: it itself, or workers."""

import json
from pathlib import Path

import pytest

from tests.conftest import HOST, Mosquitto
from tests.served import Sensors, climate, served

CONFIG = """
[node]
name = "{node}"
workers = {workers}
feedback = true
health_every = 0.2
[broker]
host = "{host}"
port = {port}
[streams.motes]
bundle = "{bundle}"
topic = "{node}/{{mote}}/climate"
qos = 1
"""
PERIOD = 5.0


@pytest.mark.parametrize("workers", [1, 2])
def test_maintenance_begins_when_it_is_asked_for_and_ends_by_itself(
    bundles: Path, mosquitto: Mosquitto, tmp_path: Path, workers: int
) -> None:
    node, bundle = f"feedback-{workers}", bundles / "stack-dynamic.bundle"
    sensors = Sensors(mosquitto.port, node)
    config = CONFIG.format(node=node, workers=workers, host=HOST, port=mosquitto.port, bundle=bundle)
    with served(tmp_path / "daemon", config):
        for step in range(3):
            sensors.publish(f"{node}/m1/climate", climate(1.2e9 + PERIOD * step, 40.0, 20.0))
        assert json.loads(sensors.hear("m1/state"))["values"]["humidity"] == 40.0
        sensors.publish(f"tidegate/{node}/m1/feedback", b'{"feedback": "maintenance", "for": 1}')
        opened, closed = (json.loads(sensors.hear("m1/event")) for _ in range(2))
        assert (opened["kind"], opened["phase"], opened["end"]) == ("maintenance", "open", None)
        assert (closed["id"], closed["phase"]) == (opened["id"], "close")
        sensors.publish(f"tidegate/{node}/m1/feedback", b"nonsense")
        health = sensors.health(lambda told: "feedback" in told["readings"]["refused"])  # type: ignore[index]
        assert health["readings"]["last_refused"].startswith(f"tidegate/{node}/m1/feedback: feedback: ")  # type: ignore[index]
    sensors.close()
