"""Hold the pages to what is there: links, the options of commands, and the figures that the README tells in short."""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.cli import main as tidegate
from training.cli import main as tidegate_train

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "training/ACCURACY.md",
        "tests/bench/RESULTS.md",
        "data/wsn/README.md",
        "data/weather/README.md",
    )
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"(?:^|[ /])(tidegate|tidegate-train) (.*)")
NUMBER = re.compile(r"[+−]?[\d,]*\.?\d+")
COUNTED = {"8", "90", "1,000", "100"}  # of the headings and the set-up, not of a result


def named(title: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    without_blocks = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return {named(title) for title in re.findall(r"^#+ (.+)$", without_blocks, flags=re.MULTILINE)}


def links(page: Path) -> list[str]:
    without_code = INLINE.sub("", BLOCK.sub("", page.read_text(encoding="utf-8")))
    return [link for link in LINK.findall(without_code) if "://" not in link]


def calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each call of a program that a page shows, as its name and its words."""
    text = page.read_text(encoding="utf-8")
    shown = [line for kind, block in BLOCK.findall(text) if kind in ("sh", "console") for line in block.split("\n")]
    for line in [*shown, *INLINE.findall(BLOCK.sub("", text))]:
        for part in line.split(" && "):
            if (found := CALL.search(part)) is not None and "INFO" not in part:
                yield found[1], shlex.split(found[2], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_what_looks_like_a_link_is_found() -> None:
    assert "#limits" in links(PAGES[0])
    assert {"training/ACCURACY.md", "tests/bench/RESULTS.md"} <= set(links(PAGES[0]))
    assert named("Accuracy and cost, in short") == "accuracy-and-cost-in-short"


@pytest.mark.parametrize("page", PAGES[:1] + PAGES[3:5], ids=lambda page: page.name)
def test_every_command_that_is_shown_knows_its_options(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = {"tidegate": tidegate, "tidegate-train": tidegate_train}
    seen = 0
    for program, words in calls(page):
        named_by = [word for word in words[:2] if re.fullmatch("[a-z0-9]+", word)]
        if not named_by or words[0].startswith("-"):
            continue
        nested = named_by if named_by[0] in ("bundle", "study") else named_by[:1]
        with suppress(SystemExit):
            programs[program]([*nested, "--help"])
        told = capsys.readouterr()
        assert told.out.startswith(f"usage: {program} {' '.join(nested)}"), (program, words, told.err)
        for word in words:
            option = word.partition("=")[0]
            assert not option.startswith("--") or option in told.out, (program, words)
        seen += 1
    assert seen > 0


@pytest.mark.parametrize(
    ("begin", "end", "tables"),
    [
        ("Measured on 90 public recordings", "What it costs (", "training/ACCURACY.md"),
        ("What it costs (", "## Links", "tests/bench/RESULTS.md"),
    ],
)
def test_the_figures_that_the_readme_tells_in_short_stand_in_the_tables(begin: str, end: str, tables: str) -> None:
    short = PAGES[0].read_text(encoding="utf-8").split(begin)[1].split(end)[0]
    measured = set(NUMBER.findall((ROOT / tables).read_text(encoding="utf-8")))
    told = set(NUMBER.findall(re.sub(r"\]\([^)]*\)", "]", short))) - COUNTED
    assert len(told) > 15
    assert told <= measured
