"""What is said by many and measured by nobody: how the radio is, whether somebody is there, what was ordered."""

import re

from edge.payloads.sparkplug import PREFIX, parse_topic

# Words of a name: any of them tells.
_RADIO = frozenset({"rssi", "lqi", "linkquality", "snr", "wifi", "ssid", "bssid", "signal"})
_ITSELF = frozenset(
    {"uptime", "heap", "firmware", "version", "reboots", "restarts", "bootcount", "loadavg", "downtime"}
)
# Whole names.
_NAMES = {
    "battery": frozenset(
        {"battery", "battery_low", "battery_level", "battery_percent", "battery_percentage", "battery_state"}
        | {"battery_voltage", "battery_mv", "batt", "bat", "vbat"}
    ),
    "of the device itself": frozenset(
        {"boot_count", "uptime_sec", "sleep", "free_memory", "mem_free", "free_mem", "cpu_load", "link_count"}
        | {"mqtt_count", "device_temperature", "esp32_temperature", "interval", "channel"}
    ),
    "a number of the message": frozenset(
        {"id", "uid", "seq", "sequence", "counter", "msg_id", "message_id", "fcnt", "fport"}
    ),
}
_LAST_LEVELS = frozenset(
    {"availability", "available", "cmd", "command", "config", "connected", "connection", "debug", "get", "heartbeat"}
    | {"hostname", "ip", "lastseen", "last_seen", "log", "logs", "lwt", "mac", "online", "ping", "set", "status"}
)
# Tasmota's, and only so written: a device's `state` may be a reading.
_TASMOTA_LEVELS = re.compile(r"STATE|RESULT|INFO\d?|UPTIME|MARGINS|WAKEUP|HEALTH|STATUS\d*|LOGGING")
_COMMAND_LEVELS = frozenset({"cmnd", "stat"})
_WORDS = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*(?![a-z])|\d+")


def words_of(name: str) -> str:
    """Write a name in small words.

    >>> words_of("UptimeSec"), words_of("CO2"), words_of("battery-low")
    ('uptime_sec', 'co2', 'battery_low')
    """
    return "_".join(_WORDS.findall(name)).lower()


def why_no_sensor(path: str) -> str:
    """Say why what has this path or name is no sensor's reading; empty if it may be one.

    >>> why_no_sensor("Wifi.RSSI"), why_no_sensor("update.installed_version"), why_no_sensor("climate.temperature")
    ('radio', 'of an update', '')
    """
    words = words_of(path)
    parts = set(words.split("_"))
    last = words_of(path.rpartition(".")[2])
    if parts & _RADIO:
        return "radio"
    if words.startswith("update_") or words == "update":
        return "of an update"
    if parts & _ITSELF:
        return "of the device itself"
    return next((why for why, names in _NAMES.items() if last in names or words in names), "")


def why_no_stream(topic: str) -> str:
    """Say why a topic is no stream's whatever it says; empty if it may be one.

    >>> why_no_stream("zigbee2mqtt/kitchen/availability"), why_no_stream("cmnd/kitchen/POWER"), why_no_stream("a/b")
    ('availability', 'a command', '')
    """
    levels = topic.split("/")
    if levels[0] == "tidegate":
        return "what Tidegate says"
    if topic.startswith(PREFIX) and parse_topic(topic) is None:
        return "of Sparkplug's hosts"
    if any(level.startswith("$") for level in levels):
        return "a description"
    if _COMMAND_LEVELS.intersection(levels[:2]) or _COMMAND_LEVELS.intersection(levels[-2:-1]):
        return "a command" if "cmnd" in levels else "an answer to a command"
    last = levels[-1].lower()
    if last in _LAST_LEVELS:
        return "a command" if last in ("set", "get", "cmd", "command") else last
    return "the state of a Tasmota" if _TASMOTA_LEVELS.fullmatch(levels[-1]) else ""
