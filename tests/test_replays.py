"""Golden replays: every folder of `tests/replays` through the line, message by message.

`tidegate.toml` is the configuration; a line of `readings.jsonl` is one payload (a text as it is, anything else as
JSON); a line of `expected.jsonl` is one message, and the last one holds the counters. `by-hand.bundle` stands for the
cohort whose forecasts are the last value ± 1 (steps of 10 s, a window of 4); any other name is a real bundle beside
the configuration.

`python -m tests.test_replays` writes what the line says today, to be read as a diff.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from edge import bundle, config
from edge.line import Line
from tests.edge.conftest import learned_by_hand
from tests.lines import BUNDLE, ByHand

CASES = sorted(path.parent for path in (Path(__file__).parent / "replays").glob("*/tidegate.toml"))
# A float32 graph may differ in its last digits on another machine; values here are between 1 and 100.
TOLERANCE = 1e-4


def open_line(folder: Path) -> Line:
    loaded = config.load(folder / "tidegate.toml")
    bundles = {}
    for path in {table.bundle for table in loaded.streams.values()}:
        if path.name == BUNDLE.name:
            bundles[path] = (learned_by_hand(), ByHand())
        else:
            real = bundle.load(path)
            bundles[path] = (real.manifest.learned(), real.model)  # type: ignore[assignment]
    return Line(loaded, bundles)  # type: ignore[arg-type]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def said(folder: Path) -> Iterator[dict[str, object]]:
    """Yield every message that the line publishes, and in the end what it counted."""
    line = open_line(folder)
    for arrival in read(folder / "readings.jsonl"):
        payload = arrival["payload"]
        content = payload if isinstance(payload, str) else json.dumps(payload)
        line.receive(
            str(arrival["topic"]),
            content.encode(),
            retained=bool(arrival["retained"]),
            received_at=float(arrival["received_at"]),  # type: ignore[arg-type]
        )
        for news in line.advance():
            yield {**news._asdict(), "payload": json.loads(news.payload)}
    grids = [{name: count for name, count in asdict(service.counts).items() if count} for service in line.services]
    names = ("received", "retained", "unrouted", "refused", "streams_refused", "last_refused")
    yield {"counts": {name: getattr(line.counts, name) for name in names}, "grids": grids}


def differences(found: object, expected: object, where: str = "") -> Iterator[str]:
    """Yield where two messages differ; numbers may differ by `TOLERANCE`, relative or absolute."""
    if isinstance(expected, dict) and isinstance(found, dict) and list(found) == list(expected):
        for key in expected:
            yield from differences(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{where}.{place}")
    elif isinstance(expected, float) and isinstance(found, float):
        if not math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where}: must be {expected}, got {found}"
    elif found != expected:
        yield f"{where}: must be {expected!r}, got {found!r}"


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_the_line_says_of_the_readings_what_it_always_said(folder: Path) -> None:
    expected = read(folder / "expected.jsonl")
    found = list(said(folder))
    assert [news.get("topic") for news in found] == [news.get("topic") for news in expected]
    wrong = [
        text
        for place, pair in enumerate(zip(found, expected, strict=True), start=1)
        for text in differences(*pair, f"line {place}")
    ]
    assert wrong == []


def test_no_case_was_lost() -> None:
    assert len(CASES) >= 8


if __name__ == "__main__":
    for case in CASES:
        lines = [json.dumps(news, ensure_ascii=False) for news in said(case)]
        (case / "expected.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
