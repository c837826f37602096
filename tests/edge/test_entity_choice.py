"""Hold what is read of Home Assistant to databases as it makes them, of all ages."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge.entity_choice import parse_choice
from edge.errors import ConfigError, RecordingError
from edge.recording import Recording
from edge.sources import Selection, read_source
from tests.home_assistant import add_statistics, build, build_old, text

START = 1_700_000_040.0  # a whole minute
WARM, DAMP = "sensor.kitchen_temperature", "sensor.kitchen_humidity"
UNITS = {WARM: "°C", DAMP: "%", "light.kitchen": "", "sensor.mode": ""}
ALWAYS = [(START - 100.0, None, False)]
Build = Callable[..., Path]


def states(*found: tuple[float, str], name: str = WARM) -> list[tuple[str, float, str]]:
    """Return states of an entity: seconds after the start, and the state."""
    return [(name, START + seconds, state) for seconds, state in found]


def read(path: Path, *, period: float | None = 60.0, until: float | None = None, **chosen: str) -> Recording:
    wanted = Selection(entities={"kitchen": chosen or {"warm": WARM}}, period=period)
    return read_source(path, wanted, until=until)


def rows(found: Recording) -> list[tuple[float, ...]]:
    return [(time - START, *values) for time, values in zip(found.times.tolist(), found.values.tolist(), strict=True)]


@pytest.fixture(params=[build, build_old])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Build:
    """Write a database of today, and one of before 2023."""

    def write(*found: object, **named: object) -> Path:
        path: Path = request.param(
            tmp_path / "home-assistant_v2.db", *found, **{"units": UNITS, "runs": ALWAYS, **named}
        )
        return path

    return write


def test_a_state_holds_until_the_next_one(built: Build) -> None:
    # minute    0  1  2  3  4
    # state     20       21 22
    found = read(built(states((0.0, "20.0"), (170.0, "21.0"), (239.0, "22.0"), (241.0, "23.0"))))
    assert rows(found) == [(0.0, 20.0), (60.0, 20.0), (120.0, 20.0), (180.0, 21.0), (240.0, 22.0)]
    assert (found.stream_names, found.sensors) == (("kitchen",), ("warm",))


@pytest.mark.parametrize("word", ["unavailable", "unknown", "", "on", "nan"])
def test_what_is_no_number_is_missing_until_there_is_one(built: Build, word: str) -> None:
    found = read(built(states((0.0, "20.0"), (50.0, word), (170.0, "21.0"), (185.0, "21.5"))))
    assert rows(found) == [(0.0, 20.0), (180.0, 21.0)]


def test_sensors_of_a_stream_share_rows_and_a_missing_one_costs_the_other_nothing(built: Build) -> None:
    path = built(
        [
            *states((0.0, "20.0"), (125.0, "21.0")),
            *states((70.0, "40.0"), (130.0, "unavailable"), (190.0, "41"), name=DAMP),
        ]
    )
    found = read(path, warm=WARM, damp=DAMP)
    expected = [(0, 20, np.nan), (60, 20, np.nan), (120, 20, 40), (180, 21, np.nan)]
    assert np.array_equal(rows(found), expected, equal_nan=True)


def test_nothing_holds_while_home_assistant_did_not_run(built: Build) -> None:
    # It stops at 100 s and starts at 200 s; a restored state is written only at 290 s.
    runs = [(START - 100.0, START + 100.0, False), (START + 200.0, None, False)]
    found = read(built(states((0.0, "20.0"), (290.0, "21.0"), (310.0, "22.0")), runs=runs))
    assert rows(found) == [(0.0, 20.0), (60.0, 20.0), (300.0, 21.0)]


def test_a_run_that_ended_badly_ended_with_its_newest_state(tmp_path: Path) -> None:
    runs = [(START - 100.0, START + 600.0, True), (START + 600.0, None, False)]
    path = build(
        tmp_path / "ha.db", states((0.0, "20.0"), (130.0, "21.0"), (610.0, "22.0"), (670.0, "23.0")), UNITS, runs
    )
    assert rows(read(path)) == [(0.0, 20.0), (60.0, 20.0), (120.0, 20.0), (660.0, 22.0)]


def test_a_run_that_ended_badly_and_is_not_migrated_yet_is_no_gap(tmp_path: Path) -> None:
    runs = [(START - 100.0, START + 150.0, True), (START + 150.0, None, False)]
    path = build(tmp_path / "ha.db", states((180.0, "22.0")), UNITS, runs)
    with closing(sqlite3.connect(path)) as database:
        old = "INSERT INTO states (entity_id, state, last_updated, last_updated_ts) VALUES (?, ?, ?, NULL)"
        database.executemany(old, [(WARM, "20.0", text(START)), (WARM, "21.0", text(START + 60.0))])
        database.commit()
    assert rows(read(path)) == [(0.0, 20.0), (60.0, 21.0), (120.0, 21.0), (180.0, 22.0)]


def test_a_state_says_nothing_after_a_day(built: Build) -> None:
    found = read(built(states((0.0, "20.0"), (100_000.0, "21.0"))), period=21_600.0)
    assert [time for time, _ in rows(found)] == [n * 21_600.0 - START % 21_600.0 for n in range(1, 5)]


def test_the_period_is_the_fastest_sensor_s_unless_it_is_known(built: Build) -> None:
    slow = states(*((300.0 * step, str(40 + step)) for step in range(8)), name=DAMP)
    path = built([*states(*((10.0 * step + 0.1 * (step % 2), str(20 + step / 8)) for step in range(200))), *slow])
    assert np.diff(read(path, period=None, warm=WARM, damp=DAMP).times).tolist()[:50] == [10.0] * 50
    assert set(np.diff(read(path, period=120.0).times).tolist()) == {120.0}


def test_of_states_at_the_bound_and_after_it_nothing_is_used(tmp_path: Path) -> None:
    past = states((0.0, "20.0"), (60.0, "21.0"), (130.0, "22.0"))
    alone = read(build(tmp_path / "alone.db", past, UNITS, ALWAYS), period=None)
    future = states(*((200.0 + step, "-5") for step in range(500)))
    found = read(build(tmp_path / "more.db", [*past, *future], UNITS, ALWAYS), period=None, until=START + 200.0)
    assert rows(found) == rows(alone)


def test_a_sensor_without_a_state_before_the_bound_is_missing(built: Build) -> None:
    path = built([*states((0.0, "20.0"), (60.0, "21.0")), *states((130.0, "40.0"), name=DAMP)])
    found = read(path, until=START + 100.0, warm=WARM, damp=DAMP)
    assert (rows(found), found.sensors, found.dropped) == ([(0.0, 20.0), (60.0, 21.0)], ("warm",), ("damp",))


def test_rows_cannot_be_counted_where_there_are_none(built: Build) -> None:
    with pytest.raises(RecordingError, match="has states and no rows: take --until instead of --rows"):
        read_source(built(states((0.0, "20.0"))), rows=5)


def test_without_a_choice_the_numeric_entities_are_listed_with_how_to_choose(built: Build) -> None:
    path = built(
        [
            *states(*((60.0 * step, str(step)) for step in range(10))),
            *states((0.0, "40"), (600.0, "unavailable"), (1200.0, "41"), name=DAMP),
            *states((0.0, "on"), (5.0, "off"), name="light.kitchen"),
            *states((0.0, "heat"), name="sensor.mode"),
        ]
    )
    with pytest.raises(RecordingError) as refused:
        read_source(path)
    how = f"--sensor kitchen_temperature={WARM}"
    assert refused.value.problems == (f"{path}: is of Home Assistant: choose sensors among these, as in {how}",)
    assert [line.split() for line in refused.value.listing] == [
        ["entity", "states", "usual", "interval", "unit"],
        [WARM, "10", "60", "s", "°C"],
        [DAMP, "3", "600", "s", "%"],
    ]


def test_an_entity_that_is_not_there_is_told_with_what_may_be_meant(built: Build) -> None:
    with pytest.raises(RecordingError, match=f"must have sensor.kitchen_temperatur, has not; did you mean {WARM}?"):
        read(built(states((0.0, "20.0"))), warm="sensor.kitchen_temperatur")


def test_an_entity_without_numbers_is_refused(built: Build) -> None:
    with pytest.raises(RecordingError, match=r"must have numbers in the states of light.kitchen, got none"):
        read(built(states((0.0, "on"), (60.0, "off"), name="light.kitchen")), warm="light.kitchen")


def test_rows_that_are_not_migrated_yet_are_read_with_those_that_are(tmp_path: Path) -> None:
    path = build(tmp_path / "ha.db", states((120.0, "22.0"), (180.0, "23.0")), UNITS, ALWAYS)
    with closing(sqlite3.connect(path)) as database:
        old = "INSERT INTO states (entity_id, state, last_updated, last_updated_ts) VALUES (?, ?, ?, NULL)"
        database.executemany(old, [(WARM, "20.0", text(START)), (WARM, "21.0", text(START + 60.0))])
        database.commit()
    assert rows(read(path)) == [(0.0, 20.0), (60.0, 21.0), (120.0, 22.0), (180.0, 23.0)]


def test_hourly_means_stand_at_the_end_of_their_hour(tmp_path: Path) -> None:
    hour = START - START % 3600.0
    path = build(tmp_path / "ha.db", [], UNITS, ALWAYS)
    add_statistics(path, WARM, "°C", [(hour, 20.5), (hour + 3600.0, 21.5), (hour + 7200.0, 22.5)])
    wanted = Selection(entities={"kitchen": {"warm": WARM}}, statistics=True, period=60.0)
    found = read_source(path, wanted)
    assert (found.times - hour).tolist() == [3600.0, 7200.0, 10_800.0]
    assert found.values[:, 0].tolist() == [20.5, 21.5, 22.5]
    assert read_source(path, wanted, until=hour + 7201.0).values[:, 0].tolist() == [20.5, 21.5]
    with pytest.raises(RecordingError) as refused:
        read_source(path, Selection(statistics=True))
    assert refused.value.listing[1].split() == [WARM, "3", "3600", "s", "°C"]


def test_an_hour_without_a_mean_is_missing(tmp_path: Path) -> None:
    hour = START - START % 3600.0
    path = build(tmp_path / "ha.db", [], UNITS, ALWAYS)
    add_statistics(path, WARM, "°C", [(hour, 20.5), (hour + 10 * 3600.0, 21.5)])
    found = read_source(path, Selection(entities={"kitchen": {"warm": WARM}}, statistics=True))
    assert (found.times - hour).tolist() == [3600.0, 11 * 3600.0]


def test_a_database_without_statistics_is_told_in_one_line(tmp_path: Path) -> None:
    path = build_old(tmp_path / "ha.db", states((0.0, "20.0")), UNITS)
    with pytest.raises(RecordingError, match="--statistics: must be kept by Home Assistant, this database has none"):
        read_source(path, Selection(statistics=True))


def test_a_database_in_use_is_read_and_not_a_byte_of_it_is_changed(tmp_path: Path) -> None:
    path = build(tmp_path / "ha.db", states((0.0, "20.0"), (60.0, "21.0")), UNITS, ALWAYS)
    with closing(sqlite3.connect(path)) as owner:
        owner.execute("PRAGMA wal_autocheckpoint = 0")
        insert = "INSERT INTO states (state, last_updated_ts, metadata_id) VALUES ('22.0', ?, 1)"
        owner.execute(insert, (START + 120.0,))
        owner.commit()
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
        assert rows(read(path)) == [(0.0, 20.0), (60.0, 21.0), (120.0, 22.0)]
        owner.execute("BEGIN IMMEDIATE")  # in the middle of a commit too
        assert len(read(path).times) == 3
        owner.execute("ROLLBACK")
        after = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
    assert after == before


def test_through_a_link_a_database_in_use_is_read_up_to_its_newest_state(tmp_path: Path) -> None:
    path, link = build(tmp_path / "ha.db", states((0.0, "20.0")), UNITS, ALWAYS), tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with closing(sqlite3.connect(path)) as owner:
        insert = "INSERT INTO states (state, last_updated_ts, metadata_id) VALUES ('21.0', ?, 1)"
        owner.execute(insert, (START + 60.0,))
        owner.commit()  # into the log, which lies beside the file and not beside the link
        assert rows(read(link)) == [(0.0, 20.0), (60.0, 21.0)]


def test_half_a_commit_is_never_read(tmp_path: Path) -> None:
    path, left = build_old(tmp_path / "ha.db", states((0.0, "20.0")), UNITS), tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as owner:
        owner.execute("PRAGMA cache_size = 1")  # pages are written before the commit
        owner.execute("BEGIN")
        owner.executemany(
            "INSERT INTO states (entity_id, state, last_updated) VALUES (?, '99', ?)",
            [(WARM, text(START + 60.0 * minute)) for minute in range(1, 2_000)],
        )
        for name in ("ha.db", "ha.db-journal"):
            (left / name).write_bytes((tmp_path / name).read_bytes())
        owner.execute("ROLLBACK")
    with pytest.raises(RecordingError, match="must be a database that can be read"):  # only its owner can mend it
        read(left / "ha.db")


def test_a_database_that_nobody_uses_gets_no_files_beside_it(tmp_path: Path) -> None:
    path = build(tmp_path / "ha.db", states((0.0, "20.0"), (60.0, "21.0")), UNITS, ALWAYS)
    tmp_path.chmod(0o500)
    try:
        read(path)
    finally:
        tmp_path.chmod(0o700)
    assert [file.name for file in tmp_path.iterdir()] == ["ha.db"]


def test_the_history_page_s_csv_is_read_as_the_database_is(tmp_path: Path) -> None:
    found = [
        *states((0.0, "20.0"), (70.0, "unavailable"), (170.0, "21.0"), (185.0, "22")),
        *states((60.0, "4"), name=DAMP),
    ]
    lines = [f"{name},{state},{text(time).replace(' ', 'T')[:-3]}Z" for name, time, state in found]
    page = tmp_path / "history.csv"
    page.write_text("\n".join(("entity_id,state,last_changed", *lines)) + "\n")
    database = build(tmp_path / "ha.db", found, UNITS, ALWAYS)
    chosen = {"warm": WARM, "damp": DAMP}
    assert np.array_equal(rows(read(page, **chosen)), rows(read(database, **chosen)), equal_nan=True)
    with pytest.raises(RecordingError) as refused:
        read_source(page)
    assert [line.split()[0] for line in refused.value.listing] == ["entity", WARM, DAMP]


@pytest.mark.parametrize("line", ["sensor.a,20", "sensor.a,20,yesterday", "sensor.a,20,2024-01-01,5"])
def test_a_broken_line_of_that_csv_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    page = tmp_path / "history.csv"
    page.write_text(f"entity_id,state,last_changed\nsensor.a,20,2024-01-01T00:00:00Z\n{line}\n")
    with pytest.raises(RecordingError, match="line 3: must be entity_id, state, last_changed, got"):
        read_source(page)


def test_a_choice_says_sensor_and_entity_and_perhaps_the_stream() -> None:
    assert parse_choice([f"warm={WARM}", f"attic/damp={DAMP}"], "home") == {
        "home": {"warm": WARM},
        "attic": {"damp": DAMP},
    }


@pytest.mark.parametrize("texts", [["warm"], ["=a.b"], ["warm="], ["/warm=a.b"], ["a/=b.c"], ["warm=a.b", "warm=c.d"]])
def test_what_is_no_choice_is_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigError, match="--sensor: must"):
        parse_choice(texts, "home")
