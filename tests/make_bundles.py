"""Make the small real bundles that the device's tests run: `python -m tests.make_bundles FOLDER`.

Every cell and every quantisation, fitted in seconds to a few hundred rows of two motes. Beside each bundle lies what
the main runtime said of a fixed recording, so that the second runtime's answers can be compared with it.
"""

import hashlib
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from edge import bundle
from edge.recording import Recording, read_csv
from edge.replay import Replay

ROOT = Path(__file__).parent.parent
MOTES = tuple(ROOT / "data" / "wsn" / f"singlehop_indoor_moteid{mote}.csv.gz" for mote in (1, 2))
Cell = Literal["lstm", "gru", "rnn", "none"]
Mode = Literal["dynamic", "float32", "float16", "int8"]
TAUGHT_ROWS = 420
REPLAYED_ROWS = 900
STAMP = "stamp.json"
FAILED = 1e6  # squared spreads: the loss of an expert that is never asked
QUANTISED: tuple[Mode, ...] = ("dynamic", "float32", "float16", "int8")
# What is taught, and the quantisations that it is converted to.
TAUGHT: Mapping[str, tuple[Cell, tuple[int, ...], tuple[Mode, ...]]] = {
    "lstm": ("lstm", (40,), QUANTISED),
    "gru": ("gru", (40,), ("dynamic",)),
    "rnn": ("rnn", (40,), ("dynamic",)),
    "stack": ("lstm", (40, 24), ("dynamic",)),
    "memoryless": ("none", (), ("dynamic",)),
}
NAMES = tuple(f"{name}-{mode}" for name, (_, _, modes) in TAUGHT.items() for mode in modes)


def fixed_recording() -> Recording:
    """Return the recording that is replayed beside every bundle: it begins before the taught rows end."""
    return read_csv(MOTES[0], rows=REPLAYED_ROWS)


def fresh(folder: Path) -> bool:
    """Tell whether the bundles were made by the sources of today."""
    try:
        made_from: Mapping[str, str] = json.loads((folder / STAMP).read_text())
    except FileNotFoundError:
        return False
    return all(digest == _digest(ROOT / name) for name, digest in made_from.items())


def make(folder: Path) -> None:
    """Fit, convert and replay every bundle; the stamp is written last."""
    from edge.bundle import write_atomically
    from edge.experts import EXPERTS
    from training.fit import ParityError, serve
    from training.pack import pack
    from training.prepare import prepare
    from training.recipe import Architecture, Data, Quantisation, Recipe, Training
    from training.series import read
    from training.teach import teach

    recordings = read(MOTES, rows=TAUGHT_ROWS, until=None)
    data = Data(window=16, lags=8, horizons=(1, 3), max_gap=4)
    for name, (cell, units, modes) in TAUGHT.items():
        network = Architecture(cell=cell, units=units, dense=(6,))
        recipe = Recipe(
            data=data, network=network, training=Training(updates=30, learning_rate=0.003, subsequence=48, burn_in=16)
        )
        prepared = prepare(recordings, recipe)
        taught = teach(prepared, recipe, _say)
        # Few updates do not earn the correction much of a place; the runtimes are to be compared with all of it, so it
        # counts whole, and a stream begins with nothing but the network.
        taught = replace(taught, correction_weight=np.ones_like(taught.correction_weight))
        for mode in modes:
            path = folder / f"{name}-{mode}.bundle"
            converted = replace(recipe, name=path.stem, quantisation=Quantisation(mode=mode, parity=0.2))
            try:
                fitted = serve(prepared, taught, converted, _say)
                others = np.array([expert != "network" for expert in EXPERTS])
                experience = fitted.learned.experience
                experience = replace(experience, loss=experience.loss + FAILED * others[:, None, None])
                fitted = replace(fitted, learned=replace(fitted.learned, experience=experience))
                pack(path, fitted, prepared, converted, version=1)
            except ParityError as refused:
                _say(f"{path.name}: {refused}")
                continue
            write_atomically(path.with_suffix(".expected.npz"), _replayed(path))
    write_atomically(folder / STAMP, json.dumps(_stamp(), indent=1).encode())


def _replayed(path: Path) -> bytes:
    loaded = bundle.load(path)
    said = Replay(loaded.manifest.learned(), loaded.model, loaded.model.units).run(fixed_recording())
    packed = io.BytesIO()
    np.savez(packed, expected=said.expected, lower=said.lower, upper=said.upper, score=said.score)
    return packed.getvalue()


def _stamp() -> dict[str, str]:
    """Hash every source and every file of data that the bundles were made from."""
    loaded = {Path(file) for module in sys.modules.values() if (file := getattr(module, "__file__", None))}
    ours = {path.resolve() for path in loaded if path.resolve().is_relative_to(ROOT)} | set(MOTES)
    names = sorted(str(path.relative_to(ROOT)) for path in ours if path.relative_to(ROOT).parts[0] in _OURS)
    return {name: _digest(ROOT / name) for name in names}


_OURS = ("edge", "training", "tests", "data")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
