"""Hold the stop split to itself: what ends the training and weighs the parts is no sample of the fit split."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.conftest import chaos, recording_of
from training.prepare import prepare
from training.recipe import Recipe
from training.teach import _shortened, _watched
from training.windows import part


@pytest.mark.parametrize("rows", [200, 400, 1000, 4000])
def test_the_stop_split_is_watched_once_and_nothing_else_is(rows: int) -> None:
    prepared = prepare([recording_of(chaos(rows))], Recipe())
    [steps], [cuts], horizons = prepared.steps, prepared.cuts, prepared.horizons
    fit, stop = part(steps, 0, cuts.fit, horizons), part(steps, cuts.fit, cuts.stop, horizons)
    training = _shortened(Recipe().training, len(fit))
    lead = training.burn_in
    watched = _watched(
        [part(steps, cuts.fit - lead, cuts.stop, horizons)],
        np.ones((len(horizons), 2)),
        replace(training, stride=training.subsequence - lead),
    )
    assert watched.weight.sum() == stop.known.sum()
