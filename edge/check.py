"""Report every problem of a configuration: the file, the bundles it names, and one step of each; connect to nothing."""

import time
import tomllib
from pathlib import Path

import numpy as np

from edge import bundle
from edge import config as configs
from edge.bundle import Bundle
from edge.cohort import Cohort
from edge.config import Config
from edge.daemon import open_bundles
from edge.errors import BundleError, ConfigError
from edge.grid import Sample

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
    bundles = open_bundles(config)
    return [
        *_streams(config),
        *(_bundle(path, loaded) for path, loaded in bundles.items()),
        f"{path}: no problem found",
    ]


def _bundle_problems(path: Path) -> list[str]:
    """Find what is wrong with the bundles that a configuration names, though it has problems of its own."""
    try:
        streams = tomllib.loads(path.read_text(encoding="utf-8")).get("streams")
    except (OSError, ValueError):
        return []
    tables = [table for table in streams.values() if isinstance(table, dict)] if isinstance(streams, dict) else []
    names = [name for table in tables if isinstance(name := table.get("bundle"), str) and name]
    problems: list[str] = []
    for name in dict.fromkeys(names):
        try:
            bundle.load(path.parent / name)
        except BundleError as refused:
            problems += refused.problems
    return problems


def _streams(config: Config) -> list[str]:
    return [
        f"streams.{name}: subscribes to {table.template.filter} (QoS {table.qos}), dialect {table.dialect}, "
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
