"""Hold a recorder's database to the table it is read and exported as."""

import csv
import gzip
import math
import sqlite3
import sys
import tracemalloc
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge import cli, history_cells, history_rows
from edge.clock import MICROSECONDS
from edge.export import export
from edge.history import Heard, Source
from edge.history_rows import Extract
from edge.journal import Journal
from edge.recorder_config import RecorderConfig
from edge.recording import Recording, read_csv
from edge.sources import Selection, read_source
from edge.sqlite_reading import reading
from tests.make_bundles import MOTES

NOW = 1_700_000_000.0
BOILER, ROOM = Source("boiler", "warm", True), Source("room", "warm", False)
Rows = Sequence[tuple[str, float, Mapping[str, float]]]  # stream, time, values by sensor


def record(path: Path, rows: Rows, *, whole: bool = True) -> Path:
    """Write a recorder's database."""
    journal = Journal(path, RecorderConfig(database=path))
    journal.add(
        [
            Heard(Source(stream, sensor, whole), round(time * MICROSECONDS), value, None)
            for stream, time, values in rows
            for sensor, value in values.items()
        ]
    )
    journal.close()
    return path


def from_recording(path: Path, taken: Recording) -> Path:
    """Write a recorder's database of a recording."""
    rows = [
        (
            taken.stream_names[stream],
            time,
            {name: value for name, value in zip(taken.sensors, values, strict=True) if not math.isnan(value)},
        )
        for stream, time, values in zip(
            taken.streams.tolist(), taken.times.tolist(), taken.values.tolist(), strict=True
        )
    ]
    return record(path, rows)


def same(one: Recording, other: Recording) -> bool:
    arrays = ("streams", "times", "values")
    names = ("sensors", "stream_names", "written", "dropped")
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in arrays) and all(
        getattr(one, name) == getattr(other, name) for name in names
    )


def table(path: Path) -> list[list[str]]:
    with path.open(newline="") as lines:
        return list(csv.reader(lines))


def test_readings_of_one_instant_of_one_stream_are_one_row(tmp_path: Path) -> None:
    rows = [("a", NOW, {"warm": 20.5, "damp": 40.0}), ("b", NOW, {"warm": 19.0}), ("a", NOW + 0.000001, {"damp": 41.0})]
    export(record(tmp_path / "recorder.db", rows), tmp_path / "out.csv")
    assert table(tmp_path / "out.csv") == [
        ["time", "stream", "warm", "damp"],
        ["2023-11-14T22:13:20Z", "a", "20.5", "40.0"],
        ["2023-11-14T22:13:20Z", "b", "19.0", ""],
        ["2023-11-14T22:13:20.000001Z", "a", "", "41.0"],
    ]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_what_is_exported_is_what_is_read_directly(tmp_path: Path, name: str) -> None:
    if name == "out.parquet":
        pytest.importorskip("pyarrow")
    database = from_recording(tmp_path / "recorder.db", read_csv(MOTES[0], rows=900))
    export(database, tmp_path / name)
    direct, exported = read_source(database), read_source(tmp_path / name)
    assert np.array_equal(direct.values, exported.values)
    assert np.array_equal(direct.times, exported.times)
    assert direct.stream_names == exported.stream_names
    assert name == "out.parquet" or same(direct, exported)


def test_a_recording_comes_back_from_the_database_as_it_was(tmp_path: Path) -> None:
    taken = read_csv(MOTES[0], rows=900)
    found = read_source(from_recording(tmp_path / "recorder.db", taken))
    assert np.array_equal(found.times, taken.times)
    assert np.array_equal(found.values, taken.values)


