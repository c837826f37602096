"""Hold readings back while the clock cannot be trusted, and give them their time when it can.

Theory of operation. A Raspberry Pi has no clock of its own: it wakes up in 1970, or at the hour at which it was
switched off, and jumps when it hears of the time. What arrives before that would be put on the grid at a wrong time,
and what carries a time of its own would be refused as from the future. So readings wait, stamped by the clock that
never jumps, until the clock was set, or nobody is to be expected to set it (`edge.witnesses`), or for as long as the
operator has patience. A clock that lies before this was written is never trusted: it can only count.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from edge.config import Config
from edge.mailbox import MOST_BYTES, Message
from edge.witnesses import Witnesses

EARLIEST = 1_767_225_600.0  # 2026-01-01: this was written later, so a clock before it is wrong
MOST_HELD = 20_000  # messages; a boot takes a minute or two, and ten thousand streams speak once in that
LONGEST_WAIT = 60.0  # seconds between a message's arrival and its coming here; more is a clock that jumped


class Doubt(NamedTuple):
    """What a clock that is not trusted holds up.

    Attributes:
        is_trusted: whether it holds up nothing any longer.
        waiting: messages that wait for their time.
        dropped: messages that found no room, since the start.
    """

    is_trusted: bool
    waiting: int
    dropped: int


NO_DOUBT = Doubt(is_trusted=True, waiting=0, dropped=0)


class Trust:
    """Keep messages until their time is known.

    State kept: whether the clock is trusted, which does not end, and the messages that wait.

    Attributes:
        dropped: messages that found no room.
    """

    def __init__(self, patience: float, *, started_at: float, witnesses: Witnesses) -> None:
        """Begin to doubt.

        Args:
            patience: seconds to wait for whoever sets the clock.
            started_at: when we began, by the clock that never jumps.
            witnesses: who knows whether it was set.
        """
        self.dropped = 0
        self._give_up_at = started_at + patience
        self._witnesses = witnesses
        self._is_trusted = False
        self._held: deque[tuple[float, Message]] = deque()  # each with its arrival, by the clock that never jumps
        self._bytes = 0  # of their payloads

    @property
    def doubt(self) -> Doubt:
        """What is held up."""
        return Doubt(self._is_trusted, len(self._held), self.dropped)

    @property
    def is_trusted(self) -> bool:
        """Whether the clock is trusted."""
        return self._is_trusted

    def pass_on(self, messages: Sequence[Message], now: float, steady: float) -> Sequence[Message]:
        """Return the messages whose time is known, oldest first.

        Args:
            messages: that just came.
            now: Unix seconds UTC, perhaps wrong; the same clock that stamped the messages.
            steady: seconds of the clock that never jumps.
        """
        if self._is_trusted:
            return messages
        self._held.extend((steady - _waited(one, now), one) for one in messages)
        self._bytes += sum(len(one.payload) for one in messages)
        self._is_trusted = now >= EARLIEST and (steady >= self._give_up_at or not self._witnesses.is_awaited())
        if not self._is_trusted:
            while len(self._held) > MOST_HELD or self._bytes > MOST_BYTES:
                self._bytes -= len(self._held.popleft()[1].payload)
                self.dropped += 1
            return ()
        told = [one._replace(received_at=now - (steady - arrival)) for arrival, one in self._held]
        self._held.clear()
        return told

    def give_up(self) -> None:
        """Drop and count what waits: nobody will ever know its time."""
        self.dropped += len(self._held)
        self._held.clear()
        self._bytes = 0


def _waited(message: Message, now: float) -> float:
    """Return how many seconds ago a message arrived; none, if the clock jumped in between."""
    seconds = now - message.received_at
    return seconds if 0.0 <= seconds <= LONGEST_WAIT else 0.0


def trust_of(config: Config) -> Trust:
    """Begin to doubt the clock as a configuration says, from now on."""
    return Trust(config.node.trust_clock_after, started_at=time.monotonic(), witnesses=Witnesses())
