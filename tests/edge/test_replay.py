"""Hold replay to its contract: a row of output for each row of input, and none depends on a later one."""

import csv
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy import nan

from edge import cli
from edge import replay as module
from edge.alarm import STEP
from edge.bundle import Bundle
from edge.cohort import Cohort
from edge.errors import OperatorError, RecordingError, Refusal
from edge.event import Events
from edge.grid import Grid, GridCounts
from edge.reading import Readings
from edge.recording import Recording, read_csv
from edge.replay import Replay, Replayed, align
from edge.replay_detection import Detections
from edge.replay_files import ForecastFile, check_columns, check_outputs, remarks, write_rows
from edge.runtime import Step, WindowModel
from tests.edge.conftest import UNITS, learned_by_hand, persist, same_bits
from tests.make_bundles import MOTES, NAMES, fixed_recording

Load = Callable[[str], Bundle]
FIRST_WARM = 4  # rows of the cohort by hand that have nothing expected: its window


def recording(
    times: Sequence[float], values: Sequence[Sequence[float]] | None = None, streams: str | None = None
) -> Recording:
    """Return a recording of two sensors; they say 5 and 50 unless told otherwise, and a letter names a row's stream."""
    names = streams or "a" * len(times)
    distinct = tuple(dict.fromkeys(names))
    return Recording(
        sensors=("warm", "damp"),
        stream_names=distinct,
        streams=np.array([distinct.index(name) for name in names], dtype=np.intp),
        times=np.array(times, dtype=np.float64),
        values=np.array([(5.0, 50.0)] * len(times) if values is None else values, dtype=np.float64),
        written=tuple(f"{time:g}" for time in times),
        refused=(),
        dropped=(),
    )


def by_hand(**changes: object) -> Replay:
    return Replay(learned_by_hand(**changes), persist, UNITS)


def steps(count: int, start: int = 0) -> list[float]:
    return [10.0 * step for step in range(start, start + count)]


def expected_rows(said: Replayed) -> list[bool]:
    """Tell for which rows something was expected; every array must agree."""
    known = ~np.isnan(said.expected[:, 0])
    for array in (said.expected, said.lower, said.upper):
        assert np.array_equal(~np.isnan(array), np.repeat(known[:, None], 2, axis=1))
    return known.tolist()


def real(loaded: Bundle, step: Step | None = None, units: int | None = None) -> Replay:
    return Replay(loaded.manifest.learned(), step or loaded.model, units or loaded.model.units)


def same(one: Replayed, other: Replayed, rows: slice | np.ndarray = slice(None), theirs: object = None) -> bool:
    """Tell whether two replays said the same of some rows bit for bit."""
    others = rows if theirs is None else theirs
    arrays = all(
        same_bits(getattr(one, name)[rows], getattr(other, name)[others])
        for name in ("expected", "lower", "upper", "score")
    )
    return arrays and np.array_equal(np.array(one.events)[rows], np.array(other.events)[others])


def strange(times: Sequence[float], place: int, length: int = 3) -> Recording:
    """Return a recording in which the first sensor jumps by 40 for some rows."""
    values = np.array([(5.0, 50.0)] * len(times))
    values[place : place + length, 0] += 40.0 * np.arange(1, length + 1)
    return recording(times, values.tolist())


# ---- rows


def test_a_row_has_what_was_expected_before_it_was_seen() -> None:
    rising = [(float(row), 50.0) for row in range(8)]
    said = by_hand().run(recording(steps(8), rising))
    assert expected_rows(said) == [False] * FIRST_WARM + [True] * 4
    assert said.expected[FIRST_WARM:, 0].tolist() == [3.0, 4.0, 5.0, 6.0]  # the last value
    assert said.lower[FIRST_WARM:, 0].tolist() == [2.0, 3.0, 4.0, 5.0]
    assert np.isnan(said.score[:FIRST_WARM]).all() and (said.score[FIRST_WARM:] >= 0.0).all()


def test_late_and_duplicate_rows_have_empty_cells_and_change_no_other() -> None:
    # time     0  10  20  30  40  50 | 30 | 50  50 | 60
    plain = by_hand().run(recording(steps(7)))
    times = [*steps(6), 30.0, 50.0, 51.0, 60.0]
    said = by_hand().run(recording(times))
    assert expected_rows(said) == [False] * 4 + [True, True, False, False, False, True]
    assert same(said, plain, np.array([0, 1, 2, 3, 4, 5, 9]), np.arange(7))
    assert said.counts == GridCounts(accepted=7, late=1, duplicate=2)


