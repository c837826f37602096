"""Hold the grid to its rules; in the drawings a cell is one column, and cell 0 begins half a period before time 0."""

from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.grid import CONFIRMATIONS, Grid, GridCounts
from edge.pacing import Combine, Pacing, Sample, plain
from edge.reading import Readings

PERIOD = 10.0
MAX_GAP = 3
FUTURE = 5.0
YEAR = 31_556_952.0


class Heard:
    """A grid and what came of it."""

    def __init__(self, sensors: int = 1, lateness: float = inf, pacing: Pacing | None = None) -> None:
        self.counts = GridCounts()
        self.grid = Grid(
            pacing or plain(sensors), PERIOD, max_gap=MAX_GAP, future=FUTURE, counts=self.counts, lateness=lateness
        )
        self.samples: list[Sample] = []

    def push(self, time: float, *values: float, whole: bool = True, received_at: float | None = None) -> list[Sample]:
        """Push readings; the value is the time unless it is told."""
        arrived = time if received_at is None else received_at
        samples = self.grid.push(Readings(time, values or (time,), arrived, whole))
        self.samples += samples
        return samples

    def push_all(self, *times: float) -> list[float]:
        """Push one whole payload for each time and return the times of the samples."""
        return [sample.time for time in times for sample in self.push(time)]

    @property
    def counted(self) -> int:
        """How many payloads were counted, once each."""
        counts = self.counts
        return counts.accepted + counts.duplicate + counts.late + counts.future + counts.unconfirmed


def written(sample: Sample) -> tuple[float, str, bool]:
    """Write a sample so that nan equals nan."""
    return sample.time, repr(tuple(sample.values)), sample.restart


# ---- paces


def paced(combine: Combine, hold: float = 0.0) -> Heard:
    """Return a grid of two sensors, of which the second is as it comes."""
    return Heard(pacing=Pacing((combine, "last"), (hold, 0.0)))


def first(samples: list[Sample]) -> list[float]:
    return [sample.values[0] for sample in samples]


@pytest.mark.parametrize(("how", "value"), [("last", 9.0), ("mean", 5.0), ("sum", 15.0), ("count", 3.0)])
def test_what_several_readings_of_a_cell_become(how: Combine, value: float) -> None:
    heard = paced(how)
    for time, said in ((0.0, 2.0), (2.0, 4.0), (4.0, 9.0), (10.0, 1.0), (20.0, 1.0)):
        heard.push(time, said, nan, whole=False)
    assert first(heard.samples) == [value, 1.0]
    assert heard.counts == GridCounts(accepted=5)


def test_where_readings_are_put_together_a_whole_payload_is_one_of_them() -> None:
    heard = paced("mean")
    for time, said in ((0.0, 2.0), (4.0, 4.0), (10.0, 1.0)):
        heard.push(time, said, 7.0)
    assert [tuple(sample.values) for sample in heard.samples] == [(3.0, 7.0)]


def test_a_value_holds_as_long_as_it_may_and_is_told_from_one_that_was_said() -> None:
    # time   0    10    20    30    40
    # said   5     .     .     .     6      holds 25 s
    heard = paced("last", hold=25.0)
    heard.push(0.0, 5.0, 1.0)
    for time in (10.0, 20.0, 30.0):
        heard.push(time, nan, 1.0)
    heard.push(40.0, 6.0, 1.0)
    assert repr(first(heard.samples)) == repr([5.0, 5.0, 5.0, nan, 6.0])
    assert [sample.heard for sample in heard.samples] == [
        (True, True), (False, True), (False, True), (False, True), (True, True)
    ]  # fmt: skip


def test_a_value_holds_through_cells_that_nobody_filled() -> None:
    heard = paced("last", hold=25.0)
    heard.push(0.0, 5.0, 1.0)
    heard.push(40.0, nan, 1.0)
    assert repr([tuple(sample.values) for sample in heard.samples]) == repr(
        [(5.0, 1.0), (5.0, nan), (5.0, nan), (nan, nan), (nan, 1.0)]
    )


@pytest.mark.parametrize("how", ["sum", "count"])
def test_of_what_is_counted_silence_is_zero(how: Combine) -> None:
    heard = paced(how, hold=60.0)
    for time, said in ((0.0, 3.0), (10.0, nan), (20.0, nan), (30.0, 2.0), (40.0, nan)):
        heard.push(time, said, 1.0)
    assert first(heard.samples)[1:3] == [0.0, 0.0]


