"""Hold what is due against plain lists."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.due import MOST, Due, pace

KINDS, SENSORS = 3, 2
MOST_STREAMS = 4


@dataclass
class Lists:
    """The reference: all that was said of each stream since it was forgotten, step by step."""

    horizons: list[int]
    said: list[list[np.ndarray]] = field(default_factory=list)

    def due(self, row: int) -> np.ndarray:
        absent = np.full((KINDS, SENSORS), np.nan)
        kept = self.said[row]
        return np.stack([
            kept[-horizon][:, place] if len(kept) >= horizon and len(kept) % pace(horizon) == 0 else absent
            for place, horizon in enumerate(self.horizons)
        ], axis=1)  # fmt: skip


def rows_of(*rows: int) -> np.ndarray:
    return np.array(rows, dtype=np.intp)


def numbered(first: int, wave: int, horizons: int) -> np.ndarray:
    """Return what may be said of a wave, every number another one."""
    shape = (wave, KINDS, horizons, SENSORS)
    return (first + np.arange(np.prod(shape))).reshape(shape).astype(np.float32)


def take(due: Due, rows: np.ndarray) -> np.ndarray:
    return due.take(rows, due.places(rows)).swapaxes(0, 1)


def put(due: Due, rows: np.ndarray, said: np.ndarray) -> None:
    due.put(rows, due.places(rows), np.ascontiguousarray(said.swapaxes(0, 1)))


@given(st.data(), st.lists(st.integers(1, 16), min_size=1, max_size=3, unique=True).map(sorted))
def test_what_is_due_is_what_was_said_the_horizons_number_of_steps_ago(
    data: st.DataObject, horizons: list[int]
) -> None:
    due, lists = Due(horizons, KINDS, SENSORS), Lists(horizons)
    number = 0
    for _ in range(data.draw(st.integers(1, 40))):
        streams = len(lists.said)
        what = data.draw(st.sampled_from(["step", "step", "step", "step", "forget", "admit"]))
        if streams == 0 or (what == "admit" and streams < MOST_STREAMS):
            lists.said.append([])
            due.admit(streams + 1)
            continue
        chosen = rows_of(*data.draw(st.lists(st.integers(0, streams - 1), unique=True, min_size=1)))
        if what == "forget":
            due.forget(chosen)
            for row in chosen:
                lists.said[row] = []
            continue
        expected = np.stack([lists.due(row) for row in chosen])
        assert np.array_equal(take(due, chosen), expected, equal_nan=True)
        said = numbered(number, len(chosen), len(horizons))
        number += said.size
        put(due, chosen, said)
        for row, one in zip(chosen, said, strict=True):
            lists.said[row].append(one)
    everyone = rows_of(*range(len(lists.said)))
    assert np.array_equal(take(due, everyone), np.stack([lists.due(row) for row in everyone]), equal_nan=True)


@given(st.integers(1, 5000))
def test_what_waits_is_evenly_spaced_and_never_much(horizon: int) -> None:
    assert horizon % pace(horizon) == 0
    assert horizon // pace(horizon) <= MOST
    assert all(pace(short) == 1 for short in range(1, MOST + 1))


def test_each_horizon_is_due_when_its_steps_are_over() -> None:
    # step          0  1  2  3  4
    # horizon 1        0  1  2  3     what was said at
    # horizon 3                 0  1
    due = Due((1, 3), 1, 1)
    due.admit(1)
    taken = []
    for step in range(5):
        taken.append(take(due, rows_of(0))[0, 0, :, 0].tolist())
        put(due, rows_of(0), np.full((1, 1, 2, 1), float(step), np.float32))
    assert np.array_equal(taken, [[np.nan] * 2, [0, np.nan], [1, np.nan], [2, 0], [3, 1]], equal_nan=True)


def test_looking_twice_changes_nothing_and_what_is_taken_is_a_copy() -> None:
    due = Due((1, 2), KINDS, SENSORS)
    due.admit(1)
    put(due, rows_of(0), numbered(0, 1, 2))
    before = take(due, rows_of(0))
    take(due, rows_of(0))[:] = 99.0
    assert np.array_equal(take(due, rows_of(0)), before, equal_nan=True)


def test_nothing_is_due_of_a_stream_that_was_forgotten_until_its_own_steps_are_over() -> None:
    due = Due((1, 3), KINDS, SENSORS)
    due.admit(2)
    for step in range(5):
        put(due, rows_of(0, 1), numbered(100 * step, 2, 2))
    other = take(due, rows_of(1))
    due.forget(rows_of(0))
    assert np.isnan(take(due, rows_of(0))).all()
    assert np.array_equal(take(due, rows_of(1)), other)
    put(due, rows_of(0), numbered(7, 1, 2))
    assert np.array_equal(take(due, rows_of(0))[0, :, 0], numbered(7, 1, 2)[0, :, 0])
    assert np.isnan(take(due, rows_of(0))[0, :, 1]).all()


def test_streams_admitted_later_have_nothing_due_and_leave_the_others_alone() -> None:
    due = Due((2,), KINDS, SENSORS)
    due.admit(1)
    put(due, rows_of(0), numbered(0, 1, 1))
    put(due, rows_of(0), numbered(50, 1, 1))
    due.admit(50)
    assert np.array_equal(take(due, rows_of(0)), numbered(0, 1, 1))
    assert np.isnan(take(due, rows_of(1, 49))).all()
