"""Replay equals live: a recording through a real mosquitto and a real daemon, and the same rows through a file.

Both sides print the shortest text that reads back as the same float, so parsed numbers are compared with ==.
"""

import csv
import gzip
import json
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from edge import cli
from edge.clock import iso
from tests.conftest import HOST, Mosquitto
from tests.make_bundles import ROOT
from tests.served import Sensors, served

SENSORS, BOUNDS = ("humidity", "temperature"), ("forecast", "lower", "upper")
MOTES = tuple(sorted((ROOT / "data" / "wsn").glob("*.csv.gz")))
STEAM = slice(2300, 2560)  # rows of motes 1 and 4 with the steam in them
AT_ONCE = 200  # readings in flight: the broker keeps at most 1,000 messages for one client

Row = tuple[str, str, str, str]  # time, stream, humidity, temperature


def rows_of(mote: int, rows: slice) -> list[Row]:
    with gzip.open(MOTES[mote], "rt") as file:
        return [(line["time"], f"m{mote}", line["humidity"], line["temperature"]) for line in csv.DictReader(file)][
            rows
        ]


def payload(row: Row) -> bytes:
    time, _, humidity, temperature = row
    return json.dumps({"time": time, "humidity": float(humidity), "temperature": float(temperature)}).encode()


def in_bursts(rows: Sequence[Row], chance: random.Random) -> Iterator[list[Row]]:
    """Yield what is sent before the next answer is waited for: between one reading and some hundred."""
    start = 0
    while start < len(rows):
        size = chance.choice((1, 2, 3, 5, 8, 50, AT_ONCE))
        yield list(rows[start : start + size])
        start += size


def mingled(chance: random.Random) -> list[Row]:
    """Return rows of all four motes, each mote's in order, now one mote after the other and now several of one."""
    left = [rows_of(mote, STEAM)[::-1] for mote in range(len(MOTES))]
    rows: list[Row] = []
    while any(left):
        waiting = chance.choice([one for one in left if one])
        rows += [waiting.pop() for _ in range(min(len(waiting), chance.choice((1, 1, 1, 2, 7))))]
    return rows


@pytest.fixture
def bundle(bundles: Path) -> Path:
    return bundles / "stack-dynamic.bundle"


