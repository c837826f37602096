"""Sets are found by folder, and a name that fits nothing is answered with those that do."""

from pathlib import Path

import pytest

from edge.errors import OperatorError
from training.known_sets import choose, find, quick

FILES = (
    "forecast/etth1", "nab/realAdExchange/one", "nab/realAWSCloudwatch/two", "skab/valve1/0", "wsn/mote", "msl/M-1",
    "gecco2018/train", "somewhere/else",
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of empty recordings."""
    for name in FILES:
        path = tmp_path / f"{name}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "msl/train_rows.json").write_text('{"M-1": 70, "unused": 3}')
    return tmp_path


def test_the_folder_says_how_a_set_is_judged_and_how_much_the_fit_sees(data: Path) -> None:
    found = {one.name: (one.kind, one.fitted_rows(1000), one.fitted_rows(10_000)) for one in find(data)}
    assert found == {
        "forecast/etth1": ("forecast", 800, 8000),
        "nab/realAWSCloudwatch/two": ("nab", 150, 750),
        "nab/realAdExchange/one": ("nab", 150, 750),
        "skab/valve1/0": ("skab", 400, 400),
        "gecco2018/train": ("gecco2018", 16_000, 16_000),
        "wsn/mote": ("wsn", 1500, 1500),
        "msl/M-1": ("msl", 70, 70),
    }


def test_labels_lie_beside_the_recording_and_forecasts_need_none(data: Path) -> None:
    labels = {one.name: one.labels for one in find(data)}
    assert labels["skab/valve1/0"] == data / "skab/valve1/0.events.csv"
    assert labels["forecast/etth1"] is None


@pytest.mark.parametrize(
    ("only", "kept"),
    [
        (["nab"], ["nab/realAWSCloudwatch/two", "nab/realAdExchange/one"]),
        (["nab/realAdExchange/"], ["nab/realAdExchange/one"]),
        (["wsn/mote", "msl"], ["wsn/mote", "msl/M-1"]),
    ],
)
def test_only_takes_a_kind_a_folder_or_a_set(data: Path, only: list[str], kept: list[str]) -> None:
    assert [one.name for one in choose(find(data), only)] == kept


def test_a_name_that_fits_nothing_is_answered_with_what_there_is(data: Path) -> None:
    with pytest.raises(OperatorError, match=r"--only: .*'nap'; there are forecast, nab, nab/realAWSCloudwatch, .*msl"):
        choose(find(data), ["wsn", "nap"])


def test_a_folder_without_known_sets_is_refused_with_the_names_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"must hold .* forecast, gecco2018, msl, nab, skab, weather, wsn"):
        find(tmp_path)
    with pytest.raises(OperatorError, match="must be a folder with sets, there is none"):
        find(tmp_path / "absent")


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"M-1": "many"}', '{"M-1": 0}'])
def test_a_list_of_rows_that_lacks_a_recording_is_refused(data: Path, text: str) -> None:
    (data / "msl/train_rows.json").write_text(text)
    with pytest.raises(OperatorError, match=r"msl/train_rows\.json: must"):
        find(data)


def test_quick_takes_the_middle_ones_of_each_folder_and_no_large_ones(tmp_path: Path) -> None:
    folder = tmp_path / "nab/a"
    folder.mkdir(parents=True)
    for name, size in {"one": 10, "two": 20, "three": 30, "four": 40, "huge": 500_000}.items():
        (folder / f"{name}.csv.gz").write_bytes(b"x" * size)
    assert [one.name for one in quick(find(tmp_path))] == ["nab/a/three", "nab/a/two"]
