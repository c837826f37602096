"""Hold what is a value, what is a time, and for what reason anything else is refused."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReadingError
from edge.reading import REASONS, parse_time, parse_value

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def deep(levels: int) -> list[object]:
    """Nest a list deeper than `repr` can go."""
    nested: list[object] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def reason_of_value(value: object) -> str:
    with pytest.raises(ReadingError) as refused:
        parse_value(value)
    return refused.value.reason


def reason_of_time(value: object) -> str:
    with pytest.raises(ReadingError) as refused:
        parse_time(value)
    return refused.value.reason


@pytest.mark.parametrize(
    ("received", "value"),
    [
        (21.5, 21.5),
        (0, 0.0),
        (-0.0, 0.0),
        (7, 7.0),
        ("21.5", 21.5),
        (" -3e2\r\n", -300.0),
        ("+.5", 0.5),
        ("0", 0.0),
        (2**63, 9.223372036854775808e18),
    ],
)
def test_numbers_are_values_as_numbers_and_as_text(received: object, value: float) -> None:
    assert parse_value(received) == value
    assert isinstance(parse_value(received), float)


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (None, "null"),
        ("", "null"),
        ("  ", "null"),
        ("null", "null"),
        ("unavailable", "unavailable"),
        ("Unknown", "unavailable"),
        ("None", "unavailable"),
        (" OFFLINE ", "unavailable"),
        (math.nan, "not_finite"),
        (-math.inf, "not_finite"),
        ("nan", "not_finite"),
        ("Infinity", "not_finite"),
        ("-inf", "not_finite"),
        ("1e999", "not_finite"),
        (10**400, "not_finite"),
        (True, "wrong_type"),
        (False, "wrong_type"),
        ([21.5], "wrong_type"),
        ({"value": 21.5}, "wrong_type"),
        (deep(100_000), "wrong_type"),
        ("21,5", "not_a_number"),
        ("1_000", "not_a_number"),
        ("21.5 °C", "not_a_number"),
        ("٢١", "not_a_number"),
        ("0x1A", "not_a_number"),
        ("on", "not_a_number"),
        ("x" * 10_000_000, "not_a_number"),
        ("9" * 10_000_000, "not_finite"),
    ],
    ids=lambda given: repr(given)[:20] if isinstance(given, str | float | bool) else type(given).__name__,
)
def test_everything_else_is_refused_with_its_reason(received: object, reason: str) -> None:
    assert reason_of_value(received) == reason


def test_what_was_received_is_quoted_and_cut() -> None:
    with pytest.raises(ReadingError) as refused:
        parse_value("x" * 10_000_000)
    assert refused.value.detail.startswith("'xxx")
    assert len(str(refused.value)) < 110


@pytest.mark.parametrize(
    "received",
    [
        "2017-02-16T10:13:52",
        "2017-02-16 10:13:52",
        "2017-02-16T10:13:52Z",
        "2017-02-16T11:13:52+01:00",
        " 2017-02-16T05:13:52.000-05:00\n",
        "20170216T101352Z",
        1487240032,
        1487240032.0,
        "1487240032",
        1487240032000,
        "1487240032000",
        1487240032000000,
        1487240032000000000,
        "1.487240032e9",
    ],
)
def test_one_instant_has_many_spellings(received: object) -> None:
    assert parse_time(received) == datetime(2017, 2, 16, 10, 13, 52, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("received", "time"),
    [
        (0, 0.0),
        ("1970-01-01", 0.0),
        ("2017-02-16", 1487203200.0),
        (99_999_999_999, 99_999_999_999.0),  # the last second that is one, in the year 5138
        (100_000_000_000, 100_000_000.0),  # the first millisecond, in 1973
        ("9999-12-31T23:59:59Z", 253402300799.0),  # the far future is for the grid to judge
    ],
)
def test_the_edges_of_time(received: object, time: float) -> None:
    assert parse_time(received) == time


@pytest.mark.parametrize(
    "received",
    [
        None,
        True,
        -1,
        -0.001,
        math.nan,
        math.inf,
        1e20,
        10**400,
        "",
        "null",
        "nan",
        "now",
        "-5",
        "unknown",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59x",
        "2017-02-30T00:00:00",
        "16.02.2017 10:13",
        "\ud800",
        [1487240032],
        {"t": 0},
        deep(100_000),
    ],
    ids=lambda given: repr(given)[:20] if isinstance(given, str | float | bool) else type(given).__name__,
)
def test_what_is_no_time_is_refused_as_one(received: object) -> None:
    assert reason_of_time(received) == "time"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_being_written_as_text(number: float) -> None:
    assert parse_value(repr(number)) == number


@given(
    st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(9999, 12, 29)),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_a_time_survives_being_written_in_any_zone(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert parse_time(aware.isoformat()) == aware.timestamp()


@given(JSON_LIKE)
def test_any_value_is_a_finite_number_or_refused_for_a_known_reason(received: object) -> None:
    try:
        assert math.isfinite(parse_value(received))
    except ReadingError as refused:
        assert refused.reason in REASONS


@given(JSON_LIKE)
def test_any_time_is_a_time_from_1970_on_or_refused(received: object) -> None:
    try:
        assert 0.0 <= parse_time(received) < math.inf
    except ReadingError as refused:
        assert refused.reason == "time"
