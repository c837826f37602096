"""The command `tidegate-train study quantisation`."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import DONE, Commands, add
from edge.errors import RecordingError
from training.terminal import add_sets, say

if TYPE_CHECKING:
    from training.known_sets import KnownSet
    from training.quantisation_study import Cost
    from training.recipe import Recipe

SOURCES = Path(__file__).parent.parent


def add_parser(studies: Commands) -> None:
    """Add the study to those of `tidegate-train study`."""
    text = (
        "compare float32, dynamic, float16 and int8 of the same networks: RMSE, flags, size, step time on two runtimes"
    )
    parser = add(studies, "quantisation", _study, text, "tidegate-train study quantisation --data data --only wsn")
    add_sets(parser)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="one set of each kind")
    amount.add_argument("--all", action="store_true", help="every set (default: two of middling size of each folder)")
    parser.add_argument(
        "--work", type=Path, default=Path("build/quantisation"), metavar="DIR",
        help="where the result of each set is kept, so that it is not measured twice (default: build/quantisation)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _study(options: argparse.Namespace) -> int:
    import orjson

    from training import known_sets
    from training.quantisation_study import SECOND
    from training.recipe import default

    found = known_sets.find(options.data)
    sets = known_sets.choose(found, options.only)
    if not options.only and not options.all:
        sets = _some(found, one_of_each=options.quick)
    if not SECOND.exists():
        say(f"note: no second runtime: {SECOND} is missing, `make runtimes` makes it")
    costs: list[Cost] = []
    for number, known in enumerate(sets, start=1):
        say(f"{known.name} ({number} of {len(sets)})")
        try:
            costs += _kept(known, options.work, default())
        except RecordingError as unfit:  # such as a sensor that never moves: no bundle, nothing to compare
            say(f"note: {known.name} is left out: {unfit}")
    print(orjson.dumps(costs, option=orjson.OPT_INDENT_2).decode() if options.json else _text(costs))
    return DONE


def _some(found: "Sequence[KnownSet]", *, one_of_each: bool) -> "list[KnownSet]":
    """Keep sets of middling size: two of each folder, or one of each kind; a kind of large ones keeps its first."""
    from training.known_sets import quick

    middling = quick(found)
    kinds = {one.kind for one in middling}
    firsts = {one.kind: one for one in reversed(found)}
    chosen = middling + [one for kind, one in firsts.items() if kind not in kinds]
    if one_of_each:
        chosen = list({one.kind: one for one in reversed(chosen)}.values())
    return [one for one in found if one in chosen]


def _kept(known: "KnownSet", work: Path, recipe: "Recipe") -> "list[Cost]":
    """Return what was measured before of the same data with the same recipe and code, or measure it now."""
    import orjson

    from edge.bundle import write_atomically
    from training.quantisation_study import SECOND, Cost, study

    mark = _mark(known, recipe)
    place = work / f"{known.name.replace('/', '.')}.json"
    if place.is_file():
        kept = orjson.loads(place.read_bytes())
        if kept["mark"] == mark:
            return [Cost(**cost) for cost in kept["costs"]]
    costs = study(known, recipe, say, second=SECOND)
    write_atomically(place, orjson.dumps({"mark": mark, "costs": costs}, option=orjson.OPT_INDENT_2))
    return costs


def _mark(known: "KnownSet", recipe: "Recipe") -> str:
    """Hash all that a result depends on, the second runtime's presence among it."""
    import orjson

    from training.quantisation_study import SECOND

    digest = hashlib.sha256(orjson.dumps([recipe, known.told, SECOND.exists()]))
    for package in ("edge", "training"):
        for path in sorted((SOURCES / package).rglob("*.py")):
            digest.update(path.read_bytes())
    digest.update(known.path.read_bytes())
    return digest.hexdigest()


def _text(costs: "Sequence[Cost]") -> str:
    from training.card import markdown
    from training.quantisation_study import HEADER, cells, summary
    from training.step_time import WAVES

    runtimes = sorted({runtime for cost in costs for runtime in cost.step_us})
    header = (*HEADER, *(f"{runtime} µs, {wave}" for runtime in runtimes for wave in WAVES))
    return "\n".join([*markdown(header, [cells(cost, runtimes) for cost in costs]), "", *summary(costs)])
