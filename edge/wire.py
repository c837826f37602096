"""Read and write a connection's socket in large pieces: paho asks for every packet in three or four, byte by byte.

Each call of the kernel costs some microseconds, and more where another thread waits for the interpreter's lock, which
it lets go of: with one call for each piece a busy daemon heard no more than its own work let it.
"""

import socket
import ssl
from contextlib import suppress

PIECE = 65_536  # bytes read at once
FULL = 65_536  # bytes that are written without waiting for the end of a turn
MOST = 4 * FULL  # bytes that wait to be written; then the writer waits
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """Be a socket to a client that calls it often; who turns the client's loop must call `flush`."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a socket that is connected."""
        self._socket = sock
        self._came, self._place = b"", 0  # what was read, and how much of it was asked for
        self._going = bytearray()

    @property
    def has_unread(self) -> bool:
        """Whether there is something to read that `select` does not see."""
        pending = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return self._place < len(self._came) or pending > 0

    @property
    def has_unsent(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._going)

    def recv(self, size: int) -> bytes:
        """Return at least one byte and `size` at most; nothing when the other side has closed.

        Raises:
            OSError: as the socket does, `BlockingIOError` among them where nothing has come.
        """
        if self._place == len(self._came):
            self._came, self._place = self._socket.recv(PIECE), 0
        piece = self._came[self._place : self._place + size]
        self._place += len(piece)
        return piece

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


def wrap(sock: socket.socket) -> Wire:
    """Take over a socket, and let small packets go without waiting for each other.

    With Nagle's algorithm a state came 40 ms late.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(sock)
