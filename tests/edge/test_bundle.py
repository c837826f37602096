"""Hold bundles to what may serve: a real one is taken apart, spoilt in one place, and put together again."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import bundle
from edge.bundle import MEMBERS, Bundle, Golden
from edge.errors import BundleError
from edge.manifest import CONTRACT
from tests.make_bundles import NAMES

Members = dict[str, bytes]


@pytest.fixture(scope="session")
def content(bundles: Path) -> bytes:
    """Return the bytes of a real bundle."""
    return (bundles / "lstm-dynamic.bundle").read_bytes()


@pytest.fixture
def members(content: bytes) -> Members:
    """Return the members of a real bundle, to be spoilt."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def golden(members: Members) -> dict[str, np.ndarray]:
    """Return its golden vectors."""
    with np.load(io.BytesIO(members["golden.npz"])) as arrays:
        return dict(arrays)


def zipped(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, member in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            archive.writestr(info, member)
    return packed.getvalue()


def put_together(members: Members, /, **changes: object) -> bytes:
    """Pack members with the right hashes, and a manifest with some of its keys changed."""
    table = json.loads(members["manifest.json"])
    table["members"] = {
        name: hashlib.sha256(member).hexdigest() for name, member in members.items() if name in MEMBERS[1:]
    }
    table |= changes
    return zipped(list((members | {"manifest.json": json.dumps(table).encode()}).items()))


def npz(**arrays: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def refusal(content: bytes) -> str:
    """Return the one line with which a bundle is refused."""
    with pytest.raises(BundleError) as refused:
        bundle.verify(content)
    (problem,) = refused.value.problems
    assert "\n" not in problem
    return problem


# ---- what may serve


@pytest.mark.parametrize("name", NAMES)
def test_every_bundle_loads_on_this_runtime(loaded: Callable[[str], Bundle], bundles: Path, name: str) -> None:
    found = loaded(name)
    path = bundles / f"{name}.bundle"
    assert found.manifest.name == name
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.size == path.stat().st_size
    assert found.card.startswith(f"# {name}, version 1")


def test_a_bundle_put_together_again_serves(members: Members) -> None:
    assert bundle.verify(put_together(members)).manifest.name == "lstm-dynamic"


def test_nothing_in_a_bundle_is_compressed_or_tells_when_it_was_written(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [entry.filename for entry in archive.infolist()] == list(MEMBERS)
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in archive.infolist()} == {bundle.EPOCH}


# ---- not a zip


@pytest.mark.parametrize("content", [b"", b"no zip at all", bytes(1000)])
def test_what_is_no_zip_is_refused(content: bytes) -> None:
    assert refusal(content) == "is no bundle (not a zip file)"


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(content: bytes, share: float) -> None:
    assert "must be" in refusal(content[: int(share * len(content)) + 2])


@pytest.mark.parametrize("member", MEMBERS)
def test_a_byte_that_changed_on_the_way_is_noticed(content: bytes, members: Members, member: str) -> None:
    place = content.index(members[member]) + len(members[member]) // 2
    spoilt = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    assert refusal(spoilt).startswith("must be a whole zip file: ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_happens_to_a_bundles_bytes_it_is_refused_or_serves(content: bytes, data: st.DataObject) -> None:
    # The names and numbers of the zip itself lie in its last bytes and before each member.
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(len(content) - 400, len(content) - 1), st.integers(0, 60)))
        spoilt[place] = data.draw(st.integers(0, 255))
    try:
        bundle.verify(bytes(spoilt))
    except BundleError as refused:
        assert all("\n" not in problem for problem in refused.problems)


# ---- members


@pytest.mark.parametrize("member", MEMBERS)
def test_a_missing_member_is_named(members: Members, member: str) -> None:
    del members[member]
    assert refusal(zipped(list(members.items()))) == f"{member}: must be in the bundle once, got 0"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(members: Members) -> None:
    twice = [*members.items(), ("model.tflite", b"another")]
    assert refusal(zipped(twice)) == "model.tflite: must be in the bundle once, got 2"


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/b", "..", "./model.tflite", "model.tflite/", "sub/../model.tflite", "C:\\x", "x.py", "\n"],
)
def test_a_member_with_a_path_or_of_another_name_is_refused(members: Members, name: str) -> None:
    problem = refusal(zipped([*members.items(), (name, b"")]))
    assert problem.endswith("must be one of manifest.json, model.tflite, golden.npz, card.md, without a path")
    assert problem.startswith(repr(name))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_member_is_refused(members: Members, method: int) -> None:
    problem = refusal(zipped(list(members.items()), method))
    assert problem == "manifest.json: must be stored, neither compressed nor encrypted"


