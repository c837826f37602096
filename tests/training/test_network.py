"""Hold the network to its floor, its memory, its seed and its masks."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from training import network as module
from training.learn import History, Sequences, base_widths, fit
from training.network import Floats, Network, build, correct
from training.recipe import Architecture, Training
from training.tensorflow_quietly import silenced

INPUTS, HORIZONS, SENSORS = 4, 2, 3
QUICK = Training(updates=60, epochs=1000, learning_rate=0.02, batch=16, subsequence=32, burn_in=8)
CELLS = [
    Architecture(cell="lstm", units=(8,)),
    Architecture(cell="gru", units=(8,)),
    Architecture(cell="rnn", units=(8,)),
    Architecture(cell="lstm", units=(8, 6), dense=(5,), recurrent_dropout=0.2),
    Architecture(cell="none", units=(), dense=(6,)),
]


def made(architecture: Architecture, seed: int = 1) -> Network:
    return build(architecture, inputs=INPUTS, horizons=HORIZONS, sensors=SENSORS, seed=seed)


def trained(data: Sequences, recipe: Training = QUICK, seed: int = 1, **changes: object) -> tuple[Network, History]:
    network = made(Architecture(units=(8,), **changes), seed)
    return network, fit(network, data, data, recipe, interval=0.9, seed=seed)


def echoes(count: int = 32, steps: int = 32, seed: int = 0) -> Sequences:
    """Draw targets that only a memory can know: the first input of two steps ago, and skewed noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, steps, INPUTS)).astype(np.float32)
    target = np.zeros((count, steps, HORIZONS, SENSORS), np.float32)
    target[:, 2:] = x[:, :-2, :1, None]
    target += random.exponential(0.1, target.shape).astype(np.float32)
    weight = np.ones_like(target)
    weight[:, :8] = 0.0
    return Sequences(x, target, weight)


def values(network: Network) -> list[Floats]:
    return [variable.numpy() for variable in network.weights]


def same(left: Network, right: Network) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(values(left), values(right), strict=True))


@pytest.mark.parametrize("architecture", CELLS, ids=lambda architecture: architecture.cell)
def test_an_untrained_network_corrects_nothing_and_gives_the_base_widths(architecture: Architecture) -> None:
    said = correct(made(architecture), echoes(2).x)
    assert said.shape == (2, 32, 3, HORIZONS, SENSORS)
    assert np.all(said[:, :, 0] == 0.0)
    np.testing.assert_allclose(said[:, :, 1:], 1.0, rtol=1e-6)


def test_one_seed_gives_one_network_and_another_seed_another() -> None:
    architecture = Architecture(units=(8,))
    assert same(made(architecture, seed=1), made(architecture, seed=1))
    assert not same(made(architecture, seed=1), made(architecture, seed=2))


def test_the_same_seed_gives_bit_identical_weights_after_a_fit_with_both_dropouts() -> None:
    recipe = replace(QUICK, updates=20)
    first, second, other = (
        trained(echoes(), recipe, seed, dropout=0.2, recurrent_dropout=0.1)[0] for seed in (1, 1, 2)
    )
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_cell_learns_what_only_a_memory_can_know(cell: str) -> None:
    network = made(Architecture(cell=cell, units=(12,), dropout=0.0))
    history = fit(network, echoes(), echoes(seed=1), replace(QUICK, updates=150), interval=0.9, seed=1)
    held = echoes(seed=2)
    missed = (held.target - correct(network, held.x)[:, :, 0])[:, 8:]
    assert history.losses[history.best] < 0.5 * history.losses[0]
    assert np.mean(missed**2) < 0.4 * np.mean(held.target[:, 8:] ** 2)


def test_without_memory_an_echo_cannot_be_known() -> None:
    network = made(Architecture(cell="none", units=(), dense=(8,)))
    fit(network, echoes(), echoes(seed=1), QUICK, interval=0.9, seed=1)
    held = echoes(seed=2)
    missed = (held.target - correct(network, held.x)[:, :, 0])[:, 8:]
    assert np.mean(missed**2) > 0.9 * np.var(held.target[:, 8:])


