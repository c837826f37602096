"""Write sections of text, tables and curves: for a terminal, and as one HTML file that needs nothing beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from training.card import markdown

WIDTH, HEIGHT = 220, 120  # of a plot, pixels
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 20, 24  # margins of its axes, pixels
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums }
th, td { padding: .15em .8em; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
svg { margin: 0 1em 1em 0 } svg text { font-size: 11px; fill: #222 }
.axis { stroke: #999; fill: none } .curve { stroke: #06c; stroke-width: 2; fill: none } circle { fill: #06c }
.chance { stroke: #c60; stroke-dasharray: 4 3; fill: none }
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold a curve of shares.

    Attributes:
        title: what it shows.
        ticks: a label for each of its points.
        shares: 0..1, one for each point.
        chance: 0..1, drawn as a dashed line.
    """

    title: str
    ticks: tuple[str, ...]
    shares: tuple[float, ...]
    chance: float


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a piece of a report.

    Attributes:
        title: of the section.
        notes: a paragraph each.
        header, rows: of its table; without rows there is none.
        curves: drawn in HTML alone, for the table says the same.
    """

    title: str
    notes: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    curves: tuple[Curve, ...] = ()


def text(title: str, sections: Sequence[Section]) -> str:
    """Write sections as Markdown."""
    lines = [f"# {title}"]
    for one in sections:
        lines += ["", f"## {one.title}", ""]
        lines += [line for note in one.notes for line in (note, "")]
        lines += markdown(one.header, one.rows)
    return "\n".join(lines).rstrip()


def html(title: str, sections: Sequence[Section]) -> str:
    """Write sections as one HTML file: no script, no font, no image from elsewhere."""
    body = "\n".join(_section(one) for one in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _section(one: Section) -> str:
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in one.notes)
    plots = "".join(map(_plot, one.curves))
    return f"<h2>{escape(one.title)}</h2>\n{notes}<div>{plots}</div>\n{_table(one)}"


def _table(one: Section) -> str:
    if not one.rows:
        return ""
    rows = "\n".join(_row("td", cells) for cells in one.rows)
    return f"<table><thead>{_row('th', one.header)}</thead><tbody>\n{rows}\n</tbody></table>"


def _row(cell: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(content)}</{cell}>" for content in cells) + "</tr>"


def _plot(curve: Curve) -> str:
    """Draw a curve as inline SVG: its points evenly spaced, shares from 0 to 100 % upwards."""
    count = len(curve.shares)
    across = [LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / count for place in range(count)]
    points = [(x, _height(share)) for x, share in zip(across, curve.shares, strict=True)]
    ticks = "".join(_words(x, HEIGHT - 8, "middle", tick) for x, tick in zip(across, curve.ticks, strict=True))
    scale = "".join(_words(LEFT - 4, _height(share) + 4, "end", f"{share:.0%}") for share in (0.0, 0.5, 1.0))
    drawn = "".join(_stroke("curve", *start, *end) for start, end in pairwise(points))
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
    axes = "".join(_stroke("axis", LEFT, _height(share), WIDTH - RIGHT, _height(share)) for share in (0.0, 0.5, 1.0))
    chance = _stroke("chance", LEFT, _height(curve.chance), WIDTH - RIGHT, _height(curve.chance))
    title = _words(WIDTH / 2, 12, "middle", curve.title)
    return f'<svg width="{WIDTH}" height="{HEIGHT}">{axes}{chance}{drawn}{dots}{ticks}{scale}{title}</svg>\n'


def _height(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)


def _stroke(kind: str, x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _words(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
