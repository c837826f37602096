"""The commands `tidegate record` and `tidegate export`: their options, and what they call."""

import argparse
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

RECORD = "write what the sensors say into a database, until told to stop"
RECORD_EXAMPLE = "tidegate record --config tidegate.toml --for 7d --database week.db"
EXPORT = "write a recorder's database as a table that `tidegate-train fit` and `tidegate replay` read"
EXPORT_EXAMPLE = (
    "tidegate export recorder.db january.csv.gz --since 2026-01-01 --until 2026-02-01 --streams boiler,pump"
)


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """Add what `record` takes."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="TOML", help="the configuration; no bundle need exist"
    )
    parser.add_argument("--for", dest="span", metavar="7d", help="end after 90s, 15m, 12h, 7d or 2w (default: never)")
    parser.add_argument("--database", type=Path, metavar="FILE", help="where to (default: the configuration's)")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add what `export` takes."""
    parser.add_argument("database", type=Path, help="a recorder's database; it may be in use")
    parser.add_argument("output", type=Path, help="CSV, CSV.gz or Parquet to write (Parquet needs pyarrow)")
    moment = "ISO 8601, Unix seconds, or a span such as 30d before the newest reading"
    parser.add_argument("--since", metavar="TIME", help=f"leave out readings before it: {moment}")
    parser.add_argument("--until", metavar="TIME", help="leave out readings at or after it: the same")
    parser.add_argument("--streams", metavar="A,B", help="only these streams (default: all)")
    parser.add_argument(
        "--suppressed", action="store_true", help="write readings of maintenance and acknowledged anomalies too"
    )
    parser.add_argument(
        "--spans", type=Path, metavar="CSV", help="write when these were: for `fit --exclude` and `evaluate --events`"
    )


def record(options: argparse.Namespace) -> int:
    """Run `tidegate record`."""
    from edge import config as configs
    from edge import recorder
    from edge.durations import parse_duration
    from edge.errors import ConfigError

    try:
        seconds = inf if options.span is None else parse_duration(options.span)
    except ConfigError as wrong:
        raise ConfigError(f"--for: {wrong}") from wrong
    config = configs.load_to_record(options.config)
    if options.database is not None:
        try:
            config = replace(config, recorder=replace(config.recorder, database=options.database))
        except ConfigError as wrong:
            raise ConfigError(f"--{wrong}") from wrong
    if recorder.run(config, seconds=seconds) or seconds == inf:  # without an end it was stopped by somebody
        return 0
    where = f"broker {config.broker.host}:{config.broker.port}"
    print(f"error: {where}: could not be heard in all that time: nothing was recorded", file=sys.stderr)
    return 1


def export(options: argparse.Namespace) -> int:
    """Run `tidegate export`."""
    from edge.export import export as write

    streams = None if options.streams is None else tuple(options.streams.split(","))
    write(
        options.database,
        options.output,
        since=options.since,
        until=options.until,
        streams=streams,
        suppressed=options.suppressed,
        spans=options.spans,
    )
    return 0
