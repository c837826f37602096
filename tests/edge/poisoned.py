"""A worker that dies of some messages, as one would that meets a fault in native code."""

import os
import time
from collections.abc import Sequence

from edge import worker
from edge.desk import Desk
from edge.mailbox import Message
from edge.message import Outgoing


class Poisoned(Desk):
    """Judge, unless told to die or to hang."""

    def judge(self, messages: Sequence[Message]) -> list[Outgoing]:
        """Judge messages."""
        texts = [message.payload for message in messages]
        if b"die" in texts:
            os._exit(7)
        if b"hang" in texts:
            time.sleep(1000.0)
        return super().judge(messages)


def main() -> None:
    """Serve."""
    worker.Desk = Poisoned  # type: ignore[misc]
    worker.main()
