"""The device part of Tidegate: from MQTT payloads to forecasts and flags."""

__version__ = "0.1.0"
