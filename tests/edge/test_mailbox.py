"""Put and take from two sides."""

import select
import threading
import time

from edge.mailbox import MOST_BYTES, Counters, Inbox, Message, Outbox
from edge.message import Outgoing
from edge.waker import Waker


def arrived(number: int, topic: str = "topic") -> Message:
    return Message(topic, b"%d" % number, False, float(number))


def test_what_was_put_before_a_hand_over_is_taken_together_oldest_first() -> None:
    inbox = Inbox(10, Counters())
    for number in range(3):
        inbox.put(arrived(number))
    inbox.hand_over()
    assert inbox.take(1.0) == [arrived(0), arrived(1), arrived(2)]


def test_what_nobody_will_take_is_counted() -> None:
    counters = Counters()
    inbox = Inbox(10, counters)
    for number, topic in enumerate(("a", "b", "a")):
        inbox.put(arrived(number, topic))
    inbox.abandon()
    assert (counters.dropped_superseded, counters.dropped_inbox) == (1, 2)
    assert inbox.take(0.0) == []


def test_a_hand_over_of_nothing_ends_no_take() -> None:
    inbox = Inbox(10, Counters())
    inbox.hand_over()
    begun = time.monotonic()
    assert inbox.take(0.05) == []
    assert time.monotonic() - begun >= 0.04


def test_hand_overs_that_nobody_took_are_one() -> None:
    inbox = Inbox(10, Counters())
    for number in range(3):
        inbox.put(arrived(number))
        inbox.hand_over()
    assert len(inbox.take(1.0)) == 3
    begun = time.monotonic()
    assert inbox.take(0.05) == []
    assert time.monotonic() - begun >= 0.04


def test_a_take_that_waits_is_ended_by_a_hand_over_and_by_wake() -> None:
    inbox = Inbox(10, Counters())

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


def test_a_full_inbox_keeps_the_newest_and_counts_what_it_dropped() -> None:
    counters = Counters()
    inbox = Inbox(3, counters)
    for number in range(5):
        inbox.put(arrived(number, "one" if number == 0 else "other"))
    inbox.hand_over()
    assert [message.received_at for message in inbox.take(1.0)] == [2.0, 3.0, 4.0]
    assert (counters.dropped_inbox, counters.dropped_superseded) == (1, 1)


def test_payloads_are_bounded_by_their_bytes_too() -> None:
    counters = Counters()
    inbox = Inbox(1000, counters)
    payload = bytes(MOST_BYTES // 4)
    for number in range(20):
        inbox.put(Message(f"topic{number}", payload, False, 0.0))
    inbox.hand_over()
    taken = inbox.take(1.0)
    assert len(taken) + counters.dropped_inbox == 20
    assert sum(len(message.payload) for message in taken) <= MOST_BYTES + len(payload)


def test_what_one_take_leaves_the_next_takes_at_once() -> None:
    inbox = Inbox(10, Counters())
    for number in range(5):
        inbox.put(arrived(number))
    inbox.hand_over()
    begun = time.monotonic()
    assert [len(inbox.take(10.0, most=2)) for _ in range(3)] == [2, 2, 1]
    assert time.monotonic() - begun < 5.0


def late(counters: Counters, put_at: list[tuple[float, str]], now: float) -> list[str]:
    """Put messages at certain times, and return the topics of those that are taken at another."""
    clock = iter([*(at for at, _ in put_at), now])
    inbox = Inbox(100, counters, max_latency=4.0, clock=lambda: next(clock))
    for number, (_, topic) in enumerate(put_at):
        inbox.put(arrived(number, topic))
    inbox.hand_over()
    return [f"{message.topic}{message.received_at:.0f}" for message in inbox.take(0.0)]


def test_what_waited_too_long_gives_way_to_a_newer_one_of_its_topic() -> None:
    counters = Counters()
    put = [(0.0, "a"), (0.5, "b"), (1.0, "a"), (2.0, "a"), (3.0, "a"), (4.0, "b")]
    assert late(counters, put, 3.9) == ["a0", "b1", "a2", "a3", "a4", "b5"]
    assert counters == Counters()
    # Once the oldest has waited 4 s, what has waited more than 2 s and is superseded goes.
    assert late(counters, put, 4.1) == ["a4", "b5"]
    assert (counters.dropped_superseded, counters.dropped_inbox) == (4, 0)


def test_the_newest_of_its_topic_waits_twice_as_long_and_keeps_its_place() -> None:
    counters = Counters()
    put = [(0.0, "a"), (0.0, "b"), (1.0, "b"), (7.0, "c")]
    assert late(counters, put, 7.5) == ["a0", "b2", "c3"]
    assert (counters.dropped_superseded, counters.dropped_inbox) == (1, 0)
    assert late(counters, put, 8.5) == ["b2", "c3"]
    assert (counters.dropped_superseded, counters.dropped_inbox) == (2, 1)


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
