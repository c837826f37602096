"""Hold recorded histories to what may be read, and every refusal to one line that names file, row and rule."""

import gzip
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import RecordingError, Refusal
from edge.recording import Recording, assemble, read_csv
from edge.spans import read_spans

START = 1_273_363_200.0  # 2010-05-09T00:00:00Z


def write(folder: Path, content: str | bytes, name: str = "boiler.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode(errors="surrogateescape") if isinstance(content, str) else content)
    return path


def refusal(path: Path, **options: object) -> str:
    """Return what is said of a file, without its name, which comes first."""
    with pytest.raises(RecordingError) as refused:
        read_csv(path, **options)
    (problem,) = refused.value.problems
    assert "\n" not in problem
    assert problem.startswith(f"{path}: ")
    return problem.removeprefix(f"{path}: ")


def same(one: Recording, other: Recording) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Recording)]
    return all(np.array_equal(mine, theirs, equal_nan=True) if isinstance(mine, np.ndarray) else mine == theirs
               for mine, theirs in pairs)  # fmt: skip


GOOD = "time,warm,damp\n2010-05-09T00:00:00Z,20.5,50\n2010-05-09T00:00:05Z,,51.5\n"


def assert_good(found: Recording) -> None:
    assert found.sensors == ("warm", "damp")
    assert found.stream_names == ("boiler",)
    assert found.streams.tolist() == [0, 0]
    assert found.times.tolist() == [START, START + 5.0]
    assert np.array_equal(found.values, [[20.5, 50.0], [np.nan, 51.5]], equal_nan=True)
    assert found.written == ("2010-05-09T00:00:00Z", "2010-05-09T00:00:05Z")
    assert (found.refused, found.dropped) == ((), ())


# ---- what can be read


def test_a_recording_is_a_time_column_and_a_column_for_each_sensor(tmp_path: Path) -> None:
    assert_good(read_csv(write(tmp_path, GOOD)))


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("time,warm", " time , warm "),
        GOOD.replace("20.5", '"20.5"').replace("51.5", " 51.5 "),
        GOOD.replace(",,", ",NaN,"),
        GOOD.replace(",,", ",null,"),
    ],
    ids=["BOM", "CRLF", "CR", "no newline", "empty lines", "spaces", "quotes", "nan", "null"],
)  # fmt: skip
def test_the_ways_of_other_programs_change_nothing(tmp_path: Path, content: str) -> None:
    assert_good(read_csv(write(tmp_path, content)))


def test_a_name_that_ends_in_gz_is_unpacked(tmp_path: Path) -> None:
    assert_good(read_csv(write(tmp_path, gzip.compress(GOOD.encode()), "boiler.csv.gz")))


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("1273363200", START),
        ("1273363200.25", START + 0.25),
        ("1273363200000", START),
        ("2010-05-09 00:00:00", START),
        ("2010-05-09T02:00:00+02:00", START),
        ("2010-05-09", START),
    ],
)
def test_times_are_iso_8601_or_unix_seconds(tmp_path: Path, cell: str, time: float) -> None:
    found = read_csv(write(tmp_path, f"time,warm\n{cell},1\n"))
    assert (found.times.tolist(), found.written) == ([time], (cell,))


def test_a_stream_column_names_the_stream_of_each_row(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, "stream,time,warm\nb,1,10\na,1,20\nb,2,11\n"))
    assert found.stream_names == ("b", "a")
    assert found.streams.tolist() == [0, 1, 0]
    assert found.sensors == ("warm",)


def test_rows_are_kept_in_the_order_they_were_written(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, "time,warm\n3,1\n1,2\n2,3\n2,4\n")).times.tolist() == [3.0, 1.0, 2.0, 2.0]


def test_one_row_is_a_recording(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, "time,warm\n1,20\n")).values.tolist() == [[20.0]]


def test_a_constant_column_is_a_sensor(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, "time,warm,fixed\n1,20,7\n2,21,7\n"))
    assert found.values.tolist() == [[20.0, 7.0], [21.0, 7.0]]


def test_a_column_of_text_is_dropped_by_name(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, "time,place,warm\n1,cellar,20\n2,cellar,21\n"))
    assert (found.sensors, found.dropped, found.refused) == (("warm",), ("place",), ())


def test_text_among_numbers_is_missing_and_counted(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, 'time,warm\n1,20\n2,broken\n3,"21,5"\n4,inf\n5,true\n6,\n'))
    assert found.values[:, 0].tolist()[:1] == [20.0]
    assert np.isnan(found.values[1:]).all()
    assert found.refused == (Refusal("warm", 4, 2, "broken"),)


def test_what_is_refused_is_told_for_each_sensor_with_its_first_row(tmp_path: Path) -> None:
    lines = [f"{row},20,{'unavailable' if row > 3 else row},cellar" for row in range(1, 64)]
    found = read_csv(write(tmp_path, "\n".join(("time,warm,temp_c,place", *lines))))
    [refusal] = found.refused
    assert str(refusal) == "temp_c: 60 cells without a number, the first at row 4: 'unavailable'"


