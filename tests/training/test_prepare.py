"""Hold what a fit starts from: chosen, said, or refused in one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import OperatorError, RecordingError, Refusal
from edge.recording import Recording
from edge.scale import width
from tests.training.conftest import START, recording_of, write_table
from training.prepare import FEWEST, Cuts, Prepared, prepare
from training.recipe import Data, Recipe, Splits
from training.series import read

NAN = np.nan
NO_LINES = (np.zeros((0, 2, 1, 1), np.float32),)


def moving(rows: int, sensors: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, sensors)).cumsum(axis=0)


def prepared_of(values: np.ndarray, recipe: Recipe | None = None) -> Prepared:
    return prepare([recording_of(values)], recipe or Recipe())


def refusal(recordings: list[Recording], recipe: Recipe | None = None) -> str:
    """Return the only line of the refusal."""
    with pytest.raises(OperatorError) as refused:
        prepare(recordings, recipe or Recipe())
    [line] = str(refused.value).splitlines()
    return line


# ---- what is chosen


def test_the_recording_is_cut_in_time_into_the_recipes_shares() -> None:
    splits = Splits(fit=0.5, stop=0.2, calibrate=0.2, test=0.1)
    assert prepared_of(moving(1000), Recipe(splits=splits)).cuts == (Cuts(500, 700, 900, 1000),)


def test_each_stream_is_cut_for_itself() -> None:
    recordings = [recording_of(moving(rows), stream=f"s{rows}") for rows in (100, 1000)]
    assert prepare(recordings, Recipe()).cuts == (Cuts(60, 75, 90, 100), Cuts(600, 750, 900, 1000))


def test_without_a_test_split_calibration_takes_all_that_is_left() -> None:
    splits = Splits(fit=0.7, stop=0.2, calibrate=0.1, test=0.0)
    assert prepared_of(moving(333), Recipe(splits=splits)).cuts[0].calibrate == 333


def test_spans_begin_before_the_first_judged_sample_as_far_as_there_is_something() -> None:
    prepared = prepared_of(moving(100))
    [span] = prepared.spans("stop", "calibrate", lead=20, lines=NO_LINES)
    assert (span.begin, span.judged, span.end) == (55, 75, 90)
    assert prepared.spans("stop", "test", lead=500, lines=NO_LINES)[0].begin == 0
    assert span.lines is NO_LINES[0]


@pytest.mark.parametrize(("rows", "horizons"), [(60, (1,)), (300, (1, 3, 7)), (900, (1, 3, 7))])
def test_daily_data_are_forecast_to_the_end_of_the_week(rows: int, horizons: tuple[int, ...]) -> None:
    assert prepare([recording_of(moving(rows), period=86_400.0)], Recipe()).horizons == horizons


@pytest.mark.parametrize(
    ("rows", "horizons"), [(60, (1,)), (140, (1,)), (160, (1, 6)), (600, (1, 6)), (640, (1, 6, 24)), (9000, (1, 6, 24))]
)
def test_the_horizons_are_those_that_the_calibrate_split_can_judge(rows: int, horizons: tuple[int, ...]) -> None:
    assert prepared_of(moving(rows)).horizons == horizons


def test_one_step_is_always_among_the_horizons_asked_for() -> None:
    assert prepared_of(moving(300), Recipe(data=Data(horizons=(3, 12)))).horizons == (1, 3, 12)


@pytest.mark.parametrize(("rows", "window"), [(60, 9), (200, 30), (400, 60), (9000, 60)])
def test_the_window_is_chosen_by_the_length_of_the_recording(rows: int, window: int) -> None:
    prepared = prepared_of(moving(rows))
    assert (prepared.window, prepared.lags) == (window, min(24, window))


def test_a_window_asked_for_is_taken_and_holds_the_lags() -> None:
    prepared = prepared_of(moving(400), Recipe(data=Data(window=12, lags=50)))
    assert (prepared.window, prepared.lags) == (12, 12)


def test_a_stream_that_sleeps_between_short_bursts_has_a_window_that_a_burst_fills() -> None:
    # 40 bursts of 30 minutes, 10 hours apart
    times = START + 60.0 * np.concatenate([600.0 * burst + np.arange(30.0) for burst in range(40)])
    bursts = replace(recording_of(moving(1200)), times=times)
    prepared = prepare([bursts], Recipe())
    assert prepared.counts.restarts == 39
    assert prepared.window <= 15


def test_period_sensors_scaling_and_clock_are_found() -> None:
    prepared = prepare([recording_of(moving(3000), period=300.0)], Recipe())
    assert (prepared.period, prepared.sensors) == (300.0, ("a", "b"))
    assert prepared.cycles == tuple(86_400.0 / number for number in (1, 2, 3, 4))
    assert np.allclose(prepared.scaling.centre, moving(3000)[:1800].mean(axis=0))
    assert prepared.steps[0].x.shape == (3000, width(2, 3, 4))
    assert prepared.steps[0].target.shape == (3000, 3, 2)
    assert prepared.moved.tolist() == [True, True]
    assert prepared.notes == ()


def test_nothing_that_is_prepared_for_the_fit_depends_on_later_rows() -> None:
    values = moving(1000)
    later = values.copy()
    later[900:] = 1e6
    one, other = prepared_of(values), prepared_of(later)
    for name in ("period", "window", "horizons", "cycles", "cuts"):
        assert getattr(one, name) == getattr(other, name)
    assert np.array_equal(one.scaling.centre, other.scaling.centre)
    assert np.array_equal(one.scaling.change, other.scaling.change)
    assert np.array_equal(one.moved, other.moved)
    assert np.array_equal(one.steps[0].x[:900], other.steps[0].x[:900])


# ---- what is said


def test_whatever_is_left_out_is_said(tmp_path: Path) -> None:
    path = write_table(tmp_path / "long.csv", recording_of(moving(300, 3)))
    lines = path.read_text().splitlines()
    lines = [f"{line},{'remark' if row == 0 else 'ok'}" for row, line in enumerate(lines)]
    lines[5] = lines[5].replace(lines[5].split(",")[1], "broken")
    lines.insert(100, lines[99])  # the same minute twice
    path.write_text("\n".join(lines))
    short = write_table(tmp_path / "short.csv", recording_of(moving(20, 3)))
    notes = "\n".join(prepare(read([path, short], rows=None, until=None), Recipe()).notes)
    assert "columns without numbers are left out: remark" in notes
    assert "sensors that not every file has" not in notes
    assert "a: 1 cell without a number, the first at row 5: 'broken' (stream long)" in notes
    assert "streams of fewer than 60 samples are left out: short" in notes
    assert "1 row of 321 left out: 1 of a period that had one already" in notes


def test_sensors_that_not_every_file_has_are_said_unless_others_were_asked_for(tmp_path: Path) -> None:
    whole = recording_of(moving(300, 3))
    fewer = replace(whole, sensors=("b", "a", "d"), stream_names=("other",))
    said = prepare([whole, fewer], Recipe())
    assert said.sensors == ("a", "b")
    assert "sensors that not every file has are left out: c, d" in said.notes
    asked = prepare([whole, fewer], replace(Recipe(), data=replace(Recipe().data, sensors=("a", "b"))))
    assert not any("not every file" in note for note in asked.notes)


def test_refused_cells_are_said_for_each_sensor_that_serves_over_all_files() -> None:
    refused = (Refusal("a", 60, 4, "unavailable"), Refusal("b", 1, 9, "?"))
    files = [replace(recording_of(moving(300), stream=name), refused=refused) for name in ("one", "two")]
    assert prepare(files, Recipe(data=Data(sensors=("a",)))).notes == (
        "a: 120 cells without a number, the first at row 4: 'unavailable' (stream one)",
    )
    assert prepare(files[:1], Recipe()).notes == tuple(map(str, refused))


def test_many_rows_that_are_left_out_are_said_with_what_may_be_wrong() -> None:
    [note] = prepare([recording_of(moving(600))], Recipe(data=Data(period=180.0))).notes
    assert note == (
        "399 rows of 600 left out: 399 of a period that had one already"
        "; are the rows in order of time, and is data.period right?"
    )


def test_a_sensor_that_never_moved_is_said_and_not_judged() -> None:
    values = moving(300)
    values[:200, 1] = 7.0
    prepared = prepared_of(values)
    assert prepared.moved.tolist() == [True, False]
    assert prepared.notes == ("never move in the first part and are told only when they do: b",)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e9])
def test_a_sensor_moves_or_not_in_any_unit(unit: float) -> None:
    values = unit * moving(300)
    values[:, 1] = unit * 0.1
    assert prepared_of(values).moved.tolist() == [True, False]


def test_gaps_that_begin_the_state_anew_are_said() -> None:
    times = START + 60.0 * np.concatenate((np.arange(200.0), 1000.0 + np.arange(200.0)))
    [note] = prepare([replace(recording_of(moving(400)), times=times)], Recipe()).notes
    assert note == "1 gap too long to be bridged; the state begins anew there"


# ---- what is refused


def test_a_recording_that_is_too_short_is_refused_with_its_length() -> None:
    assert f"at least {FEWEST} samples 60 s apart, got 59" in refusal([recording_of(moving(59))])
    assert prepared_of(moving(60)).window > 0


def test_one_row_is_refused() -> None:
    assert "two rows at increasing times" in refusal([recording_of(moving(1))])
    assert "got 1" in refusal([recording_of(moving(1))], Recipe(data=Data(period=60.0)))


def test_a_recording_in_which_nothing_moves_is_refused() -> None:
    assert "a sensor that moves" in refusal([recording_of(np.full((300, 2), 21.5))])


def test_a_recording_without_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("time,a,b\n" + "".join(f"{START + 60 * row},,open\n" for row in range(100)))
    assert "a column with numbers" in refusal(read([path], rows=None, until=None))


def test_a_sensor_that_is_absent_is_refused() -> None:
    assert "got pressure; every file has 'a, b'" in refusal(
        [recording_of(moving(300))], Recipe(data=Data(sensors=("a", "pressure")))
    )


def test_a_unit_of_a_sensor_that_is_absent_is_refused() -> None:
    assert refusal([recording_of(moving(300))], Recipe(data=Data(units={"a": "°C", "pressure": "hPa"}))) == (
        "data.units: must name sensors of the bundle (a, b), got ['pressure']"
    )


def test_a_sensor_that_is_silent_in_the_first_part_does_not_move_there() -> None:
    values = moving(300, 1)
    values[:200] = NAN
    assert "a sensor that moves" in refusal([recording_of(values)])


def test_a_window_that_the_fit_split_cannot_fill_is_refused() -> None:
    line = refusal([recording_of(moving(300))], Recipe(data=Data(window=200)))
    assert line.startswith("data.window: ")
    assert "200" in line


def test_a_horizon_that_no_split_can_judge_is_refused() -> None:
    line = refusal([recording_of(moving(300))], Recipe(data=Data(horizons=(1, 45))))
    assert line.startswith("data.horizons: ")
    assert "45" in line
    assert prepared_of(moving(300), Recipe(data=Data(horizons=(1, 44)))).horizons == (1, 44)


def test_splits_that_leave_a_part_empty_are_refused() -> None:
    splits = Splits(fit=0.98, stop=0.005, calibrate=0.005, test=0.01)
    assert "splits" in refusal([recording_of(moving(60))], Recipe(splits=splits))


@pytest.mark.parametrize("value", [1e300, -1e300, 1.7e308])
def test_a_number_that_no_scale_holds_is_refused(value: float) -> None:
    values = moving(300)
    values[50, 1] = value
    assert "b" in refusal([recording_of(values)])


def test_the_error_is_the_operators_to_mend() -> None:
    with pytest.raises(RecordingError):
        prepared_of(moving(10))