def test_a_late_row_does_not_take_what_was_expected_of_the_empty_cell_it_belongs_to() -> None:
    # time     0  10  20  30  40   .  60 | 50 | 70      the cell of 50 was closed as empty at 60
    said = by_hand().run(recording([*steps(5), 60.0, 50.0, 70.0]))
    assert expected_rows(said) == [False] * 4 + [True, True, False, True]


def test_a_wild_stamp_that_comes_true_later_leaves_the_wild_row_empty() -> None:
    # time     0  10  20  30  40 | 200 | 50 … 190  200      row 5 claimed to be row 21
    times = [*steps(5), 200.0, *steps(16, start=5)]
    said = by_hand().run(recording(times))
    assert said.counts == GridCounts(accepted=21, unconfirmed=1)
    assert expected_rows(said) == [False] * 4 + [True, False] + [True] * 16


def test_empty_cells_between_rows_are_nobodys_row() -> None:
    said = by_hand().run(recording([*steps(5), 80.0, 90.0]))
    assert expected_rows(said) == [False] * 4 + [True, True, True]
    assert said.counts.empty == 3


def test_rows_after_a_gap_too_long_warm_up_anew() -> None:
    said = by_hand().run(recording([*steps(6), *steps(6, start=100)]))
    assert expected_rows(said) == ([False] * 4 + [True] * 2) * 2


def test_a_row_without_any_value_is_expected_but_has_no_score() -> None:
    values = [(5.0, 50.0)] * 6 + [(nan, nan)] + [(5.0, nan)]
    said = by_hand().run(recording(steps(8), values))
    assert expected_rows(said)[6:] == [True, True]
    assert np.isnan(said.score).tolist()[6:] == [True, False]


def test_of_a_recording_without_any_value_nothing_is_said() -> None:
    nothing = replace(recording(steps(20)), sensors=(), values=np.empty((20, 0)), dropped=("warm", "damp"))
    said = by_hand().run(nothing)
    assert expected_rows(said) == [False] * 20
    assert np.isnan(said.score).all()


def test_a_spike_opens_an_event_that_names_its_sensor_and_its_rows() -> None:
    # row      0 … 9 | 10 11 12 | 13 14 15 …      the jump back at 13 is strange too; ends with the 2nd calm row
    said = by_hand().run(strange(steps(20), 10))
    assert np.flatnonzero(said.flagged).tolist() == [10, 11, 12, 13, 14]
    assert (said.news[0].phase, said.news[-1].phase) == ("open", "close")
    assert {one.peak.carriers[0].sensor for one in said.news} == {"warm"}
    name = "a-forecast-19700101T000140Z"
    assert {one.id for one in said.news} == {name}
    assert said.events == [""] * 10 + [name] * 5 + [""] * 5


# ---- the past alone


@pytest.mark.parametrize("head", [5, 17, 40, 99])
def test_a_row_depends_on_rows_at_or_before_it_only(loaded: Load, head: int) -> None:
    taken = read_csv(MOTES[0], rows=120)
    changed = replace(taken, values=taken.values.copy(), times=taken.times.copy())
    changed.values[head:] = changed.values[head:][::-1] + 100.0
    changed.times[head + 5 :] += 1.5
    mine, theirs = real(loaded("lstm-dynamic")).run(taken), real(loaded("lstm-dynamic")).run(changed)
    assert same(mine, theirs, slice(0, head))
    assert not same(mine, theirs)


