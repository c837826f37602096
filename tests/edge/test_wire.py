"""A wire between two ends of a socket pair: nothing is lost, nothing is reordered, and nobody waits who must not."""

import socket
from collections.abc import Iterator

import pytest

from edge.wire import FULL, MOST, PIECE, Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    wire.setblocking(False)
    theirs.settimeout(5.0)
    with ours, theirs:
        yield wire, theirs


def test_what_came_in_one_piece_is_read_in_many_and_is_known_to_be_there(ends: tuple[Wire, socket.socket]) -> None:
    wire, theirs = ends
    with pytest.raises(BlockingIOError):
        wire.recv(1)
    theirs.sendall(b"abcdef")
    assert not wire.has_unread
    assert (wire.recv(1), wire.has_unread) == (b"a", True)
    assert (wire.recv(2), wire.recv(100), wire.has_unread) == (b"bc", b"def", False)
    with pytest.raises(BlockingIOError):
        wire.recv(1)


def test_the_end_is_read_after_everything_before_it(ends: tuple[Wire, socket.socket]) -> None:
    wire, theirs = ends
    theirs.sendall(bytes(PIECE + 10))
    theirs.close()
    read = 0
    while piece := wire.recv(1000):
        read += len(piece)
    assert read == PIECE + 10
    assert wire.recv(1) == b""


def test_what_is_sent_goes_when_it_is_flushed_in_order(ends: tuple[Wire, socket.socket]) -> None:
    wire, theirs = ends
    assert [wire.send(piece) for piece in (b"ab", b"c", b"def")] == [2, 1, 3]
    assert wire.has_unsent
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    wire.flush()
    assert (theirs.recv(100), wire.has_unsent) == (b"abcdef", False)


def test_what_the_network_does_not_take_is_bounded_and_goes_later(ends: tuple[Wire, socket.socket]) -> None:
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


def test_closing_sends_what_waits(ends: tuple[Wire, socket.socket]) -> None:
    wire, theirs = ends
    wire.send(b"goodbye")
    wire.close()
    assert theirs.recv(100) == b"goodbye"
    assert theirs.recv(100) == b""


def test_a_flush_of_a_broken_wire_leaves_the_telling_to_the_reader(ends: tuple[Wire, socket.socket]) -> None:
    wire, theirs = ends
    theirs.close()
    wire.send(b"lost")
    wire.flush()
    assert wire.recv(1) == b""
