"""What an ordinary user does, with a range of subordinate ids and with one id only."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers.cgroup import Hierarchies
from fastlayers.process import has_only_version_2, own_group
from tests import busybox_root, oci_runtimes, tar_write
from tests.command_line import CommandLine
from tests.ordinary_user import FIRST_ID, ID_COUNT, OrdinaryUser, ordinary_user
from tests.privileged import debian
from tests.privileged.terminal import Terminal
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox", "newuidmap", "useradd")]

FORBID = "FASTLAYERS_FORBID"


@pytest.fixture(scope="module")
def ranged() -> Iterator[OrdinaryUser]:
    """A user with a range of ids, who has the image `box`."""
    with ordinary_user(with_ids=True) as user:
        user.must("import", "-", "box", stdin=busybox_root.tar())
        yield user


@pytest.fixture(scope="module")
def single() -> Iterator[OrdinaryUser]:
    """The same with one id only."""
    with ordinary_user(with_ids=False) as user:
        user.must("import", "-", "box", stdin=busybox_root.tar())
        yield user


@pytest.fixture(params=["ranged", "single"])
def user(request: pytest.FixtureRequest) -> OrdinaryUser:
    """Each of them."""
    user: OrdinaryUser = request.getfixturevalue(request.param)
    return user


def without(user: OrdinaryUser, what: str) -> OrdinaryUser:
    """The same user where something is forbidden."""
    other = copy.copy(user)
    other.extra = {FORBID: what}
    return other


def running(user: OrdinaryUser) -> list[str]:
    """The user's processes that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            if lines["Uid"].split()[0] == str(user.uid) and not lines["State"].startswith("Z"):
                found.append(lines["Name"])
    return found


def owners(user: OrdinaryUser, image: str) -> dict[str, tuple[int, int]]:
    """The owners that the last layer of a saved image tells others."""
    path = user.home / "saved.tar"
    path.unlink(missing_ok=True)
    user.must("save", "-o", str(path), image)
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        layer = archive.extractfile(manifest[0]["Layers"][-1])
        assert layer is not None
        with tarfile.open(fileobj=io.BytesIO(layer.read())) as inner:
            return {member.name: (member.uid, member.gid) for member in inner}


def test_a_command_runs_as_root_of_its_own_in_the_users_store(user: OrdinaryUser) -> None:
    done = user.call("run", "--rm", "box", "sh", "-c", "id -u; id -g; cat /proc/mounts; exit 7")
    assert done.code == 7, done.err
    assert done.lines[:2] == ["0", "0"]
    assert any(line.startswith("overlay / overlay") for line in done.lines)
    assert user.root.stat().st_uid == user.uid
    assert user.fails(127, "run", "--rm", "box", "absent")
    assert user.fails(126, "run", "--rm", "box", "/etc/plain")
    assert user.must("ps", "-aq").out == ""


def test_a_container_in_the_background_is_entered_and_stopped(user: OrdinaryUser) -> None:
    script = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    name = user.must("run", "-d", "--name=life", "box", "sh", "-c", script).out.strip()
    try:
        assert user.must("ps", "-q", "--no-trunc").lines == [name]
        assert user.must("exec", "life", "sh", "-c", "echo in > /tmp/file; id -u").out == "0\n"
        assert user.must("exec", "-u", "maria", "life", "id", "-u").out == "1000\n"
        assert "sleep" in user.must("top", "life").out
        assert user.must("stats", "--no-stream", "life").lines[1:]
        target = user.home / "out"
        user.must("cp", "life:/tmp/file", str(target))
        assert target.read_text() == "in\n" and target.stat().st_uid == user.uid
        user.must("cp", str(target), "life:/root/back")
        assert user.must("exec", "life", "cat", "/root/back").out == "in\n"
        assert "have root" in user.fails(1, "pause", "life").err
        user.must("exec", "-d", "life", "sleep", "1236")
        deadline = time.monotonic() + 10
        while "sleep 1236" not in user.must("top", "life").out:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert {"A /root/back", "A /tmp/file"} <= set(user.must("diff", "life").lines)
        user.must("stop", "life")
        assert user.must("logs", "life").out == "ready\n"
        state = user.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "life")
        assert state.out == "exited 5\n"
    finally:
        user.must("rm", "-f", "life")


