"""The command `tidegate-train study`: what a choice is worth; memory and cells are here, quantisation beside it."""

import argparse
import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import DONE, FAILED, Commands, add
from edge.errors import ConfigError, OperatorError
from training import int8_command, quantisation_command
from training.terminal import HINT, count, named, say

if TYPE_CHECKING:
    from training.study import Plan

PICTURES = (".png", ".svg")
REMEMBERING = ("rnn", "gru", "lstm")
CELLS = ("none", *REMEMBERING)


def add_study(commands: Commands) -> None:
    """Add the command group."""
    parser = commands.add_parser(
        "study",
        help="measure what a choice is worth: memory, cells, quantisation",
        description="Measure what a choice is worth.",
        epilog="example:\n  tidegate-train study memory --quick",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    studies = parser.add_subparsers(required=True, metavar="STUDY")
    _add_memory(studies)
    _add_cells(studies)
    quantisation_command.add_parser(studies)
    int8_command.add_parser(studies)


def _add_memory(studies: Commands) -> None:
    text = "which cells remember what, and for how long: the adding problem and copy, over gaps"
    example = "tidegate-train study memory --gaps 10,100 --seeds 1 --plot memory.svg"
    parser = add(studies, "memory", _memory, text, example)
    parser.add_argument(
        "--gaps", type=_gaps, metavar="10,100", help="steps to remember over (default: 10,25,50,100,200,400)"
    )
    parser.add_argument("--cells", type=_remembering, metavar="rnn,lstm", help="default: rnn,gru,lstm")
    parser.add_argument("--seeds", type=count, metavar="N", help="fits of each point (default: 3)")
    parser.add_argument("--updates", type=count, metavar="N", help="steps of the optimiser in each fit (default: 400)")
    parser.add_argument("--quick", action="store_true", help="gaps 10 and 50, one seed, 300 updates")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the curves, as PNG or SVG by the name")
    _add_output(parser)


def _add_cells(studies: Commands) -> None:
    text = "what each cell is worth on recordings, beside no memory at all"
    example = "tidegate-train study cells --data recordings --cells none,lstm"
    parser = add(studies, "cells", _cells, text, example)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with forecast/NAME.csv.gz")
    parser.add_argument(
        "--cells", type=_any_cell, default=CELLS, metavar="none,lstm", help="default: none,rnn,gru,lstm"
    )
    parser.add_argument("--only", metavar="NAME", help="one recording of the folder")
    parser.add_argument("--recipe", type=Path, metavar="TOML", help="how to train (default: as `fit` does)")
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=count, default=min(2, os.cpu_count() or 1), metavar="N",
        help="fits at once, each in a process of one thread (default: 2, or 1 on one core)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _gaps(text: str) -> tuple[int, ...]:
    return tuple(sorted({count(piece) for piece in text.split(",")}))


def _remembering(text: str) -> tuple[str, ...]:
    return _cells_of(text, REMEMBERING)


def _any_cell(text: str) -> tuple[str, ...]:
    return _cells_of(text, CELLS)


def _cells_of(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    cells = tuple(dict.fromkeys(text.split(",")))
    if not set(cells) <= set(known):
        raise argparse.ArgumentTypeError(f"must be of {', '.join(known)}, got {text!r}")
    return cells


def _memory(options: argparse.Namespace) -> int:
    _check_libraries("tensorflow", *(["matplotlib"] if options.plot else []))
    if options.plot:
        _check_picture(options.plot)
    say("loading TensorFlow")
    from training import study

    results = study.study(_plan(options), say)
    if options.plot:
        from training.plot import draw

        draw(results, options.plot)
        say(f"wrote {options.plot}")
    _print(results, options.json, study.text(results))
    return DONE


def _plan(options: argparse.Namespace) -> "Plan":
    from training.study import QUICK, Plan

    plan = replace(QUICK if options.quick else Plan(), jobs=options.jobs)
    asked = {name: getattr(options, name) for name in ("gaps", "cells", "seeds", "updates")}
    return replace(plan, **{name: value for name, value in asked.items() if value is not None})


def _check_libraries(*names: str) -> None:
    lacking = [name for name in names if find_spec(name) is None]
    if lacking:
        raise OperatorError(f"needs {' and '.join(lacking)}; {HINT}")


def _check_picture(path: Path) -> None:
    """Refuse a picture that could not be written, before the work and not after it."""
    if path.suffix not in PICTURES:
        raise OperatorError(f"--plot: must end in .png or .svg, got {str(path)!r}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OperatorError(f"--plot: must be a file that can be written, got {str(path)!r}")


def _cells(options: argparse.Namespace) -> int:
    _check_libraries("tensorflow")
    from training.recipe import default, load

    try:
        recipe = load(options.recipe) if options.recipe else default()
    except ConfigError as wrong:
        raise named([options.recipe], wrong) from wrong
    files = _recordings(options.data, options.only)
    say("loading TensorFlow")
    from training import study_cells
    from training.fit import ParityError

    try:
        results = study_cells.study(files, options.cells, recipe, say, jobs=options.jobs)
    except ParityError as far:
        print(f"error: {far}", file=sys.stderr)
        return FAILED
    _print(results, options.json, study_cells.text(results))
    return DONE


def _recordings(folder: Path, only: str | None) -> list[Path]:
    files = sorted((folder / "forecast").glob(f"{only or '*'}.csv.gz"))
    if not files:
        raise OperatorError(f"{folder}: must have forecast/{only or 'NAME'}.csv.gz, has none")
    return files


def _print(results: object, as_json: bool, table: str) -> None:
    import orjson

    print(orjson.dumps(results, option=orjson.OPT_INDENT_2).decode() if as_json else table)
