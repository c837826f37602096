"""The operator hears of a clock that stays wrong."""

from edge.doubted import TOLD_AFTER, Doubted, merge, words
from edge.trust import EARLIEST, NO_DOUBT, Doubt

HELD = Doubt(is_trusted=False, waiting=3, dropped=7)


def texts(watched: Doubted, doubt: Doubt, now: float, steady: float) -> list[tuple[str, bool]]:
    return [(notice.text, notice.is_trouble) for notice in watched.look(doubt, now, steady)]


def test_a_clock_that_stays_in_1970_is_told_once_and_that_it_is_over_too() -> None:
    watched = Doubted()
    assert texts(watched, HELD, 5.0, 1000.0) == []
    assert texts(watched, HELD, 124.0, 999.0 + TOLD_AFTER) == []
    told = "clock: must be set, got 1970-01-01T00:02:05Z: no reading has a time until it is; 3 messages wait, 7 dropped"
    assert texts(watched, HELD, 125.0, 1000.0 + TOLD_AFTER) == [(told, True)]
    assert texts(watched, HELD, 126.0, 1001.0 + TOLD_AFTER) == []
    over = "clock: trusted, it says 2026-01-01T00:00:10Z; 7 dropped while it was not"
    trusted = Doubt(is_trusted=True, waiting=0, dropped=7)
    assert texts(watched, trusted, EARLIEST + 10.0, 1002.0 + TOLD_AFTER) == [(over, False)]
    assert texts(watched, trusted, EARLIEST + 11.0, 1003.0 + TOLD_AFTER) == []


def test_a_time_service_that_does_not_set_it_is_told_in_other_words() -> None:
    watched = Doubted()
    watched.look(HELD, EARLIEST, 0.0)
    ((text, is_trouble),) = texts(watched, HELD, EARLIEST + TOLD_AFTER, TOLD_AFTER)
    assert text.startswith("clock: must be set by the time service that runs here") and is_trouble


def test_a_boot_that_takes_a_minute_is_nobodys_business() -> None:
    watched = Doubted()
    assert texts(watched, HELD, 5.0, 0.0) == []
    assert texts(watched, NO_DOUBT, EARLIEST, 60.0) == []
    assert texts(watched, NO_DOUBT, EARLIEST, 1e9) == []


def test_those_who_wait_for_one_clock_are_told_together() -> None:
    assert merge([HELD, NO_DOUBT, HELD]) == Doubt(is_trusted=False, waiting=6, dropped=14)
    assert merge([NO_DOUBT, NO_DOUBT]) == NO_DOUBT


def test_a_plausible_clock_is_not_quoted() -> None:
    assert words(HELD, EARLIEST) == "3 messages wait for the clock to be set"
