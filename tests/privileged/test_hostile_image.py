"""Images that aim at the host: links where mounts and files of the engine go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import busybox_root, tar_write
from tests.command_line import CommandLine, store_mounts
from tests.tar_members import Member
from tests.tree import differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host that nothing may touch."""
    folder = tmp_path / "victim"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("untouched\n")
    before = read_directory(str(folder))
    yield folder
    assert differences(before, read_directory(str(folder))) == []


def _image(command: CommandLine, *links: tuple[bytes, bytes]) -> None:
    """The small image with some paths replaced by symlinks (or left out, with an empty target)."""
    replaced = {path for path, _ in links}
    members = [m for m in busybox_root.members() if not _below(m.path, replaced)]
    extra = [Member(path, "symlink", 0o777, link=link) for path, link in links if link]
    command.must("import", "-", "hostile", stdin=tar_write.plain(members + extra))


def _below(path: bytes, replaced: set[bytes]) -> bool:
    return any(path == name or path.startswith(name + b"/") for name in replaced)


@pytest.mark.parametrize("name", ["dev", "proc", "sys", "etc", "dev/shm", "dev/pts"])
@pytest.mark.parametrize("climbing", [False, True])
def test_a_system_mount_point_is_a_link(
    fresh: CommandLine, victim: Path, name: str, climbing: bool
) -> None:
    target = bytes(victim) if not climbing else b"../" * 20 + bytes(victim)[1:]
    _image(fresh, (name.encode(), target))
    done = fresh.call("run", "--rm", "hostile", "echo", "inside")
    assert done.code in (0, 125), done.err
    assert done.code or done.out == "inside\n"
    assert store_mounts(fresh.root) == []


@pytest.mark.parametrize("name", ["etc/hosts", "etc/resolv.conf", "etc/hostname"])
@pytest.mark.parametrize("where", ["file", "new", "sub/new"])
def test_a_file_of_the_engine_is_a_link(
    fresh: CommandLine, victim: Path, name: str, where: str
) -> None:
    _image(fresh, (name.encode(), bytes(victim / where)))
    script = f"echo more >> /{name}; cat /{name} >/dev/null; echo inside"
    done = fresh.call("run", "--name=hostile", "hostile", "sh", "-c", script)
    assert done.code in (0, 125), done.err
    fresh.call("commit", "hostile", "after")
    fresh.must("rm", "-f", "hostile")


def test_the_resolver_works_through_a_link_inside(fresh: CommandLine) -> None:
    link = (b"etc/resolv.conf", b"../run/systemd/resolve/stub-resolv.conf")
    _image(fresh, link)
    done = fresh.must("run", "--rm", "hostile", "cat", "/etc/resolv.conf")
    assert done.out == Path("/etc/resolv.conf").read_text()


def test_an_image_without_etc(fresh: CommandLine) -> None:
    _image(fresh, (b"etc", b""))
    done = fresh.must("run", "--rm", "-h", "here", "hostile", "cat", "/etc/hostname")
    assert done.out == "here\n"


def test_the_working_directory_is_a_link_out(fresh: CommandLine, victim: Path) -> None:
    _image(fresh, (b"work", bytes(victim)))
    done = fresh.call("run", "--rm", "-w", "/work/new", "hostile", "sh", "-c", "touch x; pwd -P")
    assert done.code in (0, 125), done.err


@pytest.mark.parametrize("flags", [["-w"], ["-v", "VICTIM:/shared", "-w"]])
def test_the_working_directory_is_a_descriptor_of_the_engine(
    fresh: CommandLine, victim: Path, flags: list[str]
) -> None:
    """CVE-2024-21626: a directory of the host that was left open is named as the place to start
    in, by its number or through a link of the image."""
    _image(fresh, (b"fds", b"/proc/self/fd"))
    given = [flag.replace("VICTIM", str(victim)) for flag in flags]
    for number in range(3, 20):
        for folder in ("/proc/self/fd", "/proc/thread-self/fd", "/fds"):
            place = f"{folder}/{number}"
            done = fresh.call(
                "run", "--rm", *given, place, "hostile", "sh", "-c", "ls -A . ../../../../.."
            )
            assert done.code in (0, 125, 126, 127), done.err
            assert not {"file", victim.name, victim.parent.name} & set(done.out.split()), place


