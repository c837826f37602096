"""Take the devices of this node out of Home Assistant, whoever announced them: the command `tidegate withdraw`."""

import time
from dataclasses import replace
from math import inf

from edge import homeassistant
from edge.announcer import SETTLE
from edge.config import Config
from edge.connection import Connection
from edge.errors import OperatorError
from edge.homeassistant import Node
from edge.mailbox import Message

ANSWERS_WITHIN = 15.0  # seconds; who calls a command waits for it
TICK = 0.1  # seconds between two looks at the clock


def withdraw(config: Config) -> list[str]:
    """Clear away what the broker keeps for Home Assistant of this node; return the streams it was about.

    Raises:
        OperatorError: the broker cannot be reached, or refuses us.
    """
    prefix = config.homeassistant.prefix
    node = Node(prefix, config.node.prefix, config.node.name)
    connection = Connection(
        replace(config.broker, session_expiry=0),  # nothing need be kept for us
        client_id=f"{config.client_id}-withdraw",
        status_topic=None,
        subscriptions=[],
        memories=[(f"{prefix}/device/+/config", 1)],
    )
    where = f"broker {config.broker.host}:{config.broker.port}"
    connection.start()
    try:
        streams = [
            kept.stamp.stream
            for heard in _kept(connection, where)
            if (kept := homeassistant.read(node, heard.topic, heard.payload)) is not None
        ]
        for stream in streams:
            connection.publish(*homeassistant.withdraw(node, stream))
        give_up_at = time.monotonic() + ANSWERS_WITHIN
        while not connection.is_delivered():
            connection.take(TICK)
            _give_up_after(give_up_at, where)
        return streams
    finally:
        connection.stop()


def _kept(connection: Connection, where: str) -> list[Message]:
    """Return what the broker sends of what it keeps."""
    kept: list[Message] = []
    settled_at, give_up_at = inf, time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < settled_at:
        kept += [heard for heard in connection.take(TICK) if heard.retained]
        if connection.ready and settled_at == inf:
            settled_at = time.monotonic() + SETTLE
        if settled_at == inf:
            _give_up_after(give_up_at, where)
    return kept


def _give_up_after(time_: float, where: str) -> None:
    if time.monotonic() > time_:
        raise OperatorError(f"{where}: must answer within {ANSWERS_WITHIN:g} s, got nothing")
