"""Plain payloads: one bare value, as many scripts send it."""

from collections.abc import Callable

from edge.errors import ReadingError, quote
from edge.reading import Decoded, parse_value


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
        return read_bare(payload, parse_value)


def read_bare(payload: bytes, read: Callable[[object], float]) -> Decoded:
    """Read a payload that is one value; `read` makes a number of its text.

    Raises:
        ReadingError: malformed, and what `read` raises.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise ReadingError("malformed", quote(payload[:81])) from None
    return Decoded(None, (read(text),), ())
