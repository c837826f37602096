"""Hold the comparison of machines to what it says: what must be equal, and what may differ by how much."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.campaigns import arm
from tests.campaigns.arm import cut, replays
from tests.campaigns.arm_flags import BOUND, DifferentRowsError, Said, compare, read, table
from tests.campaigns.arm_root import MACHINES, ROOT, requirements

HEADER = "time,stream,score,anomaly,event,kind,warm.forecast,warm.lower,warm.upper\n"
ROWS = (
    "1,a,,0,,,,,\n",
    "2,a,0.5,0,,,20.0,19.0,21.0\n",
    "3,a,1.25,1,a-forecast-3,forecast,22.0,21.0,23.0\n",
    "4,a,0.75,0,,,24.0,23.0,25.0\n",
)
SPREAD = (8 / 3) ** 0.5  # of 20, 22 and 24, the forecasts


def said(folder: Path, *rows: str) -> Said:
    path = folder / "said.csv"
    path.write_text(HEADER + "".join(rows))
    return read(path)


def test_a_replay_agrees_with_itself(tmp_path: Path) -> None:
    one = compare(said(tmp_path, *ROWS), said(tmp_path, *ROWS))
    assert one.agrees
    assert (one.rows, one.flagged, one.events, one.unequal, one.forecast, one.score) == (4, 1, 1, 0, 0.0, 0.0)


@pytest.mark.parametrize("column", ["forecast", "lower", "upper"])
def test_a_difference_is_counted_in_spreads_of_the_sensors_forecasts(tmp_path: Path, column: str) -> None:
    before = {"forecast": "22.0", "lower": "21.0", "upper": "23.0"}[column]
    moved = ROWS[2].replace(before, str(float(before) + 0.5))
    one = compare(said(tmp_path, *ROWS), said(tmp_path, *ROWS[:2], moved, ROWS[3]))
    assert one.forecast == pytest.approx(0.5 / SPREAD)
    assert one.relative == pytest.approx(0.5 / float(before))
    assert one.unequal == 0
    assert not one.agrees


def test_forecasts_may_differ_by_the_bound_and_no_more(tmp_path: Path) -> None:
    for share, agrees in ((0.9, True), (1.1, False)):
        moved = ROWS[1].replace("20.0", repr(20.0 + share * BOUND * SPREAD))
        assert compare(said(tmp_path, *ROWS), said(tmp_path, ROWS[0], moved, *ROWS[2:])).agrees is agrees


@pytest.mark.parametrize(
    "other",
    [
        "3,a,1.25,0,a-forecast-3,forecast,22.0,21.0,23.0\n",
        "3,a,1.25,1,a-forecast-2,forecast,22.0,21.0,23.0\n",
        "3,a,1.25,1,a-forecast-3,frozen,22.0,21.0,23.0\n",
        "3,a,,1,a-forecast-3,forecast,22.0,21.0,23.0\n",
        "3,a,1.25,1,a-forecast-3,forecast,,21.0,23.0\n",
    ],
    ids=["flag", "event", "kind", "no score", "no forecast"],
)
def test_a_row_that_says_something_else_is_unequal(tmp_path: Path, other: str) -> None:
    one = compare(said(tmp_path, *ROWS), said(tmp_path, *ROWS[:2], other, ROWS[3]))
    assert one.unequal == 1
    assert not one.agrees
    assert "DIFFERS" in table([("a replay", "arm64", one)])[1]


def test_replays_of_different_lengths_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(DifferentRowsError, match="4, 3 rows"):
        compare(said(tmp_path, *ROWS), said(tmp_path, *ROWS[:3]))


def test_the_rows_that_are_replayed_hold_the_hot_water(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm, "BUNDLES", bundles)
    written = cut(replays()[-1], tmp_path).read_text().splitlines()
    assert written[0] == "time,humidity,temperature"
    assert any(line.startswith("2010-05-09T03:15:35Z") for line in written)


@pytest.mark.parametrize(
    ("machine", "runtime", "other"),
    [("arm64", "ai-edge-litert", "tflite-runtime"), ("armhf", "tflite-runtime", "ai-edge-litert")],
)
def test_each_machine_gets_the_runtime_that_pip_would_choose_there(machine: str, runtime: str, other: str) -> None:
    wanted: list[Requirement] = requirements(ROOT / "pyproject.toml", MACHINES[machine])
    names = [one.name for one in wanted]
    assert runtime in names
    assert other not in names
    assert {"paho-mqtt", "orjson", "pytest"} <= set(names)
    assert ("numpy" in names) == (machine == "arm64")  # no wheel for 32 bits: Debian's
