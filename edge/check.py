"""Report every problem of a configuration: the file, the bundles it names, and one step of each; connect to nothing."""

import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge import config as configs
from edge.announcer import announcer_for
from edge.bundle import Bundle
from edge.cohort import Cohort
from edge.config import Config
from edge.daemon import open_bundles
from edge.errors import ConfigError
from edge.pacing import Sample
from edge.stream_config import StreamConfig
from edge.tables import structure

HELD_AGAINST_BUNDLE = ("bundle", "topic", "dialect", "sensors")  # keys that decide whether a bundle fits
STEPS = 200  # enough for a median that means something, some milliseconds long


def check(path: Path) -> list[str]:
    """Check a configuration and return what was found, in lines for the operator.

    Raises:
        ConfigError: with every problem, a line each.
    """
    try:
        config = configs.load(path)
    except ConfigError as wrong:
        raise ConfigError([*wrong.problems, *_bundle_problems(path)]) from None
    bundles = open_bundles(config.streams, path)
    announcer_for(config, {path: loaded.manifest for path, loaded in bundles.items()})
    return [
        *_streams(config),
        *(_bundle(path, loaded) for path, loaded in bundles.items()),
        f"{path}: no problem found",
    ]


def _bundle_problems(path: Path) -> Sequence[str]:
    """Find what is wrong with the bundles that a configuration names, though it has problems of its own."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("streams")
    except (OSError, ValueError):
        return ()
    streams = {name: _readable(table) for name, table in tables.items()} if isinstance(tables, dict) else {}
    found = {
        name: replace(stream, bundle=path.parent / stream.bundle)
        for name, stream in streams.items()
        if stream is not None
    }
    try:
        open_bundles(found, path)
    except ConfigError as wrong:
        return wrong.problems
    return ()


def _readable(table: object) -> StreamConfig | None:
    """Read as much of a table [streams.NAME] as can be held against its bundle; None if it names none."""
    if not isinstance(table, dict):
        return None
    alone = {"bundle": table.get("bundle"), "topic": "x"}  # any topic: the file's own problems are told already
    for part in ({name: table[name] for name in HELD_AGAINST_BUNDLE if name in table}, alone):
        with suppress(ConfigError):
            return structure(part, StreamConfig)
    return None


def _streams(config: Config) -> list[str]:
    return [
        f"streams.{name}: subscribes to {', '.join(table.filters)} (QoS {table.qos}), dialect {table.dialect}, "
        f"served by {table.bundle.name}, publishes {config.node.prefix}/{config.node.name}/{table.pattern(name)}/…"
        for name, table in config.streams.items()
    ]


def _bundle(path: Path, loaded: Bundle) -> str:
    manifest = loaded.manifest
    sensors = ", ".join(f"{sensor.name} [{sensor.unit}]" if sensor.unit else sensor.name for sensor in manifest.sensors)
    return (
        f"{path}: {manifest.name} version {manifest.version}, sensors {sensors}, every {manifest.period:g} s, first "
        f"forecast after {manifest.window} samples, {loaded.size} bytes, one step {step_us(loaded):.0f} us on "
        f"{loaded.model.runtime}"
    )


def step_us(loaded: Bundle) -> float:
    """Measure one step of one stream, all stations included, in microseconds: the median of `STEPS`."""
    learned = loaded.manifest.learned()
    cohort = Cohort(learned, loaded.model, loaded.model.units)
    row = cohort.admit("check")
    values = tuple(learned.scaling.centre.tolist())
    taken = []
    for step in range(STEPS):
        sample = Sample(step * learned.period, values, False)
        begun = time.perf_counter()
        cohort.advance([(row, sample)])
        taken.append(time.perf_counter() - begun)
    return 1e6 * float(np.median(taken))
