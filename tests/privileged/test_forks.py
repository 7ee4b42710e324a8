"""Forks and checkpoints: what is shared, what is not, and that nothing shared is lost or left."""

from __future__ import annotations

import io
import os
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers import Image, Store, _core, frozen_upper, mounted
from fastlayers.checkpoint import read_checkpoints
from fastlayers.container import Container
from fastlayers.errors import (
    ConflictError,
    CorruptError,
    InvalidError,
    LimitError,
    NotFoundError,
)
from tests import busybox_root
from tests.command_line import CommandLine

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture(params=("erofs", "overlay"))
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    store = Store(str(tmp_path / "store"), backend=request.param)
    changes = ['CMD ["sh"]', "ENV PATH=/bin", "VOLUME /data"]
    Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store, changes=changes)
    yield store
    assert [str(damage) for damage in store.fsck().damages] == []
    for container in store.containers(all=True):
        container.remove(force=True)
    for folder in ("containers", "names", "uppers"):
        assert os.listdir(os.path.join(store.root, folder)) == [], folder
    assert [path for path in mounted.mount_points() if path.startswith(store.root)] == []


@pytest.fixture
def box(store: Store) -> Container:
    box = store.image("box").create(name="box")
    os.makedirs(os.path.join(store.root, "uppers"), exist_ok=True)
    return box


def sh(container: Container, script: str) -> str:
    result = container.run(["sh", "-ec", script])
    assert (result.exit_code, result.stderr) == (0, b""), result
    return result.text


def frozen(container: Container) -> tuple[str, ...]:
    return frozen_upper.read_frozen(container.directory)


def uppers(store: Store) -> list[str]:
    return frozen_upper.frozen_ids(store)


def test_a_fork_begins_with_the_files_and_goes_its_own_way(box: Container) -> None:
    sh(box, "echo 1 > /root/a; mkdir -p /d/e; echo 2 > /d/e/f; rm /etc/plain; ln -s a /root/l")
    fork = box.fork("other")
    assert (fork.name, fork.image_id, fork.command) == ("other", box.image_id, box.command)
    assert fork.id != box.id
    assert fork.status == "created"
    assert sh(fork, "cat /root/l /d/e/f; ls /etc; hostname").split() == (
        ["1", "2", "group", "hostname", "hosts", "passwd", "resolv.conf", fork.short_id]
    )
    sh(fork, "echo fork > /root/a; rm -r /d; mkdir /d; echo > /etc/plain")
    assert sh(box, "cat /root/a /d/e/f; test ! -e /etc/plain; rm /root/a") == "1\n2\n"
    assert sh(fork, "cat /root/a; find /d /etc/plain") == "fork\n/d\n/etc/plain\n"
    assert sh(box, "test ! -e /root/a; cat /d/e/f") == "2\n"