def test_the_program_is_a_link_out(fresh: CommandLine) -> None:
    _image(fresh, (b"bin/tool", b"/proc/self/exe"))
    done = fresh.call("run", "--rm", "--entrypoint", "/bin/tool", "hostile", "true")
    assert done.code in (126, 127), done.err


@pytest.mark.parametrize("name", ["etc/passwd", "etc/group"])
def test_the_user_list_is_a_link_out(fresh: CommandLine, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("evil:x:0:0::/:/bin/sh\n" if name == "etc/passwd" else "evil:x:0:\n")
    _image(fresh, (name.encode(), bytes(outside)))
    user = "evil" if name == "etc/passwd" else "0:evil"
    fresh.fails(125, "run", "--rm", "-u", user, "hostile", "id")


@pytest.mark.parametrize("path", [b"etc/passwd", b"etc/group"])
def test_a_huge_user_list_does_not_fill_memory(fresh: CommandLine, path: bytes) -> None:
    members = [m for m in busybox_root.members() if m.path != path]
    huge = Member(path, "file", content=b"x:x:1:1::/:/bin/sh\n" * 4_000_000)
    fresh.must("import", "-", "huge", stdin=tar_write.plain([*members, huge]))
    done = fresh.fails(125, "run", "--rm", "-u", "root:root", "huge", "id")
    assert "longer than 16 MiB" in done.err


def test_a_volume_source_is_not_resolved_in_the_image(fresh: CommandLine, victim: Path) -> None:
    _image(fresh, (b"data", b"../../../../.." + bytes(victim)))
    done = fresh.call(
        "run", "--rm", "-v", f"{victim.parent}:/data/sub:ro", "hostile", "ls", "/data/"
    )
    assert done.code in (0, 125), done.err


@pytest.mark.parametrize("climbing", [False, True])
def test_a_new_volume_is_filled_without_following_links(
    fresh: CommandLine, victim: Path, climbing: bool
) -> None:
    """CVE-2018-15664: what the engine copies out of a root, it reaches without following a link
    out of that."""
    above = b"../" * 20 if climbing else b"/"
    links = {
        b"data/folder": above + bytes(victim)[1:],
        b"data/file": above + bytes(victim / "file")[1:],
        b"data/root": above,
    }
    members = [
        *busybox_root.members(),
        Member(b"data", "dir", 0o755),
        *(Member(path, "symlink", 0o777, link=to) for path, to in links.items()),
    ]
    fresh.must("import", "-", "hostile", stdin=tar_write.plain(members))
    script = "for name in folder file root; do readlink /data/$name; done; ls /data | wc -l"
    done = fresh.must("run", "--rm", "-v", "kept:/data", "hostile", "sh", "-c", script)
    assert done.lines == [*(os.fsdecode(to) for to in links.values()), "3"]


def test_a_volume_on_a_link_out_is_not_filled_from_the_host(
    fresh: CommandLine, victim: Path
) -> None:
    _image(fresh, (b"data", bytes(victim)))
    done = fresh.call("run", "--rm", "-v", "kept:/data", "hostile", "sh", "-c", "ls -A /data/")
    assert done.code in (0, 125), done.err
    assert done.out == ""


@pytest.mark.parametrize("target", ["victim", "/proc"])
def test_a_link_in_a_volume_leads_no_mount_out(
    fresh: CommandLine, victim: Path, tmp_path: Path, target: str
) -> None:
    """CVE-2021-30465: one container plants a link in a volume, another mounts below it."""
    _image(fresh)
    shared, other = tmp_path / "shared", tmp_path / "other"
    shared.mkdir()
    other.mkdir()
    (shared / "sub").symlink_to(victim if target == "victim" else target)
    volumes = ["-v", f"{shared}:/data", "-v", f"{other}:/data/sub"]
    done = fresh.call(
        "run", "--rm", *volumes, "hostile", "sh", "-c", "touch /data/sub/new; ls /proc"
    )
    assert done.code in (0, 125), done.err
    if done.code == 0:
        assert "self" in done.out.split(), "the volume hides /proc"
    assert store_mounts(other) == []  # nothing of it is in the namespace of the caller
