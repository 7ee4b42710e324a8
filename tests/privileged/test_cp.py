"""`cp` in both directions: Docker's rules (compared with docker 20.10 and 28), and what a container
that works against it can do: nothing."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers import Image, Store
from fastlayers.container import Container
from fastlayers.errors import ConflictError, InvalidError, NotFoundError
from tests import busybox_root
from tests.command_line import CommandLine, processes_below, store_mounts
from tests.tree import differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

PREPARE = (
    "mkdir -p /d/sub; echo f > /d/f; echo g > /d/sub/g; ln -s f /d/l; ln /d/f /d/hard;"
    "ln -s /d /ld; ln -s nope /dang; chown -R 5:6 /d; chmod 700 /d/sub; chmod 4755 /d/f;"
    "touch /empty; mkfifo /fifo; mkdir /x"
)


@pytest.fixture(params=["running", "stopped"])
def box(shell: CommandLine, request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """The store, with a container named `box` in it that runs or has ended."""
    command = f"{PREPARE}; echo ready; sleep 1000; :"
    shell.must("run", "-d", "--name=box", "box", "sh", "-c", command)
    until(lambda: shell.must("logs", "box").out == "ready\n")
    if request.param == "stopped":
        shell.must("stop", "-t", "0", "box")
    yield shell
    assert store_mounts(shell.root) == []
    shell.must("rm", "-f", "box")


def until(condition, seconds: float = 20) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def inside(box: CommandLine, path: str) -> list[str]:
    """The names in a tar of a path in the container."""
    done = subprocess.run(
        box.argv("cp", f"box:{path}", "-"), env=box.environment, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        return [member.name for member in tar]


D = ["f", "hard", "l", "sub", "sub/g"]


def test_out_of_it(box: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def cp(source: str, target: str, *flags: str) -> None:
        done = box.must("cp", *flags, f"box:{source}", target)
        assert (done.out, done.err) == ("", "")

    cp("/d", "out")  # a new name
    assert names(tmp_path / "out") == D
    cp("/d", "out")  # into one that is there
    assert names(tmp_path / "out") == sorted([*D, "d", *(f"d/{name}" for name in D)])
    for target in ("dot", "dot"):  # what is in it
        cp("/d/.", target)
        assert names(tmp_path / "dot") == D
    cp("d/", "slash")
    assert names(tmp_path / "slash") == D
    (tmp_path / "e").mkdir()
    for target in ("e", "e/", "e/new", "plain", "plain"):
        cp("/d/f", target)
    assert names(tmp_path / "e") == ["f", "new"]
    assert (tmp_path / "plain").read_text() == "f\n"
    cp("/ld", "link")
    assert os.readlink("link") == "/d"
    cp("/ld/", "through")
    assert names(tmp_path / "through") == D
    cp("/ld", "followed", "-L")
    assert names(tmp_path / "followed") == D
    cp("/d/l", "file", "-L")
    assert Path("file").read_text() == "f\n" and not Path("file").is_symlink()
    cp("/dang", "dangling")
    assert os.readlink("dangling") == "nope"
    cp("/fifo", "pipe")
    assert Path("pipe").is_fifo()
    os.symlink("nowhere", "to")
    cp("/d/f", "to")
    assert Path("nowhere").read_text() == "f\n" and os.readlink("to") == "nowhere"
    cp("/d/../d/./f", "clean")
    assert Path("clean").read_text() == "f\n"


REFUSED: list[tuple[list[str], str]] = [
    (["box:/nope", "x"], "Could not find the file /nope in container box"),
    (["-L", "box:/dang", "x"], "Could not find the file /nope in container box"),
    (["box:/d/f/", "x"], "not a directory"),
    (["box:/d/f", "new/"], "no such directory"),
    (["box:/d/f", "new/x"], "invalid output path: directory"),
    (["box:/d", "file"], "cannot copy directory"),
    (["box:/d/f", "/dev/null"], "must be a directory or a regular file: got a device"),
    (["box:/d", "holder"], "cannot overwrite non-directory"),
    (["box:/d/sub", "holder"], "cannot overwrite non-directory"),
    (["box:/empty", "holder"], "cannot overwrite directory"),
    (["box:", "x"], "no path in a container"),
    (["nobox:/d", "x"], "No such container: nobox"),
    (["box:/d", "box:/e"], "copying between containers is not supported"),
    (["a", "b"], "must specify at least one container source"),
    (["-", "-"], "must specify at least one container source"),
    (["", "b"], "source can not be empty"),
    (["box:/d", ""], "destination can not be empty"),
    (["nope", "box:/"], "no such file or directory"),
    (["file", "box:/new/"], "no such directory"),
    (["file", "box:/empty/"], "no such directory"),
    (["file", "box:/no/x"], "Could not find the file /no in container box"),
    (["holder", "box:/empty"], "cannot copy directory"),
    (["file", "box:/dang/x"], "in container box"),
    (["holder/.", "box:/d"], "cannot overwrite directory"),
    (["-", "box:/empty"], 'destination "box:/empty" must be a directory'),
    (["-", "box:/nope"], 'destination "box:/nope" must be a directory'),
    (["file", "nobox:/"], "No such container: nobox"),
]


def test_what_is_refused(box: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "holder/empty").mkdir(parents=True)
    (tmp_path / "holder/d").write_text("x")
    os.symlink("/tmp", tmp_path / "holder/sub")
    before = read_directory(str(tmp_path))
    for words, message in REFUSED:
        assert message in box.fails(1, "cp", *words).err
    assert differences(before, read_directory(str(tmp_path))) == []


def test_into_it(box: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s/sub").mkdir(parents=True)
    (tmp_path / "s/f").write_text("1\n")
    (tmp_path / "s/sub/g").write_text("2\n")
    os.symlink("s", "ls")
    os.symlink("s/f", "lf")

    def cp(source: str, target: str, *flags: str) -> None:
        done = box.must("cp", *flags, source, f"box:{target}")
        assert (done.out, done.err) == ("", "")

    cp("s", "/in1")
    assert inside(box, "/in1") == ["in1", "in1/f", "in1/sub", "in1/sub/g"]
    cp("s", "/in1")
    assert inside(box, "/in1/s") == ["s", "s/f", "s/sub", "s/sub/g"]
    cp("s/.", "/in2")
    cp("s/.", "in2/")
    assert inside(box, "/in2/.") == [".", "./f", "./sub", "./sub/g"]
    cp("s/f", "/in3")
    cp("s/sub/g", "/in3")  # a file instead of a file
    cp("s/f", "/in2/sub")
    assert inside(box, "/in2/sub") == ["sub", "sub/f", "sub/g"]
    cp("ls", "/in4")
    cp("ls", "/in5", "-L")
    cp("ls/", "/in6")
    cp("lf", "/in7", "-L")
    assert [len(inside(box, f"/in{number}")) for number in (4, 5, 6, 7)] == [1, 4, 4, 1]
    cp("s/f", "/ld/zz")  # links on the way, and at the end
    cp("s/f", "/ld")
    cp("s/f", "/dang")
    cp("s/f", "/d/l")
    for path in ("/d/zz", "/d/f", "/nope", "/in7"):
        assert box.must("cp", f"box:{path}", "got").code == 0
        assert Path("got").read_text() == "1\n", path
    assert box.must("cp", "box:/in3", "got").code == 0
    assert Path("got").read_text() == "2\n"
    if "Up" in box.must("ps").out:
        script = "cat /d/zz /nope /in3; readlink /dang; readlink /d/l"
        assert box.must("exec", "box", "sh", "-c", script).out == "1\n1\n2\nnope\nf\n"
    assert "A /in1/sub/g" in box.must("diff", "box").lines


def test_attributes_both_ways(box: CommandLine, tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.mkdir()
    (source / "f").write_text("text")
    os.link(source / "f", source / "hard")
    os.chown(source / "f", 1234, 1235)
    os.chmod(source / "f", 0o4751)
    os.setxattr(source / "f", "user.note", b"x")
    os.utime(source / "f", ns=(0, 1_234_567_890_123_456_789))
    os.mkfifo(source / "fifo", 0o640)
    os.symlink("gone", source / "link")
    os.chown(source / "link", 7, 8, follow_symlinks=False)
    with open(source / "sparse", "wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
    os.utime(source, ns=(0, 1_000_000_000_000_000_000))
    box.must("cp", str(source), "box:/s")
    for flags, target in (([], "mine"), (["-a"], "theirs")):
        box.must("cp", *flags, "box:/s", str(tmp_path / target))
    assert differences(read_directory(str(source)), read_directory(str(tmp_path / "theirs"))) == []
    owners = {path: path.lstat().st_uid for path in (tmp_path / "mine").rglob("*")}
    assert set(owners.values()) == {0}
    mine = tmp_path / "mine/f"
    assert (mine.stat().st_mode & 0o7777, mine.stat().st_nlink) == (0o4751, 2)
    assert mine.stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (tmp_path / "mine").stat().st_mtime_ns == 1_000_000_000_000_000_000
    assert os.getxattr(mine, "user.note") == b"x"
    assert (tmp_path / "mine/sparse").stat().st_blocks * 512 < 1 << 20


def test_as_a_tar(box: CommandLine, tmp_path: Path) -> None:
    assert inside(box, "/d") == ["d", *(f"d/{name}" for name in D)]
    assert inside(box, "/d/.") == [".", *(f"./{name}" for name in D)]
    assert inside(box, "/ld/")[:2] == ["ld", "ld/f"]
    assert inside(box, "/ld") == ["ld"]
    assert inside(box, "/d/f") == ["f"]
    whole = inside(box, "/")
    assert {"./d/sub/g", "./etc/plain", "./proc", "./dev", "./sys"} <= set(whole)
    assert not any(name.startswith(("./proc/", "./sys/", "./dev/")) for name in whole)
    for mode in ("w", "w:gz"):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode=mode) as tar:  # type: ignore[call-overload]
            for name, content in (("new/deep/er", b"1"), ("/abs", b"2"), ("a/../up", b"3")):
                member = tarfile.TarInfo(name)
                member.size, member.uid, member.gid = len(content), 77, 78
                tar.addfile(member, io.BytesIO(content))
        box.must("cp", "-", "box:/x", stdin=raw.getvalue())
        assert sorted(inside(box, "/x/.")) == [
            ".", "./abs", "./new", "./new/deep", "./new/deep/er", "./up",
        ]  # fmt: skip
    box.must("cp", "-a", "box:/x/abs", str(tmp_path / "abs"))
    assert ((tmp_path / "abs").stat().st_uid, (tmp_path / "abs").read_text()) == (77, "2")
    assert "the tar archive is cut" in box.fails(1, "cp", "-", "box:/x", stdin=b"garbage").err


def evil_tars() -> dict[str, bytes]:
    def tar(*members: tuple[str, bytes, str]) -> bytes:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as made:
            for name, kind, link in members:
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, link
                member.size = 1 if kind == tarfile.REGTYPE else 0
                made.addfile(member, io.BytesIO(b"!"))
        return raw.getvalue()

    file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    return {
        "climbs": tar(("../../VICTIM/new", file, "")),
        "through a link": tar(("way", link, "/VICTIM"), ("way/file", file, "")),
        "through a climbing link": tar(
            ("way", link, "../../../../../VICTIM"), ("way/new", file, "")
        ),
        "hard link out": tar(("hard", hard, "/VICTIM/file"), ("hard", file, "")),
        "hard link through": tar(("way", link, "/VICTIM"), ("hard", hard, "way/file")),
        "directory over a link": tar(("way", link, "/VICTIM"), ("way", tarfile.DIRTYPE, "")),
    }


def test_no_tar_leads_out(box: CommandLine, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("untouched")
    before = read_directory(str(victim))
    for number, (kind, raw) in enumerate(evil_tars().items()):
        box.must("cp", "-", "box:/x", stdin=_folder(str(number)))
        raw = rewritten(raw, str(victim)[1:])
        done = box.call("cp", "-", f"box:/x/{number}", stdin=raw)
        assert done.code in (0, 1) and "Traceback" not in done.err
        assert differences(before, read_directory(str(victim))) == [], kind


def rewritten(raw: bytes, victim: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(raw)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            body = old.extractfile(member) if member.isreg() else None
            member.name = member.name.replace("VICTIM", victim)
            member.linkname = member.linkname.replace("VICTIM", victim)
            new.addfile(member, body)
    return out.getvalue()


def test_what_is_mounted_is_seen(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bound").mkdir()
    (tmp_path / "f").write_text("data")
    flags = ["-v", "data:/v", "-v", f"{tmp_path}/bound:/b", "--tmpfs", "/t", "--read-only",
             "-v", "data:/ro:ro", "-v", f"{tmp_path}/f:/file"]  # fmt: skip
    shell.must("run", "-d", "--name=box", *flags, "box", "sleep", "1000")
    for target in ("/v/f", "/b/f", "/t/f"):
        shell.must("cp", str(tmp_path / "f"), f"box:{target}")
        shell.must("cp", f"box:{target}", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "data"
        (tmp_path / "back").unlink()
    assert (shell.root / "volumes/data/f").read_text() == "data"
    assert (tmp_path / "bound/f").read_text() == "data"
    assert {"./v/f", "./b/f", "./t/f"} <= set(inside(shell, "/"))
    busy = shell.fails(1, "cp", str(tmp_path / "f"), "box:/file")
    assert "Device or resource busy" in busy.err
    assert shell.must("exec", "box", "cat", "/file").out == "data"
    for _ in range(2):
        refused = shell.fails(1, "cp", str(tmp_path / "f"), "box:/etc/new")
        assert refused.err == "Error: container rootfs is marked read-only\n"
        refused = shell.fails(1, "cp", str(tmp_path / "f"), "box:/ro/new")
        assert refused.err == "Error: mounted volume is marked read-only\n"
        shell.must("stop", "-t", "0", "box")
    shell.must("cp", str(tmp_path / "f"), "box:/v/later")
    assert {"./v/f", "./v/later", "./b/f"} <= set(inside(shell, "/"))
    shell.must("rm", "-f", "box")
    shell.must("volume", "rm", "data")


def test_before_the_first_start_a_volume_is_filled(shell: CommandLine, tmp_path: Path) -> None:
    shell.must("create", "--name=box", "-v", "fresh:/etc", "box", "ls", "/etc")
    shell.must("cp", "box:/etc/plain", str(tmp_path / "plain"))
    (tmp_path / "mine").write_text("x")
    shell.must("cp", str(tmp_path / "mine"), "box:/etc/mine")
    assert {"mine", "passwd"} <= set(shell.must("start", "-a", "box").lines)
    shell.must("rm", "box")
    shell.must("volume", "rm", "fresh")


def test_out_of_an_image(shell: CommandLine, tmp_path: Path) -> None:
    shell.must("tag", "box", "localhost:5000/some/box:v1")
    for number, name in enumerate(("box", "box:latest", "localhost:5000/some/box:v1")):
        shell.must("cp", f"{name}:/etc/plain", str(tmp_path / str(number)))
        assert (tmp_path / str(number)).read_text() == "text\n"
    shell.must("rmi", "localhost:5000/some/box:v1")
    (tmp_path / "f").touch()
    assert "No such container" in shell.fails(1, "cp", str(tmp_path / "f"), "box:/f").err


def test_what_does_not_fit_leaves_nothing(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    shell.must("run", "-d", "--name=box", "--tmpfs", "/t:size=2m", "box", "sleep", "1000")
    done = shell.fails(1, "cp", str(tmp_path / "big"), "box:/t/big")
    assert "/t/big" in done.err
    assert "No space left on device" in done.err
    assert shell.must("exec", "box", "ls", "-A", "/t").out == ""
    shell.must("rm", "-f", "box")


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_it_can_be_interrupted(shell: CommandLine, state: str) -> None:
    shell.must("run", "-d", "--name=box", "box", "sleep", "1000")
    if state == "stopped":
        shell.must("stop", "-t", "0", "box")
    copying = shell.start("cp", "-", "box:/tmp", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.7)
    copying.send_signal(signal.SIGINT)
    _, err = copying.communicate(timeout=20)
    assert (copying.returncode, b"Traceback" in err) == (130, False)
    shell.must("rm", "-f", "box")
    assert processes_below(shell.root) == []


def test_copies_wait_for_each_other_and_for_a_start(shell: CommandLine, tmp_path: Path) -> None:
    shell.must("create", "--name=box", "box", "sh", "-c", "cat /in/* | wc -l; sleep 1000")
    shell.must("cp", "-", "box:/", stdin=rewritten(_folder("in"), ""))
    (tmp_path / "f").write_text("line\n")
    started = [
        shell.start("cp", str(tmp_path / "f"), f"box:/in/{number}", stderr=subprocess.PIPE)
        for number in range(6)
    ]
    assert [process.communicate(timeout=60)[1] for process in started] == [b""] * 6
    shell.must("start", "box")
    until(lambda: shell.must("logs", "box").out == "6\n")
    shell.must("rm", "-f", "box")


def test_a_start_waits_for_what_is_copied_into_the_last_run(shell: CommandLine) -> None:
    """Its mount lasts as long as the copying, and a second one of the same upper would spoil it."""
    shell.must("run", "-d", "--name=box", "box", "sleep", "1000")
    copying = shell.start("cp", "-", "box:/tmp", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert copying.stdin is not None
    archive = rewritten(_folder("in"), "")
    copying.stdin.write(archive[:512])
    copying.stdin.flush()
    lock = next((shell.root / "containers").iterdir()) / "copy.lock"
    until(lock.exists)
    time.sleep(0.3)
    shell.must("stop", "-t", "0", "box")
    starting = shell.start("start", "box", stderr=subprocess.PIPE)
    time.sleep(0.7)
    assert starting.poll() is None
    copying.communicate(archive[512:], timeout=20)
    assert (copying.returncode, starting.wait(timeout=20)) == (0, 0)
    assert shell.must("exec", "box", "ls", "/tmp").out == "in\n"
    shell.must("rm", "-f", "box")


def _folder(name: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(member)
    return raw.getvalue()


@pytest.fixture
def racer(shell: CommandLine, tmp_path: Path) -> Iterator[Path]:
    """A container that exchanges /data/way, which has things in it, for a link to a folder of the
    host and back, as fast as it can. Gives that folder, which nothing may read or touch."""
    victim = tmp_path / "victim"
    (victim / "sub").mkdir(parents=True)
    for name in ("file", "sub/file", "secret"):
        (victim / name).write_text("secret of the host\n")
    before = read_directory(str(victim))
    out = "../" * 20 + str(victim)[1:]
    script = (
        "mkdir -p /data/real/sub; echo inside > /data/real/file; echo inside > /data/real/sub/file;"
        f"ln -s {victim} /data/link; ln -s {out} /data/climb; ln -s {victim}/file /data/filelink;"
        "echo inside > /data/realfile; echo ready;"
        "while :; do"
        "  mv -T /data/real /data/way; mv -T /data/way /data/real;"
        "  ln -sfn /data/link /data/way; rm /data/way;"
        "  mv /data/realfile /data/one; mv /data/one /data/realfile;"
        f"  ln -s {out}/file /data/one; rm /data/one;"
        f"  ln -s {out} /data/way; rm /data/way;"
        "done"
    )
    shell.must("run", "-d", "--name=box", "-v", "shared:/data", "box", "sh", "-c", script)
    until(lambda: shell.must("logs", "box").out == "ready\n")
    yield victim
    shell.must("rm", "-f", "box")
    shell.must("volume", "rm", "shared")
    assert differences(before, read_directory(str(victim))) == []


def test_a_container_that_races_makes_it_read_nothing_of_the_host(
    shell: CommandLine, racer: Path, tmp_path: Path
) -> None:
    """CVE-2018-15664: what is read is inside, whatever becomes of the names meanwhile."""
    container = Store(str(shell.root)).container("box")
    copied = 0
    for number in range(120):
        path = ("/data/way", "/data/way/", "/data/way/sub", "/data/way/file", "/data/one",
                "/data/link/sub", "/data/climb/file", "/data")[number % 8]  # fmt: skip
        target = tmp_path / f"out{number}"
        try:
            container.copy_out(path, str(target), follow_link=number % 3 == 0)
            copied += 1
        except (NotFoundError, ConflictError, InvalidError, OSError) as error:
            assert "secret" not in str(error)
        except Exception as error:
            assert type(error).__name__ == "HostError", error
        if target.is_symlink():
            continue
        for file in [target, *target.rglob("*")]:
            if file.is_file() and not file.is_symlink():
                assert file.read_text() == "inside\n"
    assert copied >= 15


def test_a_container_that_races_makes_it_write_nothing_on_the_host(
    shell: CommandLine, racer: Path, tmp_path: Path
) -> None:
    container = Store(str(shell.root)).container("box")
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name in ("file", "sub/file", "new"):
        (source / name).write_text("of the source")
    os.mkfifo(source / "fifo", 0o666)
    copied = 0
    for number in range(120):
        what, path = (
            (source / "file", "/data/way/file"),
            (source / "new", "/data/way"),
            (source / "sub", "/data/way"),
            (source, "/data/way/sub"),
            (source / "file", "/data/one"),
            (source / "fifo", "/data/one"),
            (str(source) + "/.", "/data/way"),
            (source / "new", "/data/climb/new"),
        )[number % 8]
        try:
            container.copy_in(str(what), path)
            copied += 1
        except (NotFoundError, ConflictError, InvalidError):
            pass
        except Exception as error:
            assert type(error).__name__ == "HostError", error
    assert copied >= 15


def test_from_python(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    image = Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store)
    container: Container = image.create(name="box")
    (tmp_path / "f").write_text("x")
    os.chown(tmp_path / "f", 5, 6)
    assert container.copy_in(tmp_path / "f", "/root/") % 512 == 0
    container.copy_in(str(tmp_path / "f"), "/root/g", keep_owners=False)
    assert container.run(["/bin/stat", "-c", "%n %u:%g", "/root/f", "/root/g"]).text == (
        "/root/f 5:6\n/root/g 0:0\n"
    )
    with open(tmp_path / "tar", "w+b") as file:
        container.copy_out("/root", file)
        file.seek(0)
        container.copy_in(file, "/home")
    assert container.run(["/bin/ls", "/home/root"]).text == "f\ng\n"
    read_end, write_end = os.pipe()
    container.copy_out("/root/f", write_end)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe, tarfile.open(fileobj=pipe, mode="r|") as tar:
        assert [(member.name, member.uid) for member in tar] == [("f", 5)]
    with pytest.raises(InvalidError, match="descriptor"):
        container.copy_out("/root", io.BytesIO())
    with pytest.raises(InvalidError, match="no path"):
        container.copy_out("", tmp_path / "x")
    with container.mount():  # somebody has it
        started = time.monotonic()
        with pytest.raises(ConflictError, match="in use"):
            _with_patience(container, tmp_path)
        assert time.monotonic() - started < 10
    assert image.copy_out("/etc/plain", tmp_path / "plain") == 2048
    assert (tmp_path / "plain").read_text() == "text\n"


def _with_patience(container: Container, tmp_path: Path) -> None:
    from fastlayers import container_copy

    patience = container_copy._PATIENCE_SECONDS
    container_copy._PATIENCE_SECONDS = 0.5
    try:
        container.copy_out("/etc", tmp_path / "x")
    finally:
        container_copy._PATIENCE_SECONDS = patience
