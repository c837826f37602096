"""Write the tables of a benchmark into a page: `python -m training.accuracy REPORT.json training/ACCURACY.md`.

What stands between the two markers is replaced; everything else is left as it is.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from edge.errors import OperatorError, unreadable
from edge.tables import structure
from training.benchmark_report import Report
from training.benchmark_tables import failures, summary, tables
from training.table import markdown

BEGIN, END = "<!-- accuracy: written by make accuracy -->", "<!-- /accuracy -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the section; return 2 where a file needs the user."""
    source, page = map(Path, sys.argv[1:] if arguments is None else arguments)
    try:
        report = load(source)
        text = page.read_text(encoding="utf-8")
        page.write_text(replaced(page, text, section(report)), encoding="utf-8")
    except OperatorError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    return 0


def load(path: Path) -> Report:
    """Read what `tidegate-train benchmark --json` printed.

    Raises:
        OperatorError: it is no such file.
    """
    try:
        return structure(orjson.loads(path.read_bytes()), Report)
    except OSError as missing:
        raise OperatorError(unreadable(path, missing)) from missing
    except orjson.JSONDecodeError as broken:
        raise OperatorError(f"{path}: must be what `benchmark --json` prints, got no JSON: {broken}") from broken


def section(report: Report) -> str:
    """Write the section: how it was measured, a table for each kind, what could not be fitted."""
    fitting = sum(one.fit_seconds for one in report.outcomes)
    measured = (
        f"Measured by `{report.command}` on {len(report.outcomes)} sets, {report.machine}, {fitting:.0f} s of fitting. "
        "Every set counts, those that could not be fitted as ones on which nothing is flagged."
    )
    parts = [measured, *map(markdown, tables(report, details=False)), *failures(report), summary(report)]
    return "\n\n".join(parts)


def replaced(page: Path, text: str, written: str) -> str:
    """Put a section between the markers of a page.

    Raises:
        OperatorError: the page lacks a marker.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise OperatorError(f"{page}: must hold the markers {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
