"""The dialects that payloads are written in, one file each; this is the only place that lists them."""

from collections.abc import Sequence
from typing import Protocol

from edge.errors import ConfigError, quote
from edge.payloads.json import Json
from edge.payloads.plain import Plain
from edge.reading import Decoded

NAMES = ("json", "plain")


class Dialect(Protocol):
    """Turn a payload into values."""

    def decode(self, payload: bytes) -> Decoded:
        """Read one payload.

        Raises:
            ReadingError: it holds no reading at all, or its time cannot be read.
        """


def dialect(name: str, paths: Sequence[str], time_path: str | None) -> Dialect:
    """Make the decoder of a dialect.

    Args:
        name: one of `NAMES`.
        paths: where each sensor stands in the payload; a plain payload has one value and no paths in it.
        time_path: where the event time stands, None if the time of arrival counts.

    Raises:
        ConfigError: there is no such dialect.
    """
    match name:
        case "json":
            return Json(paths, time_path)
        case "plain":
            return Plain()
    raise ConfigError(f"dialect: must be one of {', '.join(NAMES)}, got {quote(name)}")
