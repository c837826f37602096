"""Hold the recipe to its rules, and the recipes that are shipped to the classes that they document."""

import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.tables import structure
from training import recipe
from training.recipe import Architecture, Recipe, Training, default, load

RECIPES = Path(recipe.__file__).parent / "recipes"


def uncommented(text: str) -> str:
    """Take the single # from every key, as a reader would."""
    return "\n".join(line.removeprefix("# ") for line in text.splitlines())


def keys(shape: type, where: str = "") -> set[str]:
    """Name every key of a recipe's table and of those below it."""
    named = set()
    for field in fields(shape):
        below = field.default_factory
        if isinstance(below, type) and is_dataclass(below):
            named |= keys(below, f"{where}{field.name}.")
        else:
            named.add(f"{where}{field.name}")
    return named


def flat(table: dict[str, object], where: str = "") -> set[str]:
    """Name every key of a file."""
    named = set()
    for key, value in table.items():
        named |= flat(value, f"{where}{key}.") if isinstance(value, dict) and value else {f"{where}{key}"}
    return named


def refused(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


def test_the_default_recipe_file_shows_every_key_with_its_default() -> None:
    table = tomllib.loads(uncommented((RECIPES / "default.toml").read_text(encoding="utf-8")))
    assert flat(table) == keys(Recipe)
    assert structure(table, Recipe) == default()


def test_the_default_recipe_file_changes_nothing_as_it_is_shipped() -> None:
    assert load(RECIPES / "default.toml") == default()


def test_the_weather_recipe_takes_six_days_and_gives_the_next() -> None:
    weather = load(RECIPES / "weather.toml")
    assert (weather.data.window, weather.data.horizons, weather.data.period) == (6, (1,), 86_400.0)
    assert weather.data.sensors == ("temp_max", "temp_min")
    assert weather.network.cell == "lstm"
    assert weather.network.dense
    assert weather.network.dropout > 0


def test_a_recipe_needs_only_the_keys_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[network]\ncell = "gru"\nunits = [48, 32]\n')
    assert load(path) == replace(default(), network=Architecture(cell="gru", units=(48, 32)))


def test_every_problem_of_a_recipe_is_reported_with_its_path_rule_and_value(tmp_path: Path) -> None:
    text = """
        seed = -1
        colour = "red"
        [splits]
        fit = 0.9
        [network]
        cell = "transformer"
        units = [32, 0]
        dropout = 1.0
        [training]
        burn_in = 128
        batch = "many"
    """
    problems = refused(tmp_path / "recipe.toml", text)
    begins = [problem.split(":")[0] for problem in problems]
    assert sorted(begins) == [
        "colour",
        "network.cell",
        "network.dropout",
        "network.units",
        "seed",
        "splits.fit + stop + calibrate + test",
        "training.batch",
        "training.burn_in",
    ]
    assert "network.units: must be at least 1, got 0" in problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[data]\nhorizons = [6, 1]", "data.horizons: must rise, got [6, 1]"),
        ("[data]\nhorizons = [0, 1]", "data.horizons: must be at least 1, got 0"),
        ('[data]\nsensors = ["a", "a"]', "data.sensors: must differ, got \"['a', 'a']\""),
        ("[data]\nwindow = 1", "data.window: must be 0 (chosen) or at least 2, got 1"),
        ("[network]\nunits = []", "network.units: must name a layer for cell lstm, got []"),
        ("[quantisation]\nparity = 0", "quantisation.parity: must be > 0, got 0.0"),
        ("[detection]\nfalse_alarms_per_week = 0", "detection.false_alarms_per_week: must be > 0, got 0.0"),
    ],
)
def test_a_key_out_of_its_range_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert [line.replace('"', "") for line in refused(tmp_path / "r.toml", text)] == [problem.replace('"', "")]


def test_a_memoryless_network_needs_no_units(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[network]\ncell = "none"\nunits = []\n')
    assert load(path).network.cell == "none"


def test_a_recipe_that_cannot_be_read_is_one_line_that_says_why(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(ConfigError, match=r"missing\.toml: must be a readable file, got No such file"):
        load(missing)
    assert len(refused(tmp_path / "broken.toml", "seed = = 1")) == 1
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="must be TOML"):
        load(tmp_path / "binary.toml")


def test_a_burn_in_leaves_at_least_one_step_to_learn_from() -> None:
    assert Training(subsequence=8, burn_in=7).burn_in == 7
    with pytest.raises(ConfigError, match=r"burn_in: must be in 0\.\.7 \(subsequence - 1\), got 8"):
        Training(subsequence=8, burn_in=8)
