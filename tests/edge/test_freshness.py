"""What a payload only repeats is no measurement."""

from math import isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from edge.freshness import Freshness


def test_the_first_payload_is_all_new() -> None:
    assert Freshness().sift(0, None, (20.5, 41.0)) == ((20.5, 41.0), 0)


def test_what_stands_still_beside_what_moves_is_repeated() -> None:
    fresh = Freshness()
    fresh.sift(0, None, (20.5, 41.0))
    values, repeated = fresh.sift(0, None, (20.5, 42.0))
    assert isnan(values[0])
    assert (values[1], repeated) == (42.0, 1)


def test_a_payload_in_which_nothing_moves_is_the_device_speaking() -> None:
    fresh = Freshness()
    fresh.sift(0, 10.0, (20.5, 41.0))
    assert fresh.sift(0, 20.0, (20.5, 41.0)) == ((20.5, 41.0), 0)


def test_a_payload_with_a_time_that_was_heard_is_nobody_speaking() -> None:
    fresh = Freshness()
    fresh.sift(0, 10.0, (20.5, 41.0))
    values, repeated = fresh.sift(0, 10.0, (20.5, 42.0))
    assert all(map(isnan, values))
    assert repeated == 2


def test_a_value_that_is_left_out_for_once_is_still_known() -> None:
    fresh = Freshness()
    fresh.sift(0, None, (20.5, 41.0))
    fresh.sift(0, None, (nan, 42.0))
    values, repeated = fresh.sift(0, None, (20.5, 43.0))
    assert isnan(values[0])
    assert repeated == 1


def test_streams_are_told_apart() -> None:
    fresh = Freshness()
    fresh.sift(0, None, (20.5, 41.0))
    assert fresh.sift(1, None, (20.5, 42.0)) == ((20.5, 42.0), 0)


@given(st.lists(st.tuples(st.sampled_from((1.0, 2.0, nan)), st.sampled_from((1.0, 2.0, nan))), max_size=20))
def test_a_change_is_always_measured_and_nothing_is_made_up(payloads: list[tuple[float, float]]) -> None:
    fresh, known = Freshness(), [nan, nan]
    for values in payloads:
        kept, repeated = fresh.sift(0, None, values)
        for sensor, (value, said) in enumerate(zip(kept, values, strict=True)):
            assert isnan(value) or value == said
            if not isnan(said) and said != known[sensor]:
                assert value == said
                known[sensor] = said
        assert repeated == sum(isnan(one) and not isnan(said) for one, said in zip(kept, values, strict=True))