@pytest.mark.parametrize("page", [1, 2, 7, 100_000])
@pytest.mark.parametrize("whole", [True, False])
def test_the_size_of_a_page_changes_nothing(
    tmp_path: Path, page: int, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[tuple[str, float, Mapping[str, float]]] = []
    for step in range(40):
        rows += [
            ("a", NOW + 10.0 * step, {"warm": float(step)}),
            ("a", NOW + 10.0 * step + 0.3, {"damp": -float(step)}),
        ]
        rows.append(("b", NOW + 7.0 * step, {"warm": 100.0 + step, "rare": 1.0} if step % 5 == 0 else {"warm": 9.0}))
    database = record(tmp_path / "recorder.db", rows, whole=whole)
    expected = read_source(database)
    monkeypatch.setattr(history_rows, "PAGE", page)
    assert same(read_source(database), expected)
    monkeypatch.setattr(history_cells, "MOST_VALUES", 5)
    assert same(read_source(database), expected)


@pytest.mark.parametrize("page", [1, 100_000])
def test_of_streams_of_both_kinds_the_first_rows_do_not_depend_on_what_follows(
    tmp_path: Path, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # seconds   0 10 20 .. 90       a cell of b ends at 95; a speaks at 91 and 92, b at 90
    monkeypatch.setattr(history_rows, "PAGE", page)
    past = [Heard(ROOM, round((NOW + 10.0 * step) * MICROSECONDS), float(step), None) for step in range(10)]
    past += [Heard(BOILER, round((NOW + 91.0 + step) * MICROSECONDS), 50.0 + step, None) for step in range(2)]
    found = []
    for future in (0, 1, 20):
        path = tmp_path / f"{future}.db"
        journal = Journal(path, RecorderConfig(database=path))
        later = [Heard(ROOM, round((NOW + 100.0 + step) * MICROSECONDS), -1.0, None) for step in range(future)]
        journal.add([*past, *later])
        journal.close()
        found.append(read_source(path, Selection(period=10.0), rows=11))
    assert found[0].values.ravel().tolist() == [*(float(step) for step in range(9)), 50.0, 51.0]
    assert all(same(one, found[0]) for one in found)


def test_many_sensors_do_not_make_a_page_that_fills_the_memory(tmp_path: Path) -> None:
    rows = [("a", NOW + step, {f"sensor{step % 1_000}": 1.0}) for step in range(20_000)]
    database = record(tmp_path / "recorder.db", rows)
    tracemalloc.start()
    try:
        with reading(database) as connection:
            pages = history_rows.Rows(database, connection, Extract()).pages()
            count = sum(len(page.times) for page in pages)
            most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert most < 40_000_000  # the table as a whole has 160 MB


def test_sensors_with_topics_of_their_own_share_a_row_for_each_period(tmp_path: Path) -> None:
    # seconds  0    .2        10.1 10.3       20  (damp is lost)   30.4 30.1
    rows: Rows = [
        ("a", NOW + 0.0, {"warm": 1.0}), ("a", NOW + 0.2, {"damp": 11.0}),
        ("a", NOW + 10.1, {"warm": 2.0}), ("a", NOW + 10.3, {"damp": 12.0}),
        ("a", NOW + 20.0, {"warm": 3.0}),
        ("a", NOW + 30.4, {"warm": 4.0}), ("a", NOW + 30.1, {"damp": 14.0}),
    ]  # fmt: skip
    found = read_source(record(tmp_path / "recorder.db", rows, whole=False))
    assert (found.times - NOW).round(3).tolist() == [0.2, 10.3, 20.0, 30.4]
    assert np.array_equal(found.values, [[1, 11], [2, 12], [3, np.nan], [4, 14]], equal_nan=True)


def test_a_known_period_decides_the_rows_of_sensors_that_speak_one_by_one(tmp_path: Path) -> None:
    rows = [("a", NOW + 10.0 * step, {"warm": float(step)}) for step in range(12)]
    database = record(tmp_path / "recorder.db", rows, whole=False)
    assert read_source(database, Selection(period=30.0)).values[:, 0].tolist() == [1.0, 4.0, 7.0, 10.0, 11.0]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (["--since", "2023-11-14T22:14:00Z"], range(4, 10)),
        (["--until", "2023-11-14T22:14:00Z"], range(4)),
        (["--since", "30s"], range(7, 10)),
        (["--since", "1700000020", "--until", "20s"], range(2, 8)),
        (["--since", "1w"], range(10)),
    ],
)
def test_bounds_are_times_or_spans_before_the_newest_reading(tmp_path: Path, options: list[str], steps: range) -> None:
    database = record(tmp_path / "recorder.db", [("a", NOW + 10.0 * step, {"warm": float(step)}) for step in range(10)])
    assert cli.main(["export", str(database), str(tmp_path / "out.csv"), *options]) == 0
    assert [float(row[2]) for row in table(tmp_path / "out.csv")[1:]] == list(steps)