@pytest.mark.parametrize("wild", [1e6, 300.0, -1e5])
def test_what_is_said_of_rows_does_not_depend_on_wild_stamps_after_them(wild: float) -> None:
    times = np.array(steps(40))
    plain = by_hand().run(recording(times.tolist()))
    for first in range(20, 40):
        disturbed = times.copy()
        disturbed[first:] += wild
        assert same(by_hand().run(recording(disturbed.tolist())), plain, slice(0, 20))


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_how_many_rows_go_through_the_line_together_does_not_matter(
    loaded: Load, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    taken = interleaved()
    whole = real(loaded("lstm-dynamic")).run(taken)
    monkeypatch.setattr(module, "CHUNK", chunk)
    assert same(real(loaded("lstm-dynamic")).run(taken), whole)


def test_rows_pushed_one_by_one_are_judged_bit_for_bit_alike(loaded: Load) -> None:
    # What the daemon does: a reading arrives, its samples are judged at once.
    found, taken = loaded("lstm-dynamic"), jumping(read_csv(MOTES[0], rows=150), 100)
    said = real(found).run(taken)
    learned = found.manifest.learned()
    cohort = Cohort(learned, found.model, found.model.units)
    row = cohort.admit(taken.stream_names[0])
    events = Events(cohort.streams, learned.sensors)
    grid = Grid(learned.pacing, learned.period, max_gap=learned.max_gap, future=0.0, counts=GridCounts())
    news = []
    for place, time in enumerate(taken.times.tolist()):
        for sample in grid.push(Readings(time, taken.values[place].tolist(), time, whole=True)):
            verdicts = cohort.advance([(row, sample)])
            news += events.advance(verdicts)
        assert same_bits(verdicts.expected[0], said.expected[place])
        assert same_bits(verdicts.score, said.score[place : place + 1])
        assert events.open_id(row) == said.events[place]
    assert news == said.news
    assert news


# ---- several streams


def interleaved() -> Recording:
    """Return two motes row by row in turn, the second with an offset in time and some rows less."""
    one, other = read_csv(MOTES[0], rows=120), read_csv(MOTES[1], rows=100)
    times = np.concatenate((one.times, other.times + 1.0))
    order = np.argsort(times, kind="stable")
    return Recording(
        sensors=one.sensors,
        stream_names=("one", "other"),
        streams=np.repeat([0, 1], [120, 100])[order],
        times=times[order],
        values=np.concatenate((one.values, other.values))[order],
        written=tuple(np.array(one.written + other.written)[order]),
        refused=(),
        dropped=(),
    )


def jumping(taken: Recording, place: int) -> Recording:
    """Return a recording whose second sensor jumps far away for some rows."""
    values = taken.values.copy()
    values[place : place + 4, 1] += [10.0, 20.0, 30.0, 40.0]
    return replace(taken, values=values)


def test_streams_side_by_side_are_judged_as_each_alone(loaded: Load) -> None:
    together = jumping(interleaved(), 150)
    said = real(loaded("gru-dynamic")).run(together)
    for stream, name in enumerate(together.stream_names):
        mine = together.streams == stream
        alone = replace(
            together, stream_names=(name,), streams=np.zeros(int(mine.sum()), dtype=np.intp),
            times=together.times[mine], values=together.values[mine],
        )  # fmt: skip
        single = real(loaded("gru-dynamic")).run(alone)
        assert same(said, single, mine, slice(None))
        assert [one for one in said.news if one.stream == name] == single.news
    assert said.news


def test_rows_of_streams_at_the_same_time_do_not_take_each_others_place() -> None:
    times = [time for time in steps(6) for _ in range(2)]
    values = [(5.0, 50.0), (7.0, 70.0)] * 6
    said = by_hand().run(recording(times, values, streams="ab" * 6))
    assert said.expected[8:].tolist() == [[5.0, 50.0], [7.0, 70.0]] * 2


def test_recordings_may_follow_on_each_other() -> None:
    whole, parts = by_hand(), by_hand()
    said = whole.run(strange(steps(20), 11))
    first = parts.run(strange(steps(20), 11).__class__(**_rows(strange(steps(20), 11), slice(0, 12))))
    second = parts.run(Recording(**_rows(strange(steps(20), 11), slice(12, 20))))
    assert same(said, first, slice(0, 12), slice(None))
    assert same(said, second, slice(12, 20), slice(None))
    assert parts.counts == whole.counts


def _rows(taken: Recording, rows: slice) -> dict[str, object]:
    cut = {name: getattr(taken, name) for name in Recording.__slots__}
    return cut | {name: cut[name][rows] for name in ("streams", "times", "values", "written")}


def test_a_stream_may_have_a_budget_and_a_patience_of_its_own() -> None:
    patient = Replay(
        learned_by_hand(), persist, UNITS, budget=lambda stream: (None, 5) if stream == "a" else (1.0, None)
    )
    assert patient.run(strange(steps(20), 10)).events.count("") == 20 - 8
    strict = replace(strange(steps(20), 10), stream_names=("b",))
    ratio = by_hand().run(strange(steps(20), 10)).score[10] / patient.run(strict).score[10]
    assert ratio > 1.5


# ---- runtimes and inference


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_says_on_this_runtime_what_it_said_on_the_main_one(loaded: Load, bundles: Path, name: str) -> None:
    # Between LiteRT 2.3 and tflite-runtime 2.14 on x86-64 were measured: 2e-9 of a sensor's spread, 5e-8 of a
    # residual's spread for all but int8. Other processors round the quantised activations otherwise, now and then.
    said = real(loaded(name)).run(fixed_recording())
    learned = loaded(name).manifest.learned()
    residual = np.nanstd(fixed_recording().values - said.expected, axis=0)
    unit = 1e-4 * learned.scaling.spread if name.endswith("float32") else 0.02 * residual
    with np.load(bundles / f"{name}.expected.npz") as expected:
        for bound in ("expected", "lower", "upper"):
            mine, theirs = getattr(said, bound), expected[bound]
            assert np.array_equal(np.isnan(mine), np.isnan(theirs))
            assert np.nanmax(np.abs(mine - theirs) / unit) < 1.0
        assert np.array_equal(np.isnan(said.score), np.isnan(expected["score"]))
        assert np.nanmax(np.abs(said.score - expected["score"])) < 0.05


def test_another_network_would_be_told_apart_by_these_tolerances(bundles: Path, loaded: Load) -> None:
    residual = np.nanstd(
        fixed_recording().values - real(loaded("lstm-dynamic")).run(fixed_recording()).expected, axis=0
    )
    with np.load(bundles / "lstm-dynamic.expected.npz") as one, np.load(bundles / "gru-dynamic.expected.npz") as other:
        assert np.nanmax(np.abs(one["expected"] - other["expected"]) / residual) > 0.1


@pytest.mark.parametrize("name", ["lstm-dynamic", "gru-dynamic", "rnn-dynamic", "stack-dynamic"])
def test_the_carried_state_forecasts_about_as_a_window_run_anew(loaded: Load, name: str) -> None:
    # Both bounds: they must agree, and must not be the same computation.
    found, taken = loaded(name), read_csv(MOTES[0], rows=200)
    window = WindowModel(found.model, found.manifest.window)
    stream, anew = real(found).run(taken), real(found, window, window.units).run(taken)
    residual = np.nanstd(taken.values - stream.expected, axis=0)
    difference = np.sqrt(np.nanmean(((stream.expected - anew.expected) / residual) ** 2))
    assert 1e-7 < difference < 0.05


# ---- columns


def test_columns_are_brought_into_the_bundles_order() -> None:
    taken = replace(recording(steps(2), [(1.0, 2.0), (3.0, 4.0)]), sensors=("damp", "warm"))
    assert align(taken, learned_by_hand()).tolist() == [[2.0, 1.0], [4.0, 3.0]]


def test_columns_that_the_bundle_does_not_know_are_left_out() -> None:
    taken = replace(recording(steps(2)), sensors=("door", "warm", "damp"), values=np.array([[9.0, 1.0, 2.0]] * 2))
    assert align(taken, learned_by_hand()).tolist() == [[1.0, 2.0]] * 2


def test_a_sensor_whose_column_holds_no_number_is_missing_throughout() -> None:
    taken = replace(recording(steps(2)), sensors=("warm",), values=np.ones((2, 1)), dropped=("damp",))
    assert np.array_equal(align(taken, learned_by_hand()), [[1.0, nan]] * 2, equal_nan=True)


def test_a_sensor_without_a_column_is_refused_with_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,warm,place\n1,2,cellar\n")
    with pytest.raises(RecordingError) as refused:
        check_columns(path, read_csv(path), learned_by_hand())
    rule = "must have a column for each sensor of the bundle, lacks damp; the file has 'warm, place'"
    assert refused.value.problems == (f"{path}: {rule}",)


# ---- files


def test_the_output_has_the_columns_of_the_contract_and_a_line_for_each_row(tmp_path: Path) -> None:
    values = [(5.0, 50.0)] * 5 + [(45.0, 50.0)]
    taken = recording([*steps(5), 50.0, 40.0], [*values, (1.0, 1.0)])
    with (tmp_path / "out.csv").open("w", newline="") as file:
        write_rows(file, taken, learned_by_hand(), by_hand().run(taken))
    # The largest surprise there is by hand, in units of what the largest budget demands after a calm step.
    score = 20.0 / (-np.log(0.02) - STEP * 0.02)
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "time,stream,score,anomaly,event,kind,warm.forecast,warm.lower,warm.upper,damp.forecast,damp.lower,damp.upper",
        "0,a,,0,,,,,,,,",
        "10,a,,0,,,,,,,,",
        "20,a,,0,,,,,,,,",
        "30,a,,0,,,,,,,,",
        "40,a,0.0,0,,,5.0,4.0,6.0,50.0,49.0,51.0",
        f"50,a,{score},1,a-forecast-19700101T000050Z,forecast,5.0,4.0,6.0,50.0,49.0,51.0",
        "40,a,,0,,,,,,,,",
    ]


