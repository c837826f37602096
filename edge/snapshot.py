"""Put all that a line remembers into bytes, and take it out again, so that one process goes on where another ended.

The bytes are a pickle: they go from a process to its own child, and from nobody else. Graphs stay out of them; the
line that comes out of them is bound to the graphs that are given.
"""

import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from edge.learned import Learned
from edge.line import Line
from edge.runtime import Model

Bundles = Mapping[Path, tuple[Learned, Model]]


def save(line: Line, bundles: Bundles) -> bytes:
    """Return a line that is between two messages as bytes."""
    written = BytesIO()
    _Writer(written, bundles).dump(line)
    return written.getvalue()


def restore(kept: bytes, bundles: Bundles) -> Line:
    """Return the line that was saved.

    Raises:
        KeyError: a bundle of it is not given.
    """
    line = _Reader(BytesIO(kept), bundles).load()
    assert isinstance(line, Line)
    return line


class _Writer(pickle.Pickler):
    def __init__(self, file: BytesIO, bundles: Bundles) -> None:
        super().__init__(file, protocol=5)
        self._names = {id(shared): (path, place) for path, pair in bundles.items() for place, shared in enumerate(pair)}

    def persistent_id(self, one: object) -> object:
        """Name what every line of these bundles shares."""
        return self._names.get(id(one)) if isinstance(one, Learned | Model) else None


class _Reader(pickle.Unpickler):
    def __init__(self, file: BytesIO, bundles: Bundles) -> None:
        super().__init__(file)
        self._bundles = bundles

    def persistent_load(self, name: tuple[Path, int]) -> object:
        """Return what was named."""
        path, place = name
        return self._bundles[path][place]
