"""What a command of the device says of some rows never depends on later ones: every command, every kind of future.

Two recordings agree up to a row. What is said of the one that ends there must be, byte for byte, what is said
first of those that go on, wherever it is said: in each file, on each topic, on the terminal.
"""

import csv
import gzip
import io
import json
import random
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import cli
from edge.clock import iso
from tests.conftest import HOST, Mosquitto
from tests.futures import FUTURES, Row, commands, futures, write_rows
from tests.make_bundles import MOTES
from tests.served import Sensors, served

SENSORS, PERIOD = ("humidity", "temperature"), 5.0
FIRST, AGREED, WHOLE = 2320, 50, 74  # rows of mote 1: steam comes in the 24th of these, and stays to the end
MOST_IN_FLIGHT = 200  # readings; the broker keeps at most 1,000 messages for one client
REPLAYED = tuple(name for name in FUTURES if name not in ("as_it_was", "wild"))
LIVE = ("spikes", "missing", "words", "longer", "gap", "late", "stamps")
RECORDED = ("spikes", "missing", "words", "longer", "gap", "late", "backwards")  # a demo waits for a far stamp
NOTHING_TO_SAY = ("nothing", "missing")
OPTIONS = {"stream": (), "window": ("--inference", "window", "--config", "tidegate.toml")}

Recordings = Mapping[str, Sequence[Row]]
Said = Mapping[str, Sequence[str]]  # by file, topic or terminal: what was said there, in order


@dataclass(frozen=True)
class Place:
    """Where a command is run.

    Attributes:
        bundle: what it serves.
        broker: a real mosquitto.
        folder: an empty one.
    """

    bundle: Path
    broker: Mosquitto
    folder: Path


Teller = Callable[[Place, Recordings], Mapping[str, Said]]


def replayed(place: Place, recordings: Recordings) -> dict[str, Said]:
    """Return the files that `tidegate replay` writes, with each set of options."""
    (place.folder / "tidegate.toml").write_text(
        f'[streams.motes]\nbundle = "{place.bundle}"\ntopic = "{{mote}}/climate"\n'
        "[streams.motes.detection]\nfalse_alarms_per_week = 5000.0\nclose_after = 1\n"
    )
    return {name: replayed_one(place, rows) for name, rows in recordings.items()}


def replayed_one(place: Place, rows: Sequence[Row]) -> Said:
    folder = place.folder
    write_rows(folder / "recording.csv", SENSORS, rows)
    said: dict[str, list[str]] = defaultdict(list)
    for name, options in OPTIONS.items():
        files = [str(folder / file) for file in ("recording.csv", "verdicts.csv", "forecasts.csv")]
        asked = [str(folder / option) if option.endswith(".toml") else option for option in options]
        assert cli.main(["replay", str(place.bundle), *files[:2], "--forecasts", files[2], *asked]) == 0
        said[f"{name} verdicts"] = (folder / "verdicts.csv").read_text().splitlines()
        for line in (folder / "forecasts.csv").read_text().splitlines():
            said[f"{name} forecasts of {line.split(',')[2]}"].append(line)  # streams take turns as the file goes on
    return said


def served_live(place: Place, recordings: Recordings) -> dict[str, Said]:
    """Return what the daemon of `tidegate run` publishes: each recording is a stream, and past and future of many of
    them are in flight together.
    """
    node = f"ahead-{len(recordings)}"
    config = (
        f'[node]\nname = "{node}"\n[broker]\nhost = "{HOST}"\nport = {place.broker.port}\n'
        f'[streams.motes]\nbundle = "{place.bundle}"\ntopic = "{node}/{{mote}}/climate"\nqos = 1\n'
    )
    sensors = Sensors(place.broker.port, node)
    heard: list[tuple[str, bytes]] = []
    with served(place.folder / node, config) as daemon:
        rows = mingled(recordings, random.Random(5))
        for number, begin in enumerate(range(0, len(rows), MOST_IN_FLIGHT)):
            for name, row in rows[begin : begin + MOST_IN_FLIGHT]:
                sensors.post(f"{node}/{name}/climate", payload(row))
            sensors.post(f"{node}/probe/climate", payload(Row(PERIOD * number, "probe", ("45", "28"))))
            heard += sensors.hear_all(until=lambda topic, _: topic == "probe/state")
        daemon.end(signal.SIGTERM)
        heard += sensors.hear_all(until=lambda topic, text: (topic, text) == ("status", b"stopped"))
    sensors.close()
    return by_stream(recordings, heard)


def mingled(recordings: Recordings, chance: random.Random) -> list[tuple[str, Row]]:
    """Return the rows of all recordings, each one's in order, now some of one and now some of another."""
    left = {name: list(rows)[::-1] for name, rows in recordings.items()}
    taken: list[tuple[str, Row]] = []
    while any(left.values()):
        name = chance.choice([name for name, rows in left.items() if rows])
        taken += [(name, left[name].pop()) for _ in range(min(len(left[name]), chance.choice((1, 1, 2, 7, 40))))]
    return taken


def payload(row: Row) -> bytes:
    return json.dumps({"time": iso(row.time), **dict(zip(SENSORS, map(value, row.cells), strict=True))}).encode()


def value(cell: str) -> float | str | None:
    try:
        return float(cell) if cell and "_" not in cell else cell or None
    except ValueError:
        return cell