def test_the_output_of_a_real_replay_has_a_line_for_each_row_with_the_time_as_it_was_written(
    loaded: Load, tmp_path: Path
) -> None:
    taken = fixed_recording()
    with (tmp_path / "out.csv").open("w", newline="") as file:
        write_rows(file, taken, loaded("lstm-dynamic").manifest.learned(), real(loaded("lstm-dynamic")).run(taken))
    with (tmp_path / "out.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["time"] for line in lines] == list(taken.written)
    assert {line["stream"] for line in lines} == {"singlehop_indoor_moteid1"}
    assert [line["humidity.forecast"] == "" for line in lines] == [row < 16 for row in range(len(lines))]


def test_the_forecast_file_has_every_horizon_and_nothing_while_warming_up(tmp_path: Path) -> None:
    replayed = by_hand()
    with (tmp_path / "forecasts.csv").open("w", newline="") as file:
        written = ForecastFile(file, learned_by_hand(), replayed.streams)
        replayed.run(recording(steps(5), [(float(row), 50.0) for row in range(5)]), watch=written.write)
    assert (tmp_path / "forecasts.csv").read_text().splitlines() == [
        "made_at,time,stream,sensor,horizon,forecast,lower,upper",
        "1970-01-01T00:00:30Z,1970-01-01T00:00:40Z,a,warm,1,3.0,2.0,4.0",
        "1970-01-01T00:00:30Z,1970-01-01T00:00:40Z,a,damp,1,50.0,49.0,51.0",
        "1970-01-01T00:00:30Z,1970-01-01T00:01:00Z,a,warm,3,3.0,2.0,4.0",
        "1970-01-01T00:00:30Z,1970-01-01T00:01:00Z,a,damp,3,50.0,49.0,51.0",
        "1970-01-01T00:00:40Z,1970-01-01T00:00:50Z,a,warm,1,4.0,3.0,5.0",
        "1970-01-01T00:00:40Z,1970-01-01T00:00:50Z,a,damp,1,50.0,49.0,51.0",
        "1970-01-01T00:00:40Z,1970-01-01T00:01:10Z,a,warm,3,4.0,3.0,5.0",
        "1970-01-01T00:00:40Z,1970-01-01T00:01:10Z,a,damp,3,50.0,49.0,51.0",
    ]


def test_progress_tells_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 8)
    done: list[int] = []
    by_hand().run(recording(steps(20)), progress=done.append)
    assert done == [8, 8, 4]


