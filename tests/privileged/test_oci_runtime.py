"""Containers that OCI runtimes start: as the engine's own, and nothing of the runtime is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastlayers.cgroup import Hierarchies
from fastlayers.container import ContainerOptions
from fastlayers.store import Store
from tests import busybox_root, oci_runtimes
from tests.command_line import CommandLine, processes_below, store_mounts
from tests.privileged.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

SECONDS = 20.0


@pytest.fixture(scope="module")
def box() -> Iterator[CommandLine]:
    """A store that holds the image `box`; nothing may be left of what ran in it."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-store-") as directory:
        command = CommandLine(Path(directory) / "store")
        command.must("import", "-c", 'CMD ["sh"]', "-", "box", stdin=busybox_root.tar())
        yield command
        for name in command.must("ps", "-aq").lines:
            command.call("rm", "-f", name)
        assert_clean(command)


@pytest.fixture(params=oci_runtimes.EACH)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.02)


def groups(box: CommandLine) -> list[str]:
    """Control groups of the store's containers and of those that were."""
    ids = {path.name for path in (box.root / "containers").iterdir() if len(path.name) == 64}
    return [group for one in ids for group in Hierarchies().existing(one)]


def insiders(box: CommandLine) -> list[str]:
    """Processes, of whatever name, that see a mount of the store: keepers and containers."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and str(box.root) in (folder / "mountinfo").read_text():
                found.append(folder.name)
        except OSError:
            continue  # it has ended
    return found


def assert_clean(box: CommandLine) -> None:
    until(lambda: processes_below(box.root) == [] == insiders(box))
    assert store_mounts(box.root) == []
    assert groups(box) == []


def keeper_of(box: CommandLine, name: str) -> int:
    """The process that is between the engine and the container."""
    pid = int(box.must("inspect", "-f", "{{.State.Pid}}", name).out)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    parent = int(fields[1])
    assert b"runtime_keeper" in Path(f"/proc/{parent}/cmdline").read_bytes()
    return parent


def state_of(runtime: str) -> list[str]:
    """What a runtime keeps in its own place."""
    folder = Path("/run") / runtime
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def script(path: Path, text: str) -> str:
    """A runtime of the test's own."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_streams_and_exit_code(box: CommandLine, runtime: str) -> None:
    done = box.call(
        "run", "--rm", "-i", "--runtime", runtime, "box", "sh", "-c",
        "cat; echo wrong >&2; exit 7", stdin=b"hello\n",
    )  # fmt: skip
    assert (done.code, done.out, done.err) == (7, "hello\n", "wrong\n")
    assert_clean(box)


def test_an_output_that_is_closed_early_and_much_of_it(box: CommandLine, runtime: str) -> None:
    run = ("run", "--rm", "--runtime", runtime, "box", "sh", "-c")
    done = box.must(*run, "head -c 3000000 /dev/zero | tr '\\0' a")
    assert len(done.out) == 3_000_000
    assert box.must(*run, "exec >&- 2>&-; sleep 0.1").out == ""


