"""A Pi without a clock loses no reading."""

from pathlib import Path

import pytest

from edge import trust as trusts
from edge.mailbox import MOST_BYTES, Message
from edge.trust import EARLIEST, MOST_HELD, Doubt, Trust
from edge.witnesses import Witnesses


def arrived(at: float, topic: str = "t") -> Message:
    return Message(topic, b"1", False, at)


@pytest.fixture
def timesync(tmp_path: Path) -> Path:
    folder = tmp_path / "timesync"
    folder.mkdir()
    return folder


def trust(timesync: Path, patience: float = 600.0) -> Trust:
    silent = Witnesses(kernel=lambda: False, timesync=timesync, services=())
    return Trust(patience, started_at=0.0, witnesses=silent)


def test_where_nobody_sets_the_clock_it_is_trusted_from_when_this_was_written_on(tmp_path: Path) -> None:
    doubt = trust(tmp_path / "none")
    assert doubt.pass_on([arrived(EARLIEST - 1.0)], EARLIEST - 1.0, 700.0) == ()
    assert len(doubt.pass_on([], EARLIEST, 701.0)) == 1
    assert doubt.is_trusted


def test_readings_of_1970_wait_and_have_the_time_at_which_they_arrived(timesync: Path) -> None:
    doubt = trust(timesync)
    assert doubt.pass_on([arrived(100.0, "a")], 100.0, 5.0) == ()
    assert doubt.pass_on([arrived(128.0, "b")], 130.0, 35.0) == ()
    (timesync / "synchronized").touch()
    told = doubt.pass_on([arrived(1.8e9, "c")], 1.8e9, 65.0)
    assert [(one.topic, one.received_at) for one in told] == [("a", 1.8e9 - 60.0), ("b", 1.8e9 - 32.0), ("c", 1.8e9)]
    later = [arrived(1.8e9 + 1.0)]
    assert doubt.pass_on(later, 1.8e9 + 1.0, 66.0) is later


def test_a_plausible_clock_that_nobody_has_set_yet_is_doubted(timesync: Path) -> None:
    doubt = trust(timesync)
    assert doubt.pass_on([arrived(1.78e9)], 1.78e9, 5.0) == ()
    (timesync / "synchronized").touch()
    assert [one.received_at for one in doubt.pass_on([], 1.8e9, 15.0)] == [1.8e9 - 10.0]


def test_patience_ends_where_there_is_no_network(timesync: Path) -> None:
    doubt = trust(timesync, patience=60.0)
    assert doubt.pass_on([arrived(1.8e9)], 1.8e9, 59.0) == ()
    assert len(doubt.pass_on([], 1.8e9 + 1.0, 60.0)) == 1


def test_what_arrived_just_before_the_clock_was_set_has_the_new_time(timesync: Path) -> None:
    doubt = trust(timesync)
    (timesync / "synchronized").touch()
    assert [one.received_at for one in doubt.pass_on([arrived(100.0)], 1.8e9, 65.0)] == [1.8e9]


def test_what_waits_is_bounded_by_its_size_too(timesync: Path) -> None:
    doubt = trust(timesync)
    large = [Message("t", bytes(MOST_BYTES // 4), False, float(number)) for number in range(7)]
    doubt.pass_on(large[:5], 5.0, 5.0)
    doubt.pass_on(large[5:], 7.0, 7.0)
    (timesync / "synchronized").touch()
    assert len(doubt.pass_on([], 1.8e9, 9.0)) == 4
    assert doubt.dropped == 3


def test_what_waits_is_bounded_and_counted(timesync: Path) -> None:
    doubt = trust(timesync)
    for batch in range(3):
        doubt.pass_on([arrived(float(batch))] * MOST_HELD, float(batch), float(batch))
    assert doubt.dropped == 2 * MOST_HELD
    (timesync / "synchronized").touch()
    assert len(doubt.pass_on([], 1.8e9, 10.0)) == MOST_HELD


def test_the_bytes_that_wait_are_bounded_too(timesync: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusts, "MOST_BYTES", 10)
    doubt = trust(timesync)
    for second in range(15):
        doubt.pass_on([arrived(float(second))], float(second), float(second))
    assert doubt.doubt == Doubt(is_trusted=False, waiting=10, dropped=5)


def test_what_waits_when_nobody_waits_any_longer_is_counted(timesync: Path) -> None:
    doubt = trust(timesync)
    doubt.pass_on([arrived(1.0)] * 3, 1.0, 1.0)
    doubt.give_up()
    assert doubt.doubt == Doubt(is_trusted=False, waiting=0, dropped=3)
