"""Payloads that are worth little."""

from math import nan

import numpy as np

from edge.quality import Quality


def watched() -> Quality:
    watch = Quality(2)
    watch.admit(2)
    return watch


def test_a_single_bad_payload_is_nobodys_event() -> None:
    watch = watched()
    for step in range(100):
        assert watch.refuse(0, step, [0, 1]) == []
        for _ in range(9):
            assert watch.accept(0, step, [1.0, 2.0]) == []


def test_a_sensor_most_of_whose_payloads_are_bad_is_told_until_they_are_good_again() -> None:
    watch = watched()
    told = [finding for step in range(20) for finding in watch.refuse(0, float(step), [1])]
    assert [(one.sensor, one.kind, one.is_on, one.time) for one in told] == [(1, "quality", True, 5.0)]
    assert told[0].score > 1.0
    over = [finding for step in range(20, 60) for finding in watch.accept(0, float(step), [1.0, 2.0])]
    assert [(one.sensor, one.is_on) for one in over] == [(1, False)]
    assert watch._bad == {}


def test_a_payload_that_does_not_speak_of_a_sensor_says_nothing_of_it() -> None:
    watch = watched()
    for step in range(20):
        watch.refuse(0, float(step), [1])
    assert [found for step in range(99) for found in watch.accept(0, float(step), [1.0, nan])] == []


def test_streams_are_told_apart() -> None:
    watch = watched()
    for step in range(4):
        assert watch.refuse(0, step, [0]) == []
        assert watch.refuse(1, step, [0]) == []


def test_what_comes_more_often_than_the_budget_allows_is_borne_longer() -> None:
    watch = watched()
    watch.streaks.patience.allow(0, np.array([1.0, 1.0]))
    told = []
    for day in range(30):
        for step in range(20):
            told += watch.refuse(0, 86_400.0 * day + step, [1])
        for step in range(20, 60):
            watch.accept(0, 86_400.0 * day + step, [1.0, 2.0])
    assert 3 <= len(told) <= 12
    assert told[0].time == 5.0
    assert [finding.time for finding in watch.refuse(0, 86_400.0 * 365, [1])] == []
    lasting = [found.time for step in range(9) for found in watch.refuse(0, 86_400.0 * 365 + step, [1])]
    assert lasting == [86_400.0 * 365 + 4.0]
