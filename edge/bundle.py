"""Read and write bundles: one file that holds a graph and everything it needs to serve.

A bundle is a zip of stored members: `manifest.json`, `model.tflite`, `golden.npz`, `card.md`. Nothing in it can be
executed. It is written whole or not at all, and its bytes depend on its content alone, so the same training gives the
same file.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from edge.cohort import PARTS
from edge.errors import BundleError, ConfigError, quote, unreadable
from edge.manifest import CONTRACT, Manifest
from edge.runtime import Model
from edge.scale import width
from edge.tables import structure

MEMBERS = ("manifest.json", "model.tflite", "golden.npz", "card.md")
LARGEST = 64 * 2**20  # bytes of a member; a graph of this kind has some 30 KB
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold: a bundle does not tell when it was written


@dataclass(frozen=True, slots=True)
class Golden:
    """Hold inputs and the outputs that the graph must give, for consecutive carried steps of one stream.

    Attributes:
        x, lags: shape (steps, inputs) and (steps, lags * sensors).
        parts: shape (steps, parts), with the state carried from zeros.
    """

    x: NDArray[np.float32]
    lags: NDArray[np.float32]
    parts: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Hold a verified bundle, ready to serve.

    Attributes:
        manifest: what it says of itself.
        model: its graph, loaded.
        card: its description in words.
        sha256: hash of the file.
        size: bytes of the file.
    """

    manifest: Manifest
    model: Model
    card: str
    sha256: str
    size: int


def load(path: Path) -> Bundle:
    """Load a bundle and prove that it may serve: members, hashes, tables, shapes, golden vectors.

    Raises:
        BundleError: it may not; one line says what and why.
    """
    try:
        content = path.read_bytes()
    except OSError as missing:
        raise BundleError(unreadable(path, missing)) from missing
    try:
        return verify(content)
    except BundleError as refused:
        raise BundleError([f"{path}: {problem}" for problem in refused.problems]) from refused


def read_manifest(path: Path) -> Manifest:
    """Read what a bundle says of itself, and prove nothing: no model is loaded.

    Raises:
        BundleError: it cannot be read.
    """
    try:
        return _manifest(_members(path.read_bytes()))
    except OSError as missing:
        raise BundleError(unreadable(path, missing)) from missing
    except BundleError as refused:
        raise BundleError([f"{path}: {problem}" for problem in refused.problems]) from refused


def verify(content: bytes) -> Bundle:
    """Prove that the bytes of a bundle may serve; as `load`, without a path in the error."""
    members = _members(content)
    manifest = _manifest(members)
    for name, expected in manifest.members.items():
        found = hashlib.sha256(members[name]).hexdigest()
        if found != expected:
            raise BundleError(f"{name}: must have sha256 {expected[:12]}…, got {found[:12]}…")
    model = _model(members["model.tflite"], manifest)
    reproduce(model, _golden(members["golden.npz"], model), manifest.golden_tolerance)
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(manifest, model, members["card.md"].decode(errors="replace"), digest, len(content))


def write(path: Path, manifest: Manifest, model: bytes, golden: Golden, card: str) -> str:
    """Write a bundle atomically, the hashes of its members filled in, and return the sha256 of the file."""
    packed = io.BytesIO()
    np.savez(packed, x=golden.x, lags=golden.lags, parts=golden.parts)
    members = {"model.tflite": model, "golden.npz": packed.getvalue(), "card.md": card.encode()}
    hashes = {name: hashlib.sha256(member).hexdigest() for name, member in members.items()}
    table = orjson.dumps(replace(manifest, members=hashes), option=orjson.OPT_INDENT_2)
    content = _pack({"manifest.json": table, **members})
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also when the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a file beside another; it takes the other's place when all went well, and is gone when not."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        _sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def reproduce(model: Model, golden: Golden, tolerance: float) -> None:
    """Replay the golden vectors.

    Args:
        model: the graph to be tried.
        golden: inputs and the outputs they must give.
        tolerance: largest difference allowed, in spreads of the sensors.

    Raises:
        BundleError: the graph gives something else on this machine's runtime.
    """
    state: NDArray[np.float32] = np.zeros((1, model.units), dtype=np.float32)
    worst = 0.0
    for x, lags, expected in zip(golden.x, golden.lags, golden.parts, strict=True):
        try:
            parts, state = model(x[None], lags[None], state)
        except (ValueError, RuntimeError) as refused:
            raise BundleError(f"model.tflite: must run on this machine's runtime: {quote(str(refused))}") from refused
        difference = float(np.max(np.abs(parts[0] - expected)))
        worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    if worst > tolerance:
        raise BundleError(
            f"golden.npz: must be reproduced within {tolerance:g} by {model.runtime}, differs by {worst:.3g}"
        )