def test_nothing_holds_over_a_restart() -> None:
    heard = paced("last", hold=1e9)
    heard.push(0.0, 5.0, 1.0)
    for time in (1000.0, 1010.0, 1020.0):
        heard.push(time, nan, 1.0)
    restarted = [sample for sample in heard.samples if sample.time >= 1000.0]
    assert restarted[0].restart
    assert all(isnan(value) for value in first(restarted))


# ---- bulk


def test_what_an_offline_device_kept_is_taken_in_order_and_not_what_is_too_old() -> None:
    heard = Heard(lateness=100.0)
    kept = [heard.push(time, received_at=200.0) for time in range(0, 210, 10)]
    assert [sample.time for samples in kept for sample in samples] == [float(time) for time in range(100, 210, 10)]
    assert heard.counts == GridCounts(accepted=11, late=10)
    assert len(Heard().push(0.0, received_at=1e9)) == 1


# ---- phase and jitter


def test_the_first_reading_lies_in_the_middle_of_its_cell() -> None:
    # time   103   113   123   133
    # said     103   109   127    137      each within half a period of a middle
    heard = Heard()
    assert heard.push_all(103.0, 109.0, 127.0, 137.0) == [103.0, 109.0, 127.0, 137.0]
    assert heard.counts == GridCounts(accepted=4)


def test_a_reading_between_two_cells_belongs_to_the_later_one() -> None:
    heard = Heard()
    heard.push(0.0)
    assert heard.push(4.999) == []
    assert heard.counts.duplicate == 1
    assert [sample.time for sample in heard.push(5.0)] == [5.0]


@given(
    phase=st.floats(0.0, 1e6),
    jitters=st.lists(st.floats(-0.49, 0.49), min_size=1, max_size=40),
)
def test_jitter_below_half_a_period_costs_no_sample(phase: float, jitters: list[float]) -> None:
    heard = Heard()
    times = [phase] + [phase + PERIOD * (step + jitter) for step, jitter in enumerate(jitters, start=1)]
    assert heard.push_all(*times) == times
    assert heard.counts == GridCounts(accepted=len(times))


def test_the_cells_do_not_drift_with_late_readings() -> None:
    # Every reading is 4 s late after the first: the middles stay at 0, 10, 20, and so a reading 4 s early fits too.
    heard = Heard()
    assert heard.push_all(0.0, 14.0, 24.0, 34.0, 36.0) == [0.0, 14.0, 24.0, 34.0, 36.0]


# ---- whole payloads and sensors that speak on their own


def test_a_whole_payload_is_a_sample_at_once_even_if_a_sensor_is_missing() -> None:
    heard = Heard(sensors=2)
    assert list(map(written, heard.push(0.0, 1.0, nan))) == [(0.0, "(1.0, nan)", False)]


def test_a_cell_is_a_sample_as_soon_as_every_sensor_was_heard() -> None:
    heard = Heard(sensors=2)
    assert heard.push(0.0, 1.0, nan, whole=False) == []
    assert heard.push(2.0, nan, 7.0, whole=False) == [Sample(2.0, (1.0, 7.0), False)]


def test_a_partly_measured_cell_is_a_sample_when_a_later_cell_is_heard() -> None:
    # sensor 0   0  1  .  3
    # sensor 1   0  .  .  3
    heard = Heard(sensors=2)
    heard.push(0.0, 0.0, 0.0)
    assert heard.push(10.0, 1.0, nan, whole=False) == []
    samples = heard.push(30.0, 3.0, 3.0)
    assert list(map(written, samples)) == [
        (10.0, "(1.0, nan)", False),
        (20.0, "(nan, nan)", False),
        (30.0, "(3.0, 3.0)", False),
    ]
    assert heard.counts == GridCounts(accepted=3, empty=1)


def test_the_newest_of_two_readings_of_a_sensor_in_one_cell_is_kept() -> None:
    heard = Heard(sensors=2)
    heard.push(0.0, 1.0, nan, whole=False)
    heard.push(1.0, 2.0, nan, whole=False)
    assert heard.push(2.0, nan, 7.0, whole=False) == [Sample(2.0, (2.0, 7.0), False)]
    assert heard.counts.accepted == 3


def test_an_older_reading_that_arrives_later_does_not_replace_a_newer_one() -> None:
    heard = Heard(sensors=2)
    heard.push(2.0, 2.0, nan, whole=False)
    heard.push(1.0, 1.0, nan, whole=False)
    assert heard.push(3.0, nan, 7.0, whole=False) == [Sample(3.0, (2.0, 7.0), False)]