def test_a_container_in_the_background_is_attached_to(user: OrdinaryUser) -> None:
    script = "read word; echo got $word; exit 7"
    user.must("run", "-di", "--name", "one", "box", "sh", "-c", script)
    done = user.call("attach", "one", stdin=b"word\n")
    assert (done.code, done.out) == (7, "got word\n")
    user.must("rm", "one")
    argv = user.argv("run", "-it", "--name", "one", "box", "sh")
    with Terminal(argv, user.environment) as terminal:
        terminal.expect("# ")
        terminal.type("\x10\x11")
        assert terminal.wait() == 0
    with Terminal(user.argv("attach", "one"), user.environment) as terminal:
        terminal.expect("# ")
        terminal.type("exit 4\n")
        assert terminal.wait() == 4
    user.must("rm", "one")
    assert running(user) == []


def test_all_containers_of_a_store_share_one_namespace(user: OrdinaryUser) -> None:
    """Also those that begin at the same moment, when there is none yet."""
    names = [f"crowd{number}" for number in range(6)]
    starting = [user.start("run", "-d", f"--name={n}", "box", "sleep", "60",
                           stdout=subprocess.DEVNULL) for n in names]  # fmt: skip
    try:
        assert [process.wait(60) for process in starting] == [0] * len(names)
        spaces = {user.must("exec", n, "readlink", "/proc/self/ns/user").out for n in names}
        assert len(spaces) == 1
        # One leaves, the others stay what they are.
        user.must("rm", "-f", names[-1])
        assert user.must("exec", names[0], "readlink", "/proc/self/ns/user").out in spaces
    finally:
        user.must("rm", "-f", *names)


def test_what_an_image_has_keeps_its_owner_when_it_is_changed(user: OrdinaryUser) -> None:
    script = "echo more >> /etc/plain; chmod 700 /home/maria; touch /home/maria/new /new"
    user.must("run", "--name=worker", "box", "sh", "-c", script)
    user.must("commit", "worker", "changed")
    found = owners(user, "changed")
    assert found["home/maria"] == (1000, 1000)
    assert found["etc/plain"] == found["new"] == found["home/maria/new"] == (0, 0)
    exported = user.home / "exported.tar"
    user.must("export", "-o", str(exported), "worker")
    with tarfile.open(exported) as archive:
        assert archive.getmember("home/maria").uid == 1000
        assert archive.getmember("etc/passwd").uid == 0
    user.must("rm", "worker")
    assert user.must("fsck").code == 0


def test_where_overlayfs_is_forbidden_containers_have_copies(user: OrdinaryUser) -> None:
    other = without(user, "overlay")
    assert other.must("info", "-f", "{{.Driver}}").out == "copy\n"
    script = """
        echo more >> /etc/plain; rm /etc/group; mv /home/maria /home/moved; mkdir /new
        touch /new/file; chown maria /new/file
    """
    other.must("run", "--name=copied", "box", "sh", "-ec", script)
    assert other.must("diff", "copied").lines == [
        "C /etc", "D /etc/group", "C /etc/plain", "C /home", "D /home/maria", "A /home/moved",
        "A /new", "A /new/file",
    ]  # fmt: skip
    other.must("commit", "copied", "of-copy")
    assert owners(other, "of-copy")["new/file"] == (1000, 0)
    # Made on a copy, it is an image as others are.
    done = user.must("run", "--rm", "of-copy", "sh", "-c", "tail -n1 /etc/plain; ls /home /new")
    assert done.lines == ["more", "/home:", "moved", "", "/new:", "file"]
    # What one backend has begun no other goes on with.
    assert "--backend copy" in user.fails(1, "start", "copied").err
    user.must("run", "--name=laid", "box", "touch", "/here")
    assert "--backend overlay" in other.fails(1, "start", "laid").err
    assert user.must("diff", "laid").lines == ["A /here"]
    user.must("rm", "copied", "laid")
    user.must("rmi", "of-copy")


