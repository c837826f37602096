"""Hold journal and database to their promises on real files: what is bounded, what is survived, what is told."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from edge import journal as journals
from edge.clock import MICROSECONDS
from edge.errors import OperatorError
from edge.history import PAGE, Heard, Source
from edge.journal import Journal
from edge.recorder_config import RecorderConfig

NOW = 1_700_000_000.0
WARM, DAMP = Source("boiler", "warm", True), Source("boiler", "damp", True)
DAY = 86_400


def said(count: int, *, begin: float = NOW, source: Source = WARM, every: float = 10.0) -> list[Heard]:
    """Return readings, one every so many seconds."""
    first, step = round(begin * MICROSECONDS), round(every * MICROSECONDS)
    return [Heard(source, first + step * place, 20.0 + place / 8, 120) for place in range(count)]


def written(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT time, sensor, value FROM readings ORDER BY time, sensor").fetchall()


@pytest.fixture
def opened() -> Iterator[list[Journal]]:
    """Journals that are closed when the test is over."""
    journals: list[Journal] = []
    yield journals
    for one in journals:
        one.close()


def begin(opened: list[Journal], path: Path, **keys: object) -> Journal:
    opened.append(Journal(path, RecorderConfig(database=path, **keys)))  # type: ignore[arg-type]
    return opened[-1]


def texts(journal: Journal) -> list[str]:
    return [notice.text for notice in journal.notices()]


def test_what_is_committed_is_in_the_file_and_what_is_not_is_in_memory(tmp_path: Path, opened: list[Journal]) -> None:
    path = tmp_path / "recorder.db"
    journal = begin(opened, path)
    journal.add([*said(3), *said(3, source=DAMP)])
    assert (written(path), journal.waiting) == ([], 6)
    journal.commit()
    assert [row[1:] for row in written(path)] == [(sensor, 20.0 + place / 8) for place in range(3) for sensor in (1, 2)]
    assert (journal.waiting, journal.count_sources(), journal.counts.recorded) == (0, (1, 2), 6)


def test_a_reading_that_comes_twice_is_kept_once_and_counted(tmp_path: Path, opened: list[Journal]) -> None:
    journal = begin(opened, tmp_path / "recorder.db")
    for value in (1.0, 2.0):
        journal.add([Heard(WARM, round(NOW * MICROSECONDS), value, None)])
        journal.commit()
    assert written(tmp_path / "recorder.db") == [(round(NOW * MICROSECONDS), 1, 1.0)]
    assert (journal.counts.recorded, journal.counts.repeated) == (1, 1)


def test_of_readings_of_one_instant_in_one_commit_the_first_heard_counts(tmp_path: Path, opened: list[Journal]) -> None:
    journal, now = begin(opened, tmp_path / "recorder.db"), round(NOW * MICROSECONDS)
    journal.add([Heard(WARM, now, 2.0, None), Heard(WARM, now, 1.0, 120), Heard(WARM, now, 1.0, None)])
    journal.commit()
    assert written(tmp_path / "recorder.db") == [(now, 1, 2.0)]
    assert (journal.counts.recorded, journal.counts.repeated) == (1, 2)


def test_a_sensor_whose_stream_changed_its_ways_is_one_sensor(tmp_path: Path) -> None:
    path = tmp_path / "recorder.db"
    for whole in (True, False):
        journal = Journal(path, RecorderConfig(database=path))
        journal.add(said(1, source=WARM._replace(whole=whole)))
        journal.commit()
        assert journal.count_sources() == (1, 1)
        journal.close()


def test_a_database_goes_on_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "recorder.db"
    for turn in range(3):
        journal = Journal(path, RecorderConfig(database=path))
        journal.add([*said(1, begin=NOW + turn), *said(1, begin=NOW + turn, source=DAMP)])
        journal.close()
    assert len(written(path)) == 6
    assert not path.with_name("recorder.db-wal").exists()


def test_another_process_is_told_that_the_file_is_taken_until_we_let_go(tmp_path: Path, opened: list[Journal]) -> None:
    path = tmp_path / "recorder.db"
    first = begin(opened, path)
    with pytest.raises(OperatorError, match="must be written by one process alone, another one has it"):
        Journal(path, RecorderConfig(database=path))
    first.close()
    begin(opened, path)


def test_a_reader_is_not_kept_out(tmp_path: Path, opened: list[Journal]) -> None:
    journal = begin(opened, tmp_path / "recorder.db")
    journal.add(said(2))
    journal.commit()
    with closing(sqlite3.connect(f"file:{tmp_path / 'recorder.db'}?mode=ro", uri=True)) as reader:
        rows = reader.execute("SELECT time FROM readings")
        rows.fetchone()
        journal.add(said(2, begin=NOW + 100.0))
        journal.commit()
    assert journal.counts.recorded == 4


def test_the_size_stays_within_its_bound_and_the_oldest_make_room(tmp_path: Path, opened: list[Journal]) -> None:
    most, path = 4_000_000, tmp_path / "recorder.db"
    journal = begin(opened, path, max_bytes=most, max_age_days=1e6)
    largest = 0
    for turn in range(60):
        journal.add(said(4_000, begin=NOW + turn * 4_000, every=1.0))
        journal.commit()
        largest = max(largest, journal.bytes())
    assert 0.6 * most < largest <= most
    rows = written(path)
    assert len(rows) == journal.counts.recorded - journal.counts.displaced
    assert rows[-1][0] == round((NOW + 239_999) * MICROSECONDS)
    assert rows[0][0] == rows[-1][0] - (len(rows) - 1) * MICROSECONDS  # nothing is missing in between


def test_a_bound_that_was_lowered_shrinks_the_file(tmp_path: Path, opened: list[Journal]) -> None:
    path = tmp_path / "recorder.db"
    large = Journal(path, RecorderConfig(database=path, max_bytes=50_000_000))
    for turn in range(3):
        large.add(said(90_000, begin=NOW + turn * 90_000, every=1.0))
        large.commit()
    large.close()
    assert path.stat().st_size > 6_000_000
    small = begin(opened, path, max_bytes=4_000_000)
    for turn in range(20):
        small.add(said(1, begin=NOW + 300_000 + turn))
        small.commit()
    assert small.bytes() <= 4_000_000
    assert 90_000 < len(written(path)) < 120_000


def test_what_is_too_old_is_deleted_and_its_pages_are_given_back(tmp_path: Path, opened: list[Journal]) -> None:
    path = tmp_path / "recorder.db"
    journal = begin(opened, path, max_age_days=2.0)
    journal.add(said(60_000, begin=NOW - 10 * DAY, every=10.0))  # almost seven days
    journal.add(said(10, begin=NOW))
    journal.commit()
    assert (journal.counts.expired, len(written(path))) == (60_000, 10)
    full = journal.bytes()
    for _ in range(10):
        journal.commit()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA page_count").fetchone()[0] * PAGE < full / 20


def test_a_young_reading_is_not_deleted_for_its_age(tmp_path: Path, opened: list[Journal]) -> None:
    journal = begin(opened, tmp_path / "recorder.db", max_age_days=1.0)
    times = (NOW - DAY - 1.0, NOW - DAY + 1.0, NOW)
    journal.add([row for time in times for row in said(1, begin=time)])
    journal.commit()
    assert [row[0] for row in written(tmp_path / "recorder.db")] == [round(time * MICROSECONDS) for time in times[1:]]


def test_readings_of_long_ago_are_kept_until_there_are_newer_ones(tmp_path: Path, opened: list[Journal]) -> None:
    journal = begin(opened, tmp_path / "recorder.db", max_age_days=1.0)
    journal.add(said(5, begin=1_273_363_200.0))
    journal.commit()
    assert journal.counts.expired == 0
    journal.add(said(1))
    journal.commit()
    assert journal.counts.expired == 5


@pytest.mark.parametrize("place", [slice(0, 60), slice(100, 160), slice(2 * PAGE, None)])
def test_a_damaged_file_is_moved_aside_with_its_bytes_and_told_once(
    place: slice, tmp_path: Path, opened: list[Journal]
) -> None:
    path = tmp_path / "recorder.db"
    journal = Journal(path, RecorderConfig(database=path))
    journal.add(said(2_000))
    journal.close()
    content = bytearray(path.read_bytes())
    content[place] = b"\xa5" * len(content[place])
    path.write_bytes(content)
    journal = begin(opened, path)
    journal.add(said(3, begin=NOW + 1e6))
    for _ in range(3):
        journal.commit()
    (aside,) = tmp_path.glob("recorder.damaged-*.db")
    assert aside.read_bytes() == content
    assert texts(journal) == [f"{path}: was damaged; it is {aside.name} now, and a new one is begun"]
    assert len(written(path)) == 3
    assert (journal.counts.damaged, journal.counts.recorded, journal.counts.dropped) == (1, 3, 0)


def test_a_file_that_is_damaged_while_it_is_open_costs_no_reading(tmp_path: Path, opened: list[Journal]) -> None:
    path = tmp_path / "recorder.db"
    journal = begin(opened, path)
    journal.add(said(20_000))
    journal.commit()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(b"\xa5" * (path.stat().st_size - PAGE))
    now = round(NOW * MICROSECONDS)
    journal.add([Heard(Source("new", "one", True), now, 1.0, None)])
    journal.commit()
    journal.commit()
    assert journal.counts.damaged == 1
    assert written(path) == [(now, 1, 1.0)]
    assert journal.counts.recorded == 20_001


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "home-assistant_v2.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE states (state TEXT)")
    before = path.read_bytes()
    with pytest.raises(OperatorError, match="must be a new file or a recorder's database, got another program's"):
        Journal(path, RecorderConfig(database=path))
    assert path.read_bytes() == before


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "recorder.db"
    Journal(path, RecorderConfig(database=path)).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(OperatorError, match="must have tables of version 1, got 9: update tidegate"):
        Journal(path, RecorderConfig(database=path))


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "recorder.db"
    with pytest.raises(OperatorError, match="must be in a folder that can be written: No such file or directory"):
        Journal(path, RecorderConfig(database=path))


def test_a_file_that_is_taken_away_is_begun_anew(tmp_path: Path, opened: list[Journal]) -> None:
    path = tmp_path / "recorder.db"
    journal = begin(opened, path)
    journal.add(said(2))
    journal.commit()
    for file in tmp_path.glob("recorder.db*"):
        file.unlink()
    journal.add(said(3, begin=NOW + 100.0))
    journal.commit()
    assert len(written(path)) == 3


FULL = """
import resource, sys
from pathlib import Path
from edge.journal import Journal
from edge.recorder_config import RecorderConfig
from tests.edge.test_journal import NOW, said

