"""Find when the streams of a replay are flagged: as the daemon would, by the same configuration."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from edge import config
from edge.finding import Kind
from edge.learned import Learned
from edge.replay import Budget, Told
from edge.stream_config import DetectionConfig
from edge.wanted import wanted
from edge.watch import Wanted

Detections = Callable[[str], DetectionConfig]  # of a stream, by its name


def detections(path: Path | None, bundle: Path) -> Detections:
    """Find the settings of a stream: of the table that names it, else of the first that makes its name.

    Args:
        path: a configuration; None: every stream has the defaults.
        bundle: only tables with a bundle of this name count.

    Raises:
        ConfigError: the configuration needs the user.
    """
    streams = {} if path is None else config.load(path).streams
    tables = {
        re.compile(re.sub(r"\\\{[^}]*\\\}", "[A-Za-z0-9_.-]+", re.escape(table.pattern(name)))): table
        for name, table in streams.items()
        if table.bundle.name == bundle.name
    }

    def find(stream: str) -> DetectionConfig:
        for pattern, table in tables.items():
            if pattern.fullmatch(stream):
                return table.detection
        return DetectionConfig()

    return find


def budgets(found: Detections) -> Budget:
    """Return alarm budget and calm samples of a stream; None leaves them to the bundle."""

    def find(stream: str) -> tuple[float | None, int | None]:
        return found(stream).false_alarms_per_week, found(stream).close_after

    return find


def told(found: Detections, learned: Learned, kinds: Collection[Kind]) -> Told | None:
    """Say which kinds are told of a stream's sensors: of those asked for those that it has; None: `forecast` alone."""
    if set(kinds) <= {"forecast"}:
        return None

    def find(stream: str) -> Sequence[Wanted]:
        return [replace(one, kinds=one.kinds.intersection(kinds)) for one in wanted(learned, found(stream))]

    return find