def test_who_is_given_a_file_owns_it_in_the_image(user: OrdinaryUser) -> None:
    script = """
        mkdir /srv && touch /srv/a /srv/b && ln -s a /srv/link
        chown maria:staff /srv/a && cd /srv && chown 7 b && chown -h 8:9 link; chown 1000:50 /srv
    """
    user.must("run", "--name=giver", "box", "sh", "-ec", script)
    user.must("commit", "giver", "given")
    user.must("rm", "giver")
    found = owners(user, "given")
    assert found["srv"] == found["srv/a"] == (1000, 50)
    assert found["srv/b"] == (7, 0)


def test_a_command_runs_as_another_user(user: OrdinaryUser) -> None:
    done = user.must("run", "--rm", "-u", "maria", "box", "sh", "-c", "id -u; id -g; id -G")
    assert done.lines == ["1000", "1000", "1000 50"]
    script = "su maria -c 'id -u; chown root /home/maria || echo never; id -G'; id -u"
    done = user.must("run", "--rm", "box", "sh", "-c", script)
    assert done.lines == ["1000", "never", "1000 50", "0"]


def test_what_an_exec_leaves_running_keeps_its_identity(user: OrdinaryUser) -> None:
    user.must("run", "-d", "--name=host", "box", "sleep", "60")
    try:
        late = "sleep 0.5; id -u > /tmp/late.new; mv /tmp/late.new /tmp/late"
        user.must("exec", "host", "sh", "-c", f"su maria -c '{late}' > /dev/null 2>&1 &")
        wait = "while ! test -e /tmp/late; do sleep 0.05; done; cat /tmp/late"
        assert user.must("exec", "host", "sh", "-c", wait, seconds=20).out == "1000\n"
    finally:
        user.must("rm", "-f", "host")
    # Nobody is left who would answer.
    deadline = time.monotonic() + 10
    while running(user):
        assert time.monotonic() < deadline, running(user)
        time.sleep(0.05)


def test_privileged_has_the_devices_of_the_host(user: OrdinaryUser) -> None:
    done = user.must("run", "--rm", "--privileged", "box", "ls", "/dev")
    assert {"null", "random", "console", "kmsg"} & set(done.lines) >= {"null", "random", "kmsg"}


def test_devices_of_the_host_are_lent(user: OrdinaryUser, by: list[str]) -> None:
    script = (
        "head -c 3 /opt/dev/z | od -An -tx1; echo x > /dev/mine || echo full; chmod 777 /dev/mine"
    )
    done = user.call(
        "run", "--rm", *by, "--device", "/dev/zero:/opt/dev/z", "--device", "/dev/full:/dev/mine",
        "box", "sh", "-c", script,
    )  # fmt: skip
    assert done.lines == [" 00 00 00", "full"] and done.code == 1, done.err
    assert Path("/dev/full").stat().st_mode & 0o777 == 0o666
    wrong = user.fails(125, "run", "--rm", *by, "--device", "/dev/zero:/z:r", "box", "true")
    assert "takes a control group of devices, which root alone has" in wrong.err