def test_standard_streams_that_are_closed(box: CommandLine, runtime: str) -> None:
    """The numbers that our own descriptors then get are those that the container's streams have."""
    words = box.argv("run", "--rm", "-i", "--runtime", runtime, "box", "sh", "-c", "echo x; exit 6")
    for closing in ("<&-", "<&- 2>&-", "<&- >&- 2>&-"):
        text = f'exec "$@" {closing}'
        done = subprocess.run(["sh", "-c", text, "sh", *words], env=box.environment,
                              capture_output=True, timeout=SECONDS, check=False)  # fmt: skip
        assert done.returncode == 6
        assert done.stdout == (b"" if " >&-" in closing else b"x\n")
    assert_clean(box)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'),
        (["/nosuch"], 127, 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        (["/etc"], 126, 'exec: "/etc": is a directory'),
        (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_what_cannot_be_executed(
    box: CommandLine, runtime: str, words: list[str], code: int, says: str
) -> None:
    done = box.fails(code, "run", "--rm", "--runtime", runtime, "box", *words)
    assert says in done.err
    assert_clean(box)


def test_a_user_who_may_not(box: CommandLine, runtime: str) -> None:
    """In the engine's own words."""
    box.must("run", "--name", "locked", "box", "chmod", "0700", "/bin/busybox")
    box.must("commit", "locked", "locked")
    box.must("rm", "locked")
    for name, code in (("id", 127), ("/bin/id", 126)):
        own = box.fails(code, "run", "--rm", "-u", "maria", "locked", name)
        done = box.fails(code, "run", "--rm", "--runtime", runtime, "-u", "maria", "locked", name)
        assert done.err == own.err
    root = ("run", "--rm", "--runtime", runtime, "locked", "id", "-u")
    if runtime == "youki":  # it wants that anyone may
        assert "'/bin/id'" in box.fails(126, *root).err.replace('"', "")
    else:
        assert box.must(*root).out == "0\n"
    assert_clean(box)


def test_a_runtime_that_is_not_installed(box: CommandLine, tmp_path: Path) -> None:
    for name in ("youki", str(tmp_path / "none")):
        if name == "youki" and any(
            (Path(folder) / name).exists() for folder in os.environ["PATH"].split(":")
        ):
            continue
        done = box.fails(125, "run", "--runtime", name, "box", "true")
        assert f"runtime '{name}' is not installed: " in done.err
    assert (
        "unknown or invalid runtime name: x"
        in box.fails(125, "run", "--runtime", "x", "box", "true").err
    )
    assert box.must("ps", "-aq").lines == []


def test_a_container_whose_runtime_has_gone(box: CommandLine, tmp_path: Path) -> None:
    program = tmp_path / "mine"
    program.symlink_to("/usr/bin/crun" if Path("/usr/bin/crun").exists() else "/bin/crun")
    box.must("create", "--name", "gone", "--runtime", str(program), "box", "true")
    box.must("start", "gone")
    box.must("wait", "gone")
    program.unlink()
    assert "is not installed" in box.fails(1, "start", "gone").err
    box.must("rm", "gone")


def test_user_environment_and_place(box: CommandLine, runtime: str) -> None:
    done = box.must(
        "run", "--rm", "--runtime", runtime, "-u", "maria", "-e", "A=ü b", "-w", "/home/maria/new",
        "--hostname", "there", "box", "sh", "-c", 'id; echo "$A $HOME"; pwd; hostname; umask',
    )  # fmt: skip
    assert (
        done.lines
        == [
            "uid=1000(maria) gid=1000(maria) groups=50(staff),1000(maria)",
            "ü b /home/maria",
            "/home/maria/new",
            "there",
            "0022",
        ]
        or done.lines[0] == "uid=1000(maria) gid=1000(maria) groups=1000(maria),50(staff)"
    )
    assert done.lines[1:] == ["ü b /home/maria", "/home/maria/new", "there", "0022"]


def test_the_callers_file_mask_is_not_the_containers(
    box: CommandLine, runtime: str, tmp_path: Path
) -> None:
    words = box.argv(
        "run", "--rm", "--runtime", runtime, "-u", "maria", "--read-only", "-w", "/new/place",
        "-v", f"{tmp_path}:/a/b", "box", "sh", "-c", "pwd; stat -c '%a %u' /new /new/place /a",
    )  # fmt: skip
    done = subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *words], env=box.environment,
                          capture_output=True, text=True, timeout=SECONDS, check=False)  # fmt: skip
    assert (done.stdout, done.stderr) == ("/new/place\n755 0\n755 0\n755 0\n", "")


def test_a_tmpfs_has_its_mode(box: CommandLine, runtime: str) -> None:
    run = ("run", "--rm", "--runtime", runtime, "--tmpfs", "/t:mode=1750", "-w", "/t", "box")
    assert box.must(*run, "sh", "-c", "pwd; stat -c %a /t").lines == ["/t", "1750"]


