"""Errors, sorted by whose fault they are.

A sensor's fault is a `ReadingError`: it is counted and the line carries on. An operator's fault is an
`OperatorError`: it is printed, a line for each problem, and the command ends with status 2. Everything else is
ours and ends the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class ReadingError(ValueError):
    """Say why a payload, or one value in it, is not a reading.

    Attributes:
        reason: one word of a small fixed set; it names the counter in the health message.
        detail: what was received, quoted and cut.
        places: of the sensors whose values are refused, among those looked for; empty where it is the payload.
    """

    def __init__(self, reason: str, detail: str, places: Sequence[int] = ()) -> None:
        """Keep the counter's name beside what was received."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.places = tuple(places)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Count the cells of a recorded column of numbers that hold something else; they count as missing.

    >>> print(Refusal("warm", 60, 4, "unavailable"))
    warm: 60 cells without a number, the first at row 4: 'unavailable'
    """

    column: str
    count: int
    row: int  # of the first, from 1 below the header
    cell: str  # what the first holds

    def __str__(self) -> str:
        """Return it as a line for the user."""
        cells = counted(self.count, "cell")
        return f"{self.column}: {cells} without a number, the first at row {self.row}: {quote(self.cell)}"


class OperatorError(Exception):
    """Say what the user must change; each problem is one line `where: what must hold, got what`.

    Attributes:
        problems: the lines.
        listing: what to choose from, in lines for the terminal.
    """

    def __init__(self, problems: str | Sequence[str], *, listing: Sequence[str] = ()) -> None:
        """Take one problem or several."""
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.listing = tuple(listing)
        super().__init__("\n".join(self.problems))


class ConfigError(OperatorError):
    """Report every problem of a configuration or a recipe."""


class BundleError(OperatorError):
    """Report why a bundle must not serve."""


class RecordingError(OperatorError):
    """Report why a recorded history cannot be read."""


class RuntimeMissingError(OperatorError):
    """Say that no TFLite runtime is installed."""


def quote(received: object) -> str:
    """Quote what somebody else wrote, cut to 80 characters.

    >>> quote("x" * 200)[-4:]
    "xx'…"
    """
    text = repr(received)
    return text if len(text) <= 80 else text[:79] + text[:1] + "…"


def unreadable(path: Path, error: OSError) -> str:
    """Say in one line why a file cannot be read, the same wherever it is named.

    >>> unreadable(Path("x.csv"), FileNotFoundError())
    'x.csv: must be a readable file, there is none'
    """
    if isinstance(error, FileNotFoundError):
        return f"{path}: must be a readable file, there is none"
    if isinstance(error, IsADirectoryError):
        return f"{path}: must be a file, got a folder"
    return f"{path}: must be a readable file, got {error.strerror or quote(str(error))}"


def counted(number: int, noun: str) -> str:
    """Put a number before what it counts.

    >>> counted(1, "row"), counted(0, "event")
    ('1 row', '0 events')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