def replay(bundle: Path, rows: Sequence[Row], folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the verdicts of `tidegate replay`, and its forecasts."""
    recording, verdicts, forecasts = (folder / f"{name}.csv" for name in ("recording", "verdicts", "forecasts"))
    with recording.open("w", newline="") as file:
        csv.writer(file).writerows([("time", "stream", *SENSORS), *rows])
    assert cli.main(["replay", str(bundle), str(recording), str(verdicts), "--forecasts", str(forecasts)]) == 0
    with verdicts.open(newline="") as said, forecasts.open(newline="") as ahead:
        return list(csv.DictReader(said)), list(csv.DictReader(ahead))


def live(
    bundle: Path, rows: Sequence[Row], node: str, broker: Mosquitto, folder: Path
) -> list[tuple[str, Mapping[str, object]]]:
    """Return everything that a daemon published of streams: topics below the node, with payloads."""
    config = (
        f'[node]\nname = "{node}"\n[broker]\nhost = "{HOST}"\nport = {broker.port}\n'
        f'[streams.motes]\nbundle = "{bundle}"\ntopic = "{node}/{{mote}}/climate"\nqos = 1\n'
    )
    sensors = Sensors(broker.port, node)
    heard: list[tuple[str, bytes]] = []
    with served(folder / "daemon", config) as daemon:
        for number, burst in enumerate(in_bursts(rows, random.Random(7))):
            for row in burst:
                sensors.post(f"{node}/{row[1]}/climate", payload(row))
            sensors.post(f"{node}/probe/climate", payload((iso(5.0 * number), "probe", "45", "28")))
            heard += sensors.hear_all(until=lambda topic, _: topic == "probe/state")  # so all before it were taken
        daemon.end(signal.SIGTERM)
        heard += sensors.hear_all(until=lambda topic, text: (topic, text) == ("status", b"stopped"))
    sensors.close()
    return [(topic, json.loads(text)) for topic, text in heard if topic not in {"status", "health"}]


def numbers(row: Mapping[str, str], names: Sequence[str]) -> list[float | None]:
    return [float(row[name]) if row[name] else None for name in names]


def flat(intervals: Mapping[str, Mapping[str, float | None]]) -> list[float | None]:
    return [intervals[sensor][bound] for sensor in SENSORS for bound in BOUNDS]


def assert_same(
    told: list[tuple[str, Mapping[str, object]]],
    rows: Sequence[Row],
    folder: Path,
    bundle: Path,
    dropped: Sequence[int] = (),
) -> None:
    """Compare every number that was heard with the files of the same rows; of those that were dropped nothing was."""
    verdicts, forecasts = replay(bundle, rows, folder)
    assert all(verdicts[place]["score"] == "" for place in dropped)
    verdicts = [row for place, row in enumerate(verdicts) if place not in dropped]
    for stream in dict.fromkeys(row[1] for row in rows):
        mine = [row for row in verdicts if row["stream"] == stream]
        states = [message for topic, message in told if topic == f"{stream}/state"]
        assert [state["time"] for state in states] == [row["time"] for row in mine]
        for state, row in zip(states, mine, strict=True):
            names = [f"{sensor}.{bound}" for sensor in SENSORS for bound in BOUNDS]
            assert [state["score"], *flat(state["expected"])] == numbers(row, ["score", *names]), row  # type: ignore[arg-type]
            assert state["anomaly"] == (row["anomaly"] == "1")
        assert_same_forecasts(stream, told, forecasts, states)
        assert_same_events(stream, told, mine)


def assert_same_forecasts(
    stream: str,
    told: list[tuple[str, Mapping[str, object]]],
    forecasts: list[dict[str, str]],
    states: list[Mapping[str, object]],
) -> None:
    told_at = {state["time"] for state in states}
    expected = [
        (line["made_at"], line["time"], line["sensor"], int(line["horizon"]), numbers(line, BOUNDS))
        for line in forecasts
        if line["stream"] == stream and line["made_at"] in told_at  # not the ones made at steps that nobody filled
    ]
    found = [
        (message["time"], horizon["time"], sensor, horizon["steps"], [interval[bound] for bound in BOUNDS])
        for topic, message in told
        if topic == f"{stream}/forecast"
        for horizon in message["horizons"]  # type: ignore[attr-defined]
        for sensor, interval in horizon["sensors"].items()
    ]
    assert found == expected
    next_steps = {state["time"]: flat(state["next"]) for state in states if flat(state["next"])[0] is not None}  # type: ignore[arg-type]
    one_step = [line for line in expected if line[3] == 1]
    assert list(next_steps.values()) == [
        [*humidity[4], *temperature[4]] for humidity, temperature in zip(one_step[::2], one_step[1::2], strict=True)
    ]


def assert_same_events(
    stream: str, told: list[tuple[str, Mapping[str, object]]], verdicts: list[dict[str, str]]
) -> None:
    events = [message for topic, message in told if topic == f"{stream}/event"]
    opened = [event["id"] for event in events if event["phase"] == "open"]
    named = dict.fromkeys(row["event"] for row in verdicts if row["event"])
    assert opened == list(named)
    for event in events:
        flagged = [row for row in verdicts if row["event"] == event["id"] and row["anomaly"] == "1"]
        at_peak = next(row for row in flagged if row["time"] == event["peak"]["time"])  # type: ignore[index]
        assert event["start"] == flagged[0]["time"]
        assert float(at_peak["score"]) == event["peak"]["score"]  # type: ignore[index]
        why: Mapping[str, object] = event["explanation"]  # type: ignore[assignment]
        assert numbers(at_peak, [f"{why['sensor']}.{bound}" for bound in BOUNDS]) == [
            why["expected"],
            why["lower"],
            why["upper"],
        ]
        if event["phase"] == "close":
            assert (event["end"], event["samples"]) == (flagged[-1]["time"], len(flagged))
    kept = [message["event"] for topic, message in told if topic == f"{stream}/anomaly"]
    assert kept == [event["id"] for event in events if event["phase"] != "update"]


def test_the_verdicts_of_one_recording_are_the_same_bit_for_bit_live_and_replayed(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    rows = rows_of(0, STEAM)
    told = live(bundle, rows, "live-one", mosquitto, tmp_path)
    assert any(message["anomaly"] for topic, message in told if topic.endswith("/state"))
    assert_same(told, rows, tmp_path, bundle)


def test_motes_that_speak_in_bursts_are_judged_bit_for_bit_as_in_a_file(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    rows = mingled(random.Random(3))
    told = live(bundle, rows, "live-many", mosquitto, tmp_path)
    # A bundle fitted in seconds may open an event of a calm mote too; that one must be in the file as well.
    assert {topic for topic, message in told if message.get("phase") == "open"} >= {"m0/event", "m3/event"}
    assert_same(told, rows, tmp_path, bundle)


def test_gaps_late_and_repeated_readings_are_decided_alike_live_and_replayed(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    # row     0 … 19  22 … 39  35  39  40 … 59  90 … 119     two missing; a late one; one twice; a gap that is too long
    calm = rows_of(1, slice(0, 120))
    rows = [*calm[:20], *calm[22:40], calm[35], calm[39], *calm[40:60], *calm[90:120]]
    assert_same(live(bundle, rows, "live-gaps", mosquitto, tmp_path), rows, tmp_path, bundle, dropped=(38, 39))
