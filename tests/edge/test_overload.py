"""More arrives than a real daemon at a real broker can judge: bounded, counted, told, and over by itself."""

import json
from pathlib import Path

from edge.clock import iso
from edge.packets import publish
from tests.bench.common import resident_kb
from tests.bench.throughput import Generator
from tests.conftest import HOST, Mosquitto
from tests.served import Sensors, climate, served

STREAMS, WARM, FLOOD = 1200, 17, 20  # samples of each stream: in peace, and far faster than they can be judged
PERIOD, INBOX = 5.0, 1300  # a stream may miss 3 samples in a row: fewer than make it start anew


def samples(node: str, steps: range, humidity: float = 45.0) -> bytes:
    """Lay out a sample of every stream for each step."""
    return b"".join(
        publish(f"{node}/m{stream}/climate", climate(PERIOD * step, humidity, 28.0), 0, 0)
        for step in steps
        for stream in range(STREAMS)
    )


def test_an_overloaded_daemon_drops_what_is_superseded_says_so_and_recovers(
    unbounded_broker: Mosquitto, bundles: Path, tmp_path: Path
) -> None:
    node, broker = "crowd", unbounded_broker
    config = (
        f'[node]\nname = "{node}"\nhealth_every = 0.2\n'
        f'[broker]\nhost = "{HOST}"\nport = {broker.port}\ninbox = {INBOX}\nmax_latency = 1.0\n'
        f'[streams.motes]\nbundle = "{bundles / "lstm-dynamic.bundle"}"\ntopic = "{node}/{{mote}}/climate"\n'
        'max_streams = 2000\npublish = ["state", "event", "anomaly"]\n'
    )
    sensors = Sensors(broker.port, node)
    generator = Generator(broker.port)
    with served(tmp_path / "daemon", config) as daemon:
        assert sensors.hear("status") == b"online"
        for step in range(WARM):
            generator.send(samples(node, range(step, step + 1)))
            sensors.hear_all(until=lambda topic, _: topic == f"m{STREAMS - 1}/state")
        assert daemon.process is not None
        before = resident_kb(daemon.process.pid)
        generator.send(samples(node, range(WARM, FLOOD)) + samples(node, range(FLOOD, FLOOD + 1), humidity=99.0))
        heard = sensors.hear_all(until=lambda topic, payload: (topic, payload) == ("status", b"online"))
        grown = resident_kb(daemon.process.pid) - before
        total = STREAMS * (FLOOD + 1)
        health = sensors.health(lambda table: not table["overloaded"] and table["connection"]["received"] == total)  # type: ignore[index]
    sensors.close()
    generator.close()
    assert [payload for topic, payload in heard if topic == "status"] == [b"overloaded", b"online"]
    dropped = health["connection"]["dropped_superseded"] + health["connection"]["dropped_inbox"]  # type: ignore[index]
    assert dropped > STREAMS / 2
    assert health["readings"]["received"] == total - dropped  # type: ignore[index]
    assert any(json.loads(payload)["overloaded"] for topic, payload in heard if topic == "health")
    # The newest reading of a stream is judged; what has begun with it is told, whatever else was dropped.
    ends = [json.loads(payload) for topic, payload in heard if topic.endswith("/state")]
    flagged = sum(state["anomaly"] for state in ends if state["time"] == iso(PERIOD * FLOOD))
    opened = {topic for topic, payload in heard if topic.endswith("/event") and b'"open"' in payload}
    assert 0 < flagged <= len(opened)
    assert grown < 60_000
