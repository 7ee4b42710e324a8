"""Volumes: their verbs, whom they belong to, what happens at once, and what a crash leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fastlayers import ContainerOptions, Store
from fastlayers.errors import ConflictError, CorruptError, InvalidError, NotFoundError
from tests import busybox_root, tar_write
from tests.command_line import CommandLine
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture
def box(tmp_path: Path) -> CommandLine:
    """A store with an image that has something of every kind in /data."""
    command = CommandLine(tmp_path / "store")
    members = [
        *busybox_root.members(),
        Member(b"data", "dir", 0o2751, 7, 8, busybox_root.MTIME, xattrs={b"user.d": b"1"}),
        Member(b"data/file", "file", 0o4755, 5, 6, busybox_root.MTIME, content=b"of the image\n",
               xattrs={b"user.f": b"2", b"trusted.t": b"3"}),
        Member(b"data/other", "hardlink", link=b"data/file"),
        Member(b"data/sub", "dir", 0o700, 9, 9, busybox_root.MTIME),
        Member(b"data/sub/link", "symlink", 0o777, 3, 4, busybox_root.MTIME, link=b"../nowhere"),
        Member(b"data/sub/fifo", "fifo", 0o640, 3, 4, busybox_root.MTIME),
    ]  # fmt: skip
    command.must("import", "-", "box", stdin=tar_write.plain(members))
    return command


def names(box: CommandLine, *filters: str) -> list[str]:
    return box.must("volume", "ls", "-q", *filters).lines


def test_verbs(box: CommandLine) -> None:
    assert box.must("volume", "create", "data").out == "data\n"
    assert box.must("volume", "create", "--label", "a=b", "--label", "c", "other").out == "other\n"
    anonymous = box.must("volume", "create").out.strip()
    assert re.fullmatch("[0-9a-f]{64}", anonymous)
    assert sorted(names(box)) == sorted(["data", "other", anonymous])
    assert box.must("volume", "ls", "-f", "name=at").lines == [
        "DRIVER    VOLUME NAME",
        "local     data",
    ]
    assert names(box, "-f", "label=a") == names(box, "-f", "label=a=b") == ["other"]
    assert names(box, "-f", "label=a=x") == names(box, "-f", "driver=nfs") == []
    line = box.must("volume", "ls", "--format", '{{.Name}} {{.Driver}} {{.Label "a"}}').lines
    assert "other local b" in line
    shown = json.loads(box.must("volume", "inspect", "other").out)
    assert shown[0].pop("CreatedAt").endswith("Z")
    assert shown == [
        {
            "Driver": "local",
            "Labels": {"a": "b", "c": ""},
            "Mountpoint": str(box.root / "volumes/other"),
            "Name": "other",
            "Options": None,
            "Scope": "local",
        }
    ]
    done = box.call("volume", "inspect", "-f", "{{.Name}}", "nope", "data")
    assert (done.code, done.out, done.err) == (1, "data\n", "Error: get nope: no such volume\n")
    assert box.must("inspect", "-f", "{{.Mountpoint}}", "data").out.endswith("volumes/data\n")
    assert box.must("volume", "create", "data").out == "data\n"
    done = box.call("volume", "rm", "data", "nope", "other")
    assert (done.code, done.out) == (1, "data\nother\n")
    assert done.err == "Error: get nope: no such volume\n"
    assert box.must("volume", "rm", "-f", "nope").out == "nope\n"
    assert names(box) == [anonymous]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "bad/name"], 'create bad/name: "bad/name" includes invalid characters'),
        (["create", ".."], "includes invalid characters"),
        (["create", "x"], "create x: volume name is too short"),
        (["create", "x" * 250], "volume name is too long"),
        (["create", "-d", "nfs", "q1"], 'plugin "nfs" not found'),
        (["create", "-o", "type=tmpfs", "q1"], "volume option type=tmpfs is not supported"),
        (["ls", "-f", "bad=1"], "invalid filter 'bad'"),
        (["ls", "-f", "dangling=2"], "invalid filter 'dangling=2'"),
        (["rm", "../locks"], "get ../locks: no such volume"),
    ],
)
def test_what_is_refused(box: CommandLine, words: list[str], message: str) -> None:
    assert message in box.fails(1, "volume", *words).err
    assert names(box) == []


def test_one_in_use_stays(box: CommandLine) -> None:
    user = box.must("create", "-v", "data:/v", "-v", "data:/w:ro", "box", "true").out.strip()
    box.must("volume", "create", "free")
    assert names(box) == ["data", "free"]
    done = box.fails(1, "volume", "rm", "-f", "data")
    assert done.err == f"Error: remove data: volume is in use - [{user}]\n"
    assert names(box, "-f", "dangling=false") == ["data"]
    assert names(box, "-f", "dangling=true") == ["free"]
    box.must("rm", user)
    box.must("volume", "rm", "data")
    assert names(box) == ["free"]


def test_prune_takes_anonymous_ones_or_all_that_are_unused(box: CommandLine) -> None:
    box.must("volume", "create", "--label", "keep", "kept")
    box.must("volume", "create", "named")
    anonymous = box.must("volume", "create").out.strip()
    box.must("run", "--rm", "-v", f"{anonymous}:/v", "box", "sh", "-c", "echo 12345 > /v/f")
    user = box.must("create", "-v", "used:/v", "box", "true").out.strip()
    done = box.call("volume", "prune", stdin=b"n\n")
    assert done.code == 0 and "anonymous local volumes" in done.out
    done = box.must("volume", "prune", "-f")
    assert done.out == f"Deleted Volumes:\n{anonymous}\n\nTotal reclaimed space: 6B\n"
    done = box.must("volume", "prune", "-af", "--filter", "label!=keep")
    assert done.lines[:2] == ["Deleted Volumes:", "named"]
    assert names(box) == ["kept", "used"]
    anonymous = box.must("volume", "create").out.strip()
    assert "until" in box.fails(1, "system", "prune", "--volumes", "--filter", "until=1h").err
    box.must("system", "prune", "-f")
    assert anonymous in names(box)
    assert anonymous in box.must("system", "prune", "-f", "--volumes").out
    assert names(box) == ["kept", "used"]  # its container is gone, but it has a name
    assert user not in box.must("ps", "-aq", "--no-trunc").out
    assert os.listdir(box.root / "volumes").count(".named.json") == 0


def test_df_counts_them(box: CommandLine) -> None:
    box.must("run", "--name", "user", "-v", "data:/v", "-v", "/own", "box", "sh", "-c",
             "echo 1234 > /v/f; echo 123456789 > /own/f")  # fmt: skip
    store = Store(str(box.root))
    # What is copied of the image is none of it: /v is not in the image.
    used = store.usage().volumes
    assert (used.count, used.active, used.size, used.reclaimable) == (2, 2, 15, 0)
    box.must("rm", "user")
    used = store.usage().volumes
    assert (used.count, used.active, used.size, used.reclaimable) == (2, 0, 15, 15)


def test_those_without_a_name_stay_unless_they_are_to_go_too(box: CommandLine) -> None:
    def own() -> list[str]:
        return [name for name in names(box) if name != "data"]

    run = ["run", "-v", "/own", "-v", "data:/v", "box", "sh", "-c", "echo 1 >> /own/f"]
    box.must(*run[:1], "--name", "user", *run[1:])
    (name,) = own()
    shown = json.loads(box.must("inspect", "-f", "{{json .Mounts}}", "user").out)
    assert [(m["Type"], m.get("Name"), m["Source"], m["Mode"]) for m in shown] == [
        ("volume", name, str(box.root / "volumes" / name), ""),
        ("volume", "data", str(box.root / "volumes/data"), "z"),
    ]
    box.must("start", "user")
    box.must("rm", "user")
    read = ["run", "--rm", "-v", f"{name}:/old:ro", "box", "cat", "/old/f"]
    assert box.must(*read).lines == ["1", "1"]
    assert own() == [name]  # it has a name by now, for this container at least
    assert name in box.must("volume", "prune", "-f").out
    box.must(*run[:1], "--name", "user", *run[1:])
    (name,) = own()
    # Another container's own is not taken from it.
    box.must("create", "--name", "other", "-v", f"{name}:/old", "box", "true")
    box.must("rm", "-v", "user")
    assert own() == [name]
    box.must("rm", "-v", "other")
    assert own() == [name]
    box.must("volume", "rm", name)
    for words in (["-d", "--rm"], ["--rm"]):
        box.must(run[0], *words, *run[1:])
    box.must("run", "--name", "user", *run[1:])
    box.fails(125, "run", "--name", "user", *run[1:])  # the name is taken: nothing is left
    box.must("rm", "-v", "user")
    deadline = time.monotonic() + 10
    while own() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert names(box) == ["data"]
    assert sorted(os.listdir(box.root / "volumes")) == [".data.json", "data"]


def test_from_python(box: CommandLine) -> None:
    store = Store(str(box.root))
    volume = store.create_volume("data", labels={"a": "b"})
    assert (volume.name, volume.labels, volume.is_anonymous) == ("data", {"a": "b"}, False)
    assert os.path.isdir(volume.mountpoint)
    assert [one.name for one in store.volumes()] == ["data"]
    assert store.create_volume("data", labels={"other": ""}).labels == {"a": "b"}
    container = store.image("box").create(volumes=["data:/v"])
    assert [user.id for user in volume.users()] == [container.id]
    with pytest.raises(ConflictError, match=f"in use - .{container.id}"):
        volume.remove()
    container.run(["sh", "-c", "echo 123 > /v/f"])
    assert volume.size() == 4
    container.remove()
    volume.remove()
    for act in (volume.remove, lambda: store.volume("data")):
        with pytest.raises(NotFoundError, match="get data: no such volume"):
            act()
    with pytest.raises(InvalidError):
        store.create_volume("a b")
    assert os.listdir(box.root / "volumes") == []
    assert store.create_volume().is_anonymous


def test_one_that_an_earlier_version_made_is_one(box: CommandLine) -> None:
    (box.root / "volumes/old").mkdir(parents=True)
    (box.root / "volumes/old/f").write_text("kept")
    store = Store(str(box.root))
    assert (store.volume("old").labels, store.volume("old").created[-1]) == ({}, "Z")
    (box.root / "volumes/.old.json").write_text("{")
    with pytest.raises(CorruptError, match="record of volume old is damaged; its data is not"):
        store.volume("old")
    (box.root / "volumes/.old.json").unlink()
    store.volume("old").remove()
    assert os.listdir(box.root / "volumes") == []


LISTING = (
    "cd $D && find . | sort | xargs stat -c '%n %A %u:%g %h %Y' | sed 's/ 1 / - /' && cat file &&"
    "readlink sub/link"
)


@pytest.mark.parametrize("backend", ["erofs", "overlay"])
def test_a_new_volume_gets_all_that_the_image_has_there(
    box: CommandLine, backend: str, tmp_path: Path
) -> None:
    box = CommandLine(box.root, backend)
    expected = box.must("run", "--rm", "-e", "D=/data", "box", "sh", "-c", LISTING).lines
    found = box.must("run", "--rm", "-v", "v1:/data", "-e", "D=/data", "box", "sh", "-c", LISTING)
    by_name = {line.split()[0]: line.split()[1:3] + line.split()[4:] for line in expected[:-2]}
    copied = {line.split()[0]: line.split()[1:3] + line.split()[4:] for line in found.lines[:-2]}
    assert copied == by_name and found.lines[-2:] == expected[-2:]
    place = box.root / "volumes/v1"
    assert os.stat(place / "file").st_ino == os.stat(place / "other").st_ino
    attributes = {name: os.getxattr(place / "file", name) for name in os.listxattr(place / "file")}
    assert attributes == {"user.f": b"2", "trusted.t": b"3"}
    assert os.getxattr(place, "user.d") == b"1"
    # A volume that has something in it stays what it is.
    box.must("run", "--rm", "-v", "v1:/data", "box", "rm", "-r", "/data/sub", "/data/other")
    assert box.must("run", "--rm", "-v", "v1:/data", "box", "ls", "/data").lines == ["file"]
    assert box.must("run", "--rm", "-v", "v2:/data:nocopy", "box", "ls", "/data").lines == []
    mount = "type=volume,src=v3,dst=/data,volume-nocopy,ro"
    done = box.must(
        "run", "--rm", "--mount", mount, "box", "sh", "-c", "ls /data; touch /data/x||:"
    )
    assert (done.out, "Read-only" in done.err) == ("", True)


def test_one_of_many_fills_a_new_volume(box: CommandLine) -> None:
    count = "find /data | wc -l; cat /data/file"
    started = [
        box.start("run", "--rm", "-v", "shared:/data", "box", "sh", "-c", count,
                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for _ in range(8)
    ]  # fmt: skip
    outcomes = {process.communicate(timeout=60)[0] for process in started}
    assert outcomes == {b"6\nof the image\n"}
    assert [process.returncode for process in started] == [0] * 8
    assert sorted(os.listdir(box.root / "volumes")) == [".shared.json", "shared"]


def test_a_volume_that_was_left_half_filled_is_filled_anew(box: CommandLine) -> None:
    box.must("volume", "create", "data")
    place = box.root / "volumes/data"
    (place / "sub").mkdir()
    (place / "sub/half").write_text("ha")
    (place / "half").write_text("ha")
    mark = box.root / "volumes/.data.filling"
    mark.write_text("begun\n")
    run = ["run", "--rm", "-v", "data:/data", "box", "ls", "/data", "/data/sub"]
    assert "half" not in box.must(*run).out
    assert sorted(os.listdir(place)) == ["file", "other", "sub"]
    assert not mark.exists()
    # One that had not begun when its process died changes nothing.
    (place / "mine").write_text("of the user")
    mark.touch()
    assert "mine" in box.must(*run).out
    assert not mark.exists()
    # And what was put there by one who wanted nothing copied is not half of anything.
    mark.write_text("begun\n")
    assert box.must("run", "--rm", "-v", "data:/v:nocopy", "box", "cat", "/v/mine").out
    assert "mine" in box.must(*run).out


def test_what_a_crash_leaves_is_collected(box: CommandLine) -> None:
    box.must("volume", "create", "data")
    folder = box.root / "volumes"
    (folder / ".0123.old/deep").mkdir(parents=True)
    for name in (".gone.json", ".gone.filling", ".data.json.0123.new", ".data.filling"):
        (folder / name).touch()
    assert names(box) == ["data"]
    box.must("image", "prune", "-f")
    assert sorted(os.listdir(folder)) == [".data.filling", ".data.json", "data"]


def test_no_container_appears_for_a_volume_that_goes(box: CommandLine) -> None:
    """Makers and removers of one volume, all at once: every container that is there has it."""
    store = Store(str(box.root))
    image = store.image("box")
    failures: list[BaseException] = []

    def make() -> None:
        try:
            for _ in range(15):
                options = ContainerOptions(command=["true"], volumes=["data:/v"])
                made = Store(str(box.root)).create_container(image, options, sync=False)
                assert os.path.isdir(box.root / "volumes/data")
                made.remove()
        except BaseException as error:
            failures.append(error)

    def remove() -> None:
        mine = Store(str(box.root))
        for _ in range(60):
            try:
                mine.volume("data").remove()
            except (ConflictError, NotFoundError):
                continue
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=act) for act in (make, make, remove, remove)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(os.listdir(box.root / "volumes")) <= {"data", ".data.json"}