def test_another_users_standard_streams_can_be_opened(box: CommandLine, runtime: str) -> None:
    done = box.must("run", "--rm", "--runtime", runtime, "-u", "maria", "box", "sh", "-c",
                    "echo a > /dev/stdout; echo b > /dev/stderr")  # fmt: skip
    assert (done.out, done.err) == ("a\n", "b\n")


def test_the_same_view_as_the_engines_own(box: CommandLine, runtime: str) -> None:
    """What a process finds in /proc/self and /etc does not tell who started it."""
    look = (
        "box", "sh", "-c",
        "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid)' /proc/self/status; cat /etc/resolv.conf;"
        "ls /dev/pts /dev/shm /dev/mqueue; cat /proc/kcore 2>&1 | wc -c; stat -c %a /tmp /dev/shm;"
        "echo 1 2>&1 > /proc/sys/kernel/hostname; test -w /sys/kernel && echo writable;"
        "df /dev/shm | tail -1 | awk '{print $2}'",
    )  # fmt: skip
    own = box.must("run", "--rm", *look)
    assert box.call("run", "--rm", "--runtime", runtime, *look).out == own.out


def test_read_only_and_devices(box: CommandLine, runtime: str) -> None:
    run = ("run", "--rm", "--runtime", runtime)
    assert "Read-only" in box.fails(1, *run, "--read-only", "box", "touch", "/x").err
    # Made, but of no use: of the host's devices a container opens the harmless ones.
    device = os.stat("/").st_dev
    major, minor = os.major(device) or 7, os.minor(device)
    text = f"mknod /x b {major} {minor}; cat /x"
    assert box.call(*run, "box", "sh", "-c", text).code == 1


def test_devices_and_namespaces_of_the_host(box: CommandLine, runtime: str) -> None:
    run = ("run", "--rm", "--runtime", runtime)
    look = "ls -l /dev/mine | cut -c1-9; (: < /dev/mine) && echo opened"
    own = box.must(
        "run", "--rm", "--device", "/dev/loop-control:/dev/mine", "box", "sh", "-c", look
    ).out
    assert own.startswith("crw-") and own.endswith("\nopened\n")
    given = ("--device", "/dev/loop-control:/dev/mine", "box", "sh", "-c", look)
    assert box.must(*run, *given).out == own
    name = (
        "sh",
        "-c",
        "hostname; ls -d /dev/shm; for i in ipc uts; do readlink /proc/self/ns/$i; done",
    )
    host = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("ipc", "uts")]
    shared = box.must(*run, "--ipc", "host", "--uts", "host", "box", *name).lines
    assert shared == [socket.gethostname(), "/dev/shm", *host]
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        box.must(*run, "--ipc", "host", "box", "test", "-e", file.name)
        assert box.call(*run, "box", "test", "-e", file.name).code == 1
    lonely = box.call(*run, "--ipc", "none", "box", *name)
    assert "/dev/shm" not in lonely.lines and not set(host) & set(lonely.lines)


def test_a_first_process_of_the_engine(box: CommandLine, runtime: str) -> None:
    run = ("--runtime", runtime, "--init", "box", "sh", "-c")
    look = "cat /proc/1/comm; test $$ = 1 || ls /dev/init; (sleep 0.2 &) ; exit 7"
    done = box.call("run", "--name", "with-init", *run, look)
    assert (done.code, done.lines) == (7, ["init", "/dev/init"]), done.err
    assert "init" not in box.must("diff", "with-init").out
    box.must("rm", "with-init")
    waits = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    box.must("run", "-d", "--name", "told", *run, waits)
    while not box.must("logs", "told").out:
        time.sleep(0.05)
    box.must("stop", "told")
    assert box.must("inspect", "-f", "{{.State.ExitCode}}", "told").out == "9\n"
    box.must("rm", "told")
    assert box.fails(127, "run", "--rm", "--runtime", runtime, "--init", "box", "absent")