def test_a_samples_time_is_that_of_its_newest_reading_in_whatever_order_they_arrive() -> None:
    heard = Heard(sensors=2)
    heard.push(2.0, 1.0, nan, whole=False)
    assert heard.push(1.0, nan, 7.0, whole=False) == [Sample(2.0, (1.0, 7.0), False)]


def test_a_payload_without_any_value_is_a_sample_without_any_value() -> None:
    heard = Heard(sensors=2)
    assert list(map(written, heard.push(0.0, nan, nan))) == [(0.0, "(nan, nan)", False)]
    assert heard.counts == GridCounts(accepted=1)


def test_a_samples_values_do_not_change_afterwards() -> None:
    heard = Heard(sensors=2)
    (first,) = heard.push(0.0, 1.0, 2.0)
    heard.push(10.0, 3.0, 4.0)
    assert first.values == (1.0, 2.0)


# ---- late, duplicate, future, gap


def test_a_reading_of_an_earlier_cell_is_late() -> None:
    heard = Heard()
    assert heard.push_all(0.0, 10.0, 20.0, 10.0, -10.0) == [0.0, 10.0, 20.0]
    assert heard.counts == GridCounts(accepted=3, late=2)


def test_a_late_reading_does_not_disturb_what_follows() -> None:
    heard = Heard()
    assert heard.push_all(0.0, 20.0, 10.0, 30.0) == [0.0, 10.0, 20.0, 30.0]  # 10 is the empty cell's middle
    assert heard.counts == GridCounts(accepted=3, late=1, empty=1)


def test_a_second_whole_payload_of_a_cell_is_a_duplicate() -> None:
    heard = Heard()
    assert heard.push(0.0, 1.0) == [Sample(0.0, (1.0,), False)]
    assert heard.push(0.0, 1.0) == []
    assert heard.push(3.0, 2.0) == []
    assert heard.counts == GridCounts(accepted=1, duplicate=2)


def test_a_reading_of_a_cell_that_every_sensor_completed_is_a_duplicate() -> None:
    heard = Heard(sensors=2)
    heard.push(0.0, 1.0, nan, whole=False)
    heard.push(0.0, nan, 1.0, whole=False)
    assert heard.push(1.0, 2.0, nan, whole=False) == []
    assert heard.counts == GridCounts(accepted=2, duplicate=1)


@pytest.mark.parametrize(("ahead", "future"), [(FUTURE, 0), (FUTURE + 0.001, 1), (YEAR, 1)])
def test_a_reading_from_beyond_its_arrival_is_dropped(ahead: float, future: int) -> None:
    heard = Heard()
    heard.push(0.0)
    assert len(heard.push(8.0 + ahead, received_at=8.0)) == 1 - future
    assert heard.counts == GridCounts(accepted=2 - future, future=future)
    assert heard.push_all(20.0)[-1] == 20.0


def test_a_future_reading_before_all_others_does_not_set_the_phase() -> None:
    heard = Heard()
    heard.push(YEAR + 3.0, received_at=0.0)
    assert heard.push_all(0.0, 10.0) == [0.0, 10.0]
    assert heard.counts == GridCounts(accepted=2, future=1)


def test_a_gap_is_bridged_by_empty_samples_at_the_middles_of_their_cells() -> None:
    # step   0  .  .  .  4       max_gap 3; the reading of step 4 is 2 s late
    heard = Heard()
    heard.push(0.0)
    samples = heard.push(42.0, 4.0)
    assert [sample.time for sample in samples] == [10.0, 20.0, 30.0, 42.0]
    assert [isnan(sample.values[0]) for sample in samples] == [True, True, True, False]
    assert heard.counts == GridCounts(accepted=2, empty=3)


def test_a_longer_gap_begins_the_time_line_anew_once_three_readings_agree() -> None:
    # step   0  .  .  .  .  5  6  7  8       max_gap 3
    # restart               ^
    heard = Heard()
    assert heard.push_all(0.0, 51.0, 61.0) == [0.0]
    assert heard.push(71.0, 7.0) == [
        Sample(51.0, (51.0,), True), Sample(61.0, (61.0,), False), Sample(71.0, (7.0,), False),
    ]  # fmt: skip
    assert heard.push(84.0, 8.0) == [Sample(84.0, (8.0,), False)]
    assert heard.counts == GridCounts(accepted=5, restarts=1)


