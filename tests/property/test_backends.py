"""Random stacks, mounted on every backend, look as the oracle says and as each other."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given

from fastlayers import Image, Store, _core, errors
from tests import engine, oracle, strategies, tar_write
from tests.effort import examples
from tests.oci_layout import LayerBlob, write_layout
from tests.refusal import Refusal
from tests.tar_members import Member
from tests.tree import counted_links, differences, read_directory

pytestmark = pytest.mark.privileged


@examples(25)
@given(strategies.stacks())
def test_every_backend_shows_the_oracles_tree(disk_store: str, stack: list[list[Member]]) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        expected = oracle.apply(tars)
    except Refusal:
        assume(False)
    diff_ids = [engine.ingest(disk_store, tar) for tar in tars]
    problems = []
    for backend in engine.BACKENDS:
        with engine.mounted_image(disk_store, diff_ids, backend) as target:
            actual = counted_links(read_directory(target))
        problems += [f"{backend}: {line}" for line in differences(expected, actual)]
    assert problems == []


@pytest.mark.parametrize("backend", engine.BACKENDS)
def test_user_attributes_of_a_symlink_are_not_listed(disk_store: str, backend: str) -> None:
    """The kernel allows user.* on files and directories only; what it lists it must also read."""
    link = Member(b"s", "symlink", link=b"a", xattrs={b"user.k": b"v", b"trusted.k": b"v"})
    fifo = Member(b"p", "fifo", xattrs={b"user.k": b"v"})
    diff_id = engine.ingest(disk_store, tar_write.plain([link, fifo]))
    with engine.mounted_image(disk_store, [diff_id], backend) as target:
        tree = read_directory(target)
    assert tree[b"s"].xattrs == {b"trusted.k": b"v"}
    assert tree[b"p"].xattrs == {}


@pytest.mark.parametrize("backend", engine.BACKENDS)
@pytest.mark.parametrize("count", [130, 505])
def test_deep_stacks(disk_store: str, backend: str, count: int) -> None:
    """More layers than a page of mount options holds, and than the kernel stacks."""
    tars = [
        tar_write.plain([Member(b"n", "file", content=b"%d" % i), Member(b"f%d" % i, "file")])
        for i in range(count)
    ]
    diff_ids = [engine.ingest(disk_store, tar) for tar in tars]
    if backend == "overlay" and count > 500:
        with pytest.raises(errors.LimitError, match="erofs"):  # and it says what would work
            _core.mount_image(disk_store, diff_ids, backend, tempfile.gettempdir())
        return
    with engine.mounted_image(disk_store, diff_ids, backend) as target:
        assert differences(oracle.apply(tars), counted_links(read_directory(target))) == []
    with tempfile.TemporaryDirectory(prefix="fastlayers-upper-") as directory:
        with engine.mounted_container(disk_store, diff_ids, backend, directory) as target:
            assert Path(target, "n").read_bytes() == b"%d" % (count - 1)
            Path(target, "n").write_bytes(b"changed")
        layer = _core.commit_upper(disk_store, diff_ids, f"{directory}/upper")
    tree = engine.merged_tree(disk_store, [*diff_ids, layer.diff_id])
    assert tree[b"n"].size == len(b"changed")


@pytest.mark.parametrize("backend", engine.BACKENDS)
def test_a_store_whose_path_is_full_of_separators(backend: str, tmp_path: Path) -> None:
    root = engine.store_in(tmp_path / "a:b,c\\d=e f\n\xe9" / "store")
    tars = [tar_write.plain([Member(name, "file", content=name)]) for name in (b"a", b"b", b"c")]
    diff_ids = [engine.ingest(root, tar) for tar in tars]
    with engine.mounted_image(root, diff_ids, backend) as target:
        assert sorted(os.listdir(target)) == ["a", "b", "c"]
    container = tmp_path / "x:y,z\\" / "container"
    container.mkdir(parents=True)
    with engine.mounted_container(root, diff_ids, backend, str(container)) as target:
        Path(target, "d").write_text("d")
    assert (container / "upper/d").read_text() == "d"


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no /dev/shm")
def test_a_store_in_memory_needs_no_setting(memory_store: str, tmp_path: Path) -> None:
    """The kernel mounts no index file of a tmpfs; loop devices serve, and nobody has to say so."""
    tar = tar_write.plain([Member(b"a", "file", content=b"a")])
    layout = write_layout(tmp_path / "layout", [LayerBlob.of_tar(tar)], name="memory:latest")
    (image,) = Image.load(str(layout), store=Store(memory_store))
    with image.mount() as target:
        assert Path(target, "a").read_bytes() == b"a"
        assert engine.mount_source(target)[1].startswith("/dev/loop")
