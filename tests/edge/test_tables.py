"""Hold that a table becomes exactly what its dataclass says, or every reason why not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.tables import join_path, require, structure


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Stand for a table with rules."""

    close_after: int = 3
    stale_after: float = 300.0

    def __post_init__(self) -> None:
        require(
            self,
            close_after=(self.close_after >= 1, "must be at least 1"),
            stale_after=(self.stale_after > 0.0, "must be > 0"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Boiler:
    """Stand for a table with every type that tables know."""

    name: str
    period: float
    bundle: Path = Path("a.bundle")
    is_on: bool = True
    qos: Literal[0, 1, 2] = 0
    publish: tuple[Literal["state", "event"], ...] = ("state",)
    bounds: tuple[float, float] = (0.0, 1.0)
    budget: float | None = None
    rows: tuple[tuple[float, ...], ...] = ()
    words: dict[str, str] = field(default_factory=dict)
    detection: Detection = field(default_factory=Detection)
    parts: tuple[Detection, ...] = ()
    others: Mapping[str, Detection] = field(default_factory=dict)
    anything: object = None

    def __post_init__(self) -> None:
        require(self, period=(self.period > 0.0, "must be > 0"))


def problems_of(table: Mapping[str, object], shape: type = Boiler, where: str = "") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        structure(table, shape, where)
    return refused.value.problems


def test_what_is_not_written_is_the_default() -> None:
    assert structure({"name": "b", "period": 60.0}, Boiler) == Boiler(name="b", period=60.0)


def test_every_type_is_built() -> None:
    table = {
        "name": "b",
        "period": 60,
        "bundle": "x/y.bundle",
        "is_on": False,
        "qos": 2,
        "publish": ["event", "state"],
        "bounds": [-1, 1.5],
        "budget": 1,
        "rows": [[1, 2.0], []],
        "words": {"a.b": "c"},
        "detection": {"close_after": 5},
        "parts": [{}, {"stale_after": 1}],
        "others": {"x": {"close_after": 2}},
        "anything": [1, {"free": "form"}],
    }
    assert structure(table, Boiler) == Boiler(
        name="b",
        period=60.0,
        bundle=Path("x/y.bundle"),
        is_on=False,
        qos=2,
        publish=("event", "state"),
        bounds=(-1.0, 1.5),
        budget=1.0,
        rows=((1.0, 2.0), ()),
        words={"a.b": "c"},
        detection=Detection(close_after=5),
        parts=(Detection(), Detection(stale_after=1.0)),
        others={"x": Detection(close_after=2)},
        anything=[1, {"free": "form"}],
    )


def test_a_whole_number_becomes_a_float_where_a_float_is_asked_for() -> None:
    assert isinstance(structure({"name": "b", "period": 60}, Boiler).period, float)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("name", 5, "name: must be text, got 5"),
        ("name", None, "name: must be text, got None"),
        ("period", "60", "period: must be a finite number, got '60'"),
        ("period", True, "period: must be a finite number, got True"),
        ("period", math.nan, "period: must be a finite number, got nan"),
        ("period", math.inf, "period: must be a finite number, got inf"),
        ("period", 0, "period: must be > 0, got 0.0"),
        ("bundle", 1, "bundle: must be text, got 1"),
        ("is_on", 1, "is_on: must be true or false, got 1"),
        ("qos", True, "qos: must be one of 0, 1, 2, got True"),
        ("qos", 1.0, "qos: must be one of 0, 1, 2, got 1.0"),
        ("qos", 3, "qos: must be one of 0, 1, 2, got 3"),
        ("publish", "state", "publish: must be a list, got 'state'"),
        ("publish", ["state", "all"], "publish[1]: must be one of 'state', 'event', got 'all'"),
        ("bounds", [1, 2, 3], "bounds: must have 2 entries, got 3"),
        ("bounds", [1, "2"], "bounds[1]: must be a finite number, got '2'"),
        ("budget", "1", "budget: must be a finite number, got '1'"),
        ("rows", [[1], ["x"]], "rows[1][0]: must be a finite number, got 'x'"),
        ("words", {"a b": 1}, "words.'a b': must be text, got 1"),
        ("words", ["a"], "words: must be a table, got a list"),
        ("detection", 3, "detection: must be a table, got 3"),
        ("detection", {"close_after": 0}, "detection.close_after: must be at least 1, got 0"),
        ("detection", {"close_after": 2.0}, "detection.close_after: must be a whole number, got 2.0"),
        ("parts", [{}, {"close_after": 0}], "parts[1].close_after: must be at least 1, got 0"),
        ("others", {"x": {"close_after": 0}}, "others.x.close_after: must be at least 1, got 0"),
        ("bundle", datetime(2017, 2, 16, tzinfo=UTC), "bundle: must be text, got datetime.datetime(2017, 2, 16"),
    ],
)
def test_nothing_is_converted(key: str, value: object, problem: str) -> None:
    (only,) = problems_of({"name": "b", "period": 60.0, key: value})
    assert only.startswith(problem)