def test_refused_rows_are_counted_from_the_first_row_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "time,warm\n90,1\n10,2\n20,wet\n30,3\n80,dry\n")
    assert read_csv(path, until=50.0).refused == (Refusal("warm", 1, 3, "wet"),)


def test_a_recording_without_any_value_has_no_sensor(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, "time,warm,damp\n1,,\n2,,nan\n"))
    assert (found.sensors, found.dropped) == ((), ("warm", "damp"))
    assert found.values.shape == (2, 0)


def test_a_recording_of_times_alone_has_no_sensor(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, "time\n1\n2\n")).values.shape == (2, 0)


def test_half_of_the_values_may_be_missing(tmp_path: Path) -> None:
    lines = "".join(f"{step},{step if step % 2 else ''},{'' if step % 2 else step}\n" for step in range(100))
    found = read_csv(write(tmp_path, "time,warm,damp\n" + lines))
    assert np.isnan(found.values).sum(axis=0).tolist() == [50, 50]
    assert np.nanmax(found.values, axis=0).tolist() == [99.0, 98.0]


CELLS = st.sampled_from(["1", "-2.5", " 3 ", "1e3", "1_000", "١٢", "nan", "inf", "0x10", "1,5", "", "null", "-", "1 2"])


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_what_a_cell_means_does_not_depend_on_its_neighbours(cells: list[str]) -> None:
    def value(column: Sequence[str]) -> np.ndarray:
        times = [str(row) for row in range(len(column))]
        found = assemble(Path("x.csv"), ["time", "warm"], [times, column])
        return found.values[:, 0] if found.sensors else np.full(len(column), np.nan)

    alone = np.concatenate([value([cell]) for cell in cells])
    assert np.array_equal(value(cells), alone, equal_nan=True)


# ---- what cannot be read


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "must have a header line, the file is empty"),
        ("time,warm\n", "must have rows below its header, got none"),
        ("time,warm\n\n\n", "must have rows below its header, got none"),
        ("warm,damp\n1,2\n", "must have a column `time`, got 'warm, damp'"),
        ("1,2\n3,4\n", "must have a column `time`, got '1, 2'"),
        ("Time,warm\n1,2\n", "must have a column `time`: rename the column `Time` to `time`"),
        ("warm,timestamp\n1,2\n", "must have a column `time`: rename the column `timestamp` to `time`"),
        ("state,last_changed\n1,2\n", "must have a column `time`: rename the column `last_changed` to `time`"),
        ("time;warm\n1;2\n", "must be separated by commas, looks separated by `;`"),
        ("Datum;warm\n1;2,5\n", "must be separated by commas, looks separated by `;`"),
        ("time\twarm\n1\t2\n", "must be separated by commas, looks separated by tabs"),
        ("time,warm,warm\n1,2,3\n", "must name each column once, got 'warm' twice"),
        ("time,warm,time\n1,2,3\n", "must name each column once, got 'time' twice"),
        ("time,warm\n1,2\n3\n", "line 3: must have 2 cells, got 1"),
        ("time,warm\n1,2\n3,4,5\n", "line 3: must have 2 cells, got 3"),
        ("time,warm\n1,2\nsoon,4\n", "row 2: time: must be ISO 8601 or Unix seconds, got 'soon'"),
        ("time,warm\n,2\n", "row 1: time: must be ISO 8601 or Unix seconds, got ''"),
        ("time,warm\nnan,2\n", "row 1: time: must be ISO 8601 or Unix seconds, got 'nan'"),
        ("time,warm\n-5,2\n", "row 1: time: must be ISO 8601 or Unix seconds, got '-5'"),
        ("time,warm\n1969-12-31T23:59:59Z,2\n", "row 1: time: must be ISO 8601 or Unix seconds, got '1969-"),
        ("time,warm\n1e300,2\n", "row 1: time: must be ISO 8601 or Unix seconds, got '1e300'"),
        (b"time,warm\n1,\xff\xfe\n", "must be UTF-8 text (byte 0xff in line 2); save it as UTF-8"),
        (b"time,w\xf6rm\n1,2\n", "must be UTF-8 text (byte 0xf6 in line 1); save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "must be UTF-8 text (byte 0x89 in line 1); save it as UTF-8"),
        ("time,warm\n1,2\n1,3\n0,4\n", "rows must be in order of time (oldest first), those of 'boiler' are not"),
        (
            "time,stream,warm\n1,a,2\n9,b,2\n2,a,2\n8,b,3\n7,b,4\n",
            "rows must be in order of time (oldest first), those of 'b'",
        ),
        ("time,warm\n1," + "9" * 200_000 + "\n", "must be a CSV file: "),
    ],
)
def test_what_is_no_recording_is_refused_with_file_row_and_rule(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    assert refusal(write(tmp_path, content)).startswith(problem)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv") == "must be a readable file, there is none"


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "must be a file, got a folder"
    with pytest.raises(RecordingError, match="must be a file, got a folder"):
        read_spans(tmp_path, "boiler")


def test_letters_beyond_ascii_are_read(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, "time,wörm °C\n1,2\n")).sensors == ("wörm °C",)


