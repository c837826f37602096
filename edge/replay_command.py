"""The command `tidegate replay`: its options, and what it calls."""

import argparse
from pathlib import Path

from edge.finding import KINDS, Kind
from edge.source_options import add_source_options, selection_of

REPLAY = "send a recording through the line and write what it says of every row"
EXAMPLE = "tidegate replay boiler.bundle january.csv.gz verdicts.csv --forecasts forecasts.csv"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("bundle", type=Path, help="the bundle")
    parser.add_argument(
        "input", type=Path, help="a recording: CSV, CSV.gz, Parquet, or a recorder's or Home Assistant's database"
    )
    parser.add_argument("output", type=Path, help="CSV to write, one row for each input row")
    parser.add_argument("--forecasts", type=Path, metavar="FILE", help="CSV to write every forecast to")
    parser.add_argument(
        "--inference",
        choices=("stream", "window"),
        default="stream",
        help="carry the recurrent state (default), or run the whole window anew at every step",
    )
    parser.add_argument(
        "--config", type=Path, metavar="TOML", help="alarm budgets, kinds and limits as the daemon would have them"
    )
    parser.add_argument(
        "--kinds",
        type=_kinds,
        default=KINDS[:1],
        metavar="A,B",
        help=f"tell these kinds of anomaly beside forecast: {', '.join(KINDS[1:])}, or all (default: forecast alone)",
    )
    add_source_options(parser)


def replay(options: argparse.Namespace) -> int:
    """Run `tidegate replay`."""
    from edge import replay_files

    replay_files.replay(
        options.bundle,
        options.input,
        options.output,
        forecasts=options.forecasts,
        inference=options.inference,
        config=options.config,
        kinds=options.kinds,
        selection=selection_of(options, options.input),
    )
    return 0


def _kinds(text: str) -> tuple[Kind, ...]:
    if text == "all":
        return KINDS
    asked = text.split(",")
    if not set(asked) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"must be all, or some of {', '.join(KINDS)}, got {text!r}")
    return tuple(kind for kind in KINDS if kind in asked)