def test_limits(box: CommandLine, runtime: str) -> None:
    box.must("create", "--name", "small", "--runtime", runtime, "-m", "32m", "--pids-limit", "20",
             "--cpus", "0.5", "box", "sleep", "60")  # fmt: skip
    box.must("start", "small")
    try:
        found = {
            name: value
            for group in groups(box)
            for name in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us",
                         "cpu.max")
            if (Path(group) / name).exists()
            for value in [(Path(group) / name).read_text().split()[0]]
        }  # fmt: skip
        assert str(32 << 20) in (found.get("memory.limit_in_bytes"), found.get("memory.max"))
        assert found["pids.max"] == "20"
        assert "50000" in (found.get("cpu.cfs_quota_us"), found.get("cpu.max"))
        shown = box.must("stats", "--no-stream", "--format", "{{.MemUsage}}", "small").out
        assert shown.strip().endswith("/ 32MiB")
    finally:
        box.must("rm", "-f", "small")
    # It must not change them itself.
    own = "cd /sys/fs/cgroup; for i in */ .; do mkdir $i/new; done; ls -d new */new"
    done = box.call("run", "--rm", "--runtime", runtime, "-m", "32m", "box", "sh", "-c", own)
    assert set(done.lines) <= {"new"}, done.out  # which is in a tmpfs
    eats = "x=a; while :; do x=$x$x; done"
    done = box.call(
        "run", "--name", "eats", "--runtime", runtime, "-m", "16m", "box", "sh", "-c", eats
    )
    assert done.code != 0
    assert box.must("inspect", "-f", "{{.State.OOMKilled}}", "eats").out == "true\n"
    box.must("rm", "eats")
    assert_clean(box)


