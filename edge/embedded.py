"""A broker inside our own process, for the demo: amqtt, pure Python, MQTT 3.1.1, some 3,000 messages a second."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.errors import OperatorError

if TYPE_CHECKING:
    from amqtt.broker import Broker
    from amqtt.contexts import BrokerConfig

HOST = "127.0.0.1"
STARTS_WITHIN = 10.0  # seconds


@contextmanager
def broker() -> Iterator[tuple[str, int]]:
    """Run a broker on a free port of this machine; it lets everybody in and forgets everything.

    Yields:
        Its host and port.
    """
    try:
        from amqtt.contexts import BrokerConfig, ListenerConfig
    except ImportError as missing:
        hint = "in the source tree: pip install '.[demo]'; or name a broker with --broker HOST:PORT"
        raise OperatorError(f"the embedded broker needs amqtt; {hint}") from missing
    for name in ("amqtt", "transitions"):  # they tell of every message
        logging.getLogger(name).setLevel(logging.CRITICAL)
    port = _free_port()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="broker", daemon=True)
    thread.start()
    config = BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"{HOST}:{port}")},
        plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    )
    served = asyncio.run_coroutine_threadsafe(_start(config), loop).result(STARTS_WITHIN)
    try:
        yield HOST, port
    finally:
        asyncio.run_coroutine_threadsafe(served.shutdown(), loop).result(STARTS_WITHIN)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STARTS_WITHIN)


async def _start(config: "BrokerConfig") -> "Broker":
    from amqtt.broker import Broker

    served = Broker(config, loop=asyncio.get_running_loop())
    await served.start()
    return served


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