def test_a_few_rows_out_of_order_are_a_recording_still(tmp_path: Path) -> None:
    assert len(read_csv(write(tmp_path, "time,warm\n1,1\n2,1\n1,1\n3,1\n2,1\n")).times) == 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:-4],
        lambda packed: packed[: len(packed) // 2] + bytes(20) + packed[len(packed) // 2 + 20 :],
        lambda packed: packed[:30] + b"\xff" * 20 + packed[50:],
        lambda packed: b"",
        lambda packed: GOOD.encode(),
    ],
    ids=["truncated", "without its checksum", "damaged", "damaged at the beginning", "empty", "not packed at all"],
)
def test_a_gz_that_is_not_whole_is_refused(tmp_path: Path, spoil: object) -> None:
    drawn = np.random.default_rng(1).random(2000)
    packed = gzip.compress(("time,warm\n" + "".join(f"{row},{one}\n" for row, one in enumerate(drawn))).encode())
    problem = refusal(write(tmp_path, spoil(packed), "boiler.csv.gz"))
    assert problem.startswith(("must be a CSV file: ", "must have a header line, the file is empty"))


# ---- --rows and --until

HEAD = "time,stream,warm,place\n10,a,1,x\n20,b,2,y\n30,a,,z\n"
TAILS = [
    "",
    "40,a,4,w\n",
    "40,a,broken,1\n50,c,,2\n",
    "40,new,1e300,9\n50,a,nan,8\n60,a,inf,7\n",
]


@pytest.mark.parametrize(
    "tail",
    [
        *TAILS,
        "soon,a,4,w\n",
        "40,a\n",
        "40,a,1,2,3\n",
        "40,a," + "9" * 200_000 + ",x\n",
        "40,a,\udcff,x\n",
        "1,a,4,w\n0,a,4,w\n" * 9,
    ],
)
def test_rows_after_the_first_rows_are_not_looked_at_in_any_way(tmp_path: Path, tail: str) -> None:
    expected = read_csv(write(tmp_path, HEAD))
    assert expected.refused == ()
    assert same(read_csv(write(tmp_path, HEAD + tail), rows=3), expected)


@pytest.mark.parametrize("tail", TAILS)
def test_the_cells_of_rows_from_until_on_are_not_looked_at_in_any_way(tmp_path: Path, tail: str) -> None:
    expected = read_csv(write(tmp_path, HEAD))
    assert same(read_csv(write(tmp_path, HEAD + tail), until=40.0), expected)


def test_a_row_at_until_is_not_used(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, HEAD), until=30.0).times.tolist() == [10.0, 20.0]


def test_a_column_whose_numbers_all_come_later_is_no_sensor_yet(tmp_path: Path) -> None:
    path = write(tmp_path, "time,warm,later\n1,5,\n2,5,\n3,5,7\n")
    for found in (read_csv(path, rows=2), read_csv(path, until=3.0)):
        assert (found.sensors, found.dropped) == (("warm",), ("later",))


def test_an_until_before_the_first_row_is_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, HEAD), until=5.0) == "must have rows before --until, the first is at 10"


def test_more_rows_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    assert same(read_csv(path, rows=1000), read_csv(path))


# ---- labels


def test_spans_are_start_and_end_of_a_stream(tmp_path: Path) -> None:
    path = write(tmp_path, "start,end\n2010-05-09T00:00:00Z,2010-05-09T00:00:10Z\n")
    assert read_spans(path, "boiler") == [("boiler", START, START + 10.0)]


def test_a_stream_column_says_whose_spans_they_are(tmp_path: Path) -> None:
    assert read_spans(write(tmp_path, "stream,start,end\na,1,2\n,3,4\n"), "boiler") == [
        ("a", 1.0, 2.0),
        ("boiler", 3.0, 4.0),
    ]


def test_a_file_without_spans_has_none(tmp_path: Path) -> None:
    assert read_spans(write(tmp_path, "start,end\n"), "boiler") == []


@pytest.mark.parametrize("content", ["start\n1\n", "begin,end\n1,2\n", ""])
def test_a_file_without_the_columns_of_a_span_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RecordingError) as refused:
        read_spans(path, "boiler")
    header = ", ".join(content.partition("\n")[0].split(","))
    assert refused.value.problems == (f"{path}: must have columns `start` and `end`, got {header!r}",)


def test_a_span_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "start,end\n5,5\n7,6\n")
    with pytest.raises(RecordingError) as refused:
        read_spans(path, "boiler")
    assert refused.value.problems == (f"{path}: row 2: end: must not be before start ('7'), got '6'",)


@pytest.mark.parametrize("content", ["start,end\n1,soon\n", b"start,end\n1,\xff\n"])
def test_what_is_no_span_is_refused_with_its_row(tmp_path: Path, content: str | bytes) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RecordingError) as refused:
        read_spans(path, "boiler")
    (problem,) = refused.value.problems
    assert problem.startswith(
        (f"{path}: row 1: must have times `start` and `end`", f"{path}: must be UTF-8 text (byte 0xff in line 2)")
    )
