"""`mount` and `umount`: an image's files where other programs can read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import busybox_root, oracle
from tests.command_line import CommandLine, store_mounts
from tests.tree import differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


def test_mounted_image_is_what_the_oracle_says(shell: CommandLine, tmp_path: Path) -> None:
    done = shell.must("mount", "box", str(tmp_path))
    assert done.out == f"{tmp_path}\n"
    try:
        expected = oracle.apply([busybox_root.tar()])
        assert differences(expected, read_directory(str(tmp_path))) == []
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "new").touch()
    finally:
        shell.must("umount", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_mount_without_a_target_prints_where(shell: CommandLine) -> None:
    path = Path(shell.must("mount", "box").out.strip())
    assert (path / "bin/busybox").is_file()
    shell.must("umount", str(path))
    assert store_mounts(shell.root) == []


def test_what_cannot_be_mounted_is_refused(shell: CommandLine, tmp_path: Path) -> None:
    shell.fails(1, "mount", "no-such-image", str(tmp_path))
    shell.fails(1, "mount", "box", str(tmp_path / "missing"))
    shell.fails(1, "umount", str(tmp_path))
    assert store_mounts(shell.root) == []


def test_a_mounted_image_can_be_run_and_committed(shell: CommandLine, tmp_path: Path) -> None:
    shell.must("mount", "box", str(tmp_path))
    try:
        assert shell.must("run", "--rm", "box", "echo", "x").out == "x\n"
    finally:
        shell.must("umount", str(tmp_path))


def test_a_store_on_an_overlay_says_so_and_keeps_its_images(tmp_path: Path) -> None:
    """Inside a container the store lies on an overlay, which cannot hold another's upper."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", tmp_path / "merged"],
                   check=True)  # fmt: skip
    try:
        inside = CommandLine(tmp_path / "merged" / "store")
        inside.must("import", "-", "box", stdin=busybox_root.tar())
        (refused, *_) = inside.fails(125, "run", "--rm", "box", "true").err.splitlines()
        assert f"overlayfs does not work in {inside.root}" in refused
        assert "not supported as upperdir" in refused
        assert "use a --root on another file system" in refused
        assert inside.must("ps", "-aq").out == ""
        elsewhere = CommandLine(tmp_path / "elsewhere")
        archive = tmp_path / "box.tar"
        inside.must("save", "-o", str(archive), "box")
        elsewhere.must("load", "-i", str(archive))
        assert elsewhere.must("run", "--rm", "box", "echo", "moved").out == "moved\n"
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)
