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
from edge.source_options import add_source_options, selection_of
from training import report_command
from training.study_cli import add_study
from training.terminal import HINT, add_sets, count, named, say

if TYPE_CHECKING:
    from edge.sources import Selection
    from training.recipe import Recipe


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
        prog="tidegate-train",
        description="From recorded history to a bundle that forecasts and flags on the device.",
        epilog="example:\n  tidegate-train fit --data january.csv.gz --out boiler.bundle",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tidegate-train {edge.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands)
    _add_evaluate(commands)
    _add_benchmark(commands)
    report_command.add_parser(commands)
    add_study(commands)
    return parser


def _add_fit(commands: Commands) -> None:
    text = "fit a bundle on recorded history"
    example = "tidegate-train fit --data january.csv.gz february.csv.gz --out boiler.bundle --horizons 1,6,24"
    parser = add(commands, "fit", _fit, text, example)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="FILE",
        help="CSV, CSV.gz or Parquet: a column `time` (ISO 8601 or Unix seconds), one numeric column for each sensor, "
        "optionally `stream`; files without it are one stream each; or a recorder's database, or Home Assistant's",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the bundle to write")
    parser.add_argument("--recipe", type=Path, metavar="TOML", help="how to train (default: chosen for the data)")
    parser.add_argument(
        "--exclude", type=Path, nargs="+", default=[], metavar="CSV",
        help="CSV of spans `start,end` (`stream` if there are several) of which nothing is learnt; of a recorder's "
        "database, maintenance and acknowledged anomalies are left out by themselves",
    )  # fmt: skip
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--until", type=_time, metavar="TIME", help="leave out rows at or after this time")
    bound.add_argument("--rows", type=count, metavar="N", help="read the first N rows of each file only")
    parser.add_argument(
        "--horizons", type=_horizons, metavar="1,6,24", help="how many steps ahead to forecast (default: the recipe's)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of everything random: the same gives the same bundle (default: the recipe's)",
    )
    parser.add_argument(
        "--bundle-version", type=count, default=1, metavar="N", help="which version of the bundle this is (default: 1)"
    )
    add_source_options(parser)


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
    add_source_options(parser)


def _add_benchmark(commands: Commands) -> None:
    text = "fit, replay and judge every known set below a folder, with the default recipe and controls beside it"
    parser = add(commands, "benchmark", _benchmark, text, "tidegate-train benchmark --data data --only wsn")
    add_sets(parser)
    parser.add_argument(
        "--quick", action="store_true", help="two sets of middling size of each folder, large ones none"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("build/benchmark"), metavar="DIR",
        help="where the result of each set is kept, so that it is not measured twice (default: build/benchmark)",
    )  # fmt: skip
    parser.add_argument("--jobs", type=count, metavar="N", help="sets at a time (default: one a core, at most 2)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of tables")


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except ReadingError as wrong:
        raise argparse.ArgumentTypeError(f"must be ISO 8601 or Unix seconds, got {text!r}") from wrong


def _horizons(text: str) -> tuple[int, ...]:
    return tuple(sorted({count(piece) for piece in text.split(",")}))


def _fit(options: argparse.Namespace) -> int:
    if find_spec("tensorflow") is None:
        raise OperatorError(f"needs tensorflow; {HINT}")
    from edge.replay_files import check_outputs

    check_outputs([options.out], [*options.data, *options.exclude, *([options.recipe] if options.recipe else [])])
    recipe = _recipe(options)
    from training.excluded import exclude
    from training.series import read

    try:
        # A wrong path is told at once.
        selection = replace(_selection(options, recipe), suppressed=False)
        recordings = read(options.data, rows=options.rows, until=options.until, selection=selection)
    except OperatorError as wrong:
        raise named(options.data, wrong) from wrong
    recordings = exclude(recordings, options.exclude)
    say("loading TensorFlow")
    from training.card import card
    from training.fit import ParityError, fit
    from training.pack import pack

    try:
        prepared, fitted = fit(recordings, recipe, say)
    except OperatorError as wrong:
        raise named(options.data, wrong) from wrong
    except ParityError as far:
        print(f"error: {far}", file=sys.stderr)
        return FAILED
    manifest = pack(options.out, fitted, prepared, recipe, options.bundle_version)
    print("\n".join(card(manifest).splitlines()[2:]).rstrip())
    print(f"wrote {options.out}, {options.out.stat().st_size} bytes")
    return DONE


def _selection(options: argparse.Namespace, recipe: "Recipe") -> "Selection":
    """Say what is read: entities that the command line names, or else those of the recipe."""
    selection = selection_of(options, options.data[0])
    return replace(selection, entities=selection.entities or recipe.home_assistant, period=recipe.data.period or None)


def _recipe(options: argparse.Namespace) -> "Recipe":
    from edge.recording import stem
    from training import recipe as recipes

    try:
        recipe = recipes.load(options.recipe) if options.recipe else recipes.default()
    except ConfigError as wrong:
        raise named([options.recipe], wrong) from wrong
    name = recipe.name or stem(options.out.with_suffix(""))
    horizons = options.horizons or recipe.data.horizons
    seed = recipe.seed if options.seed is None else options.seed
    return replace(recipe, name=name, seed=seed, data=replace(recipe.data, horizons=horizons))


def _evaluate(options: argparse.Namespace) -> int:
    import orjson

    from training.measure import evaluate, gather, text

    selection = selection_of(options, options.data[0])
    report = evaluate(gather(options.bundle, options.data, options.events, selection=selection))
    print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() if options.json else text(report))
    return DONE


def _benchmark(options: argparse.Namespace) -> int:
    if find_spec("tensorflow") is None:
        raise OperatorError(f"needs tensorflow; {HINT}")
    import orjson

    from training.known_sets import choose, find, quick

    sets = choose(find(options.data), options.only)
    chosen = quick(sets) if options.quick else sets
    from training.benchmark import benchmark
    from training.benchmark_tables import text

    asked = [f"--only {name}" for name in options.only]
    if options.quick:
        asked.append(
            f"--quick ({len(chosen)} of {len(sets)} sets: two of middling size of each folder, large ones none)"
        )
    report = benchmark(chosen, options.work, jobs=options.jobs, asked=asked)
    print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() if options.json else text(report))
    return FAILED if report.broke else DONE


if __name__ == "__main__":
    sys.exit(main())