def test_the_changes_of_a_fork_are_those_against_the_image(box: Container) -> None:
    sh(box, "echo 1 > /root/a; echo 2 > /root/b; mkdir /d; echo > /d/x; rm /etc/plain; rm -r /home")
    fork = box.fork()
    sh(fork, "echo 12 > /root/a; rm /root/b; rm -r /d; mkdir /d; mkdir /home; echo > /etc/plain")
    second = fork.fork()
    sh(second, "rm /etc/plain; echo > /home/new")
    assert second.diff() == [
        ("A", "/d"), ("A", "/data"), ("C", "/etc"), ("D", "/etc/plain"), ("C", "/home"),
        ("D", "/home/maria"), ("A", "/home/new"), ("C", "/root"), ("A", "/root/a"),
    ]  # fmt: skip
    image = second.commit("second")
    assert len(image.layers) == len(box.store.image("box").layers) + 1
    assert image.run(["sh", "-c", "cat /root/a; find /d /home /root /etc/plain | sort"]).text == (
        "12\n/d\n/home\n/home/new\n/root\n/root/a\n"
    )
    out = io.BytesIO()
    second.export(out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        names = tar.getnames()
    assert {"d", "home/new", "root/a"} <= set(names)
    assert not {"d/x", "home/maria", "root/b", "etc/plain"} & set(names)
    # The size of everything it has written, what is shared included.
    assert box.size() == 2 + 2 + 1
    assert fork.size() == box.size() + 3 + 1
    with fork.mount() as root:
        assert Path(root, "root/a").read_text() == "12\n"
    target = Path(box.store.root).parent / "copied"
    fork.copy_out("/root/a", target)
    assert target.read_text() == "12\n"
    fork.copy_in(target, "/root/c")
    assert sh(fork, "cat /root/c") == "12\n"
    assert sh(box, "ls /root") == "a\nb\n"


def test_what_is_shared_goes_with_the_last_that_needs_it(box: Container, store: Store) -> None:
    sh(box, "echo 1 > /root/a")
    forks = [box.fork() for _ in range(3)]
    assert len(uppers(store)) == 1, "nothing was written in between"
    assert {frozen(one) for one in (box, *forks)} == {frozen(box)}
    assert store.usage().containers.size == 2
    assert box.fork().inspect()["GraphDriver"]["Data"]["LowerDir"].split(":") == [
        frozen_upper.upper_path(store, frozen(box)[0])
    ]
    box.remove()
    assert store.prune_containers(matches=lambda one: one.id != forks[2].id)[1] == 0
    assert sh(forks[2], "cat /root/a") == "1\n"
    assert store.prune_containers()[1] == 2
    assert uppers(store) == []


def test_a_fork_of_nothing_written_shares_nothing(box: Container, store: Store) -> None:
    fork = box.fork()
    assert uppers(store) == []
    assert sh(fork, "cat /etc/plain") == "text\n"
    assert fork.diff() == [("A", "/data")], "its volume's place"


def test_the_attributes_of_the_root_are_kept(box: Container) -> None:
    sh(box, "chmod 1711 /; chown 7:8 /")
    checkpoint = box.checkpoint()
    sh(box, "chmod 755 /")
    assert sh(box.fork(), "stat -c %a:%u:%g /") == "755:7:8\n"
    assert sh(box.fork(checkpoint=checkpoint), "stat -c %a:%u:%g /") == "1711:7:8\n"
    box.restore(checkpoint)
    assert sh(box, "stat -c %a:%u:%g /") == "1711:7:8\n"


def test_checkpoints_bring_files_back(box: Container, store: Store) -> None:
    empty = box.checkpoint("empty")
    sh(box, "echo 1 > /root/a; mkdir /d")
    first = box.checkpoint("first")
    sh(box, "echo 2 > /root/a; rm -r /d /etc/plain")
    second = box.checkpoint()
    sh(box, "rm /root/a")
    assert box.checkpoints() == [empty, first, second]
    assert [one.name for one in box.checkpoints()] == ["empty", "first", ""]
    box.restore("first")
    assert sh(box, "cat /root/a /etc/plain; ls -d /d") == "1\ntext\n/d\n"
    box.restore(second.short_id)
    assert sh(box, "cat /root/a; test ! -e /d; test ! -e /etc/plain") == "2\n"
    forked = box.fork(checkpoint=first)
    assert sh(forked, "cat /root/a") == "1\n"
    assert forked.checkpoints() == [], "they are the other's"
    box.remove_checkpoint(second)
    box.restore(empty)
    assert frozen(box) == ()
    assert sh(box, "ls /root") == ""
    box.remove_checkpoint("first")
    assert uppers(store) == list(frozen(forked))
    box.restore(empty)
    box.restore(empty)


def test_what_makes_no_sense_is_refused(box: Container) -> None:
    sh(box, "echo > /root/a")
    with pytest.raises(ConflictError, match="already in use"):
        box.fork("box")
    with pytest.raises(InvalidError, match="Invalid container name"):
        box.fork("../x")
    made = box.checkpoint("one")
    with pytest.raises(ConflictError, match="has a kept state one already"):
        box.checkpoint("one")
    with pytest.raises(InvalidError):
        box.checkpoint("../x")
    for text in ("two", "", "../one", "f" * 64):
        with pytest.raises(NotFoundError, match="No such kept state of container box"):
            box.restore(text)
    with pytest.raises(NotFoundError):
        box.fork().restore(made)
    with box.mount():
        for change in (box.fork, box.checkpoint, lambda: box.restore(made)):
            with pytest.raises(ConflictError, match="in use"):
                change()
    assert [one.name for one in box.store.containers(all=True)][1:] == ["box"]


# What only an upper has: whiteouts, an opaque directory, a socket over a file, holes, links.
WRITES = """
mkdir -p /root/deep; echo 1 > /root/deep/a; chmod 4711 /root/deep/a; chown 7:8 /root/deep/a
ln /root/deep/a /root/b; ln -s nowhere /root/link; mknod /root/null c 1 3; mkfifo /root/pipe
rm /etc/plain /etc/hidden /root/socket; rm -r /etc/dir; mkdir /etc/dir; echo 2 > /etc/dir/new
dd if=/dev/zero of=/root/holes bs=1 count=1 seek=8M 2>/dev/null
touch -d @1000000000 /root/deep/a /root/deep
"""
LOOK = """
cd /
find root etc | sort | while read -r f; do stat -c '%n %F %a %u:%g %h %s %t:%T' "$f"; done
cat root/b etc/dir/*; stat -c '%Y' root/deep/a root/deep; md5sum root/holes; du -k root/holes
"""


def test_one_that_runs_is_copied(store: Store, box: Container) -> None:
    sh(box, "mkdir /etc/dir; echo 1 > /etc/dir/old; echo 1 > /etc/hidden; echo 1 > /root/socket")
    running = box.commit("files").create(["sh", "-c", "sleep 1000"], name="running")
    before = running.checkpoint()
    running.start(attach=False)
    assert running.exec(["sh", "-ec", WRITES]).stderr == b""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/{running.state().pid}/root/root/socket")
    expected = running.exec(["sh", "-c", LOOK]).text
    assert "etc/dir/new" in expected and "etc/hidden" not in expected

    fork = running.fork("fork")
    checkpoint = running.checkpoint("state")
    assert frozen(running) == () and frozen_upper.users(store, frozen(fork)[0]) == [fork.id]
    assert frozen_upper.users(store, checkpoint.uppers[0]) == [running.id]
    running.exec(["sh", "-c", "echo later > /root/b; rm -r /etc/dir"])
    assert running.status == "running"
    assert sh(fork, LOOK) == expected
    with pytest.raises(ConflictError, match=r"it is running, .* stop it first"):
        running.restore(checkpoint)
    running.kill()
    running.wait()
    running.restore(checkpoint)
    assert sh(running, LOOK) == expected
    running.restore(before)
    assert sh(running, "ls /root; cat /etc/hidden") == "socket\n1\n"
    assert sh(fork, LOOK) == expected
    running.remove_checkpoint(checkpoint)
    assert frozen_upper.frozen_ids(store) == [*frozen(fork)]


def test_a_paused_one_is_copied(store: Store) -> None:
    running = store.image("box").create(["sh", "-c", "sleep 1000"], name="running")
    running.start(attach=False)
    running.exec(["sh", "-c", "echo 1 > /root/a"])
    running.pause()
    started = time.monotonic()
    assert sh(running.fork(), "cat /root/a") == "1\n"
    assert time.monotonic() - started < 1.5  # it is not waited for processes that cannot stop
    assert running.state().paused
    running.unpause()


def test_the_copy_is_of_one_moment(store: Store) -> None:
    """Two files that are written one after the other are never apart in it by more than one."""
    running = store.image("box").create(["sh", "-c", "sleep 1000"], name="running")
    running.start(attach=False)
    script = "i=0; while :; do i=$((i+1)); echo $i >> /root/a; echo $i >> /root/z; done"
    begun = "until test -s /root/z; do sleep 0.01; done"
    running.exec(["sh", "-c", f"head -c 30000000 /dev/zero > /root/m; ({script}) & {begun}"])
    for _ in range(5):
        fork = running.fork(sync=False)
        a, z = map(int, sh(fork, "wc -l < /root/a; wc -l < /root/z").split())
        assert a > 0 and 0 <= a - z <= 1
        fork.remove()


def test_volumes_begin_anew_or_are_shared(store: Store) -> None:
    box = store.image("box").create(volumes=["kept:/kept"])
    os.makedirs(os.path.join(store.root, "uppers"), exist_ok=True)
    sh(box, "echo 1 > /kept/a; echo 2 > /data/b")
    assert sh(box.fork(), "cat /kept/a; ls /data") == "1\n"


def test_a_box_is_removed_at_the_end_of_its_context(store: Store, box: Container) -> None:
    with store.image("box").create() as inner:
        sh(inner, "echo 1 > /root/a")
        with inner.fork() as fork:
            assert sh(fork, "cat /root/a") == "1\n"
    with pytest.raises(ZeroDivisionError), store.image("box").create(["sleep", "9"]) as inner:
        inner.start(attach=False)
        raise ZeroDivisionError
    with store.image("box").create() as inner:
        inner.remove()
    assert [one.id for one in store.containers(all=True)] == [box.id]


def test_too_many_states_are_said(box: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_upper, "MOST", 3)
    for number in range(3):
        sh(box, f"echo {number} > /root/{number}")
        box.checkpoint(f"state{number}")
    sh(box, "echo > /root/more")
    for change in (box.fork, box.checkpoint):
        with pytest.raises(LimitError, match="lies on 3 frozen states already"):
            change()
    assert sh(box, "ls /root") == "0\n1\n2\nmore\n"
    assert sh(box.fork(checkpoint="state1"), "ls /root") == "0\n1\n"
    box.restore("state2")
    assert sh(box.commit().create(), "ls /root") == "0\n1\n2\n"


def test_the_most_states_can_be_mounted_and_committed(box: Container) -> None:
    for number in range(frozen_upper.MOST):
        Path(box.upper, "root").mkdir(exist_ok=True)
        Path(box.upper, "root", str(number)).touch()
        box.checkpoint(sync=False)
    assert len(frozen(box)) == frozen_upper.MOST
    assert len(sh(box, "ls /root").split()) == frozen_upper.MOST
    assert sh(box.commit().create(), "ls /root | wc -l").strip() == str(frozen_upper.MOST)


@pytest.mark.parametrize("step", ["write_frozen", "exchange"])
def test_a_death_while_freezing_loses_nothing(box: Container, step: str) -> None:
    sh(box, "echo 1 > /root/a")

    child = os.fork()
    if child == 0:
        setattr(frozen_upper, step, lambda *_, **__: os._exit(9))
        box.checkpoint()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert sh(box, "cat /root/a") == "1\n"
    assert ("A", "/root/a") in box.diff()
    box.store.garbage()
    assert uppers(box.store) == list(frozen(box))
    assert sh(box.fork(), "cat /root/a") == "1\n"


def test_a_death_while_removing_leaves_garbage_that_is_found(box: Container, store: Store) -> None:
    sh(box, "echo 1 > /root/a")
    fork, lost = box.fork(), box.fork()
    shutil.rmtree(lost.directory)
    os.unlink(os.path.join(store.root, "names", lost.name))
    store.garbage()
    (shared,) = uppers(store)
    assert sorted(frozen_upper.users(store, shared)) == sorted([box.id, fork.id])
    # Out of nowhere, and half of one.
    os.makedirs(os.path.join(store.root, "uppers", "0" * 32, "users"))
    os.makedirs(os.path.join(store.root, "uppers", f".{'1' * 32}.new", "upper"))
    damages = store.fsck(repair=False).damages
    assert [damage.path for damage in damages] == [f"uppers/{'0' * 32}"]
    assert store.fsck(repair=True).unmended == ()
    store.garbage()
    assert os.listdir(os.path.join(store.root, "uppers")) == [shared]


def test_fsck_sees_what_is_missing(box: Container, store: Store) -> None:
    sh(box, "echo 1 > /root/a")
    fork = box.fork()
    (shared,) = uppers(store)
    os.unlink(os.path.join(store.root, "uppers", shared, "users", fork.id))
    (damage,) = store.fsck(repair=True).damages
    assert (damage.path, damage.mended) == (f"uppers/{shared}", "entered")
    assert fork.id in frozen_upper.users(store, shared)
    place = os.path.join(store.root, "uppers", shared)
    os.rename(place, place + "x")
    assert {damage.path for damage in store.fsck().unmended} == {
        f"containers/{box.id}", f"containers/{fork.id}"
    }  # fmt: skip
    os.rename(place + "x", place)


@pytest.mark.parametrize("text", ["", "x", "../../etc\n", "0" * 32, "0" * 31 + "\n"])
def test_a_damaged_list_is_no_list(box: Container, text: str) -> None:
    sh(box, "echo 1 > /root/a")
    box.checkpoint()
    path = Path(box.directory, "frozen")
    good = path.read_text()
    path.write_text(text)
    for use in (box.diff, box.fork, lambda: box.run(["true"])):
        with pytest.raises(CorruptError, match="frozen is damaged"):
            use()
    box.store.garbage()
    path.write_text(good)
    assert sh(box, "cat /root/a") == "1\n"


def test_many_forks_at_once(box: Container, store: Store) -> None:
    sh(box, "echo 1 > /root/a")
    checkpoint = box.checkpoint()
    made: list[Container] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                with box.fork(checkpoint=checkpoint) as fork:
                    assert sh(fork, "cat /root/a") == "1\n"
                made.append(box.fork(checkpoint=checkpoint))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    (shared,) = uppers(store)
    assert sorted(frozen_upper.users(store, shared)) == sorted(one.id for one in (box, *made))
    removers = [threading.Thread(target=one.remove) for one in (box, *made)]
    for remover in removers:
        remover.start()
    for remover in removers:
        remover.join()
    assert uppers(store) == []


def test_the_words_of_the_command_line(shell: CommandLine) -> None:
    shell.must(
        "create", "--name=template", "box", "sh", "-c", "echo $((n = $(cat /n) + 1)) > /n; cat /n"
    )
    shell.must("cp", "-", "template:/", stdin=_tar_of("n", b"0\n"))
    first = shell.must("snapshot", "create", "template", "first").out.strip()
    assert shell.must("start", "-a", "template").out == "1\n"
    assert (
        shell.must("fork", "template", "one").out.strip()
        == shell.must("ps", "-aq", "--no-trunc", "--filter", "name=one").out.strip()
    )
    assert shell.must("start", "-a", "one").out == "2\n"
    shell.must("container", "fork", "--snapshot", first[:12], "template", "two")
    assert shell.must("start", "-a", "two").out == "1\n"
    shell.must("snapshot", "restore", "template", "first")
    assert shell.must("start", "-a", "template").out == "1\n"
    heading, row = shell.must("snapshot", "ls", "template").lines
    assert heading.split() == ["SNAPSHOT", "ID", "NAME", "CREATED"]
    assert row.split()[:2] == [first[:12], "first"]
    assert shell.must("snapshot", "ls", "-q", "--format", "{{.Name}}", "template").out == "first\n"
    assert (
        "No such kept state of container template: two"
        in shell.fails(1, "snapshot", "rm", "template", "two").err
    )
    assert shell.must("snapshot", "rm", "template", "first").out == "first\n"
    assert "No such container: none" in shell.fails(1, "fork", "none").err
    shell.must("rm", "template", "one", "two")
    assert os.listdir(shell.root / "uppers") == []


def _tar_of(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_what_is_read_is_not_frozen_meanwhile(box: Container) -> None:
    """A reader of the changes and a freezer wait for each other."""
    sh(box, "echo 1 > /root/a")
    done = threading.Event()

    def freeze() -> None:
        box.checkpoint()
        done.set()

    with box.steady():
        thread = threading.Thread(target=freeze)
        thread.start()
        assert not done.wait(0.3)
        assert read_checkpoints(box.directory) == []
        assert _core.upper_size(box.upper) == 2
    thread.join()
    assert done.is_set()
    assert box.size() == 2