def test_a_new_time_line_has_a_phase_of_its_own() -> None:
    heard = Heard()
    heard.push_all(0.0, 1003.0, 1013.0, 1023.0)
    assert heard.push_all(1029.0, 1047.0) == [1029.0, 1047.0]  # the middles are now at 1033 and 1043
    assert heard.counts.late == heard.counts.duplicate == 0


def test_a_new_time_line_closes_the_cell_that_was_open() -> None:
    heard = Heard(sensors=2)
    heard.push(0.0, 1.0, nan, whole=False)
    for time in (1000.0, 1010.0):
        assert heard.push(time, 5.0, 5.0) == []
    samples = heard.push(1020.0, 5.0, 5.0)
    assert list(map(written, samples)) == [
        (0.0, "(1.0, nan)", False),
        (1000.0, "(5.0, 5.0)", True),
        (1010.0, "(5.0, 5.0)", False),
        (1020.0, "(5.0, 5.0)", False),
    ]


def test_a_new_time_line_may_have_gaps_and_duplicates_among_its_first_readings() -> None:
    heard = Heard()
    assert heard.push_all(0.0, 1000.0, 1000.0, 1020.0) == [0.0, 1000.0, 1010.0, 1020.0]
    assert heard.counts == GridCounts(accepted=3, duplicate=1, empty=1, restarts=1)


# ---- wrong clocks


@pytest.mark.parametrize("wild", [YEAR, 1000.0, 45.0, -35.1, -1000.0, -YEAR])
@pytest.mark.parametrize("times_said", range(1, CONFIRMATIONS))
def test_fewer_wild_stamps_than_confirm_each_other_are_harmless(wild: float, times_said: int) -> None:
    heard = Heard()
    assert heard.push_all(0.0, 10.0, *[10.0 + wild] * times_said, 20.0, 30.0) == [0.0, 10.0, 20.0, 30.0]
    assert heard.counts == GridCounts(accepted=4, unconfirmed=times_said)


def test_wild_stamps_that_do_not_follow_on_each_other_never_confirm_each_other() -> None:
    heard = Heard()
    assert heard.push_all(0.0, YEAR, -YEAR, 2 * YEAR, YEAR, 10.0) == [0.0, 10.0]
    assert heard.counts == GridCounts(accepted=2, unconfirmed=4)


def test_wild_stamps_that_run_backwards_never_confirm_each_other() -> None:
    heard = Heard()
    assert heard.push_all(0.0, 1030.0, 1020.0, 1010.0, 1000.0, 10.0) == [0.0, 10.0]
    assert heard.counts == GridCounts(accepted=2, unconfirmed=4)


def test_a_wild_first_stamp_is_forgotten_after_three_readings() -> None:
    heard = Heard()
    assert heard.push_all(YEAR, 0.0, 10.0) == [YEAR]
    assert heard.push_all(20.0, 30.0) == [0.0, 10.0, 20.0, 30.0]
    assert [sample.restart for sample in heard.samples] == [False, True, False, False, False]


def test_a_clock_set_far_back_begins_the_time_line_anew() -> None:
    heard = Heard()
    times = [1000.0 + 10.0 * step for step in range(5)]
    assert heard.push_all(*times, 0.0, 10.0, 20.0, 30.0) == [*times, 0.0, 10.0, 20.0, 30.0]
    assert heard.counts == GridCounts(accepted=9, restarts=1)


def test_a_clock_set_back_a_little_is_late_until_it_has_caught_up() -> None:
    # said   0 10 20 30 | 10 20 30 40
    heard = Heard()
    assert heard.push_all(0.0, 10.0, 20.0, 30.0, 10.0, 20.0, 31.0, 40.0) == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert heard.counts == GridCounts(accepted=5, late=2, duplicate=1)


def test_grids_of_a_cohort_share_their_counts_and_nothing_else() -> None:
    counts = GridCounts()
    one, other = (Grid(plain(1), PERIOD, max_gap=MAX_GAP, future=FUTURE, counts=counts) for _ in range(2))
    one.push(Readings(0.0, (1.0,), 0.0, True))
    assert other.push(Readings(1003.0, (1.0,), 1003.0, True)) == [Sample(1003.0, (1.0,), False)]
    assert counts == GridCounts(accepted=2)


# ---- whatever arrives

