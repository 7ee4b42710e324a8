"""What `find`, `du`, `ls` and `cat` say of an image, against the real tools on the mounted one."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import busybox_root, tar_write
from tests.command_line import CommandLine
from tests.image_parts import Blob, archive_of, image_of, layout_members
from tests.oci_layout import NAME
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

_CHANGES = [
    Member(b"etc/.wh.group", "file"),
    Member(b"etc/secret", "file", 0o600, 1000, 50, content=b"s" * 3000),
    Member(b"etc/other", "hardlink", link=b"etc/secret"),
    Member(b"usr/bin/suid", "file", 0o4755, content=b"x" * 1025),
    Member(b"var/lib/odd\xff name\n", "file", content=b"odd"),
    Member(b"var/lib/link", "symlink", link=b"/etc"),
    Member(b"dev/null", "char", 0o666, device=(1, 3)),
    Member(b"run/pipe", "fifo", 0o644),
]


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CommandLine, Path]]:
    """An image of two layers, and where it is mounted."""
    command = CommandLine(tmp_path_factory.mktemp("inside") / "store")
    layers = [Blob.plain(busybox_root.tar()), Blob.plain(tar_write.plain(_CHANGES))]
    archive = io.BytesIO(archive_of(*layout_members(image_of(layers), {NAME: "two:1"})))
    command.must("load", stdin=archive.getvalue())
    target = tmp_path_factory.mktemp("mounted")
    command.must("mount", "two:1", str(target))
    yield command, target
    command.must("umount", str(target))


def _real(target: Path, *words: str) -> list[tuple[str, ...]]:
    """What find prints of what it finds: path, mode, owner, size, sorted."""
    form = r"%p\t%M\t%U:%G\t%s\0"
    done = subprocess.run(
        ["find", ".", *words, "-printf", form], cwd=target, capture_output=True, check=True
    )
    rows = (row.split(b"\t") for row in done.stdout.split(b"\0") if row)
    return sorted(tuple(field.decode("latin-1") for field in row) for row in rows)


def _ours(command: CommandLine, *flags: str) -> list[tuple[str, ...]]:
    from base64 import b64decode

    found = []
    for line in command.must("find", "two:1", *flags, "--format", "json").lines:
        row = json.loads(line)
        exact = b64decode(row["PathBase64"]) if row["PathBase64"] else row["Path"].encode()
        path = b"." + (exact if exact != b"/" else b"")
        # The size of a directory or a device is the file system's own affair.
        size = str(row["Size"])
        found.append((path.decode("latin-1"), row["Mode"], row["Owner"], size))
    return sorted(found)


def _without_sizes_of_directories(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [row if row[1][0] in "-l" else (*row[:3], "0") for row in rows]


@pytest.mark.parametrize(
    ("real", "flags"),
    [
        ([], []),
        (["-name", "p*"], ["--name", "p*"]),
        (["-name", "?*[!a-z]*"], ["--name", "?*[!a-z]*"]),
        (["-type", "l"], ["--type", "l"]),
        (["-type", "c"], ["--type", "c"]),
        (["-type", "f", "-size", "+1024c"], ["--size", "+1k"]),
        (["-type", "f", "-size", "-20c"], ["--size", "-20"]),
        (["-type", "f", "-size", "3000c"], ["--size", "3000"]),
        (["-perm", "-4000"], ["--mode", "-4000"]),
        (["-perm", "/6000"], ["--mode", "/6000"]),
        (["-perm", "600"], ["--mode", "600"]),
        (["-uid", "1000", "-gid", "50"], ["--owner", "1000:50"]),
        (["-uid", "1000"], ["--owner", "maria"]),
    ],
)
def test_find(mounted: tuple[CommandLine, Path], real: list[str], flags: list[str]) -> None:
    command, target = mounted
    wanted = _without_sizes_of_directories(_real(target, *real))
    assert wanted
    assert _without_sizes_of_directories(_ours(command, *flags)) == wanted


def test_du(mounted: tuple[CommandLine, Path]) -> None:
    command, target = mounted
    done = subprocess.run(["du", "-ab", "."], cwd=target, capture_output=True, check=True)
    sizes = {}
    for line in done.stdout.decode("latin-1").split("\n"):
        size, tab, path = line.partition("\t")
        if tab:
            sizes[path] = int(size)
    # du counts what is no regular file too.
    others = {row[0]: int(row[3]) for row in _real(target, "!", "-type", "f")}
    wanted = {}
    for path in (row[0] for row in _real(target, "-type", "d")):
        below = sum(size for p, size in others.items() if p == path or p.startswith(path + "/"))
        wanted[path] = sizes[path] - below
    rows = map(json.loads, command.must("du", "-d", "99", "two:1", "--format", "json").lines)
    found = {"." + row["Name"].rstrip("/"): row["Size"] for row in rows}
    assert found == wanted


def test_ls_and_cat(mounted: tuple[CommandLine, Path]) -> None:
    command, target = mounted
    names = command.must("ls", "two:1", "/etc", "--format", "{{.Name}}").lines
    assert names == sorted(path.name for path in (target / "etc").iterdir())
    content = command.must("cat", "two:1", "/var/lib/link/passwd").out
    assert content == (target / "etc/passwd").read_text()
