"""What a subscriber sees: the demo's client, which publishes readings, listens to the answers and shows them."""

import threading
import time
from types import TracebackType
from typing import Self

import numpy as np
import orjson
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import OperatorError

ANSWERS_WITHIN = 10.0  # seconds
DRAINED_WITHIN = 30.0  # seconds after the last reading; a daemon that lags further is not waited for
SHOWN_EVERY = 8.0  # seconds between two looks at one stream

Event = dict[str, object]


class Subscriber:
    """Publish readings to a broker and listen to what the daemon says of them.

    Attributes:
        states, forecast_messages, forecasts: messages received, and the single forecasts in them.
        events: the newest word on each event, by id.
        status: the newest payload of the status topic.
    """

    def __init__(self, host: str, port: int, node: str) -> None:
        """Connect and subscribe.

        Raises:
            OperatorError: the broker cannot be reached.
        """
        self.states = self.forecast_messages = self.forecasts = 0
        self.events: dict[str, Event] = {}
        self.status = ""
        self._root = f"tidegate/{node}/"
        self._where = f"broker {host}:{port}"
        self._sent: dict[tuple[str, str], float] = {}
        self._latencies: list[float] = []
        self._shown: dict[str, float] = {}
        self._arrived_at = time.monotonic()
        self._kept: set[str] = set()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        try:
            self._client.connect(host, port)
        except OSError as error:
            raise OperatorError(f"{self._where}: must be reachable, got {error}") from error

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._client.loop_start()
        if not self._subscribed.wait(ANSWERS_WITHIN):
            self._client.loop_stop()
            raise OperatorError(f"{self._where}: must grant a subscription within {ANSWERS_WITHIN:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, stream: str, time_text: str, payload: bytes) -> None:
        """Publish a reading of a stream, and remember when."""
        self._sent[stream, time_text] = time.monotonic()
        self._client.publish(topic, payload, qos=1)

    def drain(self, quiet: float) -> None:
        """Wait until nothing has arrived for some seconds, but not for ever."""
        give_up_at = time.monotonic() + DRAINED_WITHIN
        while time.monotonic() - self._arrived_at < quiet and time.monotonic() < give_up_at:
            time.sleep(0.05)

    def clear(self) -> None:
        """Make the broker forget what it keeps for the daemon: status and anomaly flags."""
        sent = [self._client.publish(topic, b"", qos=1, retain=True) for topic in sorted(self._kept)]
        give_up_at = time.monotonic() + ANSWERS_WITHIN
        for receipt in sent:
            receipt.wait_for_publish(max(0.0, give_up_at - time.monotonic()))

    def median_latency_ms(self) -> float | None:
        """Return the median time from publishing a reading to hearing its state; None if none was heard."""
        return 1e3 * float(np.median(self._latencies)) if self._latencies else None

    def _on_connect(
        self, client: Client, userdata: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        client.subscribe(f"{self._root}#", qos=1)

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        if not message.payload:  # the echo of `clear`
            return
        now = self._arrived_at = time.monotonic()
        stream, _, kind = message.topic.removeprefix(self._root).rpartition("/")
        if kind in {"status", "anomaly"}:
            self._kept.add(message.topic)
        if kind == "status":
            self.status = message.payload.decode()
        elif kind == "state" and not message.retain:
            self._take_state(stream, orjson.loads(message.payload), now)
        elif kind == "forecast":
            self.forecast_messages += 1
            self.forecasts += sum(len(one["sensors"]) for one in orjson.loads(message.payload)["horizons"])
        elif kind == "event":
            self._take_event(stream, orjson.loads(message.payload))

    def _take_state(self, stream: str, state: Event, now: float) -> None:
        self.states += 1
        sent = self._sent.pop((stream, str(state["time"])), None)
        if sent is not None:
            self._latencies.append(now - sent)
        if now - self._shown.get(stream, 0.0) >= SHOWN_EVERY:
            self._shown[stream] = now
            print(show_state(stream, state), flush=True)

    def _take_event(self, stream: str, event: Event) -> None:
        self.events[str(event["id"])] = {"stream": stream, **event}
        if event["phase"] != "update":
            print(show_event(stream, event), flush=True)


def show_state(stream: str, state: Event) -> str:
    """Write a state as one line: values with what was expected, score, and what comes next."""
    values, expected, following = (_table(state[name]) for name in ("values", "expected", "next"))
    score = state["score"]
    if not isinstance(score, float):
        return f"{_clock(state['time'])}  {stream:<26} warming up"
    told = "  ".join(
        f"{sensor} {_number(value)} in {_interval(expected[sensor])}, next {_interval(following[sensor])}"
        for sensor, value in values.items()
    )
    return f"{_clock(state['time'])}  {stream:<26} score {score:4.2f}  {told}"


def show_event(stream: str, event: Event) -> str:
    """Write the opening or closing of an event as one line."""
    why, peak = _table(event["explanation"]), _table(event["peak"])
    share = why["share"]
    told = (
        f"{why['sensor']} ({share:.0%} of it) expected {_number(why['expected'])}, was {_number(why['actual'])}"
        if isinstance(share, float)
        else f"{why['sensor']}"
    )
    if event["phase"] == "open":
        return f"{_clock(event['start'])}  {stream:<26} ANOMALY opens: {told}"
    score = peak["score"]
    span = f"{_clock(event['start'])} to {_clock(event['end'])}"
    worst = f"{score:.1f}" if isinstance(score, float) else "?"
    return f"{_clock(event['end'])}  {stream:<26} anomaly closes: {span}, worst score {worst}, {told}"


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _clock(time_text: object) -> str:
    return str(time_text)[11:19]


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "–"


def _interval(bounds: object) -> str:
    table = _table(bounds)
    return f"{_number(table.get('lower'))}…{_number(table.get('upper'))}"