STEPS = st.one_of(
    st.floats(-4.0, 14.0),  # jitter, duplicates
    st.sampled_from([0.0, 5.0, 10.0, 10.0, 10.0, 20.0, 40.0, 45.0, 50.0]),  # gaps, and the borders between rules
    st.sampled_from([-10.0, -30.0, -40.0, -1000.0, 1000.0, YEAR, -YEAR]),  # wrong clocks
)
SENSORS = 2
VALUES = st.tuples(*[st.sampled_from([1.0, nan])] * SENSORS)


@st.composite
def payloads(draw: st.DrawFn) -> list[Readings]:
    """Draw what a stream with an unreliable clock may send."""
    time = 1e9
    sent = []
    for _ in range(draw(st.integers(1, 40))):
        time = max(0.0, time + draw(STEPS))
        arrival = time - draw(st.sampled_from([0.0, 0.0, 0.0, FUTURE, FUTURE + 1.0]))
        sent.append(Readings(time, draw(VALUES), arrival, draw(st.booleans())))
        if draw(st.booleans()):
            time = sent[max(0, len(sent) - 2)].time  # the wrong clock was put right again
    return sent


def run(sent: list[Readings], sensors: int = SENSORS) -> tuple[Heard, list[list[Sample]]]:
    heard = Heard(sensors)
    said = [heard.grid.push(readings) for readings in sent]
    heard.samples = [sample for samples in said for sample in samples]
    return heard, said


def lives(samples: list[Sample]) -> list[list[Sample]]:
    """Cut samples where the stream's memory begins anew."""
    cut: list[list[Sample]] = [[]]
    for sample in samples:
        if sample.restart:
            cut.append([])
        cut[-1].append(sample)
    return cut


@given(payloads())
def test_every_payload_is_counted_exactly_once_or_held_back(sent: list[Readings]) -> None:
    heard, _ = run(sent)
    assert 0 <= len(sent) - heard.counted < CONFIRMATIONS
    for _ in range(CONFIRMATIONS):  # agreeing readings settle whatever is held back
        heard.push(3e9, 1.0, 1.0)
    assert heard.counted == len(sent) + CONFIRMATIONS


@given(payloads())
def test_counts_never_fall(sent: list[Readings]) -> None:
    heard = Heard(SENSORS)
    before = 0
    for readings in sent:
        heard.grid.push(readings)
        assert heard.counted >= before
        before = heard.counted


@given(payloads())
def test_sample_times_never_fall_within_a_life(sent: list[Readings]) -> None:
    heard, _ = run(sent)
    for life in lives(heard.samples):
        times = [sample.time for sample in life]
        assert times == sorted(times)


@given(payloads())
def test_a_life_is_a_sample_for_each_cell_without_a_hole(sent: list[Readings]) -> None:
    heard, _ = run([readings._replace(whole=True) for readings in sent])
    for life in lives(heard.samples):
        begin = life[0].time if life else 0.0
        assert [round((sample.time - begin) / PERIOD, 6) for sample in life] == pytest.approx(
            list(range(len(life))), abs=0.5
        )


@given(payloads())
def test_no_life_has_more_empty_samples_in_a_row_than_may_be_bridged(sent: list[Readings]) -> None:
    full = [readings._replace(values=(1.0,) * SENSORS, whole=True) for readings in sent]
    heard, _ = run(full)
    row = 0
    for sample in heard.samples:
        row = row + 1 if isnan(sample.values[0]) else 0
        assert row <= MAX_GAP


@given(payloads(), st.integers(0, 40))
def test_what_comes_later_never_changes_what_was_said(sent: list[Readings], cut: int) -> None:
    _, whole = run(sent)
    _, head = run(sent[:cut])
    _, other = run(sent[:cut] + [Readings(5e8, (9.0, 9.0), 5e8, True)] * 4)
    said = [[written(sample) for sample in samples] for samples in whole[:cut]]
    assert said == [[written(sample) for sample in samples] for samples in head]
    assert said == [[written(sample) for sample in samples] for samples in other[: len(said)]]


@given(
    st.lists(st.floats(-0.4, 0.4), min_size=2, max_size=20),
    st.data(),
    st.one_of(st.floats(1e3, 1e9), st.floats(-1e9, -1e3)),
)
def test_one_wild_stamp_anywhere_changes_no_sample(jitters: list[float], data: st.DataObject, wild: float) -> None:
    times = [0.0] + [PERIOD * (step + jitter) for step, jitter in enumerate(jitters, start=1)]
    place = data.draw(st.integers(1, len(times)))
    plain, disturbed = Heard(), Heard()
    plain.push_all(*times)
    disturbed.push_all(*times[:place], wild, *times[place:])
    assert disturbed.samples == plain.samples