def test_volumes(box: CommandLine, runtime: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    run = ("run", "--rm", "--runtime", runtime)
    done = box.must(
        *run, "-v", f"{tmp_path}:/h", "-v", f"{tmp_path}/file:/f:ro", "-v", f"new-{runtime}:/etc",
        "--tmpfs", "/t:size=1m", "--mount", "type=image,src=box,dst=/image", "box", "sh", "-c",
        "cat /f; echo back > /h/back; cat /etc/plain; touch /f /image/x 2>&1; ls /image/bin/sh;"
        "df /t | tail -1 | awk '{print $2}'",
    )  # fmt: skip
    assert done.lines == [
        "from the host",
        "text",  # a new volume has what the image has in its place
        "touch: /f: Read-only file system",
        "touch: /image/x: Read-only file system",
        "/image/bin/sh",
        "1024",
    ]
    assert (tmp_path / "back").read_text() == "back\n"
    assert not (tmp_path / "x").exists()
    box.must("volume", "rm", f"new-{runtime}")
    assert_clean(box)


def test_a_link_does_not_lead_a_mount_out(box: CommandLine, runtime: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    box.must("run", "--name", "trap", "box", "sh", "-c", f"mkdir -p /a; ln -s {outside} /a/link")
    box.must("commit", "trap", "trap")
    box.must("rm", "trap")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/mark").touch()
    done = box.must("run", "--rm", "--runtime", runtime, "-v", f"{tmp_path}/source:/a/link/deep",
                    "trap", "ls", f"{outside}/deep")  # fmt: skip
    assert done.lines == ["mark"]
    assert list(outside.iterdir()) == []


def test_seccomp_is_active(box: CommandLine, runtime: str, tmp_path: Path) -> None:
    run = ("run", "--rm", "--runtime", runtime)
    text = "grep ^Seccomp: /proc/self/status; mkdir /new"
    assert box.must(*run, "box", "sh", "-c", text).out == "Seccomp:\t2\n"
    profile = tmp_path / "profile.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    done = box.fails(1, *run, "--security-opt", f"seccomp={profile}", "box", "sh", "-c", text)
    assert "not implemented" in done.err
    off = box.must(*run, "--security-opt", "seccomp=unconfined", "box", "sh", "-c", text)
    assert off.out == "Seccomp:\t0\n"
    # Docker's own refuses this call, which nobody needs a capability for.
    keyctl = "grep -q x /proc/keys; mkdir /a && unshare -U true"
    assert "not permitted" in box.fails(1, *run, "box", "sh", "-c", keyctl).err


def test_privileged(box: CommandLine, runtime: str) -> None:
    text = "grep ^Seccomp: /proc/self/status; mount -t tmpfs x /tmp && ls /dev | wc -l"
    done = box.must("run", "--rm", "--privileged", "--runtime", runtime, "box", "sh", "-c", text)
    assert done.lines[0] == "Seccomp:\t0"
    assert int(done.lines[1]) > 10


def test_control_groups_that_a_container_has_made(box: CommandLine, runtime: str) -> None:
    script = "cd /sys/fs/cgroup; if [ -d pids ]; then cd pids; fi; mkdir -p own/er/most other"
    run = ("run", "--rm", "--privileged", "--runtime", runtime, "box", "sh", "-c")
    assert box.must(*run, script).err == ""
    assert_clean(box)


def test_network_none(box: CommandLine, runtime: str) -> None:
    done = box.must("run", "--rm", "--network", "none", "--runtime", runtime, "box", "ls",
                    "/sys/class/net")  # fmt: skip
    assert done.lines == ["lo"]


def test_a_terminal(box: CommandLine, runtime: str) -> None:
    script = (
        "tty; ls /dev/console; stty size; trap 'stty size; exit 5' WINCH; read x; echo got-$x;"
        "while :; do sleep 0.05; done"
    )
    words = ("run", "--rm", "-ti", "--runtime", runtime, "box", "sh", "-c", script)
    with Terminal(box.argv(*words), box.environment, rows=31, columns=97) as terminal:
        terminal.expect(r"/dev/(pts/0|console)\n")
        terminal.expect("/dev/console")
        terminal.expect(r"31 97\n")
        before = terminal.settings()
        terminal.type("word\n")
        terminal.expect("got-word")
        terminal.resize(20, 60)
        terminal.expect(r"20 60\n")
        assert terminal.wait() == 5
        assert terminal.settings() != before  # it is not raw any more
    assert_clean(box)


def test_a_working_directory_that_is_a_descriptor(box: CommandLine, runtime: str) -> None:
    """CVE-2024-21626: none of ours or of the runtime's leads out of the container."""
    for number in range(3, 11):
        words = ("-w", f"/proc/self/fd/{number}", "box", "ls", "../../../..")
        assert box.fails(125, "run", "--rm", "--runtime", runtime, *words).out == ""
    assert_clean(box)


def test_life(box: CommandLine, runtime: str) -> None:
    """Detached, entered, looked at, held still, stopped, started again, killed, committed."""
    wait = "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    box.must("run", "-d", "--name", "life", "--runtime", runtime, "box", "sh", "-c", wait)
    try:
        until(lambda: "up" in box.must("logs", "life").out)
        assert box.must("ps", "--format", "{{.Names}} {{.Status}}").out.startswith("life Up")
        assert box.must("inspect", "-f", "{{.HostConfig.Runtime}}", "life").out == f"{runtime}\n"
        done = box.must("exec", "-w", "/tmp", "life", "sh", "-c", "pwd; hostname; ps | wc -l")
        short = box.must("ps", "-q").out.strip()
        assert done.lines[:2] == ["/tmp", short]
        assert box.call("exec", "life", "sh", "-c", "exit 9").code == 9
        assert "sleep" in box.must("top", "life").out
        box.must("exec", "life", "sh", "-c", "echo changed > /new")
        assert b"changed" in box.must("cp", "life:/new", "-").out.encode()
        box.must("pause", "life")
        assert "(Paused)" in box.must("ps").out
        box.must("unpause", "life")
        box.must("commit", "life", f"life-{runtime}")
        assert box.must("run", "--rm", f"life-{runtime}", "cat", "/new").out == "changed\n"
        box.must("stop", "life")
        assert box.must("inspect", "-f", "{{.State.ExitCode}}", "life").out == "3\n"
        assert box.must("logs", "life").out == "up\nterm\n"
        assert_clean(box)
        box.must("restart", "life")
        until(lambda: box.must("logs", "life").out.count("up") == 2)
        box.must("kill", "life")
        assert box.must("wait", "life").out == "137\n"
        assert_clean(box)
        # The changes are the container's, whoever started it.
        assert box.must("diff", "life").lines == ["A /new"]
        box.must("start", "life")
    finally:
        box.must("rm", "-f", "life")
    assert_clean(box)


def test_a_signal_to_the_command_reaches_the_container(box: CommandLine, runtime: str) -> None:
    process = box.start(
        "run", "--rm", "--runtime", runtime, "box", "sh", "-c",
        "trap 'exit 44' USR1; echo ready; while :; do sleep 0.05; done", stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.wait(SECONDS) == 44
    process.stdout.close()
    assert_clean(box)


def test_it_is_attached_to_and_left(box: CommandLine, runtime: str) -> None:
    script = "read word; echo got $word; echo err >&2; exit 7"
    box.must("run", "-di", "--runtime", runtime, "--name", "one", "box", "sh", "-c", script)
    done = box.call("attach", "one", stdin=b"word\n")
    assert (done.code, done.out, done.err) == (7, "got word\n", "err\n")
    box.must("rm", "one")
    argv = box.argv("run", "-it", "--rm", "--runtime", runtime, "--name", "one", "box", "sh")
    with Terminal(argv, box.environment, rows=31, columns=97) as terminal:
        terminal.expect("# ")
        terminal.type("stty size\n")
        terminal.expect("31 97\r?\n")
        terminal.type("\x10\x11")
        assert terminal.wait() == 0
    with Terminal(box.argv("attach", "one"), box.environment, rows=40, columns=120) as terminal:
        terminal.expect("# ")
        terminal.type("stty size\n")
        terminal.expect("40 120\r?\n")
        terminal.type("exit 4\n")
        assert terminal.wait() == 4
    until(lambda: not box.must("ps", "-aq").out)
    assert_clean(box)


def test_whoever_is_killed_nothing_stays(box: CommandLine, runtime: str) -> None:
    sleeps = ("--runtime", runtime, "box", "sleep", "1000")
    # The keeper: it is as if the container had been killed.
    box.must("run", "-d", "--name", "one", *sleeps)
    assert len(insiders(box)) == 2
    os.kill(keeper_of(box, "one"), signal.SIGKILL)
    assert box.must("wait", "one").out == "137\n"
    assert_clean(box)
    # The command that is attached: nobody would own the container's end.
    process = box.start("run", "--name", "two", *sleeps)
    until(lambda: "two" in box.must("ps", "--format", "{{.Names}}").lines)
    process.kill()
    process.wait()
    until(lambda: processes_below(box.root) == [] == insiders(box))
    assert "Exited (137)" in box.must("ps", "-a", "--filter", "name=two").out
    # It can be started again, and then nothing is left of either.
    box.must("start", "two")
    box.must("rm", "-f", "one", "two")
    assert_clean(box)


@pytest.mark.parametrize("pid", ["", "host"])
@pytest.mark.parametrize("at", ["create", "start"])
def test_a_runtime_that_dies_in_the_middle(
    box: CommandLine, runtime: str, at: str, pid: str, tmp_path: Path
) -> None:
    """Once it has made the container, so that there is something to be left behind."""
    program = shutil.which(runtime)
    mine = script(
        tmp_path / "mine",
        f'case " $* " in *" {at} "*) [ {at} = start ] || {program} "$@"; kill -9 $$;; esac\n'
        f'exec {program} "$@"',
    )
    run = ("run", "--name", "dies", "--runtime", mine, "--pid", pid)
    done = box.fails(125, *run, "box", "sleep", "1000")
    assert f"runtime '{mine}': " in done.err
    assert "exit code -9" in done.err
    assert_clean(box)
    state = box.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "dies").out
    assert state == "created 125\n"
    box.must("rm", "dies")


def test_from_python_several_at_once(box: CommandLine, runtime: str) -> None:
    store = Store(str(box.root))
    descriptors = len(os.listdir("/proc/self/fd"))

    def run(number: int) -> tuple[int, str, str]:
        container = store.create_container(store.image("box"), ContainerOptions(runtime=runtime))
        done = container.run(["sh", "-c", f"cat; echo {number} >&2; exit {number}"], stdin=b"in")
        container.remove()
        return done.exit_code, done.stdout.decode(), done.stderr.decode()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(12)))
    assert found == [(number, "in", f"{number}\n") for number in range(12)]
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert_clean(box)