def by_stream(recordings: Recordings, heard: Sequence[tuple[str, bytes]]) -> dict[str, Said]:
    """Take what was heard of a node apart, as if every stream had the same name."""
    said: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in recordings}
    for topic, text in heard:
        name, _, kind = topic.partition("/")
        if name in said and text:
            said[name][kind].append(text.decode().replace(f'"{name}-forecast-', '"STREAM-forecast-'))
    return {name: dict(mine) for name, mine in said.items()}


def demonstrated(place: Place, recordings: Recordings) -> dict[str, Said]:
    """Return what `tidegate demo` publishes and what it shows of events: each recording is a file of its folder."""
    folder = place.folder / f"demo-{len(recordings)}"
    folder.mkdir()
    for name, rows in recordings.items():
        write_rows(folder / f"{name}.csv.gz", SENSORS, [row._replace(stream=name) for row in rows])
    sensors, shown = Sensors(place.broker.port, "demo"), io.StringIO()
    broker = f"{HOST}:{place.broker.port}"
    with redirect_stdout(shown):
        status = cli.main(["demo", str(place.bundle), "--data", str(folder), "--speed", "500", "--broker", broker])
    assert status == 0
    heard = sensors.hear_all(until=lambda topic, text: (topic, text) == ("status", b""))
    sensors.close()
    said = by_stream(recordings, heard)
    for name, mine in said.items():
        words = [line.split() for line in shown.getvalue().splitlines() if "nomaly" in line.lower()]
        said[name] = {**mine, "shown": [" ".join((one[0], *one[2:])) for one in words if one[1] == name]}
    return said


@dataclass(frozen=True)
class Walk:
    """Walk a command over some futures.

    Attributes:
        tell: runs the command and returns what it said of each recording.
        names: of the futures.
        channels: where something must be said of the past.
    """

    tell: Teller
    names: Sequence[str]
    channels: Sequence[str]


COMMANDS: Mapping[str, Walk | str] = {
    "replay": Walk(replayed, REPLAYED, ("stream verdicts", "window verdicts", "window forecasts of m2")),
    "run": Walk(served_live, LIVE, ("state", "forecast", "event", "anomaly")),
    "demo": Walk(demonstrated, RECORDED, ("state", "forecast", "event", "anomaly", "shown")),
    "discover": "reads no rows: it says who speaks, and nothing of what comes next",
    "check": "reads a configuration and bundles, and no recording; the steps that it times are of its own making",
    "record": "writes down what it hears, each reading by itself, and says nothing of it",
    "export": "writes readings as they were recorded, and says nothing of them",
    "withdraw": "reads a configuration and what a broker keeps, and no recording",
    "bundle inspect": "reads a bundle and no recording",
    "bundle verify": "reads a bundle and no recording; what it proves it on lies in the bundle",
}
WALKS = {name: how for name, how in COMMANDS.items() if not isinstance(how, str)}


def test_every_command_is_walked_or_says_why_not() -> None:
    assert set(COMMANDS) == set(commands(cli._parser()))


def steam(mote: int) -> list[Row]:
    with gzip.open(MOTES[mote], "rt") as file:
        rows = list(csv.DictReader(file))[FIRST : FIRST + WHOLE]
    return [
        Row(1.3e9 + PERIOD * place, f"m{mote + 1}", (row["humidity"], row["temperature"]))
        for place, row in enumerate(rows)
    ]


def recorded(command: str) -> tuple[list[Row], int]:
    """Return a recording and how many of its rows are the past; a file may hold several streams."""
    if command != "replay":
        return steam(0), AGREED
    return [row for pair in zip(steam(0), steam(1), strict=True) for row in pair], 2 * AGREED


@pytest.fixture
def place(bundles: Path, mosquitto: Mosquitto, tmp_path: Path) -> Place:
    return Place(bundles / "lstm-dynamic.bundle", mosquitto, tmp_path)


@pytest.mark.parametrize("command", WALKS)
def test_changing_the_future_never_changes_the_past(command: str, place: Place) -> None:
    walk = WALKS[command]
    rows, agreed = recorded(command)
    (alone,) = walk.tell(place, {"alone": rows[:agreed]}).values()
    assert set(walk.channels) <= set(alone)
    assert all(alone.values())
    for name, said in walk.tell(place, futures(rows, agreed, PERIOD, walk.names)).items():
        for channel, lines in alone.items():
            assert said[channel][: len(lines)] == lines, f"{channel} depends on a future: {name}"
        assert said != alone or name in NOTHING_TO_SAY


def test_what_is_expected_of_a_row_was_said_before_it_was_seen(place: Place) -> None:
    names = ("backwards", "wild", "missing", "one_sensor")
    for channel in ("stream verdicts", "window verdicts"):
        said = replayed(place, futures(steam(0), AGREED, PERIOD, names)).values()
        rows = [one[channel][1 + AGREED].split(",") for one in said]
        assert len({tuple(row[6:]) for row in rows}) == 1
        assert len({row[2] for row in rows}) > 1  # the scores have seen it


@pytest.mark.parametrize("silent", [0, 1])
def test_a_sensor_that_is_first_heard_later_changes_nothing_before(silent: int, place: Place) -> None:
    def muted(row: Row) -> Row:
        return row._replace(cells=tuple("" if sensor == silent else cell for sensor, cell in enumerate(row.cells)))

    rows = [row if number >= AGREED else muted(row) for number, row in enumerate(steam(0))]
    found = replayed(place, {"alone": rows[:AGREED], **futures(rows, AGREED, PERIOD, ("backwards", "one_sensor"))})
    for name, said in found.items():
        for channel, lines in found["alone"].items():
            assert said[channel][: len(lines)] == lines, f"{channel} depends on a future: {name}"
