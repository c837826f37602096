"""The command `tidegate-train study int8`."""

import argparse

from edge.cli import DONE, Commands, add
from training.terminal import add_sets, say


def add_parser(studies: Commands) -> None:
    """Add the study to those of `tidegate-train study`."""
    text = "find which tensors lose when they are held in 8 bits"
    parser = add(studies, "int8", _study, text, "tidegate-train study int8 --data data --only wsn")
    add_sets(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _study(options: argparse.Namespace) -> int:
    import orjson

    from training import known_sets
    from training.card import markdown
    from training.int8_study import VARIANTS, losses
    from training.prepare import prepare
    from training.recipe import default
    from training.series import read
    from training.teach import teach

    found = {}
    for known in known_sets.choose(known_sets.find(options.data), options.only):
        say(known.name)
        rows = known.fitted_rows(len(read([known.path], rows=None, until=None)[0].times))
        prepared = prepare(read([known.path], rows=rows, until=None), default())
        lost = losses(prepared, teach(prepared, default(), say))
        if lost is None:
            say(f"note: {known.name} is left out: training left the correction at nothing")
        else:
            found[known.name] = lost
    if options.json:
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return DONE
    rows_of = [(variant, *(f"{one[variant]:.2%}" for one in found.values())) for variant in VARIANTS]
    print("\n".join(markdown(("in 8 bits", *found), rows_of)))
    return DONE
