"""Errors, sorted by whose fault they are.

A sensor's fault is a `ReadingError`: it is counted and the line carries on. An operator's fault is an
`OperatorError`: it is printed, a line for each problem, and the command ends with status 2. Everything else is
ours and ends the process.
"""

from collections.abc import Sequence


class ReadingError(ValueError):
    """Say why a payload, or one value in it, is not a reading.

    Attributes:
        reason: one word of a small fixed set; it names the counter in the health message.
        detail: what was received, quoted and cut.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the counter's name beside what was received."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OperatorError(Exception):
    """Say what the user must change; each problem is one line `where: what must hold, got what`."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        """Take one problem or several."""
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(OperatorError):
    """Report every problem of a configuration or a recipe."""


class BundleError(OperatorError):
    """Report why a bundle must not serve."""


class RecordingError(OperatorError):
    """Report why a recorded history cannot be read."""


def quote(received: object) -> str:
    """Quote what somebody else wrote, cut to 80 characters.

    >>> quote("x" * 200)[-4:]
    "xx'…"
    """
    text = repr(received)
    return text if len(text) <= 80 else text[:79] + text[:1] + "…"
