"""Plain payloads: one bare value, as ESPHome and many scripts send it."""

from edge.errors import ReadingError, quote
from edge.reading import Decoded, parse_value


class Plain:
    """Read a payload that is one value in UTF-8."""

    def decode(self, payload: bytes) -> Decoded:
        """Read one payload.

        Raises:
            ReadingError: it is no finite number.

        >>> Plain().decode(b"21.5")
        Decoded(time=None, values=(21.5,), refused=())
        """
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise ReadingError("malformed", quote(payload[:81])) from None
        return Decoded(None, (parse_value(text),), ())