# ---- what is said beside the files


def said_of(taken: Recording) -> list[str]:
    return remarks(taken, learned_by_hand(), by_hand().run(taken).counts)


def test_a_whole_recording_needs_no_remark() -> None:
    assert said_of(recording(steps(40))) == []


def test_only_what_happened_is_said_and_in_words() -> None:
    # time     0 … 40   .  60 | 50 | 60   60 | 70 … | 9000 … (too far: begins anew)
    times = [*steps(5), 60.0, 50.0, 60.0, 61.0, *steps(40, start=7), *steps(10, start=900)]
    assert said_of(recording(times)) == [
        "note: 2 rows of a period that had one already: not judged",
        "note: 1 row older than the row before: not judged",
        "note: 1 period without a row: bridged",
        "note: 1 gap too long to be bridged: the warm-up begins anew",
    ]


def test_rows_held_back_at_the_end_are_said_too() -> None:
    assert said_of(recording([*steps(40), 9000.0])) == [
        "note: 1 row with a time that does not fit those before: not judged"
    ]


def test_many_rows_that_are_not_judged_are_a_warning() -> None:
    assert said_of(recording([step / 2 for step in steps(40)]))[-1] == (
        "warning: 19 of 40 rows were not judged; rows must be in order of time, and one every 10 s as in the "
        "training data"
    )


