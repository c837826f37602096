"""Bare payloads: one value each, as many scripts send it."""

from edge.errors import ReadingError, quote
from edge.reading import Decoded, parse_switch, parse_value


class Plain:
    """Read a payload that is one value in UTF-8."""

    repeats = False

    def decode(self, payload: bytes, received_at: float) -> Decoded:
        """Read one payload.

        Raises:
            ReadingError: it is no finite number.

        >>> Plain().decode(b"21.5", 60.0)
        Decoded(time=None, values=(21.5,), refused=())
        """
        return Decoded(None, (parse_value(_text(payload)),), ())


class Switch:
    """Read a payload that is one value in UTF-8, the words of a switch among them: true and ON are 1, false and OFF 0.

    ESPHome's states are written so, and Zigbee2MQTT's attributes where each has a topic to itself.
    """

    repeats = False

    def decode(self, payload: bytes, received_at: float) -> Decoded:
        """Read one payload.

        Raises:
            ReadingError: it is neither a finite number nor the word of a switch.

        >>> Switch().decode(b"19.4", 60.0).values, Switch().decode(b"ON", 60.0).values
        ((19.4,), (1.0,))
        """
        return Decoded(None, (parse_switch(_text(payload)),), ())


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ReadingError("malformed", quote(payload[:81])) from None
