"""Hold the daily profile to what it says of an hour, on days that are drawn at random from a fixed seed."""

import numpy as np
import pytest

from edge.clock import DAY
from edge.daily import HOUR, LEAST_DAYS, DailyProfile
from edge.tail import student

SENSORS = 2
ROW = np.zeros(1, dtype=np.intp)
HEARD = np.ones((1, SENSORS), np.bool_)
START = 40 * 365.25 * DAY // DAY * DAY  # midnight
STEP = HOUR / 4


def profile(streams: int = 1, period: float = STEP) -> DailyProfile:
    """Return a profile with room for some streams."""
    made = DailyProfile(period, SENSORS)
    made.admit(streams)
    return made


def days(count: int, seed: int) -> np.ndarray:
    """Return levels, (steps, sensors): a day that is the same but for noise."""
    rising = np.sin(2.0 * np.pi * np.arange(count * 96) / 96)[:, None] * np.ones(SENSORS)
    return rising + 0.1 * np.random.default_rng(seed).standard_normal((count * 96, SENSORS))


def hear(made: DailyProfile, level: np.ndarray, first: int = 0, *, flagged: bool = False) -> np.ndarray:
    """Send consecutive samples and return what was said of each, (steps, sensors)."""
    said = []
    for step, one in enumerate(level):
        said.append(made.advance(ROW, np.array([START + (first + step) * STEP]), one[None], HEARD)[0])
        if flagged:
            made.flagged(ROW)
    return np.array(said)


def test_nothing_is_said_before_an_hour_was_heard_on_three_days() -> None:
    said = hear(profile(), days(5, seed=1))
    known = int(LEAST_DAYS) * 96 + 4
    assert (said[:known] == 0.0).all()
    assert (said[known:] > 0.0).all()


def test_an_hour_like_those_before_is_not_surprising_and_a_night_at_noon_is() -> None:
    made = profile()
    calm = hear(made, days(8, seed=2))
    night = days(1, seed=3)
    night[:48] = night[48:]
    said = hear(made, night, first=8 * 96)
    assert np.median(calm[4 * 96 :]) < 1.5
    assert said[24:32].min() > 8.0


def test_the_surprise_of_the_last_hour_holds_until_the_next_has_ended() -> None:
    made = profile()
    hear(made, days(5, seed=4))
    said = hear(made, days(1, seed=5), first=5 * 96)
    assert all(len(np.unique(said[start : start + 4, 0])) == 1 for start in range(0, 96, 4))


def test_hours_that_are_drawn_alike_surprise_as_often_as_the_law_says() -> None:
    streams, count = 200, 12
    made, rows = profile(streams), np.arange(streams)
    drawn = np.random.default_rng(6).standard_normal((count * 24, streams, SENSORS))
    said = []
    for hour, one in enumerate(drawn):
        for quarter in range(4):
            times = np.full(streams, START + hour * HOUR + quarter * STEP)
            told = made.advance(rows, times, one, np.ones((streams, SENSORS), np.bool_))
        said.append(told)
    found = np.array(said)[5 * 24 + 1 :]
    for rarity in (2.0, 4.0):
        share = (found > rarity).mean()
        assert 0.15 * np.exp(-rarity) < share < 1.2 * np.exp(-rarity)  # freedom is bounded: rather too rare


def test_an_hour_with_a_flagged_sample_is_judged_and_not_learned() -> None:
    learned, not_learned = profile(), profile()
    for made in (learned, not_learned):
        hear(made, days(6, seed=7))
    strange = days(3, seed=8) + 1.0
    hear(learned, strange, first=6 * 96)
    hear(not_learned, strange, first=6 * 96, flagged=True)
    after = days(1, seed=9) + 1.0
    assert hear(not_learned, after, first=9 * 96)[8:].min() > hear(learned, after, first=9 * 96)[8:].max()


def test_an_hour_that_was_heard_for_less_than_half_says_nothing() -> None:
    made = profile()
    hear(made, days(6, seed=10))
    for quarter in range(4):
        heard = HEARD if quarter == 0 else ~HEARD
        made.advance(ROW, np.array([START + 6 * DAY + quarter * STEP]), np.full((1, 2), 9.0), heard)
    assert made.advance(ROW, np.array([START + 6 * DAY + HOUR]), np.zeros((1, 2)), HEARD).tolist() == [[0.0, 0.0]]


def test_forgetting_drops_the_hour_under_way_and_keeps_the_days() -> None:
    made = profile()
    hear(made, days(6, seed=11))
    made.forget(ROW)
    assert hear(made, days(1, seed=12)[:4], first=6 * 96).tolist() == [[0.0] * SENSORS] * 4
    assert (hear(made, days(1, seed=13)[4:8], first=6 * 96 + 4) > 0.0).all()


def test_steps_of_more_than_an_hour_have_no_hours() -> None:
    made = profile(period=2.0 * HOUR)
    for step in range(60):
        said = made.advance(ROW, np.array([START + step * 2.0 * HOUR]), np.full((1, 2), float(step)), HEARD)
        assert said.tolist() == [[0.0, 0.0]]


def test_what_is_said_of_a_stream_does_not_depend_on_the_others() -> None:
    both, alone = profile(2), profile()
    mine, other = days(5, seed=14), days(5, seed=15)
    for step, (one, two) in enumerate(zip(mine, other, strict=True)):
        times = np.array([START + step * STEP, START + (step + 7) * STEP])
        together = both.advance(np.arange(2), times, np.stack((one, two)), np.repeat(HEARD, 2, axis=0))
        single = alone.advance(ROW, times[:1], one[None], HEARD)
        assert together[0].tobytes() == single[0].tobytes()


def test_the_surprise_is_students() -> None:
    # two-sided probabilities of 2.447 and 5.959 at 6 degrees of freedom: 0.05 and 0.001
    said = student(np.array([2.447, 5.959]), np.array([6.0, 6.0]))
    assert said == pytest.approx(-np.log([0.05, 0.001]), abs=0.1)
