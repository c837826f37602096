"""The recurrent state over 100,000 carried steps, against the whole window run anew."""

from collections.abc import Callable

import numpy as np
import pytest

from edge.bundle import Bundle
from edge.clock import phases
from edge.cohort import PARTS
from edge.recording import read_csv
from edge.runtime import Model, WindowModel
from edge.scale import lay_out
from edge.window import Past, follow, pull
from tests.make_bundles import MOTES

STEPS = 100_000
WINDOW = 60  # steps of the default window
SAMPLED = 400
BOUND = 0.05  # RMS difference in residual spreads

Floats = np.ndarray


def there_and_back(rows: Floats) -> Floats:
    """Repeat a recording forwards and backwards to `STEPS` rows: real changes, and no jump where it turns."""
    round_trip = np.concatenate((rows, rows[::-1]))
    return np.tile(round_trip, (STEPS // len(round_trip) + 1, 1))[:STEPS]


def inputs_of(loaded: Bundle) -> tuple[Floats, Floats, Floats]:
    """Return x and lags of every step, and the values in sensor units, for a recording that nothing was fitted to."""
    learned = loaded.manifest.learned()
    values = there_and_back(read_csv(MOTES[1]).values)
    times = 1e9 + learned.period * np.arange(STEPS)
    scaled = learned.scaling.scale(values)
    before = np.concatenate((scaled[:1], scaled[:-1]))
    ratio = (learned.scaling.spread / learned.scaling.change).astype(np.float32)
    means, weight = np.empty((STEPS, len(learned.means), scaled.shape[1]), np.float32), pull(learned.means)
    now = np.repeat(scaled[:1, None], len(learned.means), axis=1)
    for step in range(STEPS):
        now = follow(now, scaled[step : step + 1], weight)
        means[step] = now[0]
    x = lay_out(scaled, Past(before, means), ratio, np.ones(scaled.shape, np.bool_), phases(times, learned.cycles))
    padded = np.concatenate((np.repeat(scaled[:1], learned.lags - 1, axis=0), scaled))
    lags = np.lib.stride_tricks.sliding_window_view(padded, learned.lags, axis=0).swapaxes(1, 2)
    return x, np.ascontiguousarray(lags.reshape(STEPS, -1)), values


def carry(model: Model, x: Floats, lags: Floats, sampled: Floats) -> tuple[Floats, Floats]:
    """Carry the state through all steps; return the parts at the sampled ones and the largest state of each tenth."""
    state = np.zeros((1, model.units), dtype=np.float32)
    kept = np.empty((len(sampled), model.parts), dtype=np.float32)
    largest = np.zeros(10)
    wanted = dict(zip(sampled.tolist(), range(len(sampled)), strict=True))
    for step in range(STEPS):
        parts, state = model(x[step : step + 1], lags[step : step + 1], state)
        if step in wanted:
            kept[wanted[step]] = parts[0]
            tenth = 10 * step // STEPS
            largest[tenth] = max(largest[tenth], float(np.abs(state).max()))
    return kept, largest


def run_anew(model: Model, x: Floats, lags: Floats, sampled: Floats, steps: int) -> Floats:
    """Return the parts at the sampled steps, each from a window of its own that begins with an empty state."""
    earlier = sampled[:, None] + np.arange(-steps, 0)
    return WindowModel(model, steps)(x[sampled], lags[sampled], x[earlier].reshape(len(sampled), -1))[0]


def rms(values: Floats, axis: int | tuple[int, ...] | None = None) -> Floats:
    return np.sqrt(np.mean(np.square(values), axis=axis))


@pytest.mark.parametrize("name", ["lstm-dynamic", "gru-dynamic", "stack-dynamic"])
def test_the_state_neither_grows_nor_drifts_over_a_hundred_thousand_steps(
    name: str, loaded: Callable[[str], Bundle]
) -> None:
    served = loaded(name)
    learned = served.manifest.learned()
    x, lags, values = inputs_of(served)
    horizons = np.array(learned.horizons)
    sampled = np.linspace(2 * WINDOW, STEPS - 1 - horizons[-1], SAMPLED).astype(np.intp)
    kept, largest = carry(served.model, x, lags, sampled)
    anew, forgetful = (run_anew(served.model, x, lags, sampled, steps) for steps in (WINDOW, 2))
    shape = (SAMPLED, PARTS, len(horizons), len(learned.sensors))
    highway, _, correction, *_ = kept.astype(np.float64).reshape(shape).swapaxes(0, 1)
    differences = (anew.reshape(shape)[:, 2] - correction, forgetful.reshape(shape)[:, 2] - correction)
    moved = learned.scaling.spread * (highway + learned.correction * correction)
    residual = values[sampled[:, None] + horizons] - (values[sampled][:, None, :] + moved)
    in_residuals = learned.correction * differences[0] * learned.scaling.spread / rms(residual, axis=0)
    tenths = rms(in_residuals.reshape(10, -1), axis=1)
    assert rms(in_residuals) <= BOUND
    assert tenths[-1] <= max(1.5 * tenths[0], 0.1 * BOUND)
    # The correction of these small bundles moves the forecast little, so it is also held against itself.
    assert rms(differences[0]) <= 0.05 * rms(correction)
    assert rms(differences[1]) >= 0.05 * rms(correction)  # a state that remembers nothing would not be missed
    assert np.isfinite(largest).all()
    assert largest[-1] <= 1.5 * largest[0]
