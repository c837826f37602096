"""Find when the streams of a replay are flagged: as the daemon would, by the same configuration."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from edge import config
from edge.finding import Kind
from edge.learned import Learned
from edge.replay import Budget, Told
from edge.stream_config import DetectionConfig
from edge.wanted import wanted
from edge.watch import Wanted


class Detections:
    """Know the detection settings of streams.

    A stream that no table names or makes has those of the only table with this bundle, if there is but one: a recording
    is called after its file more often than after a stream.

    State kept: the streams that no table names or makes.
    """

    def __init__(self, path: Path | None, bundle: Path) -> None:
        """Read them.

        Args:
            path: a configuration; None: every stream has the defaults.
            bundle: only tables with a bundle of this name count.

        Raises:
            ConfigError: the configuration needs the user.
        """
        self._path, self._bundle = path, bundle
        streams = {} if path is None else config.load(path).streams
        self._tables = {name: table for name, table in streams.items() if table.bundle.name == bundle.name}
        self._patterns = {
            re.compile(re.sub(r"\\\{[^}]*\\\}", "[A-Za-z0-9_.-]+", re.escape(table.pattern(name)))): table
            for name, table in self._tables.items()
        }
        self._strangers: dict[str, None] = {}

    def __call__(self, stream: str) -> DetectionConfig:
        """Return those of a stream: of the table that names it, else of the first that makes its name."""
        for pattern, table in self._patterns.items():
            if pattern.fullmatch(stream):
                return table.detection
        self._strangers[stream] = None
        return next(iter(self._tables.values())).detection if len(self._tables) == 1 else DetectionConfig()

    def remarks(self) -> list[str]:
        """Say which streams no table names or makes, and what held for them."""
        if self._path is None or not self._strangers:
            return []
        names = ", ".join(self._strangers)
        if not self._tables:
            return [f"warning: {self._path}: has no table with a bundle {self._bundle.name}; its own settings held"]
        if len(self._tables) == 1:
            return [f"note: {self._path}: streams.{next(iter(self._tables))} held for {names}"]
        tables = ", ".join(f"streams.{name}" for name in self._tables)
        return [f"warning: {self._path}: none of {tables} names {names}: the bundle's own settings held"]


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
