"""The command `tidegate-train`: everything that happens on the workstation."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import edge
from edge.cli import DONE, FAILED, OPERATOR, Commands, add, guarded
from edge.errors import ConfigError, OperatorError, ReadingError
from edge.reading import parse_time
from training import int8_command, quantisation_command, report_command

if TYPE_CHECKING:
    from training.recipe import Recipe

HINT = "in the source tree: pip install '.[training]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 the user must change something."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        return guarded(options.command, options)
    except ModuleNotFoundError as missing:
        print(f"error: needs {missing.name}; {HINT}", file=sys.stderr)
        return OPERATOR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tidegate-train", description="From recorded history to a bundle that forecasts and flags on the device."
    )
    parser.add_argument("--version", action="version", version=f"tidegate-train {edge.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands)
    _add_evaluate(commands)
    report_command.add_parser(commands)
    _add_study(commands)
    return parser


def _add_fit(commands: Commands) -> None:
    text = "fit a bundle on recorded history"
    example = "tidegate-train fit --data january.csv.gz february.csv.gz --out boiler.bundle --horizons 1,6,24"
    parser = add(commands, "fit", _fit, text, example)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="FILE",
        help="CSV, CSV.gz or Parquet: a column `time` (ISO 8601 or Unix seconds), one numeric column for each sensor, "
        "optionally `stream`; files without it are one stream each",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the bundle to write")
    parser.add_argument("--recipe", type=Path, metavar="TOML", help="how to train (default: chosen for the data)")
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--until", type=_time, metavar="TIME", help="leave out rows at or after this time")
    bound.add_argument("--rows", type=_count, metavar="N", help="read the first N rows of each file only")
    parser.add_argument(
        "--horizons", type=_horizons, metavar="1,6,24", help="how many steps ahead to forecast (default: the recipe's)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of everything random: the same gives the same bundle (default: the recipe's)",
    )
    parser.add_argument("--bundle-version", type=_count, default=1, metavar="N", help="number of this version")


def _add_evaluate(commands: Commands) -> None:
    text = "measure a bundle on rows it was not trained on, with baselines beside it"
    example = "tidegate-train evaluate boiler.bundle --data march.csv.gz --events faults.csv"
    parser = add(commands, "evaluate", _evaluate, text, example)
    parser.add_argument("bundle", type=Path, help="the bundle")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help="recorded history")
    parser.add_argument(
        "--events", type=Path, nargs="+", default=[], metavar="FILE",
        help="CSV of labelled spans `start,end` (`stream` if there are several)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _add_study(commands: Commands) -> None:
    parser = commands.add_parser(
        "study",
        help="measure what a choice is worth",
        description="Measure what a choice is worth.",
        epilog="example:\n  tidegate-train study quantisation --data data --quick",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    studies = parser.add_subparsers(required=True, metavar="STUDY")
    quantisation_command.add_parser(studies)
    int8_command.add_parser(studies)


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except ReadingError as wrong:
        raise argparse.ArgumentTypeError(f"must be ISO 8601 or Unix seconds, got {text!r}") from wrong


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _horizons(text: str) -> tuple[int, ...]:
    return tuple(sorted({_count(piece) for piece in text.split(",")}))


def _fit(options: argparse.Namespace) -> int:
    if find_spec("tensorflow") is None:
        raise OperatorError(f"needs tensorflow; {HINT}")
    from edge.replay_files import check_outputs

    check_outputs([options.out], [*options.data, *([options.recipe] if options.recipe else [])])
    recipe = _recipe(options)
    _say("loading TensorFlow")
    from training.card import card
    from training.fit import ParityError, fit
    from training.pack import pack
    from training.series import read

    try:
        prepared, fitted = fit(read(options.data, rows=options.rows, until=options.until), recipe, _say)
    except OperatorError as wrong:
        raise _named(options.data, wrong) from wrong
    except ParityError as far:
        print(f"error: {far}", file=sys.stderr)
        return FAILED
    manifest = pack(options.out, fitted, prepared, recipe, options.bundle_version)
    print("\n".join(card(manifest).splitlines()[2:]).rstrip())
    print(f"wrote {options.out}, {options.out.stat().st_size} bytes")
    return DONE


def _recipe(options: argparse.Namespace) -> "Recipe":
    from edge.recording import stem
    from training import recipe as recipes

    try:
        recipe = recipes.load(options.recipe) if options.recipe else recipes.default()
    except ConfigError as wrong:
        raise _named([options.recipe], wrong) from wrong
    name = recipe.name or stem(options.out.with_suffix(""))
    horizons = options.horizons or recipe.data.horizons
    seed = recipe.seed if options.seed is None else options.seed
    return replace(recipe, name=name, seed=seed, data=replace(recipe.data, horizons=horizons))


def _named(files: Sequence[Path], wrong: OperatorError) -> OperatorError:
    """Put the file's name before each problem that lacks it."""
    place = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    known = tuple(map(str, files))
    return OperatorError(
        [problem if problem.startswith(known) else f"{place}: {problem}" for problem in wrong.problems]
    )


def _evaluate(options: argparse.Namespace) -> int:
    import orjson

    from training.measure import evaluate, gather, text

    report = evaluate(gather(options.bundle, options.data, options.events))
    print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() if options.json else text(report))
    return DONE


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
