"""Stand for a broker, for one client on this machine: it grants everything and forgets everything.

It speaks as much of MQTT 3.1.1 and 5 as a daemon needs to be served: enough to measure one where no broker is. The
numbers in the names of sections are those of MQTT 5.0.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from edge.errors import OperatorError
from edge.packets import find_body, lay_out, publish

HOST = "127.0.0.1"
CONNACK, PUBACK, PUBREL, SUBACK, PINGRESP = 0x20, 0x40, 0x62, 0x90, 0xD0  # first bytes of packets
VERSION_AT = 6  # in the body of a CONNECT, after the six bytes of the protocol's name (3.1.2.1)
MOST = 1 << 18  # bytes taken from the socket at once


class Loopback:
    """Listen on a free port, serve the client that comes, and publish to it.

    Attributes:
        port: where it listens.
        heard: messages that the client has published.
    """

    def __init__(self) -> None:
        """Listen; nobody is let in before `with`."""
        self._listening = socket.create_server((HOST, 0))
        self.port: int = self._listening.getsockname()[1]
        self.heard = 0
        self._client: socket.socket | None = None
        self._version = 5
        self._identifier = 0
        self._subscribed = threading.Event()
        self._sending = threading.Lock()  # both threads write, and neither may do so within the other's packet
        self._thread = threading.Thread(target=self._serve, name="loopback", daemon=True)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        for sock in (self._listening, self._client):
            if sock is not None:
                _hang_up(sock)
        self._thread.join()

    def wait(self, seconds: float) -> bool:
        """Wait until the client has subscribed; return whether it has."""
        return self._subscribed.wait(seconds)

    def publish(self, messages: list[tuple[str, bytes]], qos: int) -> None:
        """Send messages to the client, all of them at once.

        Raises:
            OperatorError: there is no client, or it has gone.
        """
        packets = b"".join(self._lay_out(topic, payload, qos) for topic, payload in messages)
        if self._client is None:
            raise OperatorError("loopback: must have a client, got none")
        try:
            self._send(self._client, packets)
        except OSError as error:
            raise OperatorError(f"loopback: must keep its client, got {error}") from error

    def _lay_out(self, topic: str, payload: bytes, qos: int) -> bytes:
        """Lay out a PUBLISH (3.3)."""
        self._identifier = self._identifier % 65_535 + 1
        return publish(topic, payload, qos, self._identifier, self._properties())

    def _properties(self) -> bytes:
        """Lay out that there are none, where the version has any (2.2.2)."""
        return b"\0" if self._version == 5 else b""

    def _send(self, client: socket.socket, packets: bytes) -> None:
        with self._sending:
            client.sendall(packets)

    def _serve(self) -> None:
        """Serve one client until it or we hang up."""
        try:
            client, _ = self._listening.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = client
            rest = b""
            while came := client.recv(MOST):
                rest = self._take(client, rest + came)
        except OSError:  # hung up
            return

    def _take(self, client: socket.socket, came: bytes) -> bytes:
        """Answer every whole packet; return what is left."""
        place, answers = 0, []
        while (body := find_body(came, place)) is not None and body[1] <= len(came):
            begin, end = body
            answers.append(self._answer(came[place], came[begin:end]))
            place = end
        self._send(client, b"".join(answers))
        return came[place:]

    def _answer(self, head: int, body: bytes) -> bytes:
        """Say what a packet is answered with, perhaps nothing."""
        match head & 0xF0:
            case 0x10:  # CONNECT
                self._version = body[VERSION_AT]
                return lay_out(CONNACK, b"\0\0" + self._properties())
            case 0x80:  # SUBSCRIBE: what is asked for is granted
                self._subscribed.set()
                return lay_out(SUBACK, body[:2] + self._properties() + self._granted(body))
            case 0x30:  # PUBLISH: of QoS 1 at most, the daemon's
                self.heard += 1
                topic_ends = 2 + int.from_bytes(body[:2])
                return lay_out(PUBACK, body[topic_ends : topic_ends + 2]) if head & 0x06 else b""
            case 0x50:  # PUBREC: what we published with QoS 2 has come
                return lay_out(PUBREL, body[:2])
            case 0xC0:
                return lay_out(PINGRESP, b"")
        return b""

    def _granted(self, body: bytes) -> bytes:
        """Read the QoS of every filter in a SUBSCRIBE (3.8.3)."""
        place = 3 + body[2] if self._version == 5 else 2
        granted = bytearray()
        while place < len(body):
            place += 2 + int.from_bytes(body[place : place + 2])
            granted.append(body[place] & 0x03)
            place += 1
        return bytes(granted)


def _hang_up(sock: socket.socket) -> None:
    """Close a socket under a thread that waits for it; one that was never connected needs no goodbye."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