def _pack(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), member)
    return packed.getvalue()


def _members(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            _check_listing(listed)
            return {entry.filename: archive.read(entry) for entry in listed}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as broken:
        torn = f"must be a whole zip file: {quote(str(broken))}"
        raise BundleError(torn if content.startswith(b"PK") else "is no bundle (not a zip file)") from broken


def _check_listing(listed: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in listed]
    for entry in listed:
        if entry.filename not in MEMBERS:
            raise BundleError(f"{quote(entry.filename)}: must be one of {', '.join(MEMBERS)}, without a path")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 0x1:
            raise BundleError(f"{entry.filename}: must be stored, neither compressed nor encrypted")
        if entry.file_size > LARGEST:
            raise BundleError(f"{entry.filename}: must be at most {LARGEST} bytes, got {entry.file_size}")
    for name in MEMBERS:
        if names.count(name) != 1:
            raise BundleError(f"{name}: must be in the bundle once, got {names.count(name)}")


def _manifest(members: dict[str, bytes]) -> Manifest:
    try:
        table = orjson.loads(members["manifest.json"])
    except orjson.JSONDecodeError as broken:
        raise BundleError(f"manifest.json: must be JSON: {broken}") from broken
    if not isinstance(table, dict):
        raise BundleError(f"manifest.json: must be a table, got {quote(table)}")
    contract = table.get("contract")
    if not isinstance(contract, int) or not 1 <= contract <= CONTRACT:
        raise BundleError(
            f"manifest.json: contract: must be at most {CONTRACT}, got {quote(contract)}: update tidegate"
        )
    try:
        manifest = structure(table, Manifest)
    except ConfigError as wrong:
        raise BundleError([f"manifest.json: {problem}" for problem in wrong.problems]) from wrong
    if set(manifest.members) != set(MEMBERS) - {"manifest.json"}:
        raise BundleError(f"manifest.json: members: must name {', '.join(MEMBERS[1:])}, got {quote(manifest.members)}")
    return manifest


def _model(graph: bytes, manifest: Manifest) -> Model:
    try:
        model = Model(graph)
    except (ValueError, RuntimeError) as refused:
        raise BundleError(f"model.tflite: must load on this machine's runtime: {quote(str(refused))}") from refused
    sensors = len(manifest.sensors)
    expected = {
        "inputs": width(sensors, len(manifest.means), len(manifest.cycles)),
        "lags": manifest.lags * sensors,
        "units": manifest.network.state,
        "parts": PARTS * len(manifest.horizons) * sensors,
    }
    for name, number in expected.items():
        found = getattr(model, name)
        if found != number:
            raise BundleError(f"model.tflite: {name}: must have {number} numbers a row, got {found}")
    return model


def _golden(packed: bytes, model: Model) -> Golden:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise BundleError("golden.npz: must be stored, neither compressed nor encrypted")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            golden = Golden(*(np.asarray(arrays[name], dtype=np.float32) for name in ("x", "lags", "parts")))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as broken:
        raise BundleError(f"golden.npz: must hold x, lags and parts: {quote(str(broken))}") from broken
    steps = golden.x.shape[:1]
    for name, numbers in (("x", model.inputs), ("lags", model.lags), ("parts", model.parts)):
        shape = getattr(golden, name).shape
        if steps in ((), (0,)) or shape != (*steps, numbers):
            raise BundleError(f"golden.npz: {name}: must have shape (steps, {numbers}), one step or more, got {shape}")
    return golden
