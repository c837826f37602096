"""Lay out a table of text, for a terminal or as Markdown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Hold a table of text.

    Attributes:
        title: what it shows.
        header: names of the columns; the first is a name, the others are numbers.
        rows: the cells.
        notes: lines below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def plain(table: Table) -> str:
    """Write a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in (table.header, *table.rows))
    ]
    return "\n".join([table.title, "-" * max(map(len, lines)), *lines, *table.notes])


def markdown(table: Table) -> str:
    """Write a table as Markdown."""
    rule = ("---", *("---:" for _ in table.header[1:]))
    lines = ["| " + " | ".join(row) + " |" for row in (table.header, rule, *table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines, *(f"\n{note}" for note in table.notes)])