def test_an_encrypted_member_is_refused(content: bytes) -> None:
    spoilt = bytearray(content)
    spoilt[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of the last member, in the directory at the end
    assert refusal(bytes(spoilt)) == "card.md: must be stored, neither compressed nor encrypted"


def test_a_member_that_is_too_large_is_refused(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LARGEST", 2_000)
    assert refusal(put_together(members)).startswith("manifest.json: must be at most 2000 bytes, got ")


@pytest.mark.parametrize("member", MEMBERS[1:])
def test_a_member_that_is_not_what_was_hashed_is_refused(members: Members, member: str) -> None:
    members[member] = members[member] + b" "
    problem = refusal(zipped(list(members.items())))
    assert problem.startswith(f"{member}: must have sha256 ")
    assert hashlib.sha256(members[member]).hexdigest()[:12] in problem


# ---- the manifest


@pytest.mark.parametrize("contract", [CONTRACT + 1, 10**15, 0, -1, None, "1", 1.5])
def test_a_newer_contract_is_refused_with_what_to_do(members: Members, contract: object) -> None:
    problem = refusal(put_together(members, contract=contract))
    assert problem.startswith(f"manifest.json: contract: must be at most {CONTRACT}, got {contract!r}")
    assert problem.endswith("update tidegate")


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b'{"contract": 1, "period": NaN}', "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b"[1]", "must be a table, got [1]"),
        (b"null", "must be a table, got None"),
        (b"{}", "contract: must be at most"),
    ],
)
def test_a_manifest_that_is_no_table_is_refused(members: Members, manifest: bytes, text: str) -> None:
    members["manifest.json"] = manifest
    problem = refusal(zipped(list(members.items())))
    assert problem.startswith(f"manifest.json: {text}")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"colour": "blue"}, "manifest.json: colour: must be one of "),
        ({"period": "5"}, "manifest.json: period: must be a finite number, got '5'"),
        ({"members": {}}, "manifest.json: members: must name model.tflite, golden.npz, card.md, got {}"),
        ({"members": {"../x": "0"}}, "manifest.json: members: must name model.tflite, golden.npz, card.md, got "),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(members: Members, change: Mapping[str, object], text: str) -> None:
    assert refusal(put_together(members, **change)).startswith(text)


def test_every_problem_of_a_manifest_is_a_line_with_the_files_name(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    path.write_bytes(put_together(members, colour="blue", max_gap=-1))
    with pytest.raises(BundleError) as refused:
        bundle.load(path)
    assert len(refused.value.problems) == 2
    assert all(problem.startswith(f"{path}: manifest.json: ") for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lags": 7}, "model.tflite: lags: must have 14 numbers a row, got 16"),
        ({"cycles": [86_400.0]}, "model.tflite: inputs: must have 14 numbers a row, got 12"),
        (
            {"network": {"cell": "lstm", "units": [40], "inputs": 12, "state": 81}},
            "model.tflite: units: must have 81 numbers a row, got 80",
        ),
    ],
)
def test_a_graph_of_another_shape_than_the_manifests_is_refused(
    members: Members, change: Mapping[str, object], text: str
) -> None:
    assert refusal(put_together(members, **change)) == text


@pytest.mark.parametrize("graph", [b"", b"no graph", bytes(100)])
def test_a_graph_that_the_runtime_does_not_load_is_refused(members: Members, graph: bytes) -> None:
    members["model.tflite"] = graph
    assert refusal(put_together(members)).startswith("model.tflite: must load on this machine's runtime: ")


def test_a_graph_that_is_no_step_graph_is_refused(members: Members) -> None:
    members["model.tflite"] = members["model.tflite"].replace(b"lags", b"lugs")
    assert "must map x, lags, state to parts, state" in refusal(put_together(members))


# ---- golden vectors


def test_golden_vectors_that_do_not_reproduce_are_refused(members: Members, golden: dict[str, np.ndarray]) -> None:
    golden["parts"][-1, -1] += 0.5
    members["golden.npz"] = npz(**golden)
    problem = refusal(put_together(members))
    assert problem.startswith("golden.npz: must be reproduced within ")
    assert problem.endswith("differs by 0.5")


