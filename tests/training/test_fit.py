"""Hold a whole fit to its promises: nothing leaks, one seed gives one bundle, no part serves that did not earn it."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge import bundle
from edge.experts import EXPERTS, weigh
from edge.recording import Recording
from edge.replay import Replay
from edge.runtime import Model
from tests.training.conftest import RECIPE, START, Trial, chaos, fit, hear_nothing, quick, recording_of, write_table
from training.evaluate import skill
from training.fit import ParityError, serve
from training.prepare import Prepared, prepare
from training.recipe import Architecture, Quantisation, Recipe, Splits
from training.series import read
from training.teach import teach

ROOT = Path(__file__).parents[2]
NAN = np.nan
ROWS, JUDGED = 600, 540  # the rows of `chaotic`, and the first of its test split
LEARNED = ("correction", "below", "above")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def packed(trial: Trial, path: Path) -> str:
    """Write a trial's bundle and return its hash."""
    trial.pack(path)
    return digest(path)


def fit_briefly(recordings: list[Recording], **changes: object) -> Trial:
    """Fit with so few updates that only the soundness of the bundle can be asked for."""
    recipe = quick(**changes)
    return fit(recordings, replace(recipe, training=replace(recipe.training, updates=8)))


def served(trial: Trial, prepared: Prepared, recipe: Recipe) -> Trial:
    """Serve what a trial taught, from other data or by another recipe."""
    return Trial(recipe, prepared, trial.taught, serve(prepared, trial.taught, recipe, hear_nothing))


def weights(trial: Trial) -> list[NDArray[np.float32]]:
    return [variable.numpy() for variable in trial.taught.network.weights]


def is_sound(trial: Trial, folder: Path) -> bundle.Bundle:
    """Write a trial's bundle, load it as the device does, and hold it to what every bundle must be."""
    path = folder / "sound.bundle"
    trial.pack(path)
    loaded = bundle.load(path)
    learned = loaded.manifest.learned()
    for name in LEARNED:
        assert np.isfinite(getattr(learned, name)).all(), name
    assert (learned.below > 0.0).all()
    assert (learned.above > 0.0).all()
    assert ((learned.correction >= 0.0) & (learned.correction <= 1.0)).all()
    for part in (learned.experience, learned.leeway):
        assert all(np.isfinite(getattr(part, name)).all() for name in part.__slots__)
    for row in loaded.manifest.quality:
        assert np.isfinite((row.forecast, row.persistence, row.ridge, row.width)).all()
        assert 0.0 <= row.coverage <= 1.0
    return loaded


# ---- what a fit is good for


def test_the_network_learns_what_no_line_can_and_keeps_silent_where_nothing_can_be_learned(chaotic: Trial) -> None:
    rows = {(row.sensor, row.horizon): row for row in chaotic.fitted.quality}
    assert skill(rows["a", 1]) > 0.3
    assert weigh(chaotic.fitted.learned.experience)[EXPERTS.index("network"), 0, 0] > 0.9
    assert rows["a", 1].ridge < 0.6 * rows["a", 1].persistence
    assert chaotic.taught.correction_weight[0, 0] > 0.5
    assert skill(rows["b", 1]) > -0.05
    assert chaotic.taught.history.best > 0


def test_the_network_is_switched_off_where_nothing_is_to_be_learned(tmp_path: Path) -> None:
    walks = np.random.default_rng(0).normal(size=(ROWS, 3)).cumsum(axis=0)
    trial = fit([recording_of(walks)], quick())
    assert not trial.taught.correction_weight.any()
    assert trial.taught.history.updates < 60  # it was stopped early
    assert all(skill(row) > -0.05 * row.horizon for row in trial.fitted.quality)  # 60 samples judge it
    assert "did not earn its place" in is_sound(trial, tmp_path).card
    assert trial.fitted.parity.correction == 0.0


