"""Hold point and event metrics to cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.flags import Flags, Tally, event_f, from_events, from_flags, point_f1, tally, total

TIMES = 60.0 * np.arange(40)


def flagged(*rows: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(40), rows)


def judged(flags: Flags, *labels: tuple[int, int], begin: int = 10) -> Tally:
    return tally(flags, TIMES, [(60.0 * first, 60.0 * last) for first, last in labels], begin=begin)


def test_rows_are_counted_behind_the_fitted_ones_only() -> None:
    found = judged(from_flags(flagged(5, 20, 21, 30), calm=1), (20, 23))
    assert (found.hits, found.false_rows, found.missed_rows, found.calm_rows) == (2, 1, 2, 25)
    assert point_f1(found) == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))


def test_an_event_is_found_by_any_flag_in_it_and_its_delay_counts_from_its_start() -> None:
    found = judged(from_flags(flagged(22), calm=1), (20, 23), (30, 31))
    assert (found.labels, found.found, found.delays) == (2, 1, (120.0,))


def test_an_episode_that_begins_before_a_label_and_reaches_into_it_is_not_false() -> None:
    found = judged(from_flags(flagged(18, 19, 20, 28), calm=3), (20, 23))
    assert (found.episodes, found.false_episodes) == (2, 1)


def test_an_episode_ends_with_its_last_flag_and_not_with_the_calm_rows_behind_it() -> None:
    ids = ["" if row < 15 or row > 24 else "a" for row in range(40)]
    found = judged(from_events(flagged(15, 16), ids), (20, 23))
    assert (found.false_episodes, found.found) == (1, 0)


def test_an_event_opens_at_the_first_row_that_shows_its_id() -> None:
    ids = ["" if row < 15 else "a" if row < 20 else "b" for row in range(40)]
    assert from_events(flagged(14, 15, 20), ids).openings().tolist() == [14, 15, 20]


def test_flags_of_no_event_are_episodes_run_by_run() -> None:
    flags = from_events(flagged(12, 13, 20, 30, 31), ["a" if row in (20, 21) else "" for row in range(40)])
    assert flags.openings().tolist() == [12, 20, 30]
    assert judged(flags).false_episodes == 3


def test_flags_are_joined_over_so_many_calm_rows_and_no_more() -> None:
    assert from_flags(flagged(10, 13, 17), calm=3).openings().tolist() == [10, 17]


def test_runs_are_counted_whatever_the_episodes_join() -> None:
    found = judged(from_flags(flagged(12, 14, 16, 17), calm=5))
    assert (found.false_episodes, found.false_runs) == (1, 3)


def test_an_episode_that_began_among_the_fitted_rows_opens_nowhere_but_is_judged() -> None:
    found = judged(from_flags(flagged(8, 9, 10, 11), calm=1), (30, 31))
    assert (found.episodes, found.false_episodes, found.openings.false) == (1, 1, 0.0)


def test_labels_among_the_fitted_rows_count_for_nothing() -> None:
    assert judged(from_flags(flagged(20), calm=1), (2, 5)).labels == 0


def test_normal_time_is_what_no_label_holds() -> None:
    assert judged(from_flags(flagged(), calm=1), (20, 29)).normal_days == pytest.approx(20 * 60.0 / 86_400.0)


def test_f_weighs_precision_more_than_recall() -> None:
    # precision 2 of 3, recall 2 of 4
    found = judged(from_flags(flagged(12, 20, 35), calm=1), (20, 21), (25, 26), (30, 31), (35, 36))
    assert event_f(found, found.false_episodes) == pytest.approx(1.25 * (2 / 3) * 0.5 / (0.25 * 2 / 3 + 0.5))


def test_without_labels_there_is_neither_f1_nor_f05() -> None:
    found = judged(from_flags(flagged(12), calm=1))
    assert (point_f1(found), event_f(found, found.false_episodes)) == (None, None)


def test_recordings_add_up_and_the_worst_is_remembered() -> None:
    one, two = judged(from_flags(flagged(12, 30), calm=1)), judged(from_flags(flagged(20), calm=1), (20, 22))
    both = total([one, two])
    assert (both.files, both.false_episodes, both.worst_episodes, both.found, both.hits) == (2, 2, 2, 1, 1)
    assert both.openings.false == one.openings.false + two.openings.false


@given(st.sets(st.integers(0, 39)), st.integers(10, 39))
def test_one_more_flag_outside_of_labels_never_raises_the_f1(rows: set[int], row: int) -> None:
    if not 20 <= row <= 25:
        before = point_f1(judged(from_flags(flagged(*rows), calm=2), (20, 25)))
        after = point_f1(judged(from_flags(flagged(*rows, row), calm=2), (20, 25)))
        assert before is not None and after is not None and after <= before


@given(st.sets(st.integers(0, 39)), st.integers(0, 5))
def test_every_flag_belongs_to_an_episode_that_opens_at_a_flag(rows: set[int], calm: int) -> None:
    flags = from_flags(flagged(*rows), calm=calm)
    assert (flags.episode[flags.flagged] >= 0).all()
    assert flags.flagged[flags.openings()].all()
