"""fsck finds whatever is not as it was written, mends what the store can mend, and lets the rest be
pulled again; prune and df."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastlayers import Store, _core
from tests import busybox_root, tar_write
from tests.command_line import CommandLine
from tests.fake_registry import FakeRegistry
from tests.image_parts import Blob, image_of
from tests.oci_layout import digest_of
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

_SPARSE = Member(b"holes", "file", content=bytes(1 << 20) + b"end")
_TARS = [
    tar_write.plain([Member(b"a", "file", content=b"a" * 5000), Member(b"d", "dir")]),
    tar_write.archive([(_SPARSE, "pax", "1.0"), (Member(b"d/b", "file", content=b"b"), "pax", "")]),
]
_PARTS = image_of([Blob.gzip(tar) for tar in _TARS])


def _hex(data: bytes) -> str:
    return digest_of(data).removeprefix("sha256:")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as running:
        running.publish(_PARTS, "1")
        yield running


@pytest.fixture(params=["erofs", "overlay"])
def pulled(
    request: pytest.FixtureRequest, registry: FakeRegistry, tmp_path: Path
) -> Iterator[CommandLine]:
    """A store with a base image, and one that a registry has."""
    command = CommandLine(tmp_path / "store", request.param)
    command.must("import", "-", "base", stdin=busybox_root.tar())
    command.must("pull", "-q", f"{registry.host}/app:1")
    command.must("run", "--name", "box", "base", "true")
    command.must("commit", "box", "made:1")
    command.must("create", "--name", "of-app", f"{registry.host}/app:1", "x")
    yield command


def _flip(path: Path) -> None:
    """One bit, in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


_DAMAGES = (_flip, _cut, _empty)


def _is_well(command: CommandLine) -> None:
    verdict = command.call("fsck")
    assert verdict.code == 0, verdict.out + verdict.err
    assert verdict.lines[-1].endswith(": no damage")
    assert len(verdict.lines) == 1


def _is_found(command: CommandLine, part: str) -> None:
    verdict = command.call("fsck")
    assert verdict.code == 1
    assert part in verdict.out, verdict.out


def _works(command: CommandLine, name: str) -> None:
    store = Store(str(command.root))
    assert store.image(name).read("/a") == b"a" * 5000
    assert store.image(name).read("/holes") == _SPARSE.content
    assert command.must("run", "--rm", "base", "echo", "works").out == "works\n"


def test_a_store_that_is_well(pulled: CommandLine) -> None:
    _is_well(pulled)


def test_an_empty_store_is_well(tmp_path: Path) -> None:
    _is_well(CommandLine(tmp_path / "store"))


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize("part", ["table", "side"])
def test_what_is_derived_of_a_layer_is_made_anew(
    pulled: CommandLine, registry: FakeRegistry, part: str, damage: Callable[[Path], None]
) -> None:
    path = f"layers/{_hex(_TARS[1])}"
    damage(pulled.root / path / part)
    _is_found(pulled, f"{path}: {part} is not what the tar gives")
    assert pulled.must("fsck", "--repair").out.count("made anew") == 1
    _is_well(pulled)
    _works(pulled, f"{registry.host}/app:1")


@pytest.mark.parametrize("damage", _DAMAGES)
def test_what_is_derived_of_a_stack_is_made_anew(
    pulled: CommandLine, registry: FakeRegistry, damage: Callable[[Path], None]
) -> None:
    damaged = 0
    store = Store(str(pulled.root))
    for image in store.images():
        _core.layer_deltas(store.root, list(image.config.diff_ids))
    for part in ("table", "delta", "plan", "index"):
        for path in sorted(pulled.root.glob(f"chains/*/{part}")):
            damage(path)
            damaged += 1
    for path in sorted(pulled.root.glob("chains/*/tree/a")):
        damage(path)
        damaged += 1
    assert damaged > 2
    assert pulled.call("fsck").code == 1
    pulled.must("fsck", "--repair")
    _is_well(pulled)
    _works(pulled, f"{registry.host}/app:1")
    _is_well(pulled)


def test_a_tree_with_too_much_or_too_little(pulled: CommandLine) -> None:
    if pulled.backend != "overlay":
        for tree in pulled.root.glob("chains/*/init/dev"):
            tree.chmod(0o700)
    for tree in pulled.root.glob("chains/*/tree"):
        (tree / "more").write_text("more")
    assert pulled.call("fsck").code == 1
    pulled.must("fsck", "--repair")
    _is_well(pulled)


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_tar_is_made_anew_from_its_blob(
    pulled: CommandLine, registry: FakeRegistry, damage: Callable[[Path], None]
) -> None:
    path = f"blobs/sha256/{_hex(_TARS[0])}"
    damage(pulled.root / path)
    _is_found(pulled, f"{path}: its bytes are not those it is named after")
    pulled.must("fsck", "--repair")
    _is_well(pulled)
    _works(pulled, f"{registry.host}/app:1")


