"""The ceiling of any paho program: a client that receives a message and publishes it again, doing nothing.

    python tests/bench/echo.py PORT QOS

It subscribes to echo/# at the QoS, publishes to tidegate/echo/STREAM/state at QoS 0 as the daemon does, and writes a
line to standard output once its subscription is granted.
"""

import sys

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def repeat(client: Client, userdata: object, message: MQTTMessage) -> None:
    """Publish what came."""
    client.publish(f"tidegate/echo/{message.topic[5:]}/state", message.payload)


def main() -> None:
    """Echo until killed."""
    port, qos = int(sys.argv[1]), int(sys.argv[2])
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = repeat
    client.on_connect = lambda client, *_: client.subscribe("echo/#", qos)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main()