@pytest.mark.parametrize("runtime", oci_runtimes.EACH)
def test_an_oci_runtime_starts_the_container(user: OrdinaryUser, runtime: str) -> None:
    by = ("--runtime", str(shutil.which(runtime)))  # it may not be in the user's PATH
    script = "id -u; touch /made; touch /sys/kernel/x; head -c 1 /dev/mine | od -An -tx1; exit 3"
    done = user.call(
        "run", "--name", "r-box", *by, "--device", "/dev/zero:/dev/mine", "-v", "r-data:/d",
        "box", "sh", "-c", script,
    )  # fmt: skip
    assert (done.code, done.lines) == (3, ["0", " 00"]), done.err
    assert "/sys/kernel/x: Read-only file system" in done.err
    user.must("commit", "r-box", "r-image")
    assert user.must("run", "--rm", "r-image", "stat", "-c", "%u %g", "/made").out == "0 0\n"
    assert user.must("run", "--rm", *by, "--network", "none", "box", "ls", "/sys/class/net").out
    look = user.argv("run", "--rm", "-ti", *by, "box", "sh", "-c", "tty; stty size; exit 5")
    with Terminal(look, user.environment, rows=31, columns=97) as terminal:
        terminal.expect(r"/dev/(pts/0|console)\n31 97\n")
        assert terminal.wait() == 5
    assert "kmsg" in user.must("run", "--rm", *by, "--privileged", "box", "ls", "/dev").lines
    user.must("run", "-d", "--name", "r-long", *by, "box", "sleep", "60")
    assert user.must("exec", "r-long", "hostname").out == user.must("ps", "-lq").out
    user.must("rm", "-f", "r-long", "r-box")
    assert user.fails(127, "run", "--rm", *by, "box", "absent")
    wrong = user.fails(125, "run", "--rm", *by, "-m", "64m", "box", "true")
    assert "control group" in wrong.err
    user.must("rmi", "r-image")
    user.must("volume", "rm", "r-data")


def test_volumes_and_folders_of_the_user(user: OrdinaryUser) -> None:
    user.must("run", "--rm", "-v", "data:/home/maria", "box", "touch", "/home/maria/kept")
    assert user.must("run", "--rm", "-v", "data:/d", "box", "ls", "/d").out == "kept\n"
    folder = user.home / "folder"
    folder.mkdir(exist_ok=True)
    os.chown(folder, user.uid, user.gid)
    user.must("run", "--rm", "-v", f"{folder}:/f", "box", "sh", "-c", "echo yes > /f/made")
    assert (folder / "made").read_text() == "yes\n"
    assert (folder / "made").stat().st_uid == user.uid
    user.must("volume", "rm", "data")


def test_in_a_container_whose_proc_is_masked_it_is_said_why(ranged: OrdinaryUser) -> None:
    command = shlex.join(ranged.argv("run", "--rm", "box", "true"))
    script = f"mount -t tmpfs none /proc/fs && exec {command}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env=ranged.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 125 and "parts of the one around it are hidden" in done.stderr


def test_what_takes_root_is_refused_by_name(user: OrdinaryUser) -> None:
    assert "unshare" in user.fails(1, "mount", "box").err
    assert "control group" in user.fails(125, "run", "--rm", "-m", "64m", "box", "true").err
    assert user.must("ps", "-aq").out == ""
    assert user.must("unshare", "id", "-u").out == "0\n"
    assert "OPENBLAS_NUM_THREADS" not in user.must("unshare", "env").out
    assert user.must("unshare", "sh", "-c", "ls $FASTLAYERS_ROOT/oci-layout").code == 0
    assert user.fails(127, "unshare", "absent")


