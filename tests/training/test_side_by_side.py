"""Hold what is replayed side by side to what is replayed alone."""

from pathlib import Path

import numpy as np
import pytest

from edge import bundle
from edge.bundle import Bundle
from edge.replay import Replay
from tests.training.conftest import PERIOD, START, Trial, chaos, recording_of
from training.side_by_side import Piece, histories, inside, lay, replay


@pytest.fixture(scope="module")
def packed(chaotic: Trial, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path: Path = tmp_path_factory.mktemp("side_by_side") / "chaotic.bundle"
    chaotic.pack(path)
    return bundle.load(path)


def piece(name: str, rows: int, *, begin: int = 0) -> Piece:
    times = START + PERIOD * np.arange(begin, begin + rows)
    return Piece(name, times, chaos(begin + rows)[begin:])


def test_rows_are_laid_one_of_each_stream_in_turn() -> None:
    recording = lay([piece("long", 3), piece("short", 1)], ("a", "b"))
    assert recording.stream_names == ("long", "short")
    assert recording.streams.tolist() == [0, 1, 0, 0]
    assert ((recording.times - START) / PERIOD).tolist() == [0, 0, 1, 2]


def test_a_piece_is_judged_as_if_it_were_alone(packed: Bundle) -> None:
    pieces = [piece("one", 90), piece("two", 40, begin=30), piece("three", 120)]
    for mine, heard in zip(pieces, replay(packed, pieces), strict=True):
        line = Replay(packed.manifest.learned(), packed.model, packed.model.units)
        alone = line.run(recording_of(mine.values, start=float(mine.times[0])))
        np.testing.assert_array_equal(heard.score, alone.score)
        assert len(heard.open) == len(mine.times)


def test_events_are_those_of_the_piece_as_they_were_last_told(packed: Bundle) -> None:
    wild, calm = piece("wild", 300, begin=300), piece("calm", 100, begin=300)
    wild.values[200:203] += 500.0
    heard = replay(packed, [calm, wild])
    (event,) = [event for event in heard[1].events if event.peak.score > 1.2]
    assert (event.stream, event.phase) == ("wild", "close")
    assert event.start == wild.times[200]
    assert heard[1].open[200] == event.id
    assert not any(event.stream == "wild" for event in heard[0].events)


def test_histories_say_what_is_newer_calibrated_and_labelled(packed: Bundle) -> None:
    recording = recording_of(chaos(6))
    times = recording.times.tolist()
    (one,) = histories(packed, [recording], times[3], {"one": (times[1], times[3])}, {"one": [(times[5], times[5])]})
    assert np.flatnonzero(one.newer).tolist() == [4, 5]
    assert np.flatnonzero(one.calibrated).tolist() == [1, 2, 3]
    assert np.flatnonzero(one.labelled).tolist() == [5]


def test_no_span_holds_no_time() -> None:
    assert not inside(np.arange(3.0), []).any()
