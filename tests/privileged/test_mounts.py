"""--mount, --tmpfs, --shm-size: what is in a container, and that no target is outside of it."""

from __future__ import annotations

import ctypes
import json
import os
import threading
from pathlib import Path

import pytest

from fastlayers import Image, Store
from tests.command_line import CommandLine, store_mounts
from tests.tree import differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def mount_of(lines: list[str], target: str) -> tuple[str, set[str]]:
    """Type and options of what is mounted at a place, of lines of /proc/mounts."""
    [words] = [line.split() for line in lines if line.split()[1] == target]
    return words[2], set(words[3].split(","))


BARE = {"nosuid", "nodev", "noexec"}


@pytest.mark.parametrize(
    ("flags", "options", "listed"),
    [
        (["--tmpfs", "/t"], {"rw", *BARE}, "drwxrwxrwt 0 0"),
        (["--tmpfs", "/home/maria"], {"rw", *BARE, "mode=750"}, "drwxr-x--- 0 0"),
        (["--tmpfs", "/t:exec,suid,size=1m,mode=700,uid=5,gid=6"],
         {"rw", "nodev", "size=1024k", "mode=700", "uid=5", "gid=6"}, "drwx------ 5 6"),
        (["--tmpfs", "/t:ro"], {"ro", *BARE}, "drwxrwxrwt 0 0"),
        (["--mount", "type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=0755,ro"],
         {"ro", *BARE, "size=2048k", "mode=755"}, "drwxr-xr-x 0 0"),
    ],
)  # fmt: skip
def test_a_tmpfs_is_as_dockers(
    shell: CommandLine, flags: list[str], options: set[str], listed: str
) -> None:
    target = "/home/maria" if "/home/maria" in flags else "/t"
    script = f"cat /proc/mounts; stat -c '%A %u %g' {target}; ls -A {target}"
    lines = shell.must("run", "--rm", *flags, "box", "sh", "-c", script).lines
    assert mount_of(lines[:-1], target) == ("tmpfs", {*options, "relatime"})
    assert lines[-1] == listed


def test_a_tmpfs_has_places_for_other_mounts(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("of the host\n")
    words = ["--tmpfs", "/etc:ro", "-v", f"{tmp_path}:/etc/deep/er", "-h", "here"]
    script = "cat /etc/hostname /etc/deep/er/f; ls /etc; touch /etc/x || echo read-only"
    done = shell.must("run", "--rm", *words, "box", "sh", "-c", script)
    assert done.lines == [
        "here", "of the host", "deep", "hostname", "hosts", "resolv.conf", "read-only",
    ]  # fmt: skip


def test_a_tmpfs_is_new_at_every_start_and_in_no_commit(shell: CommandLine) -> None:
    script = "ls /t; echo x > /t/f; echo y > /t/g"
    shell.must("run", "--name=boxed", "--tmpfs", "/t", "box", "sh", "-c", script)
    shell.must("start", "-a", "boxed")
    assert shell.must("logs", "boxed").out == ""
    assert shell.must("diff", "boxed").lines == ["A /t"]
    shell.must("rm", "boxed")


def test_a_full_tmpfs_is_full(shell: CommandLine) -> None:
    script = "dd if=/dev/zero of=/t/f bs=1k count=2000 2>&1 | grep -c 'No space'"
    done = shell.must("run", "--rm", "--tmpfs", "/t:size=1m", "box", "sh", "-c", script)
    assert done.out == "1\n"


@pytest.mark.parametrize(
    ("flags", "size"),
    [([], "65536k"), (["--shm-size", "1m"], "1024k"), (["--shm-size=1.5g"], "1572864k"),
     (["--shm-size", "0"], "65536k")],
)  # fmt: skip
def test_shared_memory(shell: CommandLine, flags: list[str], size: str) -> None:
    lines = shell.must("run", "--rm", *flags, "box", "cat", "/proc/mounts").lines
    kind, options = mount_of(lines, "/dev/shm")
    assert kind == "tmpfs" and {f"size={size}", *BARE} <= options


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--shm-size", "bad"], "invalid argument \"bad\" for \"--shm-size\" flag: invalid size"),
        (["--mount", "foo=bar"], 'for "--mount" flag: unexpected key \'foo\' in \'foo=bar\''),
        (["--mount", "type=bind,src=/nowhere,dst=/t"], "bind source path does not exist: /nowhere"),
        (["--mount", "type=image,src=nope,dst=/t"], "No such image: nope"),
        (["--mount", "type=bind,src=/a,dst=/t,bind-propagation=shared"], "propagation shared"),
        (["--tmpfs", "/t", "-v", "vol:/t"], "Duplicate mount point: /t"),
        (["--tmpfs", "/proc"], "nothing can be mounted inside /proc"),
        (["-v", "vol:/t:bogus"], "invalid mode: bogus"),
    ],
)  # fmt: skip
def test_what_is_refused(shell: CommandLine, flags: list[str], message: str) -> None:
    assert message in shell.fails(125, "run", "--rm", *flags, "box", "true").err
    assert shell.must("ps", "-aq").lines == []