def test_a_value_of_any_depth_is_refused() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert problems_of({"name": nested, "period": 60.0}) == ("name: must be text, got a list",)
    assert problems_of({"name": {"x": nested}, "period": 60.0}) == ("name: must be text, got a table",)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    (only,) = problems_of({"name": "b", "period": 10**400})
    assert only.startswith("period: must be a finite number, got 1000")
    assert len(only) < 130


def test_a_misspelled_key_is_told_what_it_may_mean() -> None:
    only = problems_of({"name": "b", "perod": 5})[0]
    assert only.endswith(", got an unknown key; did you mean period?")


def test_every_problem_is_reported_with_its_path_at_once() -> None:
    table = {
        "period": 0,
        "qos": 7,
        "colour": "red",
        "detection": {"close_after": 0, "stale_after": "long", "x": 1},
        "others": {"a.b": {"close_after": 0}, "c": {"stale_after": -1}},
    }
    assert problems_of(table, where="streams.boiler") == (
        "streams.boiler.colour: must be one of anything, bounds, budget, bundle, detection, is_on, name, others, "
        "parts, period, publish, qos, rows, words, got an unknown key",
        "streams.boiler.name: must be set, got nothing",
        "streams.boiler.qos: must be one of 0, 1, 2, got 7",
        "streams.boiler.detection.x: must be one of close_after, stale_after, got an unknown key",
        "streams.boiler.detection.stale_after: must be a finite number, got 'long'",
        "streams.boiler.detection.close_after: must be at least 1, got 0",
        "streams.boiler.others.'a.b'.close_after: must be at least 1, got 0",
        "streams.boiler.others.c.stale_after: must be > 0, got -1.0",
        "streams.boiler.period: must be > 0, got 0.0",
    )


def test_a_missing_text_does_not_hide_a_broken_rule_beside_it() -> None:
    assert problems_of({"period": -1}) == ("name: must be set, got nothing", "period: must be > 0, got -1.0")


def test_rules_wait_for_a_missing_number() -> None:
    assert problems_of({"name": "b"}) == ("period: must be set, got nothing",)


def test_a_wrong_type_does_not_hide_a_broken_rule_beside_it() -> None:
    assert problems_of({"name": "b", "period": -1, "qos": "1"}) == (
        "qos: must be one of 0, 1, 2, got '1'",
        "period: must be > 0, got -1.0",
    )


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="the file: must be a table, got a list"):
        structure([], Boiler)  # type: ignore[arg-type]


def test_a_type_that_tables_do_not_know_is_our_own_mistake() -> None:
    @dataclass
    class Odd:
        names: set[str]

    with pytest.raises(TypeError, match="tables know no"):
        structure({"names": ["a"]}, Odd)


def test_the_table_is_left_as_it_was() -> None:
    words: dict[str, str] = {"a": "b"}
    table = {"name": "b", "period": 60.0, "words": words}
    built = structure(table, Boiler)
    words["c"] = "d"
    assert built.words == {"a": "b"}
    assert table == {"name": "b", "period": 60.0, "words": words}


def test_keys_are_quoted_as_toml_would() -> None:
    assert join_path("streams", "boiler-1_b") == "streams.boiler-1_b"
    assert join_path("streams", "") == "streams.''"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["name", "period", "qos", "publish", "bounds", "budget", "rows", "words", "detection", "parts", "x"]
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_table_is_built_or_refused_line_by_line(table: dict[str, object]) -> None:
    try:
        built = structure(table, Boiler, "boiler")
    except ConfigError as refused:
        assert all(problem.startswith("boiler.") and ": must " in problem for problem in refused.problems)
    else:
        assert built.name == table["name"]