def test_golden_vectors_prove_the_carried_state_too(members: Members, golden: dict[str, np.ndarray]) -> None:
    backwards = {name: array[::-1].copy() for name, array in golden.items()}
    members["golden.npz"] = npz(**backwards)
    table = json.loads(members["manifest.json"])
    assert table["golden_tolerance"] > 1e-5
    assert refusal(put_together(members, golden_tolerance=1e-9)).startswith(
        "golden.npz: must be reproduced within 1e-09"
    )


def test_golden_vectors_that_are_not_numbers_are_refused(members: Members, golden: dict[str, np.ndarray]) -> None:
    golden["parts"][0, 0] = np.nan
    members["golden.npz"] = npz(**golden)
    assert refusal(put_together(members)).endswith("differs by inf")


def test_a_pickle_among_the_golden_vectors_is_refused_unread(
    members: Members, golden: dict[str, np.ndarray], tmp_path: Path
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    members["golden.npz"] = npz(**(golden | {"x": np.array([Trap()], dtype=object)}))
    assert refusal(put_together(members)).startswith("golden.npz: must hold x, lags and parts: ")
    assert not (tmp_path / "sprung").exists()


def bare_array() -> bytes:
    packed = io.BytesIO()
    np.save(packed, np.zeros(3))
    return packed.getvalue()


def test_compressed_golden_vectors_are_refused(members: Members, golden: dict[str, np.ndarray]) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **golden)
    members["golden.npz"] = packed.getvalue()
    assert refusal(put_together(members)) == "golden.npz: must be stored, neither compressed nor encrypted"


@pytest.mark.parametrize("spoilt", [b"", b"no zip", bytes(100), npz(x=np.zeros(3)), npz(), bare_array()])
def test_golden_vectors_that_are_no_such_file_are_refused(members: Members, spoilt: bytes) -> None:
    members["golden.npz"] = spoilt
    assert refusal(put_together(members)).startswith("golden.npz: must hold x, lags and parts")


@pytest.mark.parametrize(
    "change",
    [
        lambda golden: {"x": golden["x"][:, 1:]},
        lambda golden: {"lags": golden["lags"][:-1]},
        lambda golden: {"lags": golden["lags"][:, 1:]},
        lambda golden: {"parts": golden["parts"][:, 1:]},
        lambda golden: {"parts": golden["parts"][:, :1]},
        lambda golden: {"x": golden["x"][0]},
        lambda golden: {"x": np.float32(0.0)},
        lambda golden: {"x": np.array(["text"])},
        lambda golden: {name: array[:0] for name, array in golden.items()},
    ],
    ids=[
        "narrow x",
        "short lags",
        "narrow lags",
        "narrow parts",
        "one part",
        "one step",
        "one number",
        "text",
        "no step",
    ],
)
def test_golden_vectors_of_a_wrong_shape_are_refused(
    members: Members, golden: dict[str, np.ndarray], change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
) -> None:
    members["golden.npz"] = npz(**(golden | change(golden)))
    assert refusal(put_together(members)).startswith("golden.npz: ")


# ---- files


@pytest.mark.parametrize(
    ("name", "rule"),
    [("missing.bundle", "must be a readable file, there is none"), ("", "must be a file, got a folder")],
)
def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path, name: str, rule: str) -> None:
    with pytest.raises(BundleError) as refused:
        bundle.load(tmp_path / name)
    (problem,) = refused.value.problems
    assert problem == f"{tmp_path / name}: {rule}"


def test_the_same_content_gives_the_same_bytes(
    loaded: Callable[[str], Bundle], members: Members, golden: dict[str, np.ndarray], content: bytes, tmp_path: Path
) -> None:
    manifest, card = loaded("lstm-dynamic").manifest, members["card.md"].decode()
    for name in ("one.bundle", "folder/other.bundle"):
        path = tmp_path / name
        digest = bundle.write(path, manifest, members["model.tflite"], Golden(**golden), card)
        assert path.read_bytes() == content
        assert digest == hashlib.sha256(content).hexdigest()


def test_a_bundle_is_written_whole_with_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    for written in (b"old", b"new and longer"):
        bundle.write_atomically(path, written)
        assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", [None, "old"])
def test_what_is_interrupted_leaves_what_was_there(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "x.csv"
    if before is not None:
        path.write_text(before)
    with pytest.raises(KeyboardInterrupt), bundle.whole(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert [one.read_text() for one in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.bundle"
    bundle.write_atomically(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        bundle.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