def test_binds_and_volumes_by_mount(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("here\n")
    words = ["--mount", f"type=bind,src={tmp_path},dst=/b,ro", "--mount", "src=data,dst=/v",
             "--mount", "dst=/own", "-v", "data:/v2:ro,z"]  # fmt: skip
    script = "cat /b/in; echo x > /v/f; cat /v2/f; ls -d /own; touch /b/x || touch /v2/x || echo ro"
    done = shell.must("run", "--name=boxed", *words, "box", "sh", "-c", script)
    assert done.lines == ["here", "x", "/own", "ro"]
    shown = json.loads(shell.must("inspect", "boxed").out)[0]
    assert {mount["Destination"]: (mount["Type"], mount["RW"]) for mount in shown["Mounts"]} == {
        "/b": ("bind", False),
        "/own": ("volume", True),
        "/v": ("volume", True),
        "/v2": ("volume", False),
    }
    assert shown["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": str(tmp_path), "Target": "/b", "ReadOnly": True},
        {"Type": "volume", "Source": "data", "Target": "/v"},
        {"Type": "volume", "Target": "/own"},
    ]
    shell.must("rm", "boxed")
    shell.must("volume", "rm", "data")


def test_an_image_is_mounted_read_only_and_stays_as_it_was(shell: CommandLine) -> None:
    store = Store(str(shell.root), backend="erofs" if "erofs" in shell.backend else "overlay")
    made = store.image("box").create()
    made.run(["sh", "-c", "echo tools > /usr/tool; rm /etc/plain"])
    made.commit("tools")
    made.remove()
    words = ["--name=boxed", "--mount", "type=image,src=tools,dst=/opt/tools"]
    script = "cat /opt/tools/usr/tool; ls /opt/tools/etc; touch /opt/tools/x || echo read-only"
    shell.must("create", *words, "box", "sh", "-c", script)
    shell.fails(1, "rmi", Image.get("tools", store).id)
    assert shell.must("rmi", "-f", "tools").lines[0] == "Untagged: tools:latest"
    shell.must("image", "prune", "-f")
    done = shell.must("start", "-a", "boxed")
    assert done.lines == ["tools", "group", "passwd", "read-only"]
    assert store_mounts(shell.root) == []
    shell.must("rm", "boxed")


def exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    assert done == 0, os.strerror(ctypes.get_errno())


@pytest.mark.parametrize("kind", ["bind", "tmpfs", "image"])
def test_a_target_that_becomes_a_link_meanwhile_leads_nowhere(
    shell: CommandLine, tmp_path: Path, kind: str
) -> None:
    """CVE-2021-30465: while a container starts, another that shares a volume with it exchanges
    what lies on the way to a mount target for links out."""
    shared, victim, other = (tmp_path / name for name in ("shared", "victim", "other"))
    for folder in (shared / "way/in", victim / "in", other):
        folder.mkdir(parents=True)
    (victim / "in/file").write_text("untouched")
    (shared / "link").symlink_to("../" * 20 + str(victim)[1:])
    before = read_directory(str(victim))
    words = {
        "bind": ["-v", f"{other}:/data/way/in"],
        "tmpfs": ["--tmpfs", "/data/way/in"],
        "image": ["--mount", "type=image,src=box,dst=/data/way/in"],
    }[kind]
    done = threading.Event()

    def race() -> None:
        while not done.is_set():
            exchange(shared / "way", shared / "link")

    racer = threading.Thread(target=race)
    racer.start()
    try:
        for _ in range(12):
            script = "cat /proc/mounts; ls -A /data/way/in/; touch /data/way/in/new"
            ended = shell.call("run", "--rm", "-v", f"{shared}:/data", *words, "box", "sh", "-c",
                               script)  # fmt: skip
            assert "Traceback" not in ended.err
            assert "file" not in ended.out.split()
    finally:
        done.set()
        racer.join()
    assert differences(before, read_directory(str(victim))) == []
    assert store_mounts(tmp_path) == []
