"""Hold a bundle to what was fitted: nothing is lost on the way, and its bytes depend on its content alone."""

import hashlib
import zipfile
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from edge import bundle
from edge.clock import iso
from edge.experts import EXPERTS, weigh
from tests.training.conftest import PERIOD, START, Trial, quick
from training.card import card, quality_table, verdict
from training.pack import describe, pack
from training.series import fingerprint


def assert_same(one: object, other: object, where: str) -> None:
    """Compare dataclasses that hold arrays, to the last bit."""
    if is_dataclass(one):
        assert type(one) is type(other)
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, tuple) and one and is_dataclass(one[0]):
        assert isinstance(other, tuple)
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            assert_same(mine, theirs, f"{where}[{place}]")
    else:
        one, other = np.asarray(one), np.asarray(other)
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), where


def test_what_the_device_learns_is_what_was_fitted_to_the_last_bit(chaotic: Trial, tmp_path: Path) -> None:
    chaotic.pack(tmp_path / "a.bundle")
    loaded = bundle.load(tmp_path / "a.bundle")
    assert_same(loaded.manifest.learned(), chaotic.fitted.learned, "learned")
    with zipfile.ZipFile(tmp_path / "a.bundle") as members:
        assert members.read("model.tflite") == chaotic.fitted.graph


def test_the_manifest_that_is_returned_is_the_one_that_is_written(chaotic: Trial, tmp_path: Path) -> None:
    told = pack(tmp_path / "a.bundle", chaotic.fitted, chaotic.prepared, chaotic.recipe, 7)
    written = bundle.load(tmp_path / "a.bundle").manifest
    assert replace(written, members={}) == told
    assert (written.name, written.version, written.seed) == ("quick", 7, 1)
    assert written.quality == chaotic.fitted.quality
    assert written.parity == chaotic.fitted.parity
    assert set(written.libraries) == {"tidegate", "numpy", "tensorflow", "keras"}


def test_the_manifest_says_the_units_that_the_recipe_names(chaotic: Trial) -> None:
    recipe = replace(chaotic.recipe, data=replace(chaotic.recipe.data, units={"b": "°C"}))
    sensors = describe(chaotic.fitted, chaotic.prepared, recipe, 1).sensors
    assert [(sensor.name, sensor.unit) for sensor in sensors] == [("a", ""), ("b", "°C")]


def test_the_manifest_says_what_it_was_trained_on(chaotic: Trial) -> None:
    data = describe(chaotic.fitted, chaotic.prepared, chaotic.recipe, 1).data
    assert (data.rows, data.streams) == (600, ("one",))
    assert (data.start, data.end) == (iso(START), iso(START + 599 * PERIOD))
    assert data.calibrated_from == (iso(START + 450 * PERIOD),)
    assert data.sha256 == fingerprint(chaotic.prepared.series, ("a", "b"))


def test_the_same_content_gives_the_same_bytes_wherever_and_whenever_it_is_written(
    chaotic: Trial, tmp_path: Path
) -> None:
    written = []
    for folder in ("here", "there/deeper"):
        chaotic.pack(tmp_path / folder / f"{len(folder)}.bundle")
        written.append((tmp_path / folder / f"{len(folder)}.bundle").read_bytes())
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[0]


@pytest.mark.parametrize(
    ("change", "same"),
    [({"seed": 1}, True), ({"seed": 2}, False), ({"name": "other"}, False)],
    ids=["nothing", "the seed", "the name"],
)
def test_the_recipes_hash_tells_recipes_apart(chaotic: Trial, change: dict[str, object], same: bool) -> None:
    one, other = (
        describe(chaotic.fitted, chaotic.prepared, recipe, 1).recipe_sha256 for recipe in (quick(), quick(**change))
    )
    assert (one == other) is same


def test_the_bundle_replaces_an_older_one_whole(chaotic: Trial, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(b"older")
    chaotic.pack(path)
    assert bundle.load(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_the_bundle_is_small(chaotic: Trial, tmp_path: Path) -> None:
    chaotic.pack(tmp_path / "a.bundle")
    assert (tmp_path / "a.bundle").stat().st_size < 60_000


def test_the_manifest_holds_finite_numbers_alone(chaotic: Trial) -> None:
    manifest = describe(chaotic.fitted, chaotic.prepared, chaotic.recipe, 1)
    # JSON has no nan and no infinity: they would come back as null.
    assert b"null" not in orjson.dumps(replace(manifest, quality=(), signature="signed"))


def test_the_card_begins_with_what_the_network_is_worth(chaotic: Trial) -> None:
    manifest = describe(chaotic.fitted, chaotic.prepared, chaotic.recipe, 3)
    lines = card(manifest).splitlines()
    assert lines[0] == "# quick, version 3"
    assert lines[2] == verdict(manifest)
    leading = weigh(chaotic.fitted.learned.experience).argmax(axis=0)
    led = [int((leading == place).sum()) for place in range(len(EXPERTS))]
    assert f"the recurrent correction leads on {led[-1]} of 4 pairs" in lines[2]
    assert ", ".join(f"{name} leads {count}" for name, count in zip(EXPERTS[:-1], led[:-1], strict=True)) in lines[2]
    assert "mean skill" in lines[2]


def test_the_card_shows_every_pair_beside_its_baselines(chaotic: Trial) -> None:
    table = quality_table(chaotic.fitted.quality)
    assert len(table) == 2 + 4
    first = chaotic.fitted.quality[0]
    for number in (first.forecast, first.persistence, first.ridge):
        assert f"{number:.4g}" in table[2]
    assert f"{first.coverage:.1%}" in table[2]


def test_the_card_admits_that_the_network_is_switched_off(chaotic: Trial) -> None:
    manifest = describe(chaotic.fitted, chaotic.prepared, chaotic.recipe, 1)
    off = replace(manifest, parts=replace(manifest.parts, correction=((0.0, 0.0), (0.0, 0.0))))
    assert "did not earn its place and is switched off" in verdict(off)
    assert "nothing was held out" in verdict(replace(manifest, quality=()))
    unmeasured = tuple(replace(row, samples=0) for row in manifest.quality)
    assert "too short to measure" in verdict(replace(manifest, quality=unmeasured))