@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
@pytest.mark.parametrize("damage", [*_DAMAGES, Path.unlink])
def test_what_only_a_registry_has_is_pulled_again(
    pulled: CommandLine, registry: FakeRegistry, what: str, damage: Callable[[Path], None]
) -> None:
    data = {"manifest": _PARTS.manifest, "config": _PARTS.config, "layer": _PARTS.layers[1].data}
    name = f"{registry.host}/app:1"
    path = f"blobs/sha256/{_hex(data[what])}"
    damage(pulled.root / path)
    _is_found(pulled, path)
    mended = pulled.call("fsck", "--repair")
    assert mended.code == 1
    assert f"pull or load again: {name}" in mended.out
    assert len(mended.lines) == 2, mended.out
    pulled.must("pull", "-q", name)
    _is_well(pulled)
    _works(pulled, name)


def test_damage_is_not_collected(pulled: CommandLine, registry: FakeRegistry) -> None:
    """What a damaged document names is not known; it must not go as garbage."""
    path = pulled.root / "blobs" / "sha256" / _hex(_PARTS.config)
    _flip(path)
    before = set(os.listdir(path.parent))
    pulled.must("image", "prune", "-f")
    assert set(os.listdir(path.parent)) == before


def test_a_committed_layer_has_no_second_copy(pulled: CommandLine) -> None:
    inspected = json.loads(pulled.must("image", "inspect", "made:1").out)[0]
    top = inspected["RootFS"]["Layers"][-1].removeprefix("sha256:")
    _flip(pulled.root / "blobs" / "sha256" / top)
    mended = pulled.call("fsck", "--repair")
    assert mended.code == 1
    assert "pull or load again: made:1" in mended.out
    assert (pulled.root / "damaged" / top).exists()
    assert pulled.call("run", "--rm", "made:1", "true").code == 125
    assert pulled.must("run", "--rm", "base", "echo", "works").out == "works\n"
    pulled.must("rmi", "made:1")
    _is_well(pulled)


def test_the_index_is_made_anew_without_names(pulled: CommandLine) -> None:
    images = set(pulled.must("images", "-aq", "--no-trunc").lines)
    _cut(pulled.root / "index.json")
    assert pulled.call("images").code == 1
    _is_found(pulled, "index.json")
    assert "without their names" in pulled.must("fsck", "--repair").out
    assert set(pulled.must("images", "-aq", "--no-trunc").lines) == images
    _is_well(pulled)


def test_what_can_be_derived_may_be_missing(pulled: CommandLine, registry: FakeRegistry) -> None:
    pulled.must("rm", "box", "of-app")
    for folder in ("layers", "chains"):
        shutil.rmtree(pulled.root / folder)
    _is_well(pulled)
    assert pulled.must("run", "--rm", "base", "echo", "works").out == "works\n"
    _is_well(pulled)


def test_a_damaged_plan_is_made_anew_by_running(pulled: CommandLine) -> None:
    for plan in pulled.root.glob("chains/*/plan"):
        _empty(plan)
    assert pulled.must("run", "--rm", "base", "echo", "works").out == "works\n"


def test_prune_and_df(pulled: CommandLine, registry: FakeRegistry) -> None:
    rows = pulled.must("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}").lines
    assert rows == ["Images 3 2", "Containers 2 0", "Local Volumes 0 0"]
    refused = pulled.call("container", "prune", stdin=b"n\n")
    assert refused.code == 0 and refused.out.endswith("[y/N] ") and refused.err == ""
    assert len(pulled.must("ps", "-aq").lines) == 2
    done = pulled.must("container", "prune", stdin=b"y\n")
    assert "Deleted Containers:" in done.out and "Total reclaimed space: " in done.out
    assert pulled.must("ps", "-aq").lines == []
    assert "Deleted" not in pulled.must("image", "prune", "-f").out
    assert "base" not in pulled.must("image", "prune", "-af", "--filter", "until=1h").out
    assert "Deleted" not in pulled.must("image", "prune", "-af", "--filter", "label=x").out
    done = pulled.must("system", "prune", "-af")
    assert "untagged: base:latest" in done.out and "Total reclaimed space: 0B" not in done.out
    assert pulled.must("images", "-aq").lines == []
    assert os.listdir(pulled.root / "blobs" / "sha256") == []
    rows = pulled.must("system", "df", "--format", "{{.Type}} {{.Size}} {{.Reclaimable}}").lines
    assert rows == ["Images 0B 0B", "Containers 0B 0B", "Local Volumes 0B 0B"]
    assert pulled.call("image", "prune", "-f", "--filter", "until=never").code == 1
