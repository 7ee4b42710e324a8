"""Random stacks, mounted on every backend, look as the oracle says and as each other."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
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
    for backend in engine.STACKINGS:
        with engine.mounted_image(disk_store, diff_ids, backend) as target:
            actual = counted_links(read_directory(target))
        problems += [f"{backend}: {line}" for line in differences(expected, actual)]
    assert problems == []


@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_an_opaque_root_hides_everything(disk_store: str, backend: str) -> None:
    """Over a stack that is mounted already: overlayfs looks for no mark on the root of a lower."""
    base = [Member(b"f%d" % number, "file") for number in range(9)]
    below = engine.ingest(disk_store, tar_write.plain(base))
    with engine.mounted_image(disk_store, [below], backend) as target:
        assert len(os.listdir(target)) == 9
    layer = [Member(b".wh..wh..opq", "file"), Member(b"b", "file")]
    above = engine.ingest(disk_store, tar_write.plain(layer))
    with engine.mounted_image(disk_store, [below, above], backend) as target:
        assert os.listdir(target) == ["b"]


@pytest.mark.parametrize("marker", [b".wh.victim", b".wh..wh..opq"])
@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_a_marker_deletes_nothing_outside(
    disk_store: str, backend: str, marker: bytes, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    link = Member(b"esc", "symlink", link=bytes(tmp_path))
    stack = [[link], [Member(b"esc/" + marker, "file")]]
    diff_ids = [engine.ingest(disk_store, tar_write.plain(layer)) for layer in stack]
    with engine.mounted_image(disk_store, diff_ids, backend) as target:
        assert os.readlink(f"{target}/esc") == str(tmp_path)
    assert victim.read_text() == "untouched"


@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_a_file_over_a_hard_link_to_a_link_out_replaces_the_name(
    disk_store: str, backend: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    layer = [
        Member(b"out", "symlink", link=bytes(victim)),
        Member(b"linked", "hardlink", link=b"out"),
        Member(b"linked", "file", 0o777, content=b"written"),
    ]
    stack = [layer[:2], layer[2:]]
    diff_ids = [engine.ingest(disk_store, tar_write.plain(part)) for part in (*stack, layer)]
    for ids in (diff_ids[:2], diff_ids[2:]):
        with engine.mounted_image(disk_store, ids, backend) as target:
            assert os.readlink(f"{target}/out") == str(victim)
            assert Path(target, "linked").read_bytes() == b"written"
            assert not os.path.islink(f"{target}/linked")
    assert victim.read_text() == "untouched" and victim.stat().st_mode & 0o777 != 0o777


@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_a_layer_that_is_there_twice_is_applied_twice(disk_store: str, backend: str) -> None:
    file = engine.ingest(disk_store, tar_write.plain([Member(b"f", "file", content=b"f")]))
    deleted = engine.ingest(disk_store, tar_write.plain([Member(b".wh.f", "file")]))
    for stack, expected in (([file, deleted], []), ([file, deleted, file], ["f"])):
        with engine.mounted_image(disk_store, stack, backend) as target:
            assert os.listdir(target) == expected


def test_paths_that_are_exchanged_while_a_tree_is_written_lead_nowhere(
    disk_store: str, tmp_path: Path
) -> None:
    """CVE-2025-47290: everything is made by the descriptor of its directory."""
    victim = tmp_path / "victim"
    victim.mkdir()
    members = [Member(b"d%d" % n, "dir") for n in range(40)]
    members += [Member(b"d%d/f%d" % (n % 40, n), "file", content=b"x") for n in range(20_000)]
    diff_id = engine.ingest(disk_store, tar_write.plain(members))
    stop = threading.Event()
    exchanged = 0

    def exchange() -> None:
        nonlocal exchanged
        while not stop.is_set():
            for name in glob.glob(f"{disk_store}/chains/*/tree*/d*"):
                try:
                    os.rename(name, f"{name}.away")
                    os.symlink(victim, name)
                    exchanged += 1
                except OSError:
                    continue

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        # It may fail, since its directories are stolen; it must not write into the other one.
        with contextlib.suppress(errors.FastlayersError):
            _core.prepare_chain(disk_store, [diff_id], "overlay")
    finally:
        stop.set()
        thread.join()
        shutil.rmtree(f"{disk_store}/chains")
    assert exchanged > 0
    assert os.listdir(victim) == []


@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_one_layer_over_two_bases(disk_store: str, backend: str) -> None:
    """What an implied directory is like depends on what is below."""
    bases = [
        [Member(b"tmp", "dir", 0o1777), *(Member(b"f%d" % n, "file") for n in range(9))],
        [Member(b"tmp", "dir", 0o700, 1000, 1000), *(Member(b"f%d" % n, "file") for n in range(9))],
    ]
    layer = engine.ingest(disk_store, tar_write.plain([Member(b"tmp/x", "file")]))
    for base in bases:
        below = engine.ingest(disk_store, tar_write.plain(base))
        with engine.mounted_image(disk_store, [below], backend):
            pass
        with engine.mounted_image(disk_store, [below, layer], backend) as target:
            status = os.stat(f"{target}/tmp")
        assert (status.st_mode & 0o7777, status.st_uid) == (base[0].mode, base[0].uid)


@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_attributes_of_a_directory_are_replaced(disk_store: str, backend: str) -> None:
    stack = [[Member(b"d", "dir", xattrs={name: b"v"}), Member(b"d/f%d" % n, "file")]
             for n, name in enumerate((b"user.old", b"user.new"))]  # fmt: skip
    diff_ids = [engine.ingest(disk_store, tar_write.plain(layer)) for layer in stack]
    with engine.mounted_image(disk_store, diff_ids, backend) as target:
        assert os.listxattr(f"{target}/d") == ["user.new"]


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
@pytest.mark.parametrize("count", [130, 499, 500, 505])
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
        if backend == "overlay" and count == 500:  # the mount points of a container are one more
            with (
                pytest.raises(errors.LimitError, match="erofs"),
                engine.mounted_container(disk_store, diff_ids, backend, directory),
            ):
                pass
            return
        with engine.mounted_container(disk_store, diff_ids, backend, directory) as target:
            assert Path(target, "n").read_bytes() == b"%d" % (count - 1)
            Path(target, "n").write_bytes(b"changed")
        layer = _core.commit_upper(disk_store, diff_ids, [f"{directory}/upper"])
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


@pytest.fixture
def tempting_defaults() -> Iterator[None]:
    """overlayfs as distributions may set it up: with every feature that a commit must not meet."""
    folder = Path("/sys/module/overlay/parameters")
    names = ("redirect_dir", "metacopy", "index", "nfs_export", "xino_auto")
    before = {name: (folder / name).read_text() for name in names if (folder / name).exists()}
    for name in before:
        (folder / name).write_text("Y")
    yield
    for name, value in before.items():
        (folder / name).write_text(value)


@pytest.mark.skipif(
    not os.access("/sys/module/overlay/parameters/metacopy", os.W_OK),
    reason="overlayfs's defaults cannot be changed here",
)
@pytest.mark.parametrize("backend", engine.STACKINGS)
def test_the_kernels_defaults_do_not_matter(
    disk_store: str, backend: str, tempting_defaults: None, tmp_path: Path
) -> None:
    base = [Member(b"d", "dir"), Member(b"d/f", "file", content=b"x" * 8192)]
    diff_ids = [engine.ingest(disk_store, tar_write.plain(base))]
    with engine.mounted_container(disk_store, diff_ids, backend, str(tmp_path)) as target:
        with pytest.raises(OSError, match="cross-device"):
            os.rename(f"{target}/d", f"{target}/e")
        os.chmod(f"{target}/d/f", 0o600)
        os.link(f"{target}/d/f", f"{target}/d/g")
    assert (tmp_path / "upper/d/f").read_bytes() == b"x" * 8192
    assert "trusted.overlay.metacopy" not in os.listxattr(tmp_path / "upper/d/f")
    assert not (tmp_path / "work/index").exists()
