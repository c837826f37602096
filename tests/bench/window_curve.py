"""How far the carried state is from a window run anew, for windows of several lengths.

    python tests/bench/window_curve.py build/motes.bundle data/wsn/singlehop_indoor_moteid2.csv.gz

For each length the recording is replayed twice, once with the carried state and once with the whole window run anew
at every step; the difference of the forecasts is given as RMS in units of the residual spread (the RMS of what the
carried forecasts missed), for the worst sensor, at the first horizon and at the worst. The recurrent correction counts
with full weight, whatever it earned and whichever expert is right, for it alone depends on the window.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from edge import bundle
from edge.cohort import Verdicts
from edge.experts import EXPERTS, Experience, inexperienced
from edge.learned import Learned
from edge.recording import Recording, read_csv
from edge.replay import Replay
from edge.runtime import Step, WindowModel

LENGTHS = (5, 10, 20, 30, 60, 72, 120)


def forecasts(
    learned: Learned, step: Step, units: int, recording: Recording
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Replay a recording; return every forecast, (samples, horizons, sensors), and every sample, (samples, sensors)."""
    said: list[Verdicts] = []
    Replay(learned, step, units).run(recording, watch=said.append)
    return np.concatenate([one.forecast for one in said]), np.concatenate([one.values for one in said])


def only_network(learned: Learned) -> Experience:
    """Return the experience of streams in which all experts but the network have always failed."""
    failed = np.array([expert != "network" for expert in EXPERTS], dtype=np.float64)
    known = inexperienced(len(learned.horizons), len(learned.sensors))
    return replace(known, loss=known.loss + failed[:, None, None])


def residual_spread(
    said: NDArray[np.float64], values: NDArray[np.float64], horizons: Sequence[int]
) -> NDArray[np.float64]:
    """Return the RMS of what the forecasts missed, (horizons, sensors)."""
    missed = [values[ahead:] - said[:-ahead, place] for place, ahead in enumerate(horizons)]
    return np.stack([np.sqrt(np.nanmean(one**2, axis=0)) for one in missed])


def main() -> int:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--rows", type=int, default=1500, help="rows to replay (default 1500)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    loaded = bundle.load(options.bundle)
    manifest = loaded.manifest.learned()
    learned = replace(manifest, correction=np.ones_like(manifest.correction), experience=only_network(manifest))
    learned = replace(learned, until=np.inf)  # nothing is learned, so it stays so
    recording = read_csv(options.recording, rows=options.rows)
    carried, values = forecasts(learned, loaded.model, loaded.model.units, recording)
    spread = residual_spread(carried, values, learned.horizons)
    curve = {}
    for length in LENGTHS:
        window = WindowModel(loaded.model, length)
        anew, _ = forecasts(learned, window, window.units, recording)
        start = max(LENGTHS[-1], learned.window)
        apart = np.sqrt(np.nanmean((anew - carried)[start:] ** 2, axis=0)) / spread
        curve[length] = {"first": float(apart[0].max()), "worst": float(apart.max())}
        if not options.json:
            print(
                f"window {length:4d}: {curve[length]['first']:.4f} at horizon 1, {curve[length]['worst']:.4f} at worst"
            )
    if options.json:
        print(orjson.dumps(curve, option=orjson.OPT_NON_STR_KEYS).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
