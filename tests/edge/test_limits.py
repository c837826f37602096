"""Values that cannot have been measured."""

from math import inf, isnan, nan

import numpy as np

from edge.limits import Limits, physical


def limits(*bounds: tuple[float, float]) -> Limits:
    held = Limits(len(bounds))
    held.admit(2)
    held.want(bounds)
    return held


def test_what_is_beyond_its_limits_is_no_measurement_and_is_told_until_it_is_within_them_again() -> None:
    held = limits((-40.0, 125.0), (0.0, inf))
    kept, news = held.check(0, 10.0, [200.0, 5.0])
    assert isnan(kept[0])
    assert kept[1] == 5.0
    (found,) = news
    assert (found.sensor, found.kind, found.is_on, found.time) == (0, "range", True, 10.0)
    assert (found.lower, found.actual, found.upper) == (-40.0, 200.0, 125.0)
    assert found.score == 1.0 + 75.0 / 165.0
    assert held.check(0, 20.0, [201.0, 5.0])[1] == []
    assert held.check(0, 30.0, [nan, 5.0])[1] == []
    (over,) = held.check(0, 40.0, [125.0, 5.0])[1]
    assert (over.sensor, over.is_on, over.time) == (0, False, 40.0)


def test_values_within_their_limits_pass_untouched() -> None:
    held = limits((-40.0, 125.0), (-inf, inf))
    values = [1.0, nan]
    assert held.check(0, 0.0, values) == (values, [])
    assert held.check(0, 0.0, values)[0] is values


def test_a_stream_without_limits_takes_everything() -> None:
    held = limits((-inf, inf), (-inf, inf))
    assert held.check(0, 0.0, [1e300, -1e300]) == ([1e300, -1e300], [])


def test_streams_are_told_apart() -> None:
    held = limits((0.0, 1.0))
    held.want([(0.0, 10.0)])
    assert len(held.check(0, 0.0, [5.0])[1]) == 1
    assert held.check(1, 0.0, [5.0])[1] == []
    assert held.check(0, 1.0, [7.0])[1] == []


def test_what_no_unit_allows_is_out_of_range_without_being_told() -> None:
    assert physical("°C")[0] == -273.15
    assert physical("") == (-inf, inf)


def test_what_comes_more_often_than_the_budget_allows_is_borne_longer_and_counted() -> None:
    held = limits((0.0, 1.0))
    held.streaks.patience.allow(0, np.array([1.0]))
    told = [
        time
        for time in range(0, 86_400, 60)  # one value in ten is impossible
        if held.check(0, float(time), [9.0 if time % 600 == 0 else 0.5])[1][:1] and time % 600 == 0
    ]
    assert told == [0]
    assert held.refused == 144
    lasting = [found for time in range(90_000, 91_000, 60) for found in held.check(0, float(time), [9.0])[1]]
    assert [(found.is_on, found.time) for found in lasting] == [(True, 90_060.0)]  # the second in a row
    (over,) = held.check(0, 91_000.0, [0.5])[1]
    assert not over.is_on
    (found,) = held.check(0, 30.0 * 86_400.0, [9.0])[1]  # time has paid it back
    assert found.is_on
