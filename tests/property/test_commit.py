"""Commit and back: what a process did to its root is what the committed image shows.

Edits are really performed in a mounted container root; the layer that commit writes is read by
the engine, by the oracle and by Python's tarfile.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Set
from pathlib import Path

import pytest
from hypothesis import assume, example, given

from fastlayers import _core, errors
from tests import edit_root, engine, oracle, strategies, tar_write
from tests.effort import examples
from tests.refusal import Refusal
from tests.strategies import Edit
from tests.tar_members import Member, members
from tests.tree import Tree, counted_links, differences, read_directory

pytestmark = pytest.mark.privileged


def _shown(target: str) -> Tree:
    """A mounted root as a layer can hold it: no sockets, links counted by what is visible."""
    tree = counted_links(read_directory(target))
    return {path: facts for path, facts in tree.items() if facts.type != "socket"}


def _without(tree: Tree, added: Set[bytes]) -> Tree:
    """The tree without the paths that the engine has added, unless something else is in them."""
    kept = tree.keys() - added
    needed = {
        b"/".join(path.split(b"/")[:depth])
        for path in kept
        for depth in range(path.count(b"/") + 1)
    }
    return {path: facts for path, facts in tree.items() if path in kept or path in needed}


def _committed_tar(root: str, diff_id: str) -> bytes:
    return Path(_core.blob_path(root, diff_id)).read_bytes()


@pytest.mark.parametrize("backend", [*engine.STACKINGS, "copy"])
@examples(15)
@given(stack=strategies.stacks(max_layers=2, max_entries=8), edits=strategies.edits())
@example(
    # /etc is there for what a link leads to, and the engine makes its mount points in it.
    stack=[
        [
            Member(b"a", "symlink", mtime_ns=1, link=b"../etc"),
            Member(b".wh.a", "file"),
            Member(b"a/a", "hardlink", link=b"a"),
        ]
    ],
    edits=[],
)
def test_commit_keeps_what_was_done(
    disk_store: str, backend: str, stack: list[list[Member]], edits: list[Edit]
) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        base = oracle.apply(tars)
    except Refusal:
        assume(False)
    diff_ids = [engine.ingest(disk_store, tar) for tar in tars]
    with tempfile.TemporaryDirectory(prefix="fastlayers-upper-") as directory:
        with engine.mounted_container(disk_store, diff_ids, backend, directory) as target:
            # Mount points that the engine adds below /dev, /etc and so on belong to no layer.
            added = _shown(target).keys() - base.keys()
            edit_root.perform(target, edits)
            expected = _without(_shown(target), added)
        upper = os.path.join(directory, "upper")
        layer = _core.commit_upper(disk_store, diff_ids, [upper])
        again = _core.commit_upper(disk_store, diff_ids, [upper])
    assert again.diff_id == layer.diff_id, "the same upper gave another digest"
    tar = _committed_tar(disk_store, layer.diff_id)
    assert differences(expected, oracle.apply([*tars, tar])) == [], "as the oracle reads it"
    whole = [*diff_ids, layer.diff_id]
    assert differences(expected, engine.merged_tree(disk_store, whole)) == [], "as merged"
    with engine.mounted_image(disk_store, whole, backend) as target:
        assert differences(expected, _shown(target)) == [], "as mounted"
    _check_canonical(tar)


def _check_canonical(tar: bytes) -> None:
    """Parents first, every parent there, links behind their targets, no overlay xattrs."""
    seen: set[bytes] = set()
    for member in members(tar):
        path = member.path.rstrip(b"/")
        parent = path.rpartition(b"/")[0]
        assert not parent or parent in seen, f"{path!r} comes before its parent"
        assert path not in seen, f"{path!r} twice"
        if member.type == "hardlink":
            assert member.link in seen, f"{path!r} comes before its target"
        assert not any(b"overlay" in name for name in member.xattrs)
        seen.add(path)


@pytest.mark.parametrize("backend", [*engine.BACKENDS, "copy"])
@examples(10)
@given(strategies.plain_trees(), strategies.edits())
def test_diff_names_what_changed(
    disk_store: str, backend: str, base: list[Member], edits: list[Edit]
) -> None:
    diff_ids = [engine.ingest(disk_store, tar_write.plain(base))]
    with tempfile.TemporaryDirectory(prefix="fastlayers-upper-") as directory:
        before = oracle.apply([tar_write.plain(base)])
        with engine.mounted_container(disk_store, diff_ids, backend, directory) as target:
            added = _shown(target).keys() - before.keys()
            edit_root.perform(target, edits)
            after = _without(_shown(target), added)
        rows = _core.diff_upper(disk_store, diff_ids, [os.path.join(directory, "upper")])
    kinds = {path.lstrip(b"/"): kind for kind, path in rows}
    assert [path for _, path in rows] == sorted(path for _, path in rows)
    for path in after.keys() - before.keys():
        assert kinds.get(path) == "A", f"{path!r} is new"
    gone = before.keys() - after.keys()
    for path in gone:
        top = path.rpartition(b"/")[0] not in gone
        replaced = path.rpartition(b"/")[0] in after  # its directory is still there
        if top and replaced and after[path.rpartition(b"/")[0]].type == "dir":
            assert kinds.get(path) == "D", f"{path!r} is gone"
    for path in before.keys() & after.keys():
        if differences({path: before[path]}, {path: after[path]}, ignore=("names", "nlink")):
            assert path in kinds, f"{path!r} changed"
    for path, kind in kinds.items():
        if kind == "D":
            assert path not in after, f"{path!r} is there"
        elif kind == "A":
            assert path not in before, f"{path!r} was there"


def _commit(root: str, base: list[Member], work) -> list[Member]:  # type: ignore[no-untyped-def]
    diff_ids = [engine.ingest(root, tar_write.plain(base))]
    with tempfile.TemporaryDirectory(prefix="fastlayers-upper-") as directory:
        with engine.mounted_container(root, diff_ids, "overlay", directory) as target:
            edit_root.inside(target, work)
        layer = _core.commit_upper(root, diff_ids, [os.path.join(directory, "upper")])
    return list(members(_committed_tar(root, layer.diff_id)))


def _names(layer: list[Member]) -> set[bytes]:
    return {member.path.rstrip(b"/") for member in layer}


BASE = [Member(b"d", "dir", 0o755), Member(b"d/a", "file", content=b"a"),
        Member(b"d/b", "file", content=b"b"), Member(b"d/c", "file", content=b"c")]  # fmt: skip


def test_deletions_are_whiteouts_not_hard_links(disk_store: str) -> None:
    def work() -> None:
        os.unlink("/d/a")
        os.unlink("/d/b")

    layer = _commit(disk_store, BASE, work)
    whiteouts = [member for member in layer if b".wh." in member.path]
    assert sorted(m.path for m in whiteouts) == [b"d/.wh.a", b"d/.wh.b"]
    assert all(member.type == "file" and not member.content for member in whiteouts)


def test_a_new_directory_is_not_opaque(disk_store: str) -> None:
    layer = _commit(disk_store, BASE, lambda: os.makedirs("/new/below"))
    assert _names(layer) >= {b"new", b"new/below"}
    assert not any(b".wh." in member.path for member in layer)


def test_a_recreated_directory_hides_the_old_one(disk_store: str) -> None:
    def work() -> None:
        for name in "abc":
            os.unlink(f"/d/{name}")
        os.rmdir("/d")
        os.mkdir("/d")
        Path("/d/new").write_text("n")

    layer = _commit(disk_store, BASE, work)
    tree = oracle.apply([tar_write.plain(BASE), tar_write.plain(layer)])
    assert sorted(tree) == [b"d", b"d/new"]


def test_both_names_of_a_lower_file_linked_again_are_one_group(disk_store: str) -> None:
    layer = _commit(disk_store, BASE, lambda: os.link("/d/a", "/d/z"))
    tree = oracle.apply([tar_write.plain(BASE), tar_write.plain(layer)])
    assert tree[b"d/z"].names == {b"d/a", b"d/z"}


def test_a_socket_over_a_file_deletes_it(disk_store: str) -> None:
    def work() -> None:
        os.unlink("/d/a")
        for path in ("/d/a", "/d/new"):
            with socket.socket(socket.AF_UNIX) as endpoint:
                endpoint.bind(path)

    layer = _commit(disk_store, BASE, work)
    tree = oracle.apply([tar_write.plain(BASE), tar_write.plain(layer)])
    assert sorted(tree) == [b"d", b"d/b", b"d/c"]


def test_a_fifo_is_written_without_opening_it(disk_store: str) -> None:
    layer = _commit(disk_store, BASE, lambda: os.mkfifo("/d/pipe"))
    assert [member.type for member in layer if member.path == b"d/pipe"] == ["fifo"]


def test_a_real_name_with_the_whiteout_prefix_never_becomes_a_deletion(disk_store: str) -> None:
    try:
        layer = _commit(disk_store, BASE, lambda: Path("/d/.wh.a").write_text("real"))
    except errors.FastlayersError as refusal:
        assert ".wh.a" in str(refusal)
    else:
        assert b"d/.wh.a" not in _names(layer)


def test_owner_names_of_the_host_do_not_leak(disk_store: str) -> None:
    root = disk_store
    diff_ids = [engine.ingest(root, tar_write.plain(BASE))]
    with tempfile.TemporaryDirectory(prefix="fastlayers-upper-") as directory:
        with engine.mounted_container(root, diff_ids, "overlay", directory) as target:
            edit_root.inside(target, lambda: Path("/d/x").touch())
        layer = _core.commit_upper(root, diff_ids, [os.path.join(directory, "upper")])
    tar = _committed_tar(root, layer.diff_id)
    for at in range(0, len(tar), 512):
        if tar[at + 257 : at + 262] == b"ustar":
            assert not tar[at + 265 : at + 329].strip(b"\0")


def test_source_date_epoch_bounds_the_times(disk_store: str) -> None:
    diff_ids = [engine.ingest(disk_store, tar_write.plain(BASE))]
    with tempfile.TemporaryDirectory(prefix="fastlayers-upper-") as directory:
        with engine.mounted_container(disk_store, diff_ids, "overlay", directory) as target:
            edit_root.inside(target, lambda: Path("/d/x").touch())
        upper = os.path.join(directory, "upper")
        layer = _core.commit_upper(disk_store, diff_ids, [upper], 1_600_000_000)
    for member in members(_committed_tar(disk_store, layer.diff_id)):
        assert member.mtime_ns <= 1_600_000_000 * 10**9


def test_a_capability_is_committed(disk_store: str) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    layer = _commit(
        disk_store, BASE, lambda: os.setxattr("/d/a", "security.capability", capability)
    )
    assert _member(layer, b"d/a").xattrs[b"security.capability"] == capability


def test_a_capability_stays_through_a_change(disk_store: str) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    base = [Member(b"a", "file", content=b"a", xattrs={b"security.capability": capability})]
    layer = _commit(disk_store, base, lambda: os.chmod("/a", 0o700))
    assert _member(layer, b"a").xattrs == {b"security.capability": capability}


def test_what_belongs_to_this_machine_is_not_committed(disk_store: str) -> None:
    def work() -> None:
        names = ("user.keep", "user.overlay.origin", "user.fuseoverlayfs.origin")
        for name in (*names, "security.selinux", "security.ima", "security.SMACK64"):
            os.setxattr("/d/a", name, b"v")

    assert _member(_commit(disk_store, BASE, work), b"d/a").xattrs == {b"user.keep": b"v"}


def test_what_was_only_read_is_no_change(disk_store: str) -> None:
    layer = _commit(disk_store, BASE, lambda: Path("/d/a").read_bytes())
    assert layer == []


def test_a_changed_time_is_a_change(disk_store: str) -> None:
    """Also one that is set to what it was: that cannot be told from a file written anew."""
    layer = _commit(disk_store, BASE, lambda: os.utime("/d/a", (1, 1)))
    assert _member(layer, b"d/a").mtime_ns == 10**9


def test_a_directory_of_the_image_is_moved_by_copying(disk_store: str) -> None:
    """Renaming it is refused, as without redirect_dir; programs copy then."""

    def work() -> None:
        try:
            os.rename("/d", "/e")
            raise AssertionError("a directory of a lower was renamed")
        except OSError as error:
            assert error.errno == errno.EXDEV
        shutil.move("/d", "/e")

    assert _names(_commit(disk_store, BASE, work)) >= {b".wh.d", b"e", b"e/a", b"e/b", b"e/c"}


def _member(layer: list[Member], path: bytes) -> Member:
    return next(member for member in layer if member.path.rstrip(b"/") == path)
