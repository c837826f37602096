"""The command `tidegate-train report`."""

import argparse
from pathlib import Path

from edge.cli import DONE, Commands, add
from edge.source_options import add_source_options
from training.terminal import say


def add_parser(commands: Commands) -> None:
    """Add the command to those of `tidegate-train`."""
    text = "measure a bundle, inject faults, and try other alarm budgets: as text, and as one HTML file"
    example = "tidegate-train report boiler.bundle --data march.csv.gz --events faults.csv --out boiler.html"
    parser = add(commands, "report", _report, text, example)
    parser.add_argument("bundle", type=Path, help="the bundle")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="FILE",
        help="recorded history; with the training data in it, the rows that scores were calibrated on are shown too",
    )  # fmt: skip
    parser.add_argument(
        "--events", type=Path, nargs="+", default=[], metavar="FILE",
        help="CSV of labelled spans `start,end` (`stream` if there are several); no fault is injected there",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="HTML", help="write the report as one HTML file too")
    parser.add_argument(
        "--preview", action="store_true", help="only how often it would have fired, at this and other budgets"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_source_options(parser)


def _report(options: argparse.Namespace) -> int:
    import orjson

    from edge.bundle import write_atomically
    from edge.replay_files import check_outputs
    from edge.source_options import selection_of
    from training import full_report, page
    from training.measure import gather
    from training.preview import preview

    if options.out:
        check_outputs([options.out], [options.bundle, *options.data, *options.events])
    selection = selection_of(options, options.data[0])
    case = gather(options.bundle, options.data, options.events, selection=selection)
    found: object
    if options.preview:
        found = told = preview(case.bundle, full_report.history(case))
        sections = full_report.previewed(told)
    else:
        found = full = full_report.report(case, say)
        sections = full_report.sections(full)
    if options.out:
        write_atomically(options.out, page.html(case.file, sections).encode())
        say(f"wrote {options.out}")
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() if options.json else page.text(case.file, sections))
    return DONE
