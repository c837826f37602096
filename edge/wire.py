"""Read and write a connection's socket in large pieces, and take the readings out before paho sees them.

Theory of operation. paho asks the kernel three or four times for every packet, and each time lets go of the
interpreter's lock, which another thread then keeps; what it has read it turns into some twenty objects. At full load
that was three fifths of what the daemon did, and a busy one could not even hear what it should have dropped. So the
stream of bytes is cut into packets here. A PUBLISH of QoS 0 or 1 is decoded and handed over, and answered where it asks
for it; every other packet, those of QoS 2 among them, goes to paho as if it had come from the socket.

Source: MQTT 3.1.1 and MQTT 5.0, sections 3.3 (PUBLISH) and 3.4 (PUBACK); `edge.packets` for the rest.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from edge.packets import PUBLISH, find_body, read_length

PIECE = 65_536  # bytes read at once
FULL = 65_536  # bytes that are written without waiting for the end of a turn
MOST = 4 * FULL  # bytes that wait to be written; then the writer waits
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
PUBACK = b"\x40\x02"  # its first byte, and how many follow: the identifier of what is acknowledged


class Published(NamedTuple):
    """What a PUBLISH packet carries; the topic should be UTF-8."""

    topic: bytes
    payload: bytes
    retained: bool


class Wire:
    """Be a socket to a client that calls it often; who turns the client's loop must call `flush`."""

    def __init__(self, sock: socket.socket, hear: Callable[[Published], None], *, version: int) -> None:
        """Take over a socket that is connected.

        Args:
            sock: to the broker; small packets shall go without waiting for each other.
            hear: takes what is published.
            version: of MQTT, 4 for 3.1.1 or 5: from 5 on packets have properties.
        """
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # with Nagle's algorithm a state came 40 ms late
        self._socket = sock
        self._hear = hear
        self._has_properties = version >= 5
        self._came = bytearray()  # the beginning of a packet
        self._wanted = 0  # bytes of that packet, as far as they are known
        self._rest = bytearray()  # whole packets for the client
        self._going = bytearray()

    @property
    def has_unread(self) -> bool:
        """Whether there is something to read that `select` does not see."""
        pending = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return bool(self._rest) or pending > 0

    @property
    def has_unsent(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._going)

    def recv(self, size: int) -> bytes:
        """Return at least one byte for the client and `size` at most; nothing when the other side has closed.

        Raises:
            OSError: as the socket does, `BlockingIOError` among them where nothing has come for the client.
        """
        if not self._rest:
            came = self._socket.recv(PIECE)
            if not came:
                return b""
            self._came += came
            if len(self._came) >= self._wanted:
                self._cut(bytes(self._came))
            if not self._rest:
                raise BlockingIOError
        piece = bytes(self._rest[:size])
        del self._rest[:size]
        return piece

    def _cut(self, came: bytes) -> None:
        """Cut what came into packets, hand over what is published, and keep the rest for the client."""
        begin, body = 0, find_body(came, 0)
        while body is not None and body[1] <= len(came):
            start, end = body
            first = came[begin]
            if first & 0xF0 == PUBLISH and first & 0x06 < 0x04:
                self._take(first, came[start:end])
            else:
                self._rest += came[begin:end]
            begin, body = end, find_body(came, end)
        self._came = bytearray(came[begin:])
        self._wanted = 0 if body is None else body[1] - begin

    def _take(self, first: int, body: bytes) -> None:
        """Decode the body of a PUBLISH of QoS 0 or 1, and acknowledge it."""
        place = 2 + int.from_bytes(body[:2])
        topic = body[2:place]
        if first & 0x06:
            identifier = body[place : place + 2]
            place += 2
        if self._has_properties:
            length, place = read_length(body, place) or (0, len(body) + 1)
            place += length
        if place > len(body):
            raise ConnectionError("the broker sent a PUBLISH that ends within itself")
        if first & 0x06:
            self._going += PUBACK + identifier
        self._hear(Published(topic, body[place:], bool(first & 0x01)))

    def send(self, data: bytes | bytearray) -> int:
        """Take all of the data.

        Raises:
            OSError: as the socket does, `BlockingIOError` among them where too much waits already.
        """
        if len(self._going) >= FULL:
            self._write()
            if len(self._going) >= MOST:
                raise BlockingIOError
        self._going += data
        return len(data)

    def flush(self) -> None:
        """Write what waits, as far as the network takes it; if it is broken, who reads next will hear of it."""
        if self._going:
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        with suppress(*WOULD_BLOCK):
            del self._going[: self._socket.send(self._going)]

    def fileno(self) -> int:
        """Return what `select` waits for."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """Let calls wait, or not; as the socket does."""
        self._socket.setblocking(flag)

    def close(self) -> None:
        """Write what the network still takes, and close the socket: paho closes it with the goodbye on its way."""
        self.flush()
        self._socket.close()
