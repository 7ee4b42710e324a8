"""Removing what containers wrote."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from fastlayers._core import remove_tree
from fastlayers.errors import HostError


def test_everything_goes_and_nothing_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    tree = tmp_path / "tree"
    (tree / "a/b/c").mkdir(parents=True)
    (tree / "a/file").write_text("x")
    (tree / "a/link").symlink_to(outside)
    (tree / "a/b/broken").symlink_to("/nowhere")
    os.mkfifo(tree / "fifo")
    (tree / os.fsdecode(b"\xff\n")).write_text("x")
    (tree / "a/b").chmod(0)
    (tree / "a").chmod(0o500)
    remove_tree(str(tree))
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert (outside / "keep").read_text() == "x"


def test_a_tree_deeper_than_any_path_goes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    descriptor = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 50, dir_fd=descriptor)
        deeper = os.open("d" * 50, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(os.open("leaf", os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    remove_tree(str(tree))
    assert not tree.exists()


def test_what_is_not_there_is_fine(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "none"))


def test_a_file_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HostError):
        remove_tree(str(tmp_path / "file"))
    assert (tmp_path / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_an_owner_without_rights_removes_it_all_the_same(tmp_path: Path) -> None:
    """Not root: directories that their owner may not read or write are made so first."""
    folder = tempfile.mkdtemp(prefix="fastlayers-owned-")  # those above tmp_path are root's alone
    try:
        os.chown(folder, 65534, 65534)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgid(65534)
                os.setuid(65534)
                tree = Path(folder, "tree")
                (tree / "a/b/c").mkdir(parents=True)
                (tree / "a/b/c/file").write_text("x")
                for path, mode in ((tree / "a/b/c", 0), (tree / "a/b", 0o500), (tree / "a", 0)):
                    path.chmod(mode)
                remove_tree(str(tree))
                code = int(tree.exists())
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        shutil.rmtree(folder)
