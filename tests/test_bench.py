"""Hold the benchmarks to what they say of themselves, without measuring anything."""

from itertools import islice

import numpy as np
import orjson
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.packets import publish
from tests.bench.common import PERIOD, START, WINDOW, Figure, recording
from tests.bench.fitting import Fit, Judged, Took, figures, windows
from tests.bench.step import Waves
from tests.bench.sweep import speech
from tests.bench.throughput import Listener, packets


def unpack(packet: bytes) -> tuple[int, bytes]:
    """Return flags and body of a packet, whose length must be what it says (MQTT 3.1.1, section 2.2.3)."""
    length, place = 0, 1
    for power in range(4):
        digit = packet[place]
        length += (digit & 0x7F) << 7 * power
        place += 1
        if not digit & 0x80:
            break
    assert len(packet) == place + length
    return packet[0], packet[place:]


@pytest.mark.parametrize("size", [0, 1, 119, 120, 121, 16_375, 16_376, 16_377, 70_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_packet_is_what_the_standard_says(size: int, qos: int) -> None:
    flags, body = unpack(publish("bench", b"x" * size, qos, 258))
    assert flags == 0x30 + 2 * qos
    assert body == b"\x00\x05bench" + b"\x01\x02" * qos + b"x" * size


def test_packets_speak_for_every_stream_sample_by_sample() -> None:
    said = packets("bench", 2, 1, 1, range(3, 5))
    topics = []
    while said:
        length = 2 + said[1]
        flags, body = unpack(said[:length])
        topics.append((flags, body[2:10].decode(), int.from_bytes(body[10:12])))
        said = said[length:]
    assert topics == [(0x32, "bench/m0", 1), (0x32, "bench/m1", 2), (0x32, "bench/m0", 3), (0x32, "bench/m1", 4)]


def test_a_ratio_is_that_of_the_medians() -> None:
    assert Figure(name="a", unit="us", ours=(1.0, 9.0, 3.0), reference=(2.0, 2.0, 50.0)).ratio == 1.5
    assert Figure(name="a", unit="us", ours=(1.0,)).ratio is None


def test_a_recording_of_several_streams_is_in_turn_and_in_order() -> None:
    drawn = recording(3, 4, streams=2)
    assert drawn.values.shape == (8, 3)
    assert drawn.streams.tolist() == [0, 1] * 4
    assert (drawn.times[::2] == drawn.times[1::2]).all()


def test_waves_go_on_where_they_stopped() -> None:
    waves = Waves(3, 2)
    first, second = waves.take(2)
    (third,) = waves.take(1)
    times = [wave[0][1].time for wave in (first, second, third)]
    assert [times[1] - times[0], times[2] - times[1]] == [PERIOD, PERIOD]
    assert [row for row, _ in third] == [0, 1, 2]


def test_the_echo_says_what_it_heard() -> None:
    from tests.bench import echo

    said: list[tuple[str, bytes]] = []

    class Heard(Client):
        def publish(self, topic: str, payload: bytes, *rest: object) -> None:  # type: ignore[override]
            said.append((topic, payload))

    client = Heard(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    message = MQTTMessage(topic=b"echo/m7")
    message.payload = b"{}"
    echo.repeat(client, None, message)
    assert said == [("tidegate/echo/m7/state", b"{}")]


def test_packets_are_counted_wherever_the_network_cuts_them() -> None:
    said = b"\x90\x03\x00\x01\x00" + b"".join(publish("t", b"x" * size, 0, 1) for size in (0, 130, 20_000, 5))
    for piece in (1, 2, 3, 7, 1000, len(said)):
        listener = object.__new__(Listener)
        listener._rest = b""
        assert sum(listener._count(said[cut : cut + piece]) for cut in range(0, len(said), piece)) == 4


def test_streams_speak_in_turn_and_each_has_values_of_its_own() -> None:
    values = [[float(row)] for row in range(10)]
    said = [(topic, orjson.loads(payload)) for topic, payload in islice(speech(["a", "b"], values), 6)]
    assert [topic for topic, _ in said] == ["a", "b"] * 3
    assert [payload["time"] - START for _, payload in said] == [0.0, 0.0, PERIOD, PERIOD, 2 * PERIOD, 2 * PERIOD]
    assert [payload["s0"] for _, payload in said] == [0.0, 7.0, 1.0, 8.0, 2.0, 9.0]


def test_a_window_of_the_textbook_ends_with_the_sample_it_was_made_at() -> None:
    level = np.arange(200, dtype=np.float32)[:, None]
    made = windows(level, np.array([WINDOW - 1, 150]))
    assert made.shape == (2, WINDOW, 1)
    assert made[:, -1, 0].tolist() == [WINDOW - 1, 150]
    assert made[0, 0, 0] == 0.0


def test_the_loss_leaves_out_what_is_unknown() -> None:
    truth = np.array([[[1.0], [np.nan]], [[3.0], [5.0]]])
    judged = Judged(np.array([[9.0], [0.0], [2.0]], dtype=np.float32), truth, 1, (1, 6))
    assert judged.loss(np.zeros(truth.shape)) == (1.0 + 9.0 + 25.0) / 3
    assert judged.persistence() == (1.0 + 1.0 + 9.0) / 3


def test_a_textbook_that_did_not_get_there_is_told() -> None:
    def fit(seconds: float, loss: float) -> Fit:
        return Fit(Took(seconds, 3.0), Took(1.0, seconds), Took(1.0, 2.0 * seconds), loss, 100.0)

    there = figures("x", [fit(1.0, 0.5)], [fit(10.0, 0.5)], [0.9])
    assert [one.ratio for one in there[:4]] == [0.1, 1.0, 1.0, 0.1]
    assert there[0].bound == "must 1/3, goal 1/10"
    short = figures("x", [fit(1.0, 0.5)], [fit(10.0, 0.6)], [0.9])
    assert "in 1 of 1 runs the textbook did not get there" in short[0].bound
