"""What the commands of `tidegate-train` share: saying, reading a number, naming the file that an error is in."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import OperatorError

HINT = "in the source tree: pip install '.[training]'"


def say(text: str) -> None:
    """Tell the user of progress, beside what is printed."""
    print(text, file=sys.stderr, flush=True)


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that works on known sets: the folder, and which of them."""
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the folder (default: data)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="SET",
        help="a kind (forecast, nab, skab, gecco2018, wsn, msl), a folder, or one set such as forecast/etth1; "
        "may be given several times",
    )  # fmt: skip


def count(text: str) -> int:
    """Read a number of things from the command line.

    >>> count("12")
    12
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def named(files: Sequence[Path], wrong: OperatorError) -> OperatorError:
    """Put the file's name before each problem that lacks it."""
    place = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    known = tuple(map(str, files))
    return OperatorError(
        [problem if problem.startswith(known) else f"{place}: {problem}" for problem in wrong.problems],
        listing=wrong.listing,
    )
