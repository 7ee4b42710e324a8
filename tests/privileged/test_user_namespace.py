"""As root of a user namespace, on the overlay backend: what cannot be made there, and what
overlayfs does in another way (EDGE-CASES G9, G10, G12)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import busybox_root, tar_write
from tests.command_line import CommandLine
from tests.image_parts import Blob, archive_of, image_of, layout_members
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


class Inside(CommandLine):
    """The command in a namespace of its own each time."""

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tests.user_namespace", *super().argv(*words)]


@pytest.fixture
def inside(tmp_path: Path) -> CommandLine:
    return Inside(tmp_path / "store", "overlay")


def load(command: CommandLine, *layers: list[Member]) -> None:
    """An image called box: busybox and these layers."""
    tars = [busybox_root.tar(), *(tar_write.plain(layer) for layer in layers)]
    parts = image_of([Blob.plain(tar) for tar in tars], config={"Env": ["PATH=/bin"]})
    name = {"org.opencontainers.image.ref.name": "box:latest"}
    command.must("load", stdin=archive_of(*layout_members(parts, name)))


def test_a_directory_that_is_made_anew_stays_empty(inside: CommandLine) -> None:
    """overlayfs marks it by another attribute there; the mark must reach the layer."""
    load(inside, [Member(b"d", "dir", 0o755), Member(b"d/old", "file")])
    script = "rm -r /d; mkdir /d; echo new > /d/new; rm /etc/group; mkdir /fresh"
    inside.must("run", "--name=worker", "box", "sh", "-c", script)
    lines = inside.must("diff", "worker").lines
    assert {"C /d", "D /d/old", "A /d/new", "D /etc/group", "A /fresh"} <= set(lines)
    inside.must("commit", "worker", "after")
    assert inside.must("run", "--rm", "after", "ls", "/d").out == "new\n"
    assert inside.call("run", "--rm", "after", "ls", "/etc/group").code == 1
    # The layer is an ordinary one.
    outside = CommandLine(inside.root.parent / "outside")
    archive = inside.root.parent / "saved.tar"
    inside.must("save", "-o", str(archive), "after")
    outside.must("load", "-i", str(archive))
    assert outside.must("run", "--rm", "after", "ls", "/d").out == "new\n"


def test_an_opaque_mark_of_a_layer_counts(inside: CommandLine) -> None:
    load(
        inside,
        [Member(b"d", "dir", 0o755), Member(b"d/old", "file"), Member(b"gone", "file")],
        [Member(b"d/.wh..wh..opq", "file"), Member(b"d/new", "file"), Member(b".wh.gone", "file")],
    )
    assert inside.must("run", "--rm", "box", "ls", "/d").out == "new\n"
    assert inside.call("run", "--rm", "box", "ls", "/gone").code == 1
    assert inside.must("fsck").code == 0


def test_an_empty_file_stands_in_for_a_device(inside: CommandLine) -> None:
    device = Member(b"disk", "block", 0o640, 0, 6, device=(8, 1))
    load(
        inside,
        [Member(b"replaced", "file", content=b"below")],
        [device, Member(b"linked", "hardlink", link=b"disk"),
         Member(b"replaced", "char", 0o600, device=(1, 3))],
    )  # fmt: skip
    script = "stat -c '%F %a %g %h' /disk /linked /replaced; cat /replaced"
    done = inside.must("run", "--rm", "box", "sh", "-c", script)
    assert done.lines == [
        "regular empty file 640 6 2", "regular empty file 640 6 2", "regular empty file 600 0 1"
    ]  # fmt: skip
    assert inside.must("fsck").code == 0


def test_an_id_that_the_namespace_lacks_is_named(inside: CommandLine) -> None:
    tar = tar_write.plain([*busybox_root.members(), Member(b"far", "file", 0o644, 2_000_000, 7)])
    done = inside.fails(1, "import", "-", "box", stdin=tar)
    assert '/"far"' in done.err or "/far" in done.err
    assert "belongs to 2000000:7" in done.err and "/etc/subuid" in done.err
    assert len(done.err.splitlines()) == 1
    assert inside.must("images", "-aq").out == ""