def test_cells_without_a_number_are_said_for_each_sensor_of_the_bundle() -> None:
    refused = (Refusal("warm", 60, 4, "unavailable"), Refusal("door", 1, 1, "open"))
    taken = replace(
        recording(steps(9)), sensors=("warm",), values=np.ones((9, 1)), dropped=("damp", "door"), refused=refused
    )
    assert said_of(taken) == [
        "note: warm: 60 cells without a number, the first at row 4: 'unavailable'",
        "note: damp: no cell holds a number",
    ]


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        ("nowhere/out.csv", "must be in a folder that exists, there is no {folder}/nowhere"),
        ("", "must be a file, got a folder"),
        ("in.csv", "must be a file of its own, got one that is read or written already"),
        ("sub/../in.csv", "must be a file of its own, got one that is read or written already"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(tmp_path: Path, output: str, rule: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(OperatorError) as refused:
        check_outputs([tmp_path / output], [tmp_path / "in.csv"])
    assert refused.value.problems == (f"{tmp_path / output}: {rule.format(folder=tmp_path)}",)
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


def test_outputs_must_differ(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="must be a file of its own"):
        check_outputs([tmp_path / "out.csv"] * 2, [])


def test_an_output_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    with pytest.raises(OperatorError, match="must be a file that can be written"):
        check_outputs([tmp_path / "out.csv"], [])
    check_outputs([Path("/dev/null")], [])


def test_other_kinds_are_told_where_they_are_asked_for(
    bundles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = read_csv(MOTES[0], rows=600)
    lines = [
        f"{at},{400.0 if 500 <= place < 510 else warm!r},{damp!r}"
        for place, (at, (warm, damp)) in enumerate(zip(taken.written, taken.values.tolist(), strict=True))
    ]
    (tmp_path / "motes.csv").write_text("\n".join([",".join(("time", *taken.sensors)), *lines]))
    bundle = tmp_path / "motes.bundle"
    shutil.copy(bundles / "stack-dynamic.bundle", bundle)
    (tmp_path / "tidegate.toml").write_text(
        f'[streams.motes]\nbundle = "{bundle}"\ntopic = "motes"\n'
        f"[streams.motes.detection.sensors.{taken.sensors[0]}]\nlow = -40.0\nhigh = 125.0\n"
    )
    arguments = ["replay", str(bundle), str(tmp_path / "motes.csv"), str(tmp_path / "out.csv")]
    config = ["--config", str(tmp_path / "tidegate.toml")]
    assert cli.main([*arguments, *config]) == 0
    assert "range" not in capsys.readouterr().err
    assert cli.main([*arguments, *config, "--kinds", "range,silence"]) == 0
    assert "1 range" in capsys.readouterr().err
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    inside = [place for place, row in enumerate(rows) if row["kind"] == "range"]
    assert inside == list(range(500, 510))
    assert {rows[place]["anomaly"] for place in inside} == {"1"}
    assert len({rows[place]["event"] for place in inside}) == 1
    assert cli.main([*arguments, "--kinds", "all"]) == 0
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--kinds", "noise"])
    assert "must be all, or some of forecast, silence, frozen, range, quality, got 'noise'" in capsys.readouterr().err


def tables(tmp_path: Path, *names: str, bundle: str = "boiler.bundle") -> Detections:
    limits = '[streams.{0}]\nbundle = "{1}"\ntopic = "{0}"\n[streams.{0}.detection]\nfalse_alarms_per_week = {2}\n'
    text = "".join(limits.format(name, tmp_path / bundle, place + 2.0) for place, name in enumerate(names))
    (tmp_path / "limits.toml").write_text(text)
    return Detections(tmp_path / "limits.toml", tmp_path / "boiler.bundle")


def test_the_only_table_of_a_bundle_holds_for_a_recording_of_another_name_and_says_so(tmp_path: Path) -> None:
    found = tables(tmp_path, "boiler")
    assert found("boiler").false_alarms_per_week == 2.0
    assert found.remarks() == []
    assert found("january").false_alarms_per_week == 2.0
    assert found.remarks() == [f"note: {tmp_path}/limits.toml: streams.boiler held for january"]


def test_a_recording_that_no_table_means_is_told(tmp_path: Path) -> None:
    several = tables(tmp_path, "boiler", "pump")
    assert several("january").false_alarms_per_week is None
    (told,) = several.remarks()
    assert told.endswith("none of streams.boiler, streams.pump names january: the bundle's own settings held")
    others = tables(tmp_path, "boiler", bundle="other.bundle")
    assert others("january").false_alarms_per_week is None
    (told,) = others.remarks()
    assert told.endswith("has no table with a bundle boiler.bundle; its own settings held")
