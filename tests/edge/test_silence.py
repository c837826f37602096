"""Who fell silent, by each sensor's own cadence."""

import numpy as np

from edge.finding import Finding
from edge.silence import FACTOR, SUPPOSED, Silence

DAY = 86_400.0
nan = float("nan")


def silence(*pauses: float, period: float = 10.0) -> Silence:
    """Return the watch over one stream whose sensors had these pauses in training."""
    watch = Silence(period, np.array(pauses))
    watch.admit(1)
    watch.want(0, [True] * len(pauses))
    watch.patience.allow(0, np.ones(len(pauses)))
    return watch


def hear(watch: Silence, time: float, *heard: bool) -> list[Finding]:
    return watch.hear(slice(0, 1), np.array([time]), np.array([heard]))


def look(watch: Silence, now: float, since: float = 0.0) -> list[Finding]:
    return watch.look(1, now, since)


def test_a_sensor_that_says_nothing_for_longer_than_it_ever_did_is_told_once_since_it_was_last_heard() -> None:
    watch = silence(600.0, 60.0)
    hear(watch, 1000.0, True, True)
    assert look(watch, 1000.0 + FACTOR * 60.0) == []
    (found,) = look(watch, 1000.0 + FACTOR * 60.0 + 1.0)
    assert found == Finding(0, 1, "silence", True, 1000.0, 181.0 / 180.0, 0.0, 181.0, 180.0)
    assert look(watch, 1000.0 + FACTOR * 60.0 + 2.0) == []
    assert [found.sensor for found in look(watch, 1000.0 + FACTOR * 600.0 + 1.0)] == [0]


def test_whoever_speaks_again_is_told_with_the_time() -> None:
    watch = silence(60.0, 60.0)
    hear(watch, 0.0, True, True)
    look(watch, 1000.0)
    (again,) = hear(watch, 1200.0, False, True)
    assert (again.sensor, again.is_on, again.time) == (1, False, 1200.0)
    assert hear(watch, 1210.0, False, True) == []


def test_a_sensor_that_was_never_heard_is_not_silent() -> None:
    watch = silence(60.0)
    assert look(watch, 10 * DAY) == []


def test_while_nobody_listens_there_is_no_silence() -> None:
    watch = silence(60.0)
    hear(watch, 0.0, True)
    assert look(watch, 5000.0, since=float("inf")) == []
    assert look(watch, 5000.0, since=4900.0) == []
    assert len(look(watch, 5000.0, since=4800.0)) == 1


def test_no_sensor_is_silent_within_ten_steps_or_a_minute() -> None:
    for period, least in ((1.0, 60.0), (10.0, 100.0)):
        watch = silence(0.1, period=period)
        hear(watch, 0.0, True)
        assert look(watch, least) == []
        assert len(look(watch, least + 0.1)) == 1


def test_of_a_sensor_that_nobody_knows_an_hour_is_supposed_and_its_own_cadence_takes_over() -> None:
    watch = silence(nan)
    hear(watch, 0.0, True)
    assert look(watch, FACTOR * SUPPOSED) == []
    assert len(look(watch, FACTOR * SUPPOSED + 1.0)) == 1
    patient = silence(nan)
    times = np.arange(0.0, 40 * DAY, 600.0)
    for time in times:
        hear(patient, float(time), True)
    assert look(patient, float(times[-1]) + FACTOR * 600.0) == []
    assert len(look(patient, float(times[-1]) + FACTOR * 600.0 + 1.0)) == 1


def test_a_pause_of_every_night_is_told_on_the_first_nights_and_then_known() -> None:
    watch = silence(60.0)
    nights = []
    for day in range(14):
        nights.append(0)
        for minute in range(24 * 60):
            now = day * DAY + 60.0 * minute
            nights[-1] += len(look(watch, now))
            if not 60 <= minute < 90:  # half an hour without a word
                hear(watch, now, True)
    assert nights[0] == 1
    assert sum(nights) <= 4
    assert nights[6:] == [0] * 8


def test_an_outage_of_a_week_is_not_learned_as_a_cadence() -> None:
    watch = silence(60.0)
    hear(watch, 0.0, True)
    look(watch, 3600.0)
    hear(watch, 7 * DAY, True)
    assert len(look(watch, 7 * DAY + 3600.0)) == 1


def seconds_until_told(budget: float) -> list[float]:
    """Return after how long each of six silences was told, some 17 hours apart."""
    watch = silence(60.0)
    watch.patience.allow(0, np.array([budget]))
    seconds, now = [], 0.0
    for _ in range(6):
        hear(watch, now, True)
        begun = now
        while not look(watch, now):
            now += 10.0
        seconds.append(now - begun)
        for _ in range(1000):
            now += 60.0
            hear(watch, now, True)
    return seconds


def test_a_sensor_that_was_told_of_too_often_is_borne_with_as_its_budget_says() -> None:
    generous, strict = seconds_until_told(100.0), seconds_until_told(0.01)
    assert generous[0] == strict[0] == 190.0
    assert generous[-1] < 190.0 * 2.0**6
    assert strict[-1] > 5.0 * generous[-1]


def test_a_kind_that_is_not_wanted_is_not_told() -> None:
    watch = silence(60.0, 60.0)
    watch.want(0, [True, False])
    hear(watch, 0.0, True, True)
    assert [found.sensor for found in look(watch, 5000.0)] == [0]


def test_a_pause_counts_half_after_a_week() -> None:
    watch = silence(60.0)
    watch._longest[:] = 36_000.0
    for time in np.arange(0.0, 7.0 * DAY + 1.0, 600.0):
        hear(watch, float(time), True)
    assert 0.49 < watch._longest[0, 0] / 36_000.0 < 0.51


def test_of_the_time_in_which_nobody_listened_nothing_is_learned() -> None:
    # heard    0 … 999            12000 … 12999          every 10 s, then silent
    # broker         ╴gone, ten nights in a row╶
    watch, now = silence(10.0), 0.0
    for _ in range(10):
        for _ in range(100):
            hear(watch, now, True)
            now += 10.0
        assert look(watch, now, since=float("inf")) == []
        now += 11_000.0
        assert look(watch, now, since=now) == []
    hear(watch, now, True)
    assert len(look(watch, now + 101.0, since=now)) == 1


def test_a_clock_that_is_set_back_makes_nobody_silent() -> None:
    watch = silence(60.0)
    hear(watch, 1e9, True)
    hear(watch, 1000.0, True)
    assert look(watch, 1030.0) == []
    assert len(look(watch, 1200.0)) == 1


def test_who_died_before_the_clock_was_set_back_is_silent_too() -> None:
    watch = silence(60.0)
    hear(watch, 1e9, True)
    assert look(watch, 1000.0, since=1000.0) == []
    (found,) = look(watch, 1181.0, since=1000.0)
    assert (found.time, found.actual) == (1000.0, 181.0)


def test_a_look_that_is_older_than_what_was_heard_finds_nobody_silent() -> None:
    watch = silence(60.0)
    hear(watch, 5000.0, True)
    assert look(watch, 4998.0, since=0.0) == []
