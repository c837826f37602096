"""The command `tidegate discover`: its options, and what it calls."""

import argparse
from pathlib import Path

DISCOVER = "listen to a broker and propose a configuration for what speaks there; publish nothing"
EXAMPLE = "tidegate discover --broker pi.local --for 30m --out tidegate.toml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("--broker", required=True, metavar="HOST[:PORT]", help="the broker (default port: 1883)")
    help_text = "how long: 90s, 10m (the default), 2h; Ctrl-C ends early and writes what was found"
    parser.add_argument("--for", dest="span", default="10m", metavar="SPAN", help=help_text)
    help_text = "the file to write (default: tidegate.toml), - for the terminal"
    parser.add_argument("--out", default="tidegate.toml", metavar="TOML", help=help_text)
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    help_text = "listen to these topics alone, with + and # (default: #); may be given several times"
    parser.add_argument("--topic", action="append", metavar="FILTER", help=help_text)
    parser.add_argument("--username", default="", metavar="NAME", help="who we are (default: nobody)")
    help_text = "a text file with the password in its first line"
    parser.add_argument("--password-file", default="", metavar="FILE", help=help_text)


def discover(options: argparse.Namespace) -> int:
    """Run `tidegate discover`."""
    from edge import discovery
    from edge.durations import parse_duration
    from edge.errors import ConfigError
    from edge.topics import broken_filter_rule

    try:
        lasts = parse_duration(options.span)
    except ConfigError as wrong:
        raise ConfigError(f"--for: {wrong}") from wrong
    for wanted in options.topic or ():
        if rule := broken_filter_rule(wanted):
            raise ConfigError(f"--topic: {rule}, got {wanted!r}")
    search = discovery.Search(
        broker=options.broker,
        username=options.username,
        password_file=options.password_file,
        lasts=lasts,
        filters=tuple(options.topic or ("#",)),
        out=None if options.out == "-" else Path(options.out),
        replaces=options.force,
    )
    return discovery.run(search)