def test_the_replayed_forecasts_of_the_bundle_are_those_that_were_measured(chaotic: Trial, tmp_path: Path) -> None:
    loaded = is_sound(chaotic, tmp_path)
    said = Replay(loaded.manifest.learned(), loaded.model, loaded.model.units).run(recording_of(chaos(ROWS)))
    missed = (chaos(ROWS) - said.expected)[JUDGED + 1 :]
    rows = [row for row in loaded.manifest.quality if row.horizon == 1]
    # The replay has carried its state for 600 steps, the measurement for 16 before the split and 60 in it.
    assert np.sqrt((missed**2).mean(axis=0)) == pytest.approx([row.forecast for row in rows], rel=0.02)


# ---- no leak


def test_the_test_split_changes_nothing_that_serves_but_lines_and_calibration(
    chaotic: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lines are fitted on everything, and block by block on everything else (tests/training/test_lines.py); here
    # they are held still, and nothing else may have looked.
    monkeypatch.setattr("training.teach.fit_lines", lambda *_, **__: chaotic.taught.lines)
    values = chaos(ROWS)
    values[JUDGED:] = 1e3 * np.random.default_rng(1).normal(size=(ROWS - JUDGED, 2))
    other = fit([recording_of(values)], quick())
    for name in ("residual_scale", "width_base", "correction_weight"):
        assert np.array_equal(getattr(other.taught, name), getattr(chaotic.taught, name))
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(weights(other), weights(chaotic), strict=True))
    assert other.taught.history == chaotic.taught.history
    assert other.fitted.graph == chaotic.fitted.graph
    assert other.fitted.parity == chaotic.fitted.parity
    assert other.fitted.quality != chaotic.fitted.quality
    assert (other.fitted.learned.above > chaotic.fitted.learned.above).any()


def test_what_is_measured_on_the_test_split_was_not_calibrated_on_it(chaotic: Trial) -> None:
    # Only the last truth changes. An interval that had seen it would have another width.
    values = chaos(ROWS)
    values[-1] += 1e3
    other = served(chaotic, prepare([recording_of(values)], quick()), quick())
    for mine, theirs in zip(other.fitted.quality, chaotic.fitted.quality, strict=True):
        assert mine.width == theirs.width
        assert mine.forecast > 10.0 * theirs.forecast


def test_what_is_trained_calibrated_and_measured_hears_lines_that_did_not_see_it(chaotic: Trial) -> None:
    # What is served has seen everything: on what it saw it is better than lines that did not.
    lines, [steps] = chaotic.taught.lines, chaotic.prepared.steps
    for place, line in enumerate((lines.highway, lines.own)):
        served, unseen = (
            float(np.square(steps.target - said)[steps.known].mean())
            for said in (line.forecast(steps), lines.unseen[0][:, place])
        )
        assert served < unseen
    for end in ("calibrate", "test"):
        for span, unseen in zip(
            chaotic.prepared.spans("stop", end, lead=9, lines=lines.unseen), lines.unseen, strict=True
        ):
            assert span.lines is unseen


def test_nothing_is_learned_of_the_truths_that_a_bundle_was_fitted_on(chaotic: Trial) -> None:
    assert chaotic.fitted.learned.until == START + 60.0 * (ROWS - 1)


def test_rows_beyond_the_bound_are_not_read(tmp_path: Path) -> None:
    path = write_table(tmp_path / "one.csv", longer())
    by_rows = read([path], rows=ROWS, until=None)
    by_time = read([path], rows=None, until=START + 60.0 * ROWS)
    for one, other in zip(by_rows, by_time, strict=True):
        for name in ("sensors", "stream_names", "written", "refused", "dropped"):
            assert getattr(one, name) == getattr(other, name)
        assert np.array_equal(one.times, other.times)
        assert np.array_equal(one.values, chaos(ROWS))
        assert np.array_equal(other.values, chaos(ROWS))


# ---- one seed, one bundle


def longer() -> Recording:
    """Return the recording of `chaotic`, and later rows that are nothing like it."""
    return recording_of(np.concatenate((chaos(ROWS), 1e6 * np.ones((300, 2)))))


