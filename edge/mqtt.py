"""Be one client of an MQTT broker: the only importer of paho, beside the subscriber's.

paho's own thread is not used: it has no deadline for a CONNACK (some servers never answer an MQTT 5 CONNECT), cannot be
joined with a timeout, resends its whole queue at once after a reconnect, and nobody hears when it dies.

`retained` means: an old message, sent because we subscribed. Retain As Published stays off for that reason: with it, a
live reading that its sender asks the broker to keep (ESPHome does) could not be told from a stale one.

Disliked: a publish that an ACL denies is lost in silence (to report it, paho builds 27 us of properties for every
message of QoS 0 as well).
"""

import functools
import math
import socket
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.config import BrokerConfig
from edge.mailbox import INFLIGHT
from edge.message import Outgoing
from edge.wire import Published, Wire

OFFLINE = b"offline"
MQTT_5, MQTT_3 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
PROTOCOLS = {"auto": (MQTT_5, MQTT_3), "5": (MQTT_5,), "3.1.1": (MQTT_3,)}


class Answer(NamedTuple):
    """What the broker says to a CONNECT.

    Attributes:
        code: its reason code, that of MQTT 5 in either version.
        text: what it means.
        is_failure: whether we are refused.
        is_resumed: whether it has kept our session.
        window: how many messages may go unacknowledged.
    """

    code: int
    text: str
    is_failure: bool
    is_resumed: bool
    window: int


class Owner(Protocol):
    """Whoever a client speaks for; it is told in the thread that turns the client's loop."""

    def be_answered(self, client: "Client", answer: Answer) -> None:
        """Hear what the broker says to a CONNECT."""

    def be_granted(self, refusals: Sequence[str | None]) -> None:
        """Hear for each subscription why it was refused; None where it was granted."""

    def take_in(self, heard: Published) -> None:
        """Take a message."""

    def be_left(self, reason: str) -> None:
        """Hear why the connection ended."""

    def turn_soon(self) -> None:
        """Let the loop turn: there is something to write. Any thread may call."""


class Client(paho.Client):
    """Be a paho client whose socket is a `Wire`, as it is a wrapper of paho's own where it speaks through websockets.

    Attributes:
        version: of MQTT, in words.
    """

    def __init__(
        self,
        owner: Owner,
        broker: BrokerConfig,
        protocol: MQTTProtocolVersion,
        *,
        client_id: str,
        status_topic: str | None,
    ) -> None:
        """Prepare a client that tells the world when we die.

        Args:
            owner: who is told.
            broker: where to, and how.
            protocol: version of MQTT.
            client_id: the name of the session.
            status_topic: where the last will is kept; None for none.

        Raises:
            ConfigError: the password file cannot be read.
        """
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if protocol == MQTT_5 else broker.session_expiry == 0,
            protocol=protocol,
            reconnect_on_failure=False,  # or else paho answers a refused 3.1.1 with 3.1
        )
        self._owner, self._broker = owner, broker
        self.version = "5" if protocol == MQTT_5 else "3.1.1"
        self.connect_timeout = broker.connect_timeout
        if broker.username:
            self.username_pw_set(broker.username, broker.read_password())
        if status_topic is not None:
            self.will_set(status_topic, OFFLINE, qos=1, retain=True)
        self.on_connect = self._tell_answer
        self.on_subscribe = self._tell_granted
        self.on_message = self._pass_on
        self.on_disconnect = lambda client, userdata, flags, reason, properties: owner.be_left(str(reason))
        # With this callback paho leaves writing to our thread; without it, a publish writes from the caller's.
        self.on_socket_register_write = lambda *_: owner.turn_soon()

    def dial(self) -> None:
        """Open the socket and ask for the session that was.

        Raises:
            OSError, UnicodeError: there is nobody, or the name is none.
        """
        broker = self._broker
        if self.protocol == MQTT_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = broker.session_expiry
            is_new = broker.session_expiry == 0  # nothing is kept for us, and nothing of an earlier session is wanted
            self.connect(broker.host, broker.port, broker.keepalive, clean_start=is_new, properties=properties)
        else:
            self.connect(broker.host, broker.port, broker.keepalive)

    def ask_for(self, subscriptions: Sequence[tuple[str, int]], memories: Sequence[tuple[str, int]] = ()) -> None:
        """Subscribe in one packet; in MQTT 5, ask for what is retained only if the session is new to it.

        Args:
            subscriptions: pairs of topic filter and QoS.
            memories: such pairs too, of which what is retained is asked for each time.
        """
        if self.protocol == MQTT_5:
            once, always = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB, SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            known = [(topic, SubscribeOptions(qos, retainHandling=once)) for topic, qos in subscriptions]
            # Of what we publish there ourselves, nothing need come back.
            kept = [(topic, SubscribeOptions(qos, noLocal=True, retainHandling=always)) for topic, qos in memories]
            self.subscribe([*known, *kept])
        else:
            self.subscribe([*subscriptions, *memories])

    def send(self, news: Outgoing) -> paho.MQTTMessageInfo:
        """Take a message without waiting."""
        expires = news.expiry is not None and self.protocol == MQTT_5
        properties = _expiring(math.ceil(news.expiry or 0.0)) if expires else None
        return self.publish(news.topic, news.payload, news.qos, news.retain, properties)

    def write(self) -> bool:
        """Write what waits; return whether the connection stands."""
        return self.loop_write() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def read(self) -> bool:
        """Read what has come; return whether the connection stands."""
        return self.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def keep_alive(self) -> bool:
        """Ping where it is time to; return whether the connection stands."""
        return self.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def socket(self) -> Wire | None:
        """Return the connection's socket, None if there is none."""
        sock = super().socket()
        assert sock is None or isinstance(sock, Wire)
        return sock

    def _create_socket(self) -> Wire:
        sock = super()._create_socket()
        assert isinstance(sock, socket.socket)
        return Wire(sock, self._owner.take_in, version=self.protocol)

    def _tell_answer(
        self,
        client: paho.Client,
        userdata: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        window = min(INFLIGHT, getattr(properties, "ReceiveMaximum", INFLIGHT))
        self._owner.be_answered(
            self, Answer(reason.value, str(reason), reason.is_failure, bool(flags.session_present), window)
        )

    def _tell_granted(
        self, client: paho.Client, userdata: object, mid: int, reasons: list[ReasonCode], properties: object
    ) -> None:
        self._owner.be_granted([str(reason) if reason.is_failure else None for reason in reasons])

    def _pass_on(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        """Pass on a message of QoS 2, which paho has heard to its end."""
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b"\xff"  # no topic either
        self._owner.take_in(Published(topic, bytes(message.payload), message.retain))


@functools.lru_cache(maxsize=16)
def _expiring(seconds: int) -> Properties:
    """Build the properties of a message that expires: 27 us each, and paho only reads them."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = seconds
    return properties
