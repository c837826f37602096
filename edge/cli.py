"""The command `tidegate`: everything that happens on the device."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import edge
from edge import discover_command, history_commands, replay_command
from edge.errors import OperatorError

DONE, FAILED, OPERATOR, INTERRUPTED = 0, 1, 2, 130

Command: TypeAlias = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 the user must change something."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    command: Command = options.command
    return guarded(command, options)


def guarded(command: Command, options: argparse.Namespace) -> int:
    """Run a command; an operator's error is printed a line for each problem."""
    try:
        status = command(options)
        sys.stdout.flush()  # here, where a reader that has gone can still be met quietly
        return status
    except OperatorError as wrong:
        for line in wrong.listing:
            print(line)
        sys.stdout.flush()  # the choice stands before what must be chosen
        for problem in wrong.problems:
            print(f"error: {problem}", file=sys.stderr)
        return OPERATOR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except RuntimeError as broken:
        if not isinstance(broken.__cause__, KeyboardInterrupt):  # Python wraps one that comes while a class is made
            raise
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to say goes nowhere
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tidegate",
        description="Forecasts and anomaly flags for sensors on MQTT, on the device.",
        epilog="example:\n  tidegate check --config tidegate.toml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tidegate {edge.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    replay = add(commands, "replay", replay_command.replay, replay_command.REPLAY, replay_command.EXAMPLE)
    replay_command.add_options(replay)
    _add_demo(commands)
    _add_discover(commands)
    _add_withdraw(commands)
    _add_bundle(commands)
    _add_history(commands)
    return parser


def add(commands: Commands, name: str, command: Command, text: str, example: str) -> argparse.ArgumentParser:
    """Add a command with its help text and an example."""
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _add_run(commands: Commands) -> None:
    parser = add(commands, "run", _run, "serve until told to stop", "tidegate run --config /etc/tidegate/tidegate.toml")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="the configuration")


def _add_check(commands: Commands) -> None:
    text = "report every problem of a configuration and its bundles; no broker is asked"
    example = "tidegate check --config /etc/tidegate/tidegate.toml --budget --streams 500"
    parser = add(commands, "check", _check, text, example)
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="the configuration")
    help_text = (
        "try a daemon out for some seconds (Linux): predict processor time and memory, warn of what does not fit"
    )
    parser.add_argument("--budget", action="store_true", help=help_text)
    help_text = "streams that each table with placeholders will have, for --budget (default: its max_streams)"
    parser.add_argument("--streams", type=int, metavar="N", help=help_text)


def _add_demo(commands: Commands) -> None:
    text = "replay a recording as live MQTT messages and show what a subscriber sees"
    example = "tidegate demo build/motes.bundle --data data/wsn --speed 400"
    parser = add(commands, "demo", _demo, text, example)
    parser.add_argument("bundle", type=Path, help="the bundle")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of NAME.csv.gz, NAME.events.csv"
    )
    parser.add_argument("--broker", default="", metavar="HOST:PORT", help="a real broker (default: an embedded one)")
    parser.add_argument("--speed", type=float, metavar="N", help="times faster than recorded (default: done in 60 s)")


def _add_discover(commands: Commands) -> None:
    text, example = discover_command.DISCOVER, discover_command.EXAMPLE
    discover_command.add_options(add(commands, "discover", discover_command.discover, text, example))


def _add_withdraw(commands: Commands) -> None:
    text = "take all devices of this node out of Home Assistant; a daemon that is enabled would bring them back"
    parser = add(commands, "withdraw", _withdraw, text, "tidegate withdraw --config /etc/tidegate/tidegate.toml")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="the configuration")


def _add_bundle(commands: Commands) -> None:
    parser = commands.add_parser(
        "bundle",
        help="inspect or verify a bundle",
        description="Inspect or verify a bundle.",
        epilog="example:\n  tidegate bundle verify boiler.bundle",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    inspect = add(
        actions,
        "inspect",
        _inspect,
        "print a bundle's card and manifest",
        "tidegate bundle inspect boiler.bundle --json",
    )
    inspect.add_argument("bundle", type=Path, help="the bundle")
    inspect.add_argument("--json", action="store_true", help="print the manifest as JSON instead of the card")
    verify = add(
        actions,
        "verify",
        _verify,
        "prove that a bundle may serve on this machine",
        "tidegate bundle verify boiler.bundle",
    )
    verify.add_argument("bundle", type=Path, help="the bundle")


def _add_history(commands: Commands) -> None:
    recording = add(
        commands, "record", history_commands.record, history_commands.RECORD, history_commands.RECORD_EXAMPLE
    )
    history_commands.add_record_options(recording)
    exporting = add(
        commands, "export", history_commands.export, history_commands.EXPORT, history_commands.EXPORT_EXAMPLE
    )
    history_commands.add_export_options(exporting)


def _run(options: argparse.Namespace) -> int:
    from edge import config, daemon

    daemon.run(config.load(options.config))
    return DONE


def _check(options: argparse.Namespace) -> int:
    from edge import check

    if options.streams is not None and not options.budget:
        raise OperatorError("--streams: must stand beside --budget, got it alone")
    for line in check.check(options.config):
        print(line, flush=True)
    if options.budget:
        _tell_budget(options)
    return DONE


def _tell_budget(options: argparse.Namespace) -> None:
    """Print what is predicted; a prediction that does not fit is a warning, for the configuration is without error."""
    from edge import budget

    report = budget.report(options.config, options.streams, lambda doing: print(f"… {doing}", file=sys.stderr))
    for line in report.lines:
        print(line)
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _demo(options: argparse.Namespace) -> int:
    from edge import demo

    return demo.run(options.bundle, options.data, broker=options.broker, speed=options.speed)


def _withdraw(options: argparse.Namespace) -> int:
    from edge import config, withdrawal

    removed = withdrawal.withdraw(config.load(options.config))
    for stream in removed:
        print(f"{stream}: removed")
    if not removed:
        print("nothing to remove")
    return DONE


def _inspect(options: argparse.Namespace) -> int:
    import orjson

    from edge import bundle

    loaded = bundle.load(options.bundle)
    if options.json:
        print(orjson.dumps(loaded.manifest, option=orjson.OPT_INDENT_2).decode())
    else:
        print(loaded.card.rstrip())
        print(f"\nsha256 {loaded.sha256}, {loaded.size} bytes, verified on {loaded.model.runtime}")
    return DONE


def _verify(options: argparse.Namespace) -> int:
    from edge import bundle

    loaded = bundle.load(options.bundle)
    print(
        f"{options.bundle}: {loaded.manifest.name} version {loaded.manifest.version}, serves on {loaded.model.runtime}"
    )
    return DONE


if __name__ == "__main__":
    sys.exit(main())
