"""Hold what is written for people to what was laid out."""

import re
from xml.etree import ElementTree

from training.page import Curve, Section, html, text

SECTIONS = [
    Section("First", ("a < b & c",), ("fault", "found"), (("<script>", "5%"),)),
    Section("Second", curves=(Curve("spike", ("2", "4"), (0.25, 1.0), 0.1),)),
    Section("Third"),
]


def test_text_is_markdown() -> None:
    assert text("boiler", SECTIONS).splitlines() == [
        "# boiler", "", "## First", "", "a < b & c", "", "| fault | found |", "|---|--:|", "| <script> | 5% |",
        "", "## Second", "", "", "## Third",
    ]  # fmt: skip


def test_html_is_well_formed_and_says_the_same() -> None:
    page = html("boiler <1>", SECTIONS)
    body = ElementTree.fromstring(page.split("\n", 1)[1].replace('<meta charset="utf-8">', ""))
    words = " ".join(body.itertext())
    for said in ("boiler <1>", "First", "a < b & c", "<script>", "5%", "Second", "spike", "Third"):
        assert said in words
    assert len(body.findall(".//tr")) == 2


def test_a_curve_rises_from_the_lower_left() -> None:
    drawn = html("boiler", SECTIONS)
    (x1, y1), (x2, y2) = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert x1 < x2
    assert y1 > y2
