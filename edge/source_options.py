"""The options of a command that reads recorded history."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.sources import Selection


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add what a command takes that reads recorded history."""
    parser.add_argument(
        "--sensor", action="append", default=[], metavar="SENSOR=ENTITY",
        help="read an entity of Home Assistant's database or CSV as this sensor (STREAM/SENSOR=ENTITY for several "
        "streams); may be given several times; without it, the numeric entities are listed",
    )  # fmt: skip
    parser.add_argument(
        "--statistics", action="store_true", help="read Home Assistant's hourly means, which outlive its states"
    )
    parser.add_argument("--streams", metavar="A,B", help="only these streams of a recorder's database (default: all)")


def selection_of(options: argparse.Namespace, first: Path) -> "Selection":
    """Read what those options say.

    Args:
        options: of the command.
        first: the first source: its name is that of the stream of sensors for which none is given.

    Raises:
        ConfigError: one of them says nothing that can be understood.
    """
    from edge.entity_choice import parse_choice
    from edge.recording import stem
    from edge.sources import Selection

    return Selection(
        streams=None if options.streams is None else tuple(options.streams.split(",")),
        entities=parse_choice(options.sensor, stem(first)),
        statistics=options.statistics,
    )
