"""A device that wakes in 1970, with a real broker: libfaketime moves the clock of the daemon alone."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.reading import parse_time
from tests.conftest import HOST, Mosquitto
from tests.edge.test_recorder import rows
from tests.served import Sensors, Served

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))  # Debian's package libfaketime
pytestmark = pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not here; Debian: apt-get install libfaketime")

READINGS = 8
WAITED = 2.0  # seconds from the last of them to the jump
NEAR = 1.5  # seconds by which a busy machine may hear later than somebody spoke; less than anybody waited


class Clock:
    """The clock of a process."""

    def __init__(self, file: Path, says: str) -> None:
        self._file = file
        self.set(says)

    def set(self, says: str) -> None:
        """Let it jump: `@1970-01-01 00:01:00`, or `+0` for the real time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(says)
        fresh.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to have it; the clock that never jumps stays what it is."""
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "TZ": "UTC",
        }


@contextmanager
def in_1970(folder: Path, config: str, command: str) -> Iterator[tuple[Served, Clock]]:
    """Let a program of ours serve that wakes in 1970."""
    folder.mkdir()
    clock = Clock(folder / "clock", "@1970-01-01 00:01:00")
    program = Served(folder, config, command)
    try:
        program.start(**clock.environment)
        program.wait_until_ready()
        yield program, clock
    finally:
        program.close()


def speak(sensors: Sensors, topic: str, count: int, first: int = 0) -> list[float]:
    """Say numbers, some in a second, without a time; return when each was said."""
    said = []
    for number in range(first, first + count):
        said.append(time.time())
        sensors.publish(topic, json.dumps({"humidity": 40.0 + number, "temperature": 20.0}).encode())
        time.sleep(0.25)
    return said


def test_what_a_recorder_heard_in_1970_has_the_time_at_which_it_was_said(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = (
        f'[node]\nname = "waking"\ntrust_clock_after = 0.5\n[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n'
        '[recorder]\ncommit_every = 1.0\n[streams.waking]\ntopic = "waking/m1"\n'
    )
    sensors = Sensors(mosquitto.port, "waking")
    with in_1970(tmp_path / "recorder", config, "record") as (recorder, clock):
        said = speak(sensors, "waking/m1", READINGS)
        time.sleep(WAITED)
        clock.set("+0")
        said += speak(sensors, "waking/m1", 2, first=READINGS)
        time.sleep(0.5)
        recorder.end(signal.SIGTERM)
        assert "20 readings recorded" in recorder.said() and " 0 dropped" in recorder.said()
    sensors.close()
    told = [
        (time_, value)
        for _, sensor, time_, value in rows(tmp_path / "recorder" / "recorder.db")
        if sensor == "humidity"
    ]
    assert [value for _, value in told] == [40.0 + number for number in range(READINGS + 2)]
    assert [time_ for time_, _ in told] == pytest.approx(said, abs=NEAR, rel=0.0)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_daemon_heard_in_1970_is_judged_at_the_time_at_which_it_was_said(
    bundles: Path, mosquitto: Mosquitto, tmp_path: Path, workers: int
) -> None:
    node = f"waking-{workers}"
    config = (
        f'[node]\nname = "{node}"\nhealth_every = 0.2\nworkers = {workers}\ntrust_clock_after = 0.5\n'
        f'[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n'
        f'[streams.motes]\nbundle = "{bundles / "stack-dynamic.bundle"}"\ntopic = "{node}/{{mote}}"\n'
    )
    sensors = Sensors(mosquitto.port, node)
    with in_1970(tmp_path / "daemon", config, "run") as (daemon, clock):
        said = speak(sensors, f"{node}/m1", READINGS)
        health = sensors.health(lambda told: told["clock"]["waiting"] == READINGS)  # type: ignore[index]
        assert (health["clock"]["trusted"], health["readings"]["received"]) == (False, 0)  # type: ignore[index]
        assert str(health["time"]).startswith("1970-01-01T00:01:")
        daemon.wait_for_datagram(f"{READINGS} messages wait for the clock to be set, which says 1970-01-01T00:01:")
        time.sleep(WAITED)
        clock.set("+0")
        told = json.loads(sensors.hear("m1/state"))
        assert parse_time(told["time"]) == pytest.approx(said[0], abs=5.0 + NEAR, rel=0.0)  # its cell has 5 s
        health = sensors.health(lambda told: told["readings"]["received"] == READINGS)  # type: ignore[index]
        assert health["clock"] == {"trusted": True, "waiting": 0}
        assert health["connection"]["dropped_clock"] == 0  # type: ignore[index]
    sensors.close()
