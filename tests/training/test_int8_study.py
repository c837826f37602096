"""Hold the numpy step to Keras, and what is said to be lost to what a converter loses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import Trial, chaos, recording_of, write_table
from training import cli, recipe
from training.int8_study import MODE_INT8, VARIANTS, _as_it_is, _Step, losses, to_grid
from training.network import build, correct
from training.recipe import Architecture, Training


def test_the_step_in_numpy_says_what_keras_says() -> None:
    stack = Architecture(units=(6, 5), dense=(4,))
    network = build(stack, inputs=3, horizons=2, sensors=2, seed=1)
    network.head[-1].set_weights([0.3 * np.random.default_rng(1).standard_normal((4, 12)), np.linspace(-1, 1, 12)])
    x = np.random.default_rng(2).standard_normal((1, 50, 3)).astype(np.float32)
    wanted = correct(network, x)[0, :, 0].reshape(50, -1)
    got = _Step(network, {}).run(x[0].astype(np.float64), _as_it_is)
    np.testing.assert_allclose(got[:, :4], wanted, atol=1e-5)


def test_only_an_lstm_is_studied() -> None:
    network = build(Architecture(cell="gru", units=(6,)), inputs=3, horizons=2, sensors=2, seed=1)
    with pytest.raises(ValueError, match=r"network\.cell: must be lstm"):
        _Step(network, {})


def test_more_bits_lose_less(chaotic: Trial) -> None:
    found = losses(chaotic.prepared, chaotic.taught)
    assert found is not None
    assert set(found) == set(VARIANTS)
    assert all(loss > 0.0 for loss in found.values())
    assert found[MODE_INT8] < found["all products, c too"]
    assert found["weights, all else in 16 bits"] < found["all products: weights, x, h, products, head"]


def test_of_no_correction_nothing_is_lost(chaotic: Trial) -> None:
    size = len(chaotic.prepared.sensors), len(chaotic.prepared.horizons), chaotic.taught.network.inputs
    network = build(Architecture(units=(6,)), sensors=size[0], horizons=size[1], inputs=size[2], seed=1)
    assert losses(chaotic.prepared, replace(chaotic.taught, network=network)) is None


def test_a_grid_of_many_bits_changes_next_to_nothing() -> None:
    values = np.random.default_rng(1).uniform(-1.0, 3.0, 100)
    assert np.abs(to_grid(values, -1.0, 3.0, 16) - values).max() <= 4.0 / 65535 / 2 + 1e-12
    assert np.abs(to_grid(values, -1.0, 3.0, 8) - values).max() <= 4.0 / 255 / 2 + 1e-12
    assert to_grid(np.zeros(3), 0.0, 0.0, 8).tolist() == [0.0, 0.0, 0.0]


def test_the_command_prints_a_column_for_each_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forecast").mkdir()
    write_table(tmp_path / "forecast" / "chaos.csv.gz", recording_of(chaos(400)))
    quick = replace(recipe.default(), training=Training(updates=20, subsequence=32, burn_in=8, stride=8))
    monkeypatch.setattr(recipe, "default", lambda: quick)
    assert cli.main(["study", "int8", "--data", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| in 8 bits | forecast/chaos |"
    assert len(lines) == 2 + len(VARIANTS)
    assert cli.main(["study", "int8", "--data", str(tmp_path), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["forecast/chaos"]) == set(VARIANTS)