def test_limits_in_a_control_group_that_root_has_given(ranged: OrdinaryUser, by: list[str]) -> None:
    group = Path("/sys/fs/cgroup/memory/fastlayers")
    if not group.parent.is_dir():  # version 2 alone
        refused = ranged.fails(125, "run", "--rm", *by, "-m", "64m", "box", "true")
        assert "systemd-run --user --scope" in refused.err
        return
    group.mkdir(exist_ok=True)
    os.chown(group, ranged.uid, -1)
    try:
        # As somebody else than who made the group; of what starts it nothing counts.
        small = ("run", "--rm", *by, "-m", "8m", "-u", "maria", "box", "cat", "/proc/self/cgroup")
        assert "memory:/fastlayers/" in ranged.must(*small).out
        greedy = "tail -c 200000000 /dev/zero | tail > /dev/null"
        ranged.call("run", "--name=greedy", *by, "-m", "64m", "box", "sh", "-c", greedy)
        assert ranged.must("inspect", "-f", "{{.State.OOMKilled}}", "greedy").out == "true\n"
        ranged.must("rm", "greedy")
        ranged.must("run", "-d", "--name=joined", *by, "-m", "64m", "box", "sleep", "60")
        whole = ranged.must("ps", "-q", "--no-trunc").out.strip()
        assert (group / whole / "memory.limit_in_bytes").read_text() == f"{64 << 20}\n"
        inside = ranged.must("exec", "joined", "cat", "/proc/self/cgroup").out
        assert "memory:/fastlayers/" in inside
        shown = ranged.must("stats", "--no-stream", "--format", "{{.MemUsage}}", "joined").out
        assert shown.strip().endswith("/ 64MiB")
        ranged.must("rm", "-f", "joined")
        assert [path for path in group.glob("*/") if path.stat().st_uid == ranged.uid] == []
    finally:
        os.chown(group, 0, -1)