def test_one_seed_gives_one_bundle_in_another_process_and_whatever_comes_later(chaotic: Trial, tmp_path: Path) -> None:
    write_table(tmp_path / "one.csv.gz", longer())
    (tmp_path / "quick.toml").write_text(RECIPE)
    command = "fit --data one.csv.gz --rows 600 --recipe quick.toml --out quick.bundle"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(
        [sys.executable, "-m", "training.cli", *command.split()], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert digest(tmp_path / "quick.bundle") == packed(chaotic, tmp_path / "here.bundle")


def test_another_seed_gives_another_network_on_the_same_highway(chaotic: Trial) -> None:
    other = teach(chaotic.prepared, quick(seed=2), hear_nothing)
    for line in ("highway", "own"):
        mine, theirs = getattr(other.lines, line), getattr(chaotic.taught.lines, line)
        assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in ("lags", "x", "bias"))
    assert all(map(np.array_equal, other.lines.unseen, chaotic.taught.lines.unseen))
    assert all(
        not np.array_equal(mine.numpy(), theirs.numpy())
        for mine, theirs in zip(other.network.weights, chaotic.taught.network.weights, strict=True)
    )


# ---- the gate of the conversion


def test_a_conversion_out_of_bounds_fails_with_the_number_and_the_bound(chaotic: Trial) -> None:
    recipe = quick(quantisation=Quantisation(mode="dynamic", parity=1e-9))
    with pytest.raises(ParityError, match=r"dynamic must be within 1e-09 of Keras, is \d\S* away .* 90 samples") as far:
        serve(chaotic.prepared, chaotic.taught, recipe, hear_nothing)
    assert len(str(far.value).splitlines()) == 1


@pytest.mark.parametrize(("mode", "bound"), [("float32", 1e-5), ("float16", 0.01), ("int8", 0.5)])
def test_every_quantisation_serves_within_its_bound(chaotic: Trial, tmp_path: Path, mode: str, bound: float) -> None:
    recipe = quick(quantisation=Quantisation(mode=mode, parity=bound))
    trial = served(chaotic, chaotic.prepared, recipe)
    loaded = is_sound(trial, tmp_path)
    assert loaded.manifest.quantisation == mode
    assert 0.0 < loaded.manifest.parity.correction <= bound
    assert loaded.manifest.parity.samples == 90
    assert trial.fitted.quality[0].forecast == pytest.approx(chaotic.fitted.quality[0].forecast, rel=2 * bound + 0.01)


def test_the_parity_is_that_of_the_graph_that_serves(chaotic: Trial) -> None:
    model = Model(chaotic.fitted.graph)
    golden = chaotic.fitted.golden
    state = np.zeros((1, model.units), np.float32)
    for x, lags, parts in zip(golden.x, golden.lags, golden.parts, strict=True):
        said, state = model(x[None], lags[None], state)
        assert np.array_equal(said[0], parts)


# ---- cells


@pytest.mark.parametrize(("cell", "units"), [("gru", (6,)), ("rnn", (6, 5)), ("none", ())])
def test_every_cell_can_be_fitted(cell: str, units: tuple[int, ...], tmp_path: Path) -> None:
    network = Architecture(cell=cell, units=units, dense=(4,))
    splits = Splits(fit=0.6, stop=0.2, calibrate=0.2, test=0.0)
    loaded = is_sound(fit_briefly([recording_of(chaos(300))], network=network, splits=splits), tmp_path)
    assert loaded.manifest.network.cell == cell
    assert loaded.manifest.network.state == max(1, sum(units))
    assert loaded.manifest.quality == ()
    assert "nothing was held out" in loaded.card


# ---- bad data


def test_half_of_the_cells_may_be_missing(tmp_path: Path) -> None:
    values = chaos(ROWS)
    values[np.random.default_rng(2).random(values.shape) < 0.5] = NAN
    loaded = is_sound(fit_briefly([recording_of(values)]), tmp_path)
    assert {row.samples > 10 for row in loaded.manifest.quality} == {True}
    assert all(row.forecast < 1.1 * row.persistence for row in loaded.manifest.quality)