@pytest.mark.parametrize("pid", ["", "host"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_runtime_that_takes_for_ever(
    box: CommandLine, tmp_path: Path, number: int, pid: str
) -> None:
    mine = script(tmp_path / "mine", f"touch {tmp_path}/begun; sleep 1000")
    run = ("run", "--rm", "--runtime", mine, "--pid", pid)
    process = box.start(*run, "box", "true", stderr=subprocess.PIPE)
    until((tmp_path / "begun").exists)
    process.send_signal(number)
    _, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 125
    assert b"interrupted before the runtime had started the container" in error
    assert_clean(box)


@pytest.mark.needs("crun")
def test_a_runtime_with_the_ways_of_youki(box: CommandLine, tmp_path: Path) -> None:
    """It makes no working directory, takes "false" for true and has its own words in its log."""
    mine = script(
        tmp_path / "mine",
        'case " $* " in *" create "*)\n'
        "  test -d ../merged/new/place || grep -q /proc/absent config.json || exit 9\n"
        "  ! grep -q noNewPrivileges config.json || exit 10\n"
        "esac\n"
        'crun "$@"; code=$?\n'
        'sed -i \'s/"msg"/"message"/\' runtime.log 2> /dev/null; exit $code',
    )
    run = ("run", "--rm", "--runtime", mine, "-w")
    assert box.must(*run, "/new/place", "box", "pwd").out == "/new/place\n"
    failed = box.fails(125, *run, "/proc/absent", "box", "pwd").err
    assert f"runtime '{mine}': chdir `/proc/absent`: " in failed
    assert_clean(box)


@pytest.mark.parametrize("pid", ["", "host"])
@pytest.mark.parametrize("at", ["create", "start"])
def test_who_waits_for_a_runtime_is_killed(
    box: CommandLine, runtime: str, tmp_path: Path, at: str, pid: str
) -> None:
    """Before the container is made, and once it is and its first process waits to be started."""
    program = shutil.which(runtime)
    text = f'case " $* " in *" {at} "*) touch {tmp_path}/begun; sleep 1000;; esac\n{program} "$@"'
    mine = script(tmp_path / "mine", text)
    process = box.start("run", "--name", "waits", "--runtime", mine, "--pid", pid, "box", "true")
    until((tmp_path / "begun").exists)
    process.kill()
    process.wait()
    until(lambda: processes_below(box.root) == [] == insiders(box))
    box.must("rm", "-f", "waits")
    assert_clean(box)


def test_a_runtime_that_talks_nonsense(box: CommandLine, tmp_path: Path) -> None:
    for text in ("exit 0", "echo loud; echo louder >&2; exit 3", "echo x > pid"):
        mine = script(tmp_path / "mine", text)
        done = box.fails(125, "run", "--rm", "-t", "--runtime", mine, "box", "true")
        assert "loud" not in done.out + done.err
    assert_clean(box)


def test_nothing_is_left_where_runtimes_keep_their_state(box: CommandLine, runtime: str) -> None:
    before = state_of(runtime)
    box.must("run", "--name", "stateless", "--runtime", runtime, "box", "true")
    assert state_of(runtime) == before
    (one,) = box.must("ps", "-aq", "--no-trunc").lines
    assert list((box.root / "containers" / one / "bundle").iterdir()) == []
    box.must("rm", "stateless")
