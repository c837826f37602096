"""End the wait of a thread that waits for sockets, from another thread."""

import socket
from contextlib import suppress
from types import TracebackType
from typing import Self


class Waker:
    """Be one more socket to wait for: readable from `wake` until `hush`."""

    def __init__(self) -> None:
        """Start silent."""
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)

    def __enter__(self) -> Self:
        """Begin to be waited for."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hear no call any more."""
        self._ours.close()
        self._theirs.close()

    def fileno(self) -> int:
        """Return what `select` waits for."""
        return self._ours.fileno()

    def wake(self) -> None:
        """End the present wait, or the next one."""
        with suppress(OSError):  # it is full of calls already, or nobody waits any more
            self._theirs.send(b"\0")

    def hush(self) -> None:
        """Forget all calls so far."""
        with suppress(BlockingIOError):
            self._ours.recv(4096)
