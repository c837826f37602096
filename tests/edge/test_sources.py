"""Hold each kind of recorded history to the reader that it is for."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.errors import OperatorError
from edge.recording import read_csv
from edge.sources import Selection, read_source
from tests.home_assistant import build
from tests.make_bundles import MOTES


def test_a_csv_file_is_read_as_ever() -> None:
    found, expected = read_source(MOTES[0], rows=50), read_csv(MOTES[0], rows=50)
    assert np.array_equal(found.values, expected.values)


def test_a_pipe_is_read_from_its_first_byte(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("time,warm\n1,20\n2,21\n",))
    writer.start()
    assert read_source(pipe).values.tolist() == [[20.0], [21.0]]
    writer.join()


@pytest.mark.parametrize("name", ["boiler.parquet", "boiler.PARQUET"])
def test_a_parquet_file_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(b"PAR1\xff")
    with pytest.raises(OperatorError, match="is no Parquet file"):
        read_source(tmp_path / name)


@pytest.mark.parametrize("name", ["none.csv", "none.db", "none.parquet"])
def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorError, match=r"must be a readable file, there is none|Parquet needs pyarrow"):
        read_source(tmp_path / name)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet", "history.csv", "home-assistant_v2.db"])
def test_streams_are_never_asked_for_in_vain(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "home-assistant_v2.db":
        build(path, [("sensor.a", 1.7e9, "20")], {"sensor.a": ""})
    else:
        path.write_text("entity_id,state,last_changed\n" if name == "history.csv" else "time,warm\n1,20\n")
    with pytest.raises(OperatorError, match="--streams: must be of a recorder's database, which this is not"):
        read_source(path, Selection(streams=("boiler",)))


def test_nanoseconds_of_a_parquet_file_are_read_to_the_microsecond(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    times = pyarrow.array([1_700_000_000_000_001_999, 1_700_000_060_000_000_000], pyarrow.timestamp("ns", "UTC"))
    parquet.write_table(pyarrow.table({"time": times, "warm": [20.0, 21.0]}), tmp_path / "of-pandas.parquet")
    found = read_source(tmp_path / "of-pandas.parquet")
    assert found.times.tolist() == [1_700_000_000.000001, 1_700_000_060.0]