def test_the_widths_learn_where_the_noise_is() -> None:
    # The first input says how much noise comes: a width that ignores it covers too little or too much.
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 32, INPUTS)).astype(np.float32)
    loud = np.where(x[:, :, :1, None] > 0, 1.0, 0.1)
    target = (loud * random.normal(size=(64, 32, HORIZONS, SENSORS))).astype(np.float32)
    data = Sequences(x, target, np.ones_like(target))
    network, _ = trained(data, replace(QUICK, updates=200), dropout=0.0)
    said, base = correct(network, x), base_widths(data, 0.9)
    inside = (target > said[:, :, 0] - base[0] * said[:, :, 1]) & (target < said[:, :, 0] + base[1] * said[:, :, 2])
    for part in (loud == 1.0, loud == 0.1):
        assert 0.84 < inside[np.broadcast_to(part, inside.shape)].mean() < 0.96


def test_what_has_no_weight_teaches_nothing() -> None:
    data = echoes()
    wrong = replace(data, target=np.where(data.weight > 0, data.target, np.float32(1e3)))
    assert same(trained(data)[0], trained(wrong)[0])


def test_the_stop_part_chooses_the_weights_and_may_choose_the_untrained_ones() -> None:
    data = echoes()
    opposite = replace(data, target=-data.target)
    network = made(Architecture(units=(8,)))
    history = fit(network, data, opposite, replace(QUICK, patience=4), interval=0.9, seed=1)
    assert history.best == 0
    assert len(history.losses) == 5
    assert np.all(correct(network, data.x)[:, :, 0] == 0.0)


def test_a_fit_or_stop_part_without_any_truth_leaves_the_network_untrained() -> None:
    data = echoes(4)
    nothing = replace(data, weight=np.zeros_like(data.weight))
    for fitted, stop in ((nothing, data), (data, nothing)):
        network = made(Architecture(units=(8,)))
        fit(network, fitted, stop, replace(QUICK, updates=4), interval=0.9, seed=1)
        assert np.all(correct(network, data.x)[:, :, 0] == 0.0)


def test_the_budget_counts_updates_or_passes_whichever_end_first() -> None:
    data = echoes(32)  # two batches of 16
    assert trained(data, replace(QUICK, updates=7, patience=99))[1].updates == 7
    assert trained(data, replace(QUICK, epochs=3, patience=99))[1].updates == 6
    untrained = trained(data, replace(QUICK, updates=0))[1]
    assert (untrained.best, untrained.updates, len(untrained.losses)) == (0, 0, 1)


# An optimiser meets a loss in nothing but the gradient, so each is tried once with the other's first.
@pytest.mark.parametrize(
    ("optimiser", "loss"),
    [("adam", "mse"), ("adamw", "mse"), ("sgd", "mse"), ("rmsprop", "mse"), ("adam", "huber"), ("adam", "mae")],
)
def test_every_optimiser_and_every_loss_lowers_the_loss(optimiser: str, loss: str) -> None:
    recipe = replace(QUICK, optimiser=optimiser, loss=loss, updates=20)
    history = trained(echoes(16), recipe)[1]
    assert history.losses[history.best] < history.losses[0]


def test_a_sequence_may_be_run_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    network, _ = trained(echoes(), replace(QUICK, updates=10))
    x = echoes(3, 50).x
    whole = correct(network, x)
    monkeypatch.setattr(module, "CHUNK", 7)
    np.testing.assert_allclose(correct(network, x), whole, atol=1e-6)


def test_base_widths_are_the_quantiles_of_what_counts() -> None:
    target = np.zeros((1, 101, 1, 3), np.float32)
    target[0, :, 0, 0] = np.linspace(-1.0, 3.0, 101)
    weight = np.ones_like(target)
    target[0, :50, 0, 0] = 99.0  # does not count
    weight[0, :50] = 0.0
    weight[0, :, 0, 2] = 0.0  # never known
    widths = base_widths(Sequences(np.zeros((1, 101, 1), np.float32), target, weight), 0.9)
    assert widths.shape == (2, 1, 3)
    np.testing.assert_allclose(widths[:, 0, 0], (0.01, 2.9), rtol=1e-5)  # all of it lies above zero
    np.testing.assert_allclose(widths[:, 0, 1], 0.01)  # it never moved
    np.testing.assert_allclose(widths[:, 0, 2], 1.0)


def test_what_is_silenced_is_heard_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), silenced():
        print("of no use", file=sys.__stderr__, flush=True)
        _ = 1 / 0
    print("of use", file=sys.__stderr__, flush=True)
    assert capfd.readouterr().err == "of use\n"


def test_tensorflow_is_imported_without_a_word() -> None:
    command = [sys.executable, "-c", "import training.network"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert (finished.stdout, finished.stderr) == ("", "")
