"""What users of such systems complain of, where no station's own tests hold it: the whole line, or a real daemon.

The table in CONTRIBUTING.md names the test that answers each complaint, and each trap in what devices send.
"""

import ast
import gc
import itertools
import json
import re
import tomllib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle import Bundle
from edge.config import Config
from edge.line import Line
from tests.conftest import HOST, Mosquitto
from tests.edge.conftest import ROOT
from tests.lines import BUNDLE, CLIMATE, climate, line_of, of, tell
from tests.served import Sensors, served
from tests.served import climate as mote

PRESS = "plant/a/press/climate"


# The table


def answers() -> list[str]:
    """Return the second column of the table, row by row."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## What users complain about\n")
    rows = re.findall(r"^\| .* \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    return [row for row in rows if row != "answered by"]


NAMED = [answer.strip("`") for answer in answers() if answer.startswith("`")]


def test_every_complaint_has_a_test_or_says_that_it_has_none_yet() -> None:
    assert len(NAMED) >= 30
    assert [answer for answer in answers() if not answer.startswith(("`tests/", "not yet: "))] == []


@pytest.mark.parametrize("named", NAMED)
def test_every_test_that_the_table_names_exists(named: str) -> None:
    path, _, name = named.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


# Retained values are stored as new at every restart


def test_what_the_broker_keeps_is_no_reading_at_any_start(mosquitto: Mosquitto, bundles: Path, tmp_path: Path) -> None:
    # ESPHome lets the broker keep every state: what a subscriber hears first may be of last year.
    node = "complaints"
    config = (
        f'[node]\nname = "{node}"\nhealth_every = 0.1\n'
        f'[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\nsession_expiry = 0\n'
        f'[streams.rooms]\nbundle = "{bundles / "lstm-dynamic.bundle"}"\ndialect = "esphome"\n'
        f'topic = "{node}/{{room}}/sensor/{{sensor}}/state"\n'
    )
    sensors = Sensors(mosquitto.port, node)

    def say(value: float) -> None:
        for sensor in ("humidity", "temperature"):
            sensors.publish(f"{node}/attic/sensor/{sensor}/state", b"%g" % value, retain=True)

    for start in (1, 2):
        say(10.0 * start)
        with served(tmp_path / f"daemon{start}", config):
            health = sensors.health(lambda table: table["readings"]["received"] == 2)  # type: ignore[index]
            assert health["readings"]["retained"] == 2  # type: ignore[index]
            say(10.0 * start + 1.0)
            live = 10.0 * start + 1.0
            assert json.loads(sensors.hear("attic/state"))["values"] == {"humidity": live, "temperature": live}
    sensors.close()


# A documented threshold silently disables detection


@pytest.mark.parametrize("budget", ["1e-300", "1e-4", "1.0", "1e300"])
def test_no_alarm_budget_that_is_accepted_hides_what_is_grossly_strange(
    budget: str, loaded: Callable[[str], Bundle]
) -> None:
    served_bundle = loaded("lstm-dynamic")
    toml = f'[streams.m]\nbundle = "{BUNDLE}"\ntopic = "m"\ndetection = {{ false_alarms_per_week = {budget} }}\n'
    known = {BUNDLE: (served_bundle.manifest.learned(), served_bundle.model)}
    line = Line(Config.from_table(tomllib.loads(toml)), known)
    for step in range(40):
        tell(line, "m", mote(5.0 * step, 45.0 + 0.01 * (step % 3), 28.0 + 0.01 * (step % 2)), step)
    (opened,) = of("event", tell(line, "m", mote(200.0, 45.0, 80.0), 40))
    assert (opened["kind"], opened["explanation"]["sensor"]) == ("forecast", "temperature")  # type: ignore[index]
    (silent,) = of("event", line.look(1e9, 0.0))
    assert (silent["kind"], silent["phase"]) == ("silence", "open")


# The window is counted in samples instead of time


def first_forecast(every: float) -> float:
    """Return the event time of the first forecast for a device that speaks every so many seconds."""
    line = line_of()
    for place in range(100):
        time = every * place
        line.receive(PRESS, climate(time / 10.0), retained=False, received_at=time)
        if of("forecast", line.advance()):
            return time
    raise AssertionError("nothing was forecast")


def test_a_window_is_as_long_in_time_however_often_a_device_speaks() -> None:
    assert [first_forecast(every) for every in (1.0, 2.5, 10.0)] == pytest.approx([30.0] * 3, abs=5.0)


# Memory that grows


def hear_much(line: Line, steps: range) -> int:
    """Tell a stream many steps with everything that may go wrong, each time in new words; count the events."""
    told = 0
    for step in steps:
        told += len(of("event", tell(line, PRESS, climate(step, warm=20.0 + 70.0 * (step % 97 == 0)), step)))
        tell(line, PRESS, f'{{"time": {10 * step}, "warm": "broken {step}"}}'.encode(), step)
        tell(line, PRESS, climate(step - 50), step)
        tell(line, PRESS, climate(step + 100_000), step)
        tell(line, f"elsewhere/{step}", b"20.0", step)
        tell(line, f"plant/a/ü{step}/climate", climate(step), step)
        line.look(10.0 * step, 0.0)
    return told


def test_the_memory_does_not_grow_with_what_is_heard() -> None:
    line = line_of(CLIMATE + "max_streams = 1\n")
    kept, events = [], []
    hear_much(line, range(1000))
    tracemalloc.start()
    try:
        for begin in (1000, 1400, 1800, 2200):
            events.append(hear_much(line, range(begin, begin + 400)))
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert min(events) > 0
    # Bytes: ten a step would be a gigabyte in 30 years. What leaks grows every time; a cache that fills once does not.
    assert min(after - before for before, after in itertools.pairwise(kept)) < 4_000


# Traps in what devices send


def test_a_tasmota_that_speaks_every_five_minutes_is_neither_silent_nor_full_of_gaps() -> None:
    # TelePeriod is 300 s unless it is changed; the device's seconds wander, and its clock has no offset.
    toml = f'[streams.rooms]\nbundle = "{BUNDLE}"\ntopic = "tele/{{room}}/SENSOR"\ndialect = "tasmota"\n'
    toml += 'sensors = { warm = "AM2301.Temperature", damp = "AM2301.Humidity" }\n'
    line = line_of(toml, period=300.0)
    published = []
    for step in range(60):
        now = 300 * step + (step * 7 + 2) % 5
        said = {"Time": f"1970-01-01T{now // 3600:02}:{now // 60 % 60:02}:{now % 60:02}"}
        payload = json.dumps({**said, "AM2301": {"Temperature": 20.0 + 0.1 * (step % 3), "Humidity": 50.0}}).encode()
        line.receive("tele/attic/SENSOR", payload, retained=False, received_at=float(now + 1))
        published += line.advance() + line.look(now + 299.0, 0.0)
    assert len(of("state", published)) == 60
    assert len(of("forecast", published)) == 57
    assert of("event", published) == []
    assert line.services[0].counts.empty == 0
