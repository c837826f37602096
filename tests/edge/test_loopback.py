"""The stand-in for a broker, beside the real client that it is made for."""

import time
from collections.abc import Callable

import pytest

from edge.config import BrokerConfig
from edge.connection import Connection
from edge.errors import OperatorError
from edge.loopback import HOST, Loopback
from edge.mailbox import Message


def connection(broker: Loopback, **options: object) -> Connection:
    table = BrokerConfig(host=HOST, port=broker.port, **options)  # type: ignore[arg-type]
    return Connection(table, client_id="n", status_topic="n/status", subscriptions=[("a/+", 0), ("b/+", 1), ("c/+", 2)])


def until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10.0
    while not holds() and time.monotonic() < give_up_at:
        time.sleep(0.005)
    assert holds()


def take(client: Connection, messages: int) -> list[Message]:
    taken: list[Message] = []
    give_up_at = time.monotonic() + 10.0
    while len(taken) < messages and time.monotonic() < give_up_at:
        taken += client.take(0.1)
    return taken


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_reaches_the_client_in_order(protocol: str, qos: int) -> None:
    with Loopback() as broker:
        client = connection(broker, protocol=protocol)
        client.start()
        assert broker.wait(10.0)
        until(lambda: client.ready)
        sent = [(f"a/{number}", b"x" * number) for number in range(300)]
        broker.publish(sent, qos)
        assert [(one.topic, one.payload) for one in take(client, 300)] == sent
        client.stop()
    assert client.counters.disconnects == 1


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_the_client_publishes_is_counted_and_acknowledged(protocol: str) -> None:
    with Loopback() as broker:
        client = connection(broker, protocol=protocol)
        client.start()
        until(lambda: client.ready)
        for number in range(100):  # more of QoS 1 than may go unacknowledged
            client.publish("a", b"x" * 200, number % 2)
        begun = time.monotonic()
        client.stop()
        assert time.monotonic() - begun < 1.5  # or it waited for acknowledgements to the end of its patience
        until(lambda: broker.heard == 102)  # its online and stopped among them


def test_without_a_client_nothing_can_be_published() -> None:
    with Loopback() as broker:
        assert not broker.wait(0.01)
        with pytest.raises(OperatorError, match=r"^loopback: must have a client, got none$"):
            broker.publish([("a", b"")], 0)


def test_a_client_that_has_gone_is_told() -> None:
    with Loopback() as broker:
        client = connection(broker)
        client.start()
        assert broker.wait(10.0)
        client.stop()
        with pytest.raises(OperatorError, match=r"^loopback: must keep its client, got "):
            for _ in range(100):
                broker.publish([("a/b", b"x" * 100_000)], 0)
                time.sleep(0.01)


def test_it_ends_though_nobody_came() -> None:
    begun = time.monotonic()
    with Loopback():
        pass
    assert time.monotonic() - begun < 2.0
