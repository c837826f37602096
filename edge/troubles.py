"""Tell what goes wrong with a connection: each trouble once, however often it comes back before one succeeds."""

import logging
import time

SHORT, OFTEN = 10.0, 2  # seconds a connection must last to be trusted; losses before that which are no accident

log = logging.getLogger(__name__)


class Troubles:
    """Know how long connections last, and what was said of them.

    State kept: the last trouble that was told, since when there is a connection, why it ended, and how many in a row
    were lost within `SHORT`.

    Attributes:
        where: the broker, in words.
    """

    def __init__(self, where: str, client_id: str) -> None:
        """Start without a connection.

        Args:
            where: the broker, in words.
            client_id: the name of the session, which another client may use too.
        """
        self.where = where
        self._client_id = client_id
        self._connected_at = 0.0  # by the clock that never jumps
        self._parting = ""
        self._short_lived = 0
        self._told = ""

    def tell(self, trouble: str) -> None:
        """Log what stands in the way of a connection."""
        if trouble != self._told:
            log.warning("%s: %s", self.where, trouble)
        self._told = trouble

    def begin(self, version: str, *, is_resumed: bool) -> None:
        """Take that we were let in, by a version of MQTT; it is no news where connections are lost again and again."""
        self._connected_at, self._parting = time.monotonic(), ""
        if self._short_lived < OFTEN:
            self._told = ""
            log.info("%s: connected, MQTT %s%s", self.where, version, ", session resumed" * is_resumed)

    def part(self, reason: str) -> None:
        """Remember why a connection ends."""
        self._parting = reason

    def lose(self) -> None:
        """Log that a connection ended and why; where it happens again and again, say what usually is behind it."""
        lasted = time.monotonic() - self._connected_at
        self._short_lived = self._short_lived + 1 if lasted < SHORT else 0
        hint = f"; another client may use client_id {self._client_id!r}" if self._short_lived >= OFTEN else ""
        self.tell(f"connection lost: {self._parting}{hint}")

    def settle(self) -> None:
        """Trust a connection that lasts, and tell it where those before it were not worth a line."""
        if not self._short_lived or time.monotonic() - self._connected_at < SHORT:
            return
        if self._short_lived >= OFTEN:
            self._told = ""
            log.info("%s: connected, and stays so", self.where)
        self._short_lived = 0
