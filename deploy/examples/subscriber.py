"""Print every event that opens: `python subscriber.py localhost`. Needs paho-mqtt 2."""

import json
import sys

import paho.mqtt.client as paho


def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
    """Print an event, if it is a new one."""
    event = json.loads(message.payload)
    if event["phase"] == "open":
        why = event["explanation"]
        print(
            message.topic, event["kind"], why["sensor"], "expected", why["expected"], "was", why["actual"], flush=True
        )


client = paho.Client(paho.CallbackAPIVersion.VERSION2)
client.on_connect = lambda *_: client.subscribe("tidegate/+/+/event", qos=1)
client.on_message = on_message
client.connect(sys.argv[1])
client.loop_forever()