@pytest.fixture
def delegated(user: OrdinaryUser) -> Iterator[OrdinaryUser]:
    """The same, in a control group of version 2 that was given to the user as systemd does it."""
    root = Path(Hierarchies().unified)
    if not root.name:
        pytest.skip("no cgroups of version 2 are mounted")
    group = root / f"fastlayers-test-{os.getpid()}"
    group.mkdir()
    try:
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(group / name, user.uid, user.gid)
        other = copy.copy(user)
        other.group = group
        yield other
        for name in user.must("ps", "-aq").lines:
            other.must("rm", "-f", name)
        deadline = time.monotonic() + 10
        while any(path.read_text() for path in group.rglob("cgroup.procs")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        for path in (*group.glob("fastlayers/*/"), *group.glob("*/"), group):
            if path.exists():
                path.rmdir()


def test_a_container_is_paused_in_a_group_that_was_given(delegated: OrdinaryUser) -> None:
    delegated.must("run", "-d", "--name=counter", "box", "sleep", "1000")
    delegated.must("exec", "-d", "counter", "sh", "-c", "while echo >> /tmp/n; do :; done")
    upper = delegated.must("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "counter").out.strip()
    file = Path(upper) / "tmp/n"
    deadline = time.monotonic() + 10
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "n; do" in delegated.must("top", "counter").out
    delegated.must("pause", "counter")
    before = file.stat().st_size
    time.sleep(0.2)
    assert file.stat().st_size == before
    assert delegated.must("ps", "--format", "{{.Status}}").out.endswith("(Paused)\n")
    assert "is paused" in delegated.fails(1, "exec", "counter", "true").err
    delegated.must("unpause", "counter")
    deadline = time.monotonic() + 10
    while file.stat().st_size == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert dict(json.loads(delegated.must("info", "-f", "json").out)["RootlessStatus"])[
        "Pause"
    ] == "yes"  # fmt: skip
    delegated.must("pause", "counter")
    delegated.must("rm", "-f", "counter")


def test_the_hosts_processes_are_shown(delegated: OrdinaryUser, by: list[str]) -> None:
    script = "cat /proc/$PPID/comm; cat /proc/kcore; echo 1 > /proc/sys/vm/swappiness"
    done = delegated.call("run", "--rm", *by, "--pid=host", "box", "sh", "-c", script)
    assert done.out.startswith(("fastlayers", "python")), done.err  # the supervisor
    assert "swappiness: Read-only file system" in done.err
    delegated.group = None  # it may be divided now, and have no processes of its own any more
    assert delegated.must("ps", "-aq").out == ""


def test_nothing_is_left_in_a_group_that_was_given(delegated: OrdinaryUser, by: list[str]) -> None:
    """A runtime of its own accord makes a group beside that in which it begins."""
    assert delegated.group is not None
    whole, delegated.group = delegated.group, delegated.group / "shell"
    delegated.group.mkdir()
    for name in ("", "cgroup.procs"):
        os.chown(delegated.group / name, delegated.uid, delegated.gid)
    delegated.must("run", "--rm", *by, "box", "true")
    delegated.must("run", "-d", "--name=one", *by, "box", "sleep", "60")
    delegated.must("exec", "one", "true")
    delegated.must("rm", "-f", "one")
    left = {path.name for path in whole.rglob("*") if path.is_dir()}
    assert left <= {"shell", "fastlayers", "callers", "supervisors"}


def test_what_was_started_elsewhere_is_not_paused(delegated: OrdinaryUser) -> None:
    outside = copy.copy(delegated)
    outside.group = None
    outside.must("run", "-d", "--name=outside", "box", "sleep", "1000")
    done = delegated.fails(1, "pause", "outside")
    assert "was started in a control group that is not this user's" in done.err
    assert delegated.must("ps", "--format", "{{.State}}").out == "running\n"
    outside.must("rm", "-f", "outside")


def test_limits_in_a_group_of_version_2_that_was_given(
    delegated: OrdinaryUser, by: list[str]
) -> None:
    assert delegated.group is not None
    controllers = (delegated.group / "cgroup.controllers").read_text().split()
    if "pids" not in controllers:
        if Hierarchies().is_unified("pids"):
            done = delegated.fails(125, "run", "--rm", *by, "--pids-limit=9", "box", "true")
            assert "was not given the controller pids" in done.err
            return
        pytest.skip("the controller pids is in version 1 on this host")
    delegated.must("run", "--rm", *by, "--pids-limit=19", "box", "true")
    # It is divided now, and cannot have processes of its own any more.
    whole, delegated.group = delegated.group, delegated.group / "shell"
    delegated.group.mkdir()
    delegated.must("run", "-d", "--name=few", *by, "--pids-limit=19", "box", "sleep", "1000")
    pid = delegated.must("inspect", "-f", "{{.State.Pid}}", "few").out.strip()
    assert f"/{whole.name}/fastlayers/" in own_group(f"/proc/{pid}/cgroup")
    shown = delegated.call("exec", "few", "cat", "/sys/fs/cgroup/pids.max").out
    assert shown == "19\n" or not has_only_version_2()
    assert "pids" in (whole / "cgroup.subtree_control").read_text()


def test_a_network_of_its_own(user: OrdinaryUser) -> None:
    done = user.must("run", "--rm", "--network", "none", "box", "ls", "/sys/class/net")
    assert done.out == "lo\n"
    user.must("run", "-d", "--name=lonely", "--network=none", "box", "sleep", "60")
    try:
        assert "eth" not in user.must("exec", "lonely", "cat", "/proc/net/dev").out
    finally:
        user.must("rm", "-f", "lonely")


@pytest.mark.needs("pasta", "crun", "runc")
def test_info_tells_what_there_is_and_what_to_change(user: OrdinaryUser) -> None:
    told = json.loads(user.must("info", "-f", "json").out)
    status = dict(told["RootlessStatus"])
    may_open = os.stat("/dev/net/tun").st_mode & 0o6 == 0o6
    networks = {"pasta": "yes (ports can be published)", "host": "yes", "none": "yes"}
    if not may_open:
        networks["pasta"] = (
            "no (pasta needs /dev/net/tun, which this user may not open: have root run "
            "chmod 666 /dev/net/tun)"
        )
    assert dict(told["NetworkStatus"]) == networks
    assert {"crun", "runc"} <= set(told["Runtimes"])
    if user.must("run", "--rm", "box", "cat", "/proc/self/uid_map").lines[1:]:
        assert status["User IDs"] == (
            f"0 = {user.uid}, 1-{ID_COUNT} = {FIRST_ID}-{FIRST_ID + ID_COUNT - 1}"
        )
        assert status["More IDs"].startswith("yes")
    else:
        assert status["User IDs"] == f"0 = {user.uid}"
        assert "/etc/subuid" in status["More IDs"] and "usermod" in status["More IDs"]
    assert "chown" in status["Limits"] and "chown" in status["Pause"]


def test_info_explains_where_there_are_no_user_namespaces(single: OrdinaryUser) -> None:
    forbidden = without(single, "user-namespace")
    assert "user namespace" in forbidden.fails(125, "run", "--rm", "box", "true").err
    out = forbidden.must("info").out
    assert " Rootless: true" in out and "User namespace: no (this machine" in out
    assert "Storage Driver: none" in out


def test_a_store_made_with_other_ids_is_not_touched(ranged: OrdinaryUser) -> None:
    other = without(ranged, "newuidmap")
    assert "--root" in other.fails(125, "run", "--rm", "box", "true").err
    root = CommandLine(ranged.root, "overlay")
    assert "the host's ids" in root.fails(125, "run", "--rm", "box", "true").err
    assert ranged.must("run", "--rm", "box", "echo", "fine").out == "fine\n"
    # More of the same is fine.
    (ranged.root / "ids").write_text(
        f"uid 0 {ranged.uid} 1\nuid 1 {FIRST_ID} 10\ngid 0 {ranged.gid} 1\ngid 1 {FIRST_ID} 10\n"
    )
    assert ranged.must("run", "--rm", "box", "echo", "fine").out == "fine\n"


def test_an_id_that_the_range_lacks_is_named(ranged: OrdinaryUser) -> None:
    far = Member(b"far", "file", 0o644, 2_000_000, 7)
    done = ranged.fails(1, "import", "-", "far", stdin=tar_write.plain([far]))
    assert "far" in done.err and "belongs to 2000000:7" in done.err and "/etc/subuid" in done.err
    assert "2000000" in ranged.fails(125, "run", "--rm", "-u", "2000000", "box", "true").err


def test_with_one_id_any_owner_is_kept(single: OrdinaryUser) -> None:
    far = Member(b"etc/far", "file", 0o644, 2_000_000, 7)
    tar = tar_write.plain([*busybox_root.members(), far])
    single.must("import", "-", "far", stdin=tar)
    assert single.must("run", "--rm", "far", "stat", "-c", "%u:%g", "/etc/far").out == "0:0\n"
    assert owners(single, "far")["etc/far"] == (2_000_000, 7)
    script = "mknod /node c 1 3 && test ! -e /node && mknod /pipe p && test -p /pipe"
    assert single.must("run", "--rm", "far", "sh", "-c", script).code == 0


def test_the_library_says_what_to_call(single: OrdinaryUser) -> None:
    script = """
import threading
from fastlayers import Store, errors, rootless
try:
    Store().image("box").run(["true"])
except errors.UnsupportedError as error:
    print("rootless.enter()" in str(error))
stop = threading.Event()
other = threading.Thread(target=stop.wait)
other.start()
try:
    rootless.enter()
except errors.InvalidError as error:
    print("one thread" in str(error))
stop.set()
other.join()
rootless.enter()
print(Store().image("box").run(["id", "-u"]).text.strip())
"""
    done = subprocess.run(
        single.become(single.python, "-c", script),
        env=single.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "True", "0"], done.stderr


def test_apt_installs_a_package(user: OrdinaryUser, tmp_path: Path) -> None:
    with debian.base_tar().open("rb") as base:
        user.must("import", "-", "debian", stdin=base.read())
    script = "apt-get update && apt-get install -y --no-install-recommends hello && hello"
    done = user.must("run", "--name=apt", "debian", "sh", "-c", script, seconds=300)
    assert done.lines[-1] == "Hello, world!"
    user.must("commit", "apt", "with-hello")
    user.must("rm", "apt")
    found = owners(user, "with-hello")
    assert found["usr/bin/hello"] == (0, 0)
    assert found["var/lib/apt/lists/partial"][0] > 0  # _apt's, whoever could not be that
    user.must("rmi", "with-hello", "debian")
