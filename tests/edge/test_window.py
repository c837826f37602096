"""Hold the rolling windows against plain lists."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.rows import at
from edge.window import Past, Windows

SENSORS = 2
MEANS = (1.0, 3.0, 24.0)
MOST_STREAMS = 5


@dataclass
class Lists:
    """The reference: all that was pushed to each stream since it was emptied."""

    steps: int
    pushed: list[list[np.ndarray]] = field(default_factory=list)

    def lags(self, row: int, count: int) -> np.ndarray:
        kept = self.pushed[row][-self.steps :]
        return np.concatenate(([kept[0]] * count + kept)[-count:])

    def means(self, row: int) -> list[np.ndarray]:
        """Return the slow means as the textbook writes them: each begins with the oldest sample of all."""
        first, *later = [first.astype(np.float64) for first in self.pushed[row]]
        means = [first for _ in MEANS]
        for sample in later:
            means = [mean + 2.0 / (reach + 1.0) * (sample - mean) for mean, reach in zip(means, MEANS, strict=True)]
        return means


def rows_of(*rows: int) -> np.ndarray:
    return np.array(rows, dtype=np.intp)


def push(windows: Windows, rows: np.ndarray, values: np.ndarray) -> Past:
    return windows.push(rows, values.astype(np.float32))


@given(st.data(), st.integers(1, 6))
def test_windows_are_the_newest_samples_of_each_stream(data: st.DataObject, steps: int) -> None:
    lags = data.draw(st.integers(1, steps))
    windows, lists = Windows(steps, lags, SENSORS, MEANS), Lists(steps)
    number = 0.0
    for _ in range(data.draw(st.integers(1, 40))):
        streams = len(lists.pushed)
        what = data.draw(st.sampled_from(["push", "push", "push", "push", "forget", "admit"]))
        if streams == 0 or (what == "admit" and streams < MOST_STREAMS):
            lists.pushed.append([])
            windows.admit(streams + 1)
            continue
        chosen = rows_of(*data.draw(st.lists(st.integers(0, streams - 1), unique=True, min_size=1)))
        if what == "forget":
            windows.forget(chosen)
            for row in chosen:
                lists.pushed[row] = []
            continue
        values = number + np.arange(len(chosen) * SENSORS, dtype=np.float64).reshape(-1, SENSORS)
        number += values.size
        past = push(windows, chosen, values)
        for row, sample, newest, means in zip(chosen, values, past.before, past.means, strict=True):
            assert newest.tolist() == (lists.pushed[row] or [sample])[-1].tolist()
            lists.pushed[row].append(sample)
            assert np.allclose(means, lists.means(row), rtol=1e-5, atol=1e-3)
    everyone = rows_of(*range(len(lists.pushed)))
    assert windows.filled.tolist() == [min(len(pushed), steps) for pushed in lists.pushed]
    assert windows.full(everyone).tolist() == [len(pushed) >= steps for pushed in lists.pushed]
    heard = rows_of(*[row for row, pushed in enumerate(lists.pushed) if pushed])
    if not len(heard):
        return
    assert windows.lags(heard).tolist() == [lists.lags(row, lags).tolist() for row in heard]
    assert windows.lags(at(heard)).tolist() == windows.lags(heard).tolist()


def test_a_window_is_full_after_as_many_samples_as_it_has_steps() -> None:
    # step   0  1  2  3  4
    # full            ^  ^     (4 steps)
    windows = Windows(4, 4, 1, ())
    windows.admit(1)
    full = []
    for step in range(5):
        push(windows, rows_of(0), np.array([[step]]))
        full.append(bool(windows.full(rows_of(0))[0]))
    assert full == [False, False, False, True, True]


def test_an_unfilled_window_repeats_its_oldest_sample() -> None:
    windows = Windows(4, 4, 1, ())
    windows.admit(1)
    push(windows, rows_of(0), np.array([[7.0]]))
    push(windows, rows_of(0), np.array([[8.0]]))
    assert windows.lags(rows_of(0)).tolist() == [[7.0, 7.0, 7.0, 8.0]]


def test_an_emptied_window_holds_nothing_of_before() -> None:
    windows = Windows(3, 3, 1, ())
    windows.admit(1)
    for step in (1.0, 2.0, 3.0):
        push(windows, rows_of(0), np.array([[step]]))
    windows.forget(rows_of(0))
    assert not windows.full(rows_of(0))[0]
    push(windows, rows_of(0), np.array([[9.0]]))
    assert windows.lags(rows_of(0)).tolist() == [[9.0, 9.0, 9.0]]


def test_streams_admitted_later_leave_the_windows_of_the_others_alone() -> None:
    windows = Windows(3, 3, 1, ())
    windows.admit(2)
    for step in (1.0, 2.0):
        push(windows, rows_of(0, 1), np.array([[step], [10.0 * step]]))
    before = windows.lags(rows_of(0, 1))
    windows.admit(100)
    push(windows, rows_of(99), np.array([[5.0]]))
    assert windows.lags(rows_of(0, 1)).tolist() == before.tolist()


def test_the_first_sample_after_a_window_was_emptied_follows_on_itself() -> None:
    windows = Windows(3, 3, 1, ())
    windows.admit(1)
    assert push(windows, rows_of(0), np.array([[1.0]])).before.tolist() == [[1.0]]
    assert push(windows, rows_of(0), np.array([[2.0]])).before.tolist() == [[1.0]]
    windows.forget(rows_of(0))
    assert push(windows, rows_of(0), np.array([[7.0]])).before.tolist() == [[7.0]]
    assert push(windows, rows_of(0), np.array([[8.0]])).before.tolist() == [[7.0]]


def test_a_slow_mean_begins_with_the_first_sample_and_moves_by_its_share() -> None:
    # A mean over 3 steps takes half of every new sample.
    windows = Windows(2, 2, 1, (3.0,))
    windows.admit(1)
    means = [push(windows, rows_of(0), np.array([[value]])).means.item() for value in (8.0, 8.0, 0.0, 0.0)]
    assert means == [8.0, 8.0, 4.0, 2.0]
    windows.forget(rows_of(0))
    assert push(windows, rows_of(0), np.array([[100.0]])).means.item() == 100.0


def test_a_slow_mean_of_one_step_is_the_newest_sample() -> None:
    windows = Windows(2, 2, 1, (1.0,))
    windows.admit(1)
    assert [push(windows, rows_of(0), np.array([[value]])).means.item() for value in (8.0, -3.0, 5.0)] == [8, -3, 5]


def test_what_is_read_is_a_copy() -> None:
    windows = Windows(3, 2, 1, (3.0,))
    windows.admit(1)
    past = push(windows, rows_of(0), np.array([[1.0]]))
    past.before[:] = 98.0
    past.means[:] = 97.0
    windows.lags(rows_of(0))[:] = 99.0
    assert windows.lags(rows_of(0)).tolist() == [[1.0, 1.0]]
    assert push(windows, rows_of(0), np.array([[1.0]])).means.tolist() == [[[1.0]]]