path = Path(sys.argv[1])
journal = Journal(path, RecorderConfig(database=path))
journal.add(said(5_000))
journal.commit()
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("recorder.db-wal").stat().st_size + 8192, hard))
for turn in range(3):
    journal.add(said(5_000, begin=NOW + 1e6 * (1 + turn)))
    journal.commit()
print(journal.waiting, journal.counts.recorded)
print(*[notice.text for notice in journal.notices()], sep="\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.commit()
print(journal.waiting, journal.counts.recorded)
print(*[notice.text for notice in journal.notices()], sep="\\n")
journal.close()
"""


def test_where_no_more_can_be_written_readings_wait_and_it_is_told_once_and_goes_on_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "recorder.db"
    done = run(FULL, path)
    before, trouble, after, relief = done.splitlines()
    assert (before, after) == ("15000 5000", "0 20000")
    assert trouble.startswith(f"{path}: must be a database that can be written, got ")
    assert trouble.endswith("; 5000 readings wait in memory, at most 100000")
    assert relief == f"{path}: can be written again"
    assert len(written(path)) == 20_000


def run(program: str, path: Path) -> str:
    command = [sys.executable, "-c", program, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    return done.stdout


def test_a_full_database_of_sqlite_s_own_making_is_survived_too(tmp_path: Path, opened: list[Journal]) -> None:
    journal = begin(opened, tmp_path / "recorder.db")
    assert journal._history is not None
    database = journal._history._connection
    database.execute("PRAGMA max_page_count = 10").fetchone()
    journal.add(said(5_000))
    journal.commit()
    (told,) = texts(journal)
    assert "database or disk is full" in told
    assert (journal.waiting, journal.counts.recorded) == (5_000, 0)
    database.execute("PRAGMA max_page_count = 1000000").fetchone()
    journal.commit()
    assert texts(journal) == [f"{tmp_path / 'recorder.db'}: can be written again"]
    assert (journal.waiting, journal.counts.recorded) == (0, 5_000)


def test_what_waits_too_long_is_dropped_oldest_first_and_counted(
    tmp_path: Path, opened: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "WAITING", 100)
    journal = begin(opened, tmp_path / "recorder.db")
    journal.add(said(130))
    assert (journal.waiting, journal.counts.dropped) == (100, 30)
    journal.commit()
    assert written(tmp_path / "recorder.db")[0][0] == round((NOW + 300.0) * MICROSECONDS)


def test_readings_that_come_fast_are_committed_before_they_are_too_many(
    tmp_path: Path, opened: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "WAITING", 100)
    monkeypatch.setattr(journals, "FULL", 25)
    journal = begin(opened, tmp_path / "recorder.db", commit_every=3600.0)
    for reading in said(1_000):
        journal.add([reading])
    assert (journal.counts.recorded + journal.waiting, journal.counts.dropped) == (1_000, 0)


@pytest.mark.parametrize("days", [1e9, 1e300, float("inf")])
def test_an_age_that_nothing_has_deletes_nothing(tmp_path: Path, opened: list[Journal], days: float) -> None:
    journal = begin(opened, tmp_path / "recorder.db", max_age_days=days)
    journal.add([*said(1, begin=0.0), *said(1)])
    journal.commit()
    assert len(written(tmp_path / "recorder.db")) == 2


def test_a_file_that_another_one_replaced_is_written_to(tmp_path: Path, opened: list[Journal]) -> None:
    path, backup = tmp_path / "recorder.db", tmp_path / "backup.db"
    kept = Journal(backup, RecorderConfig(database=backup))
    kept.add(said(4))
    kept.close()
    journal = begin(opened, path)
    journal.add(said(2))
    journal.commit()
    backup.replace(path)
    for file in ("recorder.db-wal", "recorder.db-shm"):
        (tmp_path / file).unlink()
    journal.add(said(3, begin=NOW + 100.0))
    journal.commit()
    assert len(written(path)) == 7


def test_a_link_to_a_database_is_the_database(tmp_path: Path, opened: list[Journal]) -> None:
    path, link = tmp_path / "recorder.db", tmp_path / "link.db"
    link.symlink_to(path)
    journal = begin(opened, link)
    journal.add(said(2_000))
    journal.commit()
    assert journal.bytes() > path.stat().st_size
    with pytest.raises(OperatorError, match="must be written by one process alone, another one has it"):
        Journal(path, RecorderConfig(database=path))


KILLED = """
import os, signal, sys
from pathlib import Path
from edge.journal import Journal
from edge.recorder_config import RecorderConfig
from tests.edge.test_journal import NOW, said

path = Path(sys.argv[1])
journal = Journal(path, RecorderConfig(database=path))
for turn in range(5):
    journal.add(said(1_000, begin=NOW + 1e5 * turn))
    journal.commit()
journal.add(said(7, begin=NOW + 1e7))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_what_it_had_not_committed_and_nothing_else(
    tmp_path: Path, opened: list[Journal]
) -> None:
    path = tmp_path / "recorder.db"
    with pytest.raises(subprocess.CalledProcessError):
        run(KILLED, path)
    journal = begin(opened, path)  # nobody holds the file any more
    assert len(written(path)) == 5_000
    journal.add(said(7, begin=NOW + 1e7))
    journal.commit()
    assert len(written(path)) == 5_007


def pages_written(rows: Sequence[Heard], tmp_path: Path, opened: list[Journal]) -> int:
    """Return how many pages a commit puts into the log of a database that has many readings."""
    path = tmp_path / "recorder.db"
    journal = begin(opened, path)
    sources = list({row.source: None for row in rows})
    for source in sources:
        journal.add(said(300, begin=NOW - 10_000.0, source=source))
    journal.commit()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    journal.add(rows)
    journal.commit()
    return path.with_name("recorder.db-wal").stat().st_size // (PAGE + 24)


def test_a_commit_writes_the_pages_its_readings_fill_and_not_one_for_each_sensor(
    tmp_path: Path, opened: list[Journal]
) -> None:
    # 100 sensors, a minute of readings every 10 s: 600 of some 25 bytes fill four pages; one is split.
    rows = [row for number in range(100) for row in said(6, source=Source("s", f"n{number}", True))]
    assert pages_written(rows, tmp_path, opened) <= 12