def test_a_constant_sensor_beside_a_moving_one_is_forecast_and_not_judged(tmp_path: Path) -> None:
    values = chaos(300)
    values[:, 1] = 21.5
    other = recording_of(chaos(200, seed=1) * [1.0, 0.0] + [0.0, 21.5], stream="two")
    trial = fit_briefly([recording_of(values), other])
    loaded = is_sound(trial, tmp_path)
    assert loaded.manifest.score.scored == (True, False)
    assert loaded.manifest.data.streams == ("one", "two")
    assert {row.forecast for row in loaded.manifest.quality if row.sensor == "b"} == {0.0}
    said = Replay(loaded.manifest.learned(), loaded.model, loaded.model.units).run(recording_of(values))
    assert (said.expected[8:, 1] == 21.5).all()
    assert np.isfinite(said.score[8:]).all()


def test_a_constant_sensor_is_no_anomaly_until_it_moves(tmp_path: Path) -> None:
    values = chaos(1000) * [1.0, 0.0] + [0.0, 21.5]
    loaded = is_sound(fit([recording_of(values[:600])], quick()), tmp_path)
    for moved in (0.0, 0.5):
        values[900:, 1] = 21.5 + moved
        said = Replay(loaded.manifest.learned(), loaded.model, loaded.model.units).run(recording_of(values))
        opened = [(event.start, event.peak.carriers[0].sensor) for event in said.news if event.phase == "open"]
        assert opened == ([(START + 60.0 * 900, "b")] if moved else [])


def test_a_job_of_every_night_is_not_told_every_night_and_at_noon_it_is(tmp_path: Path) -> None:
    hour, day, taught = 6, 144, 28 * 144  # steps
    random, step = np.random.default_rng(0), np.arange(44 * day)
    job = 60.0 * ((step % day >= 2 * hour) & (step % day < 3 * hour))
    values = np.stack((20.0 + job, 50.0 + 0.0 * job), axis=1) + random.normal(size=(len(step), 2))
    midnight = START - START % 86_400.0
    loaded = is_sound(fit([recording_of(values[:taught], period=600.0, start=midnight)], quick()), tmp_path)
    noon = 38 * day + 12 * hour
    values[noon : noon + hour, 0] += 60.0
    heard = recording_of(values, period=600.0, start=midnight)
    said = Replay(loaded.manifest.learned(), loaded.model, loaded.model.units).run(heard)
    opened = [round((event.start - midnight) / 600.0) for event in said.news if event.phase == "open"]
    assert noon in opened
    assert len(opened) - 1 <= 44 / 7  # of 44 nights; the budget is one false alarm a week


def test_the_smallest_recording_that_is_taken_gives_a_bundle(tmp_path: Path) -> None:
    loaded = is_sound(fit_briefly([recording_of(chaos(60))], data=Recipe().data), tmp_path)
    assert loaded.manifest.horizons == (1,)
    assert {row.samples for row in loaded.manifest.quality} == {5}


def test_sensors_that_fall_silent_after_the_fit_split_give_a_bundle(tmp_path: Path) -> None:
    values = chaos(300)
    values[180:] = NAN
    loaded = is_sound(fit_briefly([recording_of(values)]), tmp_path)
    assert {row.samples for row in loaded.manifest.quality} == {0}
    learned = loaded.manifest.learned()
    assert not learned.experience.heard.any()
    assert (weigh(learned.experience) == 1 / len(EXPERTS)).all()
    assert "too short to measure" in loaded.card


def test_an_interrupt_while_tensorflow_loads_ends_fit_with_status_130(tmp_path: Path) -> None:
    write_table(tmp_path / "one.csv", recording_of(chaos(300)))
    command = [sys.executable, "-m", "training.cli", "fit", "--data", str(tmp_path / "one.csv")]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "x.bundle")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "loading TensorFlow\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60.0)
    assert (process.returncode, told.splitlines()[-1]) == (130, "interrupted")
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]