def test_only_the_streams_asked_for_are_exported_with_only_their_sensors(tmp_path: Path) -> None:
    rows: Rows = [("a", NOW, {"warm": 1.0}), ("b", NOW, {"damp": 2.0}), ("c", NOW, {"warm": 3.0})]
    database = record(tmp_path / "recorder.db", rows)
    assert cli.main(["export", str(database), str(tmp_path / "out.csv"), "--streams", "c,a"]) == 0
    assert table(tmp_path / "out.csv")[0] == ["time", "stream", "warm"]
    assert {row[1] for row in table(tmp_path / "out.csv")[1:]} == {"a", "c"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["out.xlsx"], "must end in .csv, .csv.gz, .parquet"),
        (["out.csv", "--since", "soon"], "--since: must be ISO 8601, Unix seconds or a span such as 30d, got 'soon'"),
        (["out.csv", "--streams", "z"], "must have every stream asked for, lacks z; has 'a'"),
        (["out.csv", "--since", "2030-01-01"], "must have readings in the time and streams asked for, got none"),
        (["recorder.db"], "must end in .csv"),
        (["nowhere/out.csv"], "must be in a folder that exists"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line_and_nothing_is_written(
    tmp_path: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = record(tmp_path / "recorder.db", [("a", NOW, {"warm": 1.0})])
    assert cli.main(["export", str(database), str(tmp_path / arguments[0]), *arguments[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recorder.db", "recorder.db.lock"]


def test_a_file_that_is_no_recorder_s_database_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.db").write_text("time,warm\n")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE a (b)")
    rules = {
        "text.db": "must be a SQLite database",
        "other.db": "must be a database of `tidegate record`",
        "none.db": "there is none",
    }
    for name, rule in rules.items():
        assert cli.main(["export", str(tmp_path / name), str(tmp_path / "out.csv")]) == 2
        assert rule in capsys.readouterr().err


def test_without_pyarrow_parquet_is_one_line_and_csv_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    database = record(tmp_path / "recorder.db", [("a", NOW, {"warm": 1.0})])
    assert cli.main(["export", str(database), str(tmp_path / "out.parquet")]) == 2
    assert "Parquet needs pyarrow: pip install pyarrow, or take CSV" in capsys.readouterr().err
    assert cli.main(["export", str(database), str(tmp_path / "out.csv.gz")]) == 0


def test_the_same_readings_give_the_same_bytes(tmp_path: Path) -> None:
    database = from_recording(tmp_path / "recorder.db", read_csv(MOTES[0], rows=200))
    for name in ("one.csv.gz", "two.csv.gz"):
        export(database, tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.csv.gz").read_bytes()).startswith(b"time,stream,humidity,temperature\n")


def test_a_database_is_exported_while_it_is_recorded_into(tmp_path: Path) -> None:
    path = record(tmp_path / "recorder.db", [("a", NOW + step, {"warm": 1.0}) for step in range(10)])
    journal = Journal(path, RecorderConfig(database=path))
    journal.add([Heard(Source("a", "warm", True), round((NOW + 100.0) * MICROSECONDS), 2.0, None)])
    journal.commit()
    export(path, tmp_path / "out.csv")
    assert len(table(tmp_path / "out.csv")) == 12
    journal.close()


def test_streams_that_share_no_sensor_must_be_chosen_among(tmp_path: Path) -> None:
    database = record(tmp_path / "recorder.db", [("a", NOW, {"warm": 1.0}), ("b", NOW, {"damp": 2.0})])
    with pytest.raises(Exception, match=r"choose with --streams among a \(warm\); b \(damp\)"):
        read_source(database)
    assert read_source(database, Selection(streams=("b",))).sensors == ("damp",)


@pytest.mark.parametrize("bound", [{"rows": 20}, {"until": NOW + 95.0}])
@pytest.mark.parametrize("whole", [True, False])
def test_of_readings_beyond_the_bound_nothing_is_used(tmp_path: Path, bound: dict[str, float], whole: bool) -> None:
    past = [("a", NOW + 5.0 * step, {"warm" if step % 2 else "damp": float(step)}) for step in range(19)]
    futures: list[Rows] = [
        [("a", NOW + 95.0 + 5.0 * step, {"warm": 7.0, "damp": 8.0}) for step in range(50)],
        [("a", NOW + 95.0 + 0.1 * step, {"warm": -7.0}) for step in range(500)],
        [("c", NOW + 95.0 + 5.0 * step, {"new": 1.0, "warm": 3.0}) for step in range(50)],
    ]
    found = []
    for number, future in enumerate(futures):
        database = record(tmp_path / f"{number}.db", [*past, *future], whole=whole)
        found.append(read_source(database, Selection(streams=("a",)), **bound))  # type: ignore[arg-type]
    if "until" in bound:
        assert all(np.array_equal(one.values, found[0].values, equal_nan=True) for one in found)
    rows = min(len(one.times) for one in found)
    agreed = 19 if whole else 9
    assert rows >= agreed
    assert all(np.array_equal(one.values[:agreed], found[0].values[:agreed], equal_nan=True) for one in found)


def test_only_streams_with_a_row_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a", NOW, {"warm": 20.5}), ("b", NOW + 100.0, {"warm": 19.0})]
    export(record(tmp_path / "recorder.db", rows), tmp_path / "out.csv", until=str(NOW + 50.0))
    assert "1 row, 1 sensor in 1 stream\n" in capsys.readouterr().err
