"""Put and take from two sides."""

import select
import threading
import time

from edge.mailbox import Counters, Inbox, Message, Outbox
from edge.message import Outgoing
from edge.waker import Waker


def arrived(number: int) -> Message:
    return Message("topic", b"%d" % number, False, float(number))


def test_what_was_put_before_a_hand_over_is_taken_together_oldest_first() -> None:
    inbox = Inbox(10)
    for number in range(3):
        assert inbox.put(arrived(number)) == 0
    assert inbox.unheard == 3
    inbox.hand_over()
    assert inbox.unheard == 0
    assert inbox.take(1.0) == [arrived(0), arrived(1), arrived(2)]


def test_a_hand_over_of_nothing_ends_no_take() -> None:
    inbox = Inbox(10)
    inbox.hand_over()
    begun = time.monotonic()
    assert inbox.take(0.05) == []
    assert time.monotonic() - begun >= 0.04


def test_hand_overs_that_nobody_took_are_one() -> None:
    inbox = Inbox(10)
    for number in range(3):
        inbox.put(arrived(number))
        inbox.hand_over()
    assert len(inbox.take(1.0)) == 3
    begun = time.monotonic()
    assert inbox.take(0.05) == []
    assert time.monotonic() - begun >= 0.04


def test_a_take_that_waits_is_ended_by_a_hand_over_and_by_wake() -> None:
    inbox = Inbox(10)

    def hand_over() -> None:
        inbox.put(arrived(1))
        inbox.hand_over()

    for call, expected in ((hand_over, [arrived(1)]), (inbox.wake, [])):
        timer = threading.Timer(0.05, call)
        timer.start()
        begun = time.monotonic()
        assert inbox.take(10.0) == expected
        assert time.monotonic() - begun < 5.0
        timer.join()


def test_a_full_inbox_keeps_the_newest_and_says_what_it_dropped() -> None:
    inbox = Inbox(3)
    assert [inbox.put(arrived(number)) for number in range(5)] == [0, 0, 0, 1, 1]
    inbox.hand_over()
    assert inbox.take(1.0) == [arrived(2), arrived(3), arrived(4)]


class _Receipt:
    """A message of QoS 0 that is written when the test says so."""

    rc = 0

    def __init__(self) -> None:
        self.written = False

    def is_published(self) -> bool:
        return self.written


def test_messages_of_qos_0_that_are_not_written_are_bounded_and_the_rest_counted() -> None:
    counters = Counters()
    outbox = Outbox(counters)
    receipts: list[_Receipt] = []

    def send(news: Outgoing) -> _Receipt:
        receipts.append(_Receipt())
        return receipts[-1]

    outbox.open(send, 20, Outgoing("status", b"online", 0, True, None))
    state = Outgoing("state", b"{}", 0, False, None)
    for _ in range(20_100):
        outbox.put(state)
    assert (len(receipts), counters.publish_dropped) == (20_001, 100)
    for receipt in receipts:
        receipt.written = True
    for _ in range(300):
        outbox.put(state)
    assert (len(receipts), counters.publish_dropped) == (20_301, 100)


def test_a_waker_ends_a_wait_that_has_begun_or_will_begin_until_it_is_hushed() -> None:
    with Waker() as waker:
        assert select.select([waker], [], [], 0.0)[0] == []
        for _ in range(3):
            waker.wake()
        assert select.select([waker], [], [], 0.0)[0] == [waker]
        waker.hush()
        assert select.select([waker], [], [], 0.0)[0] == []
        timer = threading.Timer(0.05, waker.wake)
        timer.start()
        assert select.select([waker], [], [], 10.0)[0] == [waker]
        timer.join()
    waker.wake()  # nobody waits any more, and that is no error


def test_a_waker_that_nobody_hears_never_blocks() -> None:
    with Waker() as waker:
        for _ in range(2000):
            waker.wake()
        waker.hush()
