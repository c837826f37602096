"""Hold recorded history to the grid that the device uses, whatever file it came in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import RecordingError
from edge.grid import Grid, GridCounts
from edge.pacing import plain
from edge.reading import Readings
from edge.recording import Recording
from tests.training.conftest import START, recording_of, write_table
from training.series import (
    Series,
    common_sensors,
    find_period,
    fingerprint,
    hold,
    lay_on_grid,
    read,
)

NAN = np.nan


def timed(times: list[float], *, streams: list[int] | None = None) -> Recording:
    """Make a recording of one sensor that counts its rows."""
    places = np.zeros(len(times), np.intp) if streams is None else np.array(streams, np.intp)
    names = tuple(f"s{place}" for place in range(places.max() + 1))
    values = np.arange(len(times), dtype=np.float64)[:, None]
    return Recording(("a",), names, places, np.array(times), values, tuple(map(repr, times)), (), ())


def laid(recording: Recording, *, period: float = 60.0, max_gap: int = 3) -> tuple[Series, GridCounts]:
    [series], counts = lay_on_grid(
        [recording], recording.sensors, plain(len(recording.sensors)), period=period, max_gap=max_gap
    )
    return series, counts


# ---- the period


@pytest.mark.parametrize("period", [0.1, 0.5, 1.0, 5.0, 7.0, 17.0, 60.0, 600.0, 3600.0, 86_400.0, 100_000.0])
def test_rows_at_a_steady_pace_have_that_period(period: float) -> None:
    assert find_period([timed([START + period * row for row in range(50)])]) == period


def test_jitter_does_not_change_the_period() -> None:
    jitter = np.random.default_rng(1).uniform(-0.4, 0.4, 500)
    assert find_period([timed(sorted(START + 5.0 * np.arange(500) + jitter))]) == 5.0


@pytest.mark.parametrize(("found", "meant"), [(59.3, 60.0), (60.9, 60.0), (3601.0, 3600.0), (0.0999, 0.1)])
def test_a_period_beside_a_nice_one_is_the_nice_one(found: float, meant: float) -> None:
    assert find_period([timed([START + found * row for row in range(50)])]) == meant


@pytest.mark.parametrize("odd", [57.0, 63.0, 3.3])
def test_a_period_further_from_a_nice_one_stays_as_it_is(odd: float) -> None:
    assert find_period([timed([odd * row for row in range(50)])]) == pytest.approx(odd, rel=1e-9)


def test_gaps_repetitions_and_rows_out_of_order_do_not_change_the_period() -> None:
    # minutes  0  1  2  .  .  5  5  6  3  7  8  9
    minutes = [0, 1, 2, 5, 5, 6, 3, 7, 8, 9]
    assert find_period([timed([START + 60.0 * minute for minute in minutes])]) == 60.0


def test_the_period_is_a_streams_own_pace_and_not_that_of_the_file() -> None:
    # two streams take turns, half a minute apart
    times = [START + 30.0 * row for row in range(100)]
    assert find_period([timed(times, streams=[0, 1] * 50)]) == 60.0


@pytest.mark.parametrize("times", [[START], [START, START], [START, START - 60.0]])
def test_without_two_rows_at_rising_times_there_is_no_period(times: list[float]) -> None:
    with pytest.raises(RecordingError, match="two rows at increasing times"):
        find_period([timed(times)])


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=40))
def test_the_period_lies_among_the_steps(steps: list[float]) -> None:
    times = np.cumsum(steps)
    found = np.diff(times)
    if (found > 0).any():
        period = find_period([timed(times.tolist())])
        assert 0.98 * found[found > 0].min() <= period <= 1.02 * found.max()


# ---- files, streams, sensors


def test_each_file_is_a_stream_named_after_it(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(6, 2)
    paths = [write_table(tmp_path / name, recording_of(values)) for name in ("boiler.csv", "pump.csv.gz")]
    recordings = read(paths, rows=None, until=None)
    series, _ = lay_on_grid(recordings, ("a", "b"), plain(2), period=60.0, max_gap=3)
    assert [one.stream for one in series] == ["boiler", "pump"]
    for one in series:
        assert np.array_equal(one.values, values)


def test_a_stream_column_cuts_one_file_into_streams(tmp_path: Path) -> None:
    path = tmp_path / "plant.csv"
    lines = [f"{START + 60 * (row // 2)},{'ab'[row % 2]},{row}" for row in range(8)]
    path.write_text("\n".join(("time,stream,x", *lines)))
    series, counts = lay_on_grid(read([path], rows=None, until=None), ("x",), plain(1), period=60.0, max_gap=3)
    assert {one.stream: one.values.ravel().tolist() for one in series} == {"a": [0, 2, 4, 6], "b": [1, 3, 5, 7]}
    assert counts == GridCounts(accepted=8)


def test_two_files_of_one_stream_follow_on_each_other(tmp_path: Path) -> None:
    for folder, start in (("monday", START), ("tuesday", START + 86_400.0)):
        (tmp_path / folder).mkdir()
        write_table(tmp_path / folder / "boiler.csv", recording_of(np.ones((4, 1)), start=start))
    paths = [tmp_path / folder / "boiler.csv" for folder in ("monday", "tuesday")]
    [one], counts = lay_on_grid(read(paths, rows=None, until=None), ("a",), plain(1), period=60.0, max_gap=3)
    assert one.starts.tolist() == [0, 0, 0, 0, 4, 4, 4, 4]
    assert counts.restarts == 1


def test_the_bundle_serves_the_sensors_that_every_file_has_in_the_order_of_the_first() -> None:
    first = Recording(("c", "a", "b"), ("x",), *recording_parts(3), (), ())
    second = Recording(("b", "c", "d"), ("y",), *recording_parts(3), (), ())
    assert common_sensors([first, second], ()) == ("c", "b")
    assert common_sensors([first, second], ("b", "c")) == ("b", "c")


def recording_parts(sensors: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    return np.zeros(1, np.intp), np.array([START]), np.zeros((1, sensors)), (repr(START),)


def test_a_wanted_sensor_that_is_not_in_every_file_is_named() -> None:
    first = Recording(("a", "b"), ("x",), *recording_parts(2), (), ())
    second = Recording(("b",), ("y",), *recording_parts(1), (), ())
    with pytest.raises(RecordingError, match=r"data\.sensors: .* got a, z; every file has 'b'"):
        common_sensors([first, second], ("a", "b", "z"))


def test_files_without_a_common_sensor_are_refused() -> None:
    first = Recording(("a",), ("x",), *recording_parts(1), (), ())
    second = Recording(("b",), ("y",), *recording_parts(1), (), ())
    with pytest.raises(RecordingError, match="a column with numbers beside `time` in every file"):
        common_sensors([first, second], ())


# ---- Parquet


MOMENTS = [datetime.fromtimestamp(START, UTC) + timedelta(seconds=60 * row) for row in range(5)]
TIME_COLUMNS = {
    "iso text": pyarrow.array([moment.isoformat() for moment in MOMENTS]),
    "unix seconds": pyarrow.array([moment.timestamp() for moment in MOMENTS]),
    "unix milliseconds": pyarrow.array([int(moment.timestamp() * 1000) for moment in MOMENTS]),
    "timestamps in UTC": pyarrow.array(MOMENTS, pyarrow.timestamp("us", "UTC")),
    "timestamps elsewhere": pyarrow.array(MOMENTS, pyarrow.timestamp("ms", "Asia/Tokyo")),
    "naive timestamps": pyarrow.array([moment.replace(tzinfo=None) for moment in MOMENTS], pyarrow.timestamp("us")),
    "nanoseconds": pyarrow.array(MOMENTS, pyarrow.timestamp("us", "UTC")).cast(pyarrow.timestamp("ns", "UTC")),
}


def write_parquet(path: Path, time: pyarrow.Array = TIME_COLUMNS["iso text"]) -> Path:
    columns = {
        "time": time,
        "a": pyarrow.array([0.1, None, 1e-7, 123456.789, NAN]),
        "b": pyarrow.array([1, 2, None, 4, 5]),
        "c": pyarrow.array(["open", "shut", "open", None, "shut"]),
        "d": pyarrow.array([0.1, 0.2, 0.3, 0.4, 0.5], pyarrow.float32()),
        "stream": pyarrow.array(["p", "p", "q", "q", "q"]).dictionary_encode(),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def write_same_csv(path: Path) -> Path:
    cells = [("0.1", "1", "open", "0.1", "p"), ("", "2", "shut", "0.2", "p"), ("1e-7", "", "open", "0.3", "q"),
             ("123456.789", "4", "", "0.4", "q"), ("", "5", "shut", "0.5", "q")]  # fmt: skip
    lines = [",".join((moment.isoformat(), *row)) for moment, row in zip(MOMENTS, cells, strict=True)]
    path.write_text("\n".join(("time,a,b,c,d,stream", *lines)))
    return path


@pytest.mark.parametrize("kind", TIME_COLUMNS)
def test_a_parquet_file_reads_as_the_csv_of_the_same_table(tmp_path: Path, kind: str) -> None:
    parquet = write_parquet(tmp_path / "plant.parquet", TIME_COLUMNS[kind])
    [mine, theirs] = read([parquet, write_same_csv(tmp_path / "plant.csv")], rows=None, until=None)
    assert (mine.sensors, mine.stream_names, mine.dropped) == (theirs.sensors, theirs.stream_names, theirs.dropped)
    assert mine.dropped == ("c",)
    assert np.array_equal(mine.times, theirs.times)
    assert np.array_equal(mine.streams, theirs.streams)
    single = theirs.values.astype(np.float32)  # column d
    assert np.array_equal(mine.values[:, :2], theirs.values[:, :2], equal_nan=True)
    assert np.array_equal(mine.values.astype(np.float32), single, equal_nan=True)
    assert mine.refused == theirs.refused


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_rows_and_until_end_every_kind_of_file(tmp_path: Path, ending: str) -> None:
    write = write_parquet if ending == "parquet" else write_same_csv
    path = write(tmp_path / f"plant.{ending}")
    [by_rows] = read([path], rows=3, until=None)
    [by_time] = read([path], rows=None, until=START + 180.0)
    for one in (by_rows, by_time):
        assert one.times.tolist() == [START, START + 60.0, START + 120.0]
        assert np.array_equal(one.values[:, 1], [1.0, 2.0, NAN], equal_nan=True)


def test_a_row_at_until_is_not_used(tmp_path: Path) -> None:
    path = write_same_csv(tmp_path / "plant.csv")
    assert len(read([path], rows=None, until=START + 60.0)[0].times) == 1
    with pytest.raises(RecordingError, match="must have rows before --until"):
        read([path], rows=None, until=START)


def test_what_is_no_recorded_history_is_refused_in_one_line(tmp_path: Path) -> None:
    text, timeless, empty, database = (
        tmp_path / name for name in ("text.parquet", "timeless.parquet", "empty.parquet", "recorder.db")
    )
    text.write_text("time,a\n1,2\n")
    pyarrow.parquet.write_table(pyarrow.table({"last_changed": [1.0]}), timeless)
    pyarrow.parquet.write_table(pyarrow.table({"time": pyarrow.array([], pyarrow.float64())}), empty)
    database.touch()
    folder = tmp_path / "folder.parquet"
    folder.mkdir()
    for path, rule in (
        (text, "is no Parquet file: 'Parquet magic bytes not found in footer.*'…$"),
        (tmp_path / "nowhere.parquet", "must be a readable file, there is none$"),
        (folder, "must be a file, got a folder$"),
        (timeless, "a column `time`: rename the column `last_changed` to `time`$"),
        (empty, "must have rows"),
        (database, "must be a SQLite database, got another file"),
    ):
        with pytest.raises(RecordingError, match=rule) as refused:
            read([path], rows=None, until=None)
        assert len(str(refused.value).splitlines()) == 1
        assert path.name in str(refused.value)


# ---- the grid


def test_a_short_gap_is_bridged_and_a_long_one_starts_anew() -> None:
    # minute   0  1  .  .  4  5  ......  30 31 32 33
    # sample   0  1  2  3  4  5          6  7  8  9
    series, counts = laid(timed([START + 60.0 * minute for minute in (0, 1, 4, 5, 30, 31, 32, 33)]))
    assert series.measured.ravel().tolist() == [True, True, False, False, True, True, True, True, True, True]
    assert series.values.ravel().tolist() == [0, 1, 1, 1, 2, 3, 4, 5, 6, 7]
    assert series.starts.tolist() == [0, 0, 0, 0, 0, 0, 6, 6, 6, 6]
    assert ((series.times - START) / 60.0).tolist() == [0, 1, 2, 3, 4, 5, 30, 31, 32, 33]
    assert (counts.empty, counts.restarts) == (2, 1)


def test_late_and_repeated_rows_are_left_out_and_counted() -> None:
    series, counts = laid(timed([START + 60.0 * minute for minute in (0, 1, 2, 1, 2, 3)]))
    assert series.values.ravel().tolist() == [0, 1, 2, 5]
    assert (counts.late, counts.duplicate) == (1, 1)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.integers(0, 5),
    st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_a_series_is_what_the_devices_grid_makes_of_the_rows(
    minutes: list[int], max_gap: int, heard: list[bool]
) -> None:
    recording = timed([START + 60.0 * minute for minute in minutes])
    recording.values[~np.array(heard[: len(minutes)])] = NAN
    series, _ = laid(recording, max_gap=max_gap)
    grid = Grid(plain(1), 60.0, max_gap=max_gap, future=0.0, counts=GridCounts())
    rows = zip(recording.times.tolist(), recording.values.tolist(), strict=True)
    samples = [sample for time, row in rows for sample in grid.push(Readings(time, row, time, whole=True))]
    assert series.times.tolist() == [sample.time for sample in samples]
    heard_again = np.where(series.measured, series.values, NAN)
    assert np.array_equal(heard_again, np.array([sample.values for sample in samples]), equal_nan=True)
    begun = series.starts == np.arange(len(series))
    assert begun.tolist() == [sample.restart or place == 0 for place, sample in enumerate(samples)]


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(-9, 9)), min_size=2, max_size=2), min_size=1, max_size=20))
def test_a_missing_value_is_the_last_one_that_was_measured(cells: list[list[float | None]]) -> None:
    heard = np.array([[NAN if cell is None else cell for cell in row] for row in cells])
    held = hold(heard, ~np.isnan(heard))
    for sensor in range(2):
        known = [value for value in heard[:, sensor] if not np.isnan(value)]
        now = known[0] if known else 0.0
        for row, value in enumerate(heard[:, sensor]):
            now = now if np.isnan(value) else value
            assert held[row, sensor] == now


# ---- the fingerprint


def test_the_same_data_has_the_same_fingerprint_whatever_file_it_was_in(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 2))
    values[3, 1] = NAN
    one = recording_of(values, stream="x")
    gathered = read([write_table(tmp_path / "x.csv", one)], rows=None, until=None)
    table = pyarrow.table({"time": one.times, "a": values[:, 0], "b": values[:, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    columnar = read([tmp_path / "x.parquet"], rows=None, until=None)
    prints = {
        fingerprint(lay_on_grid(recordings, ("a", "b"), plain(2), period=60.0, max_gap=3)[0], ("a", "b"))
        for recordings in ([one], gathered, columnar)
    }
    assert len(prints) == 1


def test_a_changed_value_mask_time_stream_or_sensor_changes_the_fingerprint() -> None:
    values = np.arange(10.0).reshape(5, 2)
    other_value, other_mask = values.copy(), values.copy()
    other_value[4, 1] += 1e-9
    other_mask[4, 1] = NAN
    recordings = [
        recording_of(values),
        recording_of(other_value),
        recording_of(other_mask),
        recording_of(values, start=START + 1.0),
        recording_of(values, stream="two"),
    ]
    prints = [fingerprint([laid(recording)[0]], ("a", "b")) for recording in recordings]
    assert len({*prints, fingerprint([laid(recordings[0])[0]], ("a", "c"))}) == 6


def test_the_order_of_the_streams_does_not_change_the_fingerprint() -> None:
    one, two = (laid(recording_of(np.ones((4, 1)), stream=name))[0] for name in ("one", "two"))
    assert fingerprint([one, two], ("a",)) == fingerprint([two, one], ("a",))
