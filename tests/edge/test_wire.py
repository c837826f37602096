"""A wire between two ends of a socket pair: nothing is lost, nothing is reordered, and nobody waits who must not."""

import select
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.packets import lay_out
from edge.wire import FULL, MOST, PIECE, Published, Wire

Ends = tuple[Wire, socket.socket]
HEARD: list[Published] = []  # of the wire of the running test


def connect(version: int) -> Ends:
    """Return a wire and the broker's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    HEARD.clear()
    wire = Wire(ours, HEARD.append, version=version)
    ours.setblocking(False)
    theirs.settimeout(5.0)
    return wire, theirs


@pytest.fixture(params=[4, 5], ids=["3.1.1", "5"])
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def ends(version: int) -> Iterator[Ends]:
    wire, theirs = connect(version)
    with theirs:
        yield wire, theirs
    wire.close()


def wait(wire: Wire) -> None:
    """Return when there is something to read."""
    assert select.select([wire], [], [], 5.0)[0]


def publish(version: int, topic: bytes, payload: bytes, *, qos: int = 0, retained: bool = False) -> bytes:
    """Lay out a PUBLISH; in MQTT 5 with a property, an expiry of 60 s."""
    properties = b"\x05\x02\x00\x00\x00\x3c" if version == 5 else b""
    identifier = b"\x12\x34" if qos else b""
    body = len(topic).to_bytes(2) + topic + identifier + properties + payload
    return lay_out(0x30 | qos << 1 | retained, body)


def read(wire: Wire, count: int) -> bytes:
    """Read so many bytes as the client does, a few at a time."""
    found = b""
    while len(found) < count:
        try:
            found += wire.recv(3)
        except BlockingIOError:
            wait(wire)
    return found


PINGRESP, SUBACK = b"\xd0\x00", lay_out(0x90, b"\x00\x01\x00\x00")


def test_what_is_published_is_heard_and_everything_else_is_read_by_the_client(ends: Ends, version: int) -> None:
    wire, theirs = ends
    second = publish(version, b"a/c", b"two" * 100, qos=2)
    sent = [
        SUBACK,
        publish(version, b"a/b", b"one"),
        second,
        publish(version, b"a/d", b"", qos=1, retained=True),
        PINGRESP,
    ]
    theirs.sendall(b"".join(sent))
    assert read(wire, len(SUBACK + second + PINGRESP)) == SUBACK + second + PINGRESP
    assert [Published(b"a/b", b"one", False), Published(b"a/d", b"", True)] == HEARD
    assert not wire.has_unread
    wire.flush()
    assert theirs.recv(100) == b"\x40\x02\x12\x34"


def test_packets_may_come_in_pieces_of_any_size(version: int) -> None:
    stream = b"".join([
        publish(version, b"a", b"x" * 300),
        PINGRESP,
        publish(version, b"b/c", b"y", qos=1),
        SUBACK,
        publish(version, b"d", b"z" * 20_000),
        PINGRESP,
    ])  # fmt: skip
    for piece in (1, 2, 3, 7, 250, 20_001):
        wire, theirs = connect(version)
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        passed = b""
        for begin in range(0, len(stream) if piece > 6 else 400, piece):
            theirs.sendall(stream[begin : begin + piece])
            wait(wire)
            with suppress(BlockingIOError):
                passed += wire.recv(1000)
        if piece > 6:
            while wire.has_unread:
                passed += wire.recv(1000)
            assert passed == PINGRESP + SUBACK + PINGRESP
            assert [(one.topic, len(one.payload)) for one in HEARD] == [(b"a", 300), (b"b/c", 1), (b"d", 20_000)]
        else:
            assert HEARD[:2] == [Published(b"a", b"x" * 300, False), Published(b"b/c", b"y", False)]
            assert passed[:2] == PINGRESP
        theirs.close()
        wire.close()


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x09abc", b"\xff\xff"], ids=["empty", "half", "short", "none"])
def test_a_publish_that_ends_within_itself_ends_the_connection(ends: Ends, body: bytes) -> None:
    wire, theirs = ends
    theirs.sendall(lay_out(0x30, body))
    wait(wire)
    with pytest.raises(ConnectionError):
        wire.recv(1)
    assert HEARD == []


def test_a_length_that_is_none_ends_the_connection(ends: Ends) -> None:
    wire, theirs = ends
    theirs.sendall(b"\xd0\xff\xff\xff\xff\x01")
    wait(wire)
    with pytest.raises(ConnectionError, match="more than four bytes"):
        wire.recv(1)


@given(junk=st.binary(max_size=300), version=st.sampled_from((4, 5)))
@settings(max_examples=300)
def test_no_bytes_do_more_harm_than_to_end_the_connection(junk: bytes, version: int) -> None:
    wire, theirs = connect(version)
    theirs.sendall(junk or b"\x00")
    theirs.close()
    with suppress(ConnectionError):
        for _ in range(1000):
            try:
                if not wire.recv(10):
                    break
            except BlockingIOError:
                wait(wire)
        else:
            pytest.fail("there is no end to it")
    wire.close()


def test_what_came_in_one_piece_is_read_in_many_and_is_known_to_be_there(ends: Ends) -> None:
    wire, theirs = ends
    with pytest.raises(BlockingIOError):
        wire.recv(1)
    theirs.sendall(SUBACK)
    wait(wire)
    assert not wire.has_unread
    assert (wire.recv(1), wire.has_unread) == (SUBACK[:1], True)
    assert (wire.recv(2), wire.recv(100), wire.has_unread) == (SUBACK[1:3], SUBACK[3:], False)
    with pytest.raises(BlockingIOError):
        wire.recv(1)


def test_the_end_is_read_after_everything_before_it(ends: Ends) -> None:
    wire, theirs = ends
    theirs.sendall(PINGRESP * PIECE)
    theirs.close()
    read = 0
    while piece := wire.recv(1000):
        read += len(piece)
    assert read == 2 * PIECE
    assert wire.recv(1) == b""


def test_what_is_sent_goes_when_it_is_flushed_in_order(ends: Ends) -> None:
    wire, theirs = ends
    assert [wire.send(piece) for piece in (b"ab", b"c", b"def")] == [2, 1, 3]
    assert wire.has_unsent
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    wire.flush()
    assert (theirs.recv(100), wire.has_unsent) == (b"abcdef", False)


def test_what_the_network_does_not_take_is_bounded_and_goes_later(ends: Ends) -> None:
    wire, theirs = ends
    piece = bytes(range(256)) * 16
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 1000 * MOST:
            sent += wire.send(piece)
    wire.flush()
    assert wire.has_unsent
    read = bytearray()
    while len(read) < sent:
        read += theirs.recv(FULL)
        wire.flush()
    assert read == piece * (sent // len(piece))
    assert not wire.has_unsent


def test_closing_sends_what_waits(ends: Ends) -> None:
    wire, theirs = ends
    wire.send(b"goodbye")
    wire.close()
    assert theirs.recv(100) == b"goodbye"
    assert theirs.recv(100) == b""


def test_a_flush_of_a_broken_wire_leaves_the_telling_to_the_reader(ends: Ends) -> None:
    wire, theirs = ends
    theirs.close()
    wire.send(b"lost")
    wire.flush()
    assert wire.recv(1) == b""
