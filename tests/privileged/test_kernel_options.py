"""Namespaces, ulimits, sysctls, devices, groups and the first process of ours, in containers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import PROGRAM, CommandLine, processes_below
from tests.engine import BACKENDS

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]
# For what has nothing to do with the backend, and is asked of each runtime.
_ON_ONE = pytest.mark.parametrize("shell", BACKENDS[:1], indirect=True)


def test_ulimits_hold_for_the_container_and_what_joins_it(shell: CommandLine) -> None:
    script = "ulimit -n; ulimit -Hn; ulimit -c"
    flags = ("--ulimit", "nofile=100:200", "--ulimit", "core=0")
    assert shell.must("run", "--rm", *flags, "box", "sh", "-c", script).lines == ["100", "200", "0"]
    shell.must("run", "-d", "--name", "u-box", *flags, "box", "sleep", "1000")
    assert shell.must("exec", "u-box", "sh", "-c", script).lines == ["100", "200", "0"]
    host = json.loads(shell.must("inspect", "u-box").out)[0]["HostConfig"]
    assert {"Name": "nofile", "Hard": 200, "Soft": 100} in host["Ulimits"]
    shell.must("rm", "-f", "u-box")


@pytest.mark.needs("setpriv", "prlimit")
def test_a_ulimit_that_may_not_be_raised_is_said(shell: CommandLine) -> None:
    command = [
        "prlimit", "--nofile=1000:2000", "setpriv", "--bounding-set=-sys_resource", *PROGRAM,
        "run", "--rm", "--ulimit", "nofile=10:3000", "box", "true",
    ]  # fmt: skip
    done = subprocess.run(command, env=shell.environment, capture_output=True, text=True)
    assert done.returncode == 125
    assert "cannot set ulimit nofile to 3000: 2000 is the most" in done.stderr
    assert "CAP_SYS_RESOURCE" in done.stderr.splitlines()[0]


def test_sysctls_of_its_own_namespaces(shell: CommandLine) -> None:
    before = Path("/proc/sys/kernel/shmmax").read_text()
    done = shell.call(
        "run", "--rm", "--network", "none", "--sysctl", "kernel.shmmax=4096",
        "--sysctl", "net.ipv4.conf.lo.forwarding=1", "box", "sh", "-c",
        "cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/conf/lo/forwarding; "
        "echo 1 > /proc/sys/kernel/shmmax",
    )  # fmt: skip
    assert done.lines == ["4096", "1"]
    assert "Read-only" in done.err
    assert Path("/proc/sys/kernel/shmmax").read_text() == before
    wrong = shell.fails(125, "run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "box", "true")
    assert 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace' in wrong.err
    wrong = shell.fails(
        125, "run", "--rm", "--network", "none", "--sysctl", "net.nope=1", "box", "true"
    )
    assert "set the sysctl net.nope to 1" in wrong.err


def test_devices_are_where_they_were_asked_for_and_nothing_else_is(shell: CommandLine) -> None:
    script = "head -c 3 /opt/dev/z | od -An -tx1; echo x > /dev/mine || echo full; ls -A /dev"
    done = shell.call(
        "run", "--rm", "--device", "/dev/zero:/opt/dev/z", "--device", "/dev/full:/dev/mine:rw",
        "box", "sh", "-c", script,
    )  # fmt: skip
    assert done.lines[:2] == [" 00 00 00", "full"], done.err
    assert [name for name in done.lines if name.startswith(".")] == []
    for device, why in (("/nope", "no such file or directory"), ("/etc", "not a device node")):
        wrong = shell.fails(125, "run", "--rm", "--device", device, "box", "true")
        assert f'adding custom device "{device}": {why}' in wrong.err


@_ON_ONE
@pytest.mark.parametrize("access", ["r", "w", "m", "rm", "mw", "rw"])
def test_what_a_device_is_given_for(shell: CommandLine, by: list[str], access: str) -> None:
    script = """
        (: < /dev/mine) && echo r; (: > /dev/mine) && echo w; (: <> /dev/mine) && echo rw
        (: <> /dev/null) && mknod /n c 10 237 && echo others
    """
    run = ("run", "--rm", *by, "--device", f"/dev/loop-control:/dev/mine:{access}")
    done = shell.call(*run, "box", "sh", "-c", script)
    assert done.lines == [what for what in ("r", "w", "rw") if set(what) <= set(access)] + [
        "others"
    ]
    assert "/dev/mine: Permission denied" not in done.err
    assert done.err.count("not permitted") == 4 - len(done.lines)
    # By another name it may be given for the rest; the privileged are given all.
    twice = ("--device", "/dev/loop-control:/dev/r:r", "--device", "/dev/loop-control:/dev/w:w")
    assert shell.call(*run, *twice, "box", "sh", "-c", script).lines == ["r", "w", "rw", "others"]
    assert shell.call(*run, "--privileged", "box", "sh", "-c", script).lines[2:3] == ["rw"]


@_ON_ONE
def test_what_a_device_is_given_for_holds_for_all_that_joins(
    shell: CommandLine, by: list[str]
) -> None:
    device = ("--device", "/dev/loop-control:/dev/mine:r")
    shell.must("run", "-d", "--name", "v-box", *by, *device, "-m", "64m", "box", "sleep", "1000")
    for more in ((), ("--privileged",)):
        script = "(: < /dev/mine) && echo r; : > /dev/mine"
        done = shell.call("exec", *more, "v-box", "sh", "-c", script)
        assert done.lines == ["r"] and "not permitted" in done.err
    (given,) = json.loads(shell.must("inspect", "v-box").out)[0]["HostConfig"]["Devices"]
    assert given["CgroupPermissions"] == "r"
    shell.must("rm", "-f", "v-box")


def test_a_device_s_place_is_inside_the_container(shell: CommandLine, tmp_path: Path) -> None:
    place = tmp_path / "outside"
    place.mkdir()
    script = f"ln -s {place} /escape"
    shell.must("run", "--name", "d-box", "box", "sh", "-c", script)
    shell.must("commit", "d-box", "escaping")
    shell.must("rm", "d-box")
    shell.must("run", "--rm", "--device", "/dev/null:/escape/null", "escaping", "true")
    assert list(place.iterdir()) == []
    shell.must("rmi", "escaping")


def test_groups_and_the_oom_score(shell: CommandLine) -> None:
    script = "id -G; cat /proc/self/oom_score_adj"
    flags = ("--group-add", "staff", "--group-add", "4242", "--oom-score-adj", "321")
    shell.must("run", "-d", "--name", "g-box", *flags, "-u", "1000:7", "box", "sleep", "1000")
    groups, score = shell.must("exec", "g-box", "sh", "-c", script).lines
    assert {"7", "4242"} < set(groups.split()) and len(groups.split()) == 3 and score == "321"
    shell.must("rm", "-f", "g-box")
    wrong = shell.fails(125, "run", "--rm", "--group-add", "nobody-has-it", "box", "true")
    assert "unable to find group nobody-has-it: no matching entries in group file" in wrong.err
    assert (
        "range for oom score adj is [-1000, 1000]"
        in shell.fails(125, "run", "--oom-score-adj", "1001", "box", "true").err
    )


def test_the_host_s_name_and_a_domain(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "--uts", "host", "box", "sh", "-c", "hostname; echo $HOSTNAME")
    assert done.lines == [os.uname().nodename] * 2
    script = ("box", "cat", "/proc/sys/kernel/domainname")
    assert shell.must("run", "--rm", "--domainname", "a.b", *script).lines == ["a.b"]
    wrong = shell.fails(125, "run", "--rm", "--uts", "host", "-h", "a", "box", "true")
    assert "conflicting options: hostname and the UTS mode" in wrong.err


def test_ipc_of_the_host_and_none(shell: CommandLine) -> None:
    script = ("box", "sh", "-c", "readlink /proc/self/ns/ipc; ls -d /dev/shm")
    own = os.readlink("/proc/self/ns/ipc")
    assert shell.must("run", "--rm", "--ipc", "host", *script).lines == [own, "/dev/shm"]
    assert shell.must("run", "--rm", *script).lines[0] != own
    done = shell.call("run", "--rm", "--ipc", "none", *script)
    assert done.lines[0] != own and len(done.lines) == 1


@_ON_ONE
def test_among_the_host_s_processes_none_is_left_behind(shell: CommandLine, by: list[str]) -> None:
    script = "echo $$; readlink /proc/self/ns/pid; sleep 4321 & setsid sleep 4321 & exit 6"
    done = shell.call("run", "--rm", *by, "--pid", "host", "box", "sh", "-c", script)
    assert done.code == 6 and int(done.lines[0]) > 1
    assert done.lines[1] == os.readlink("/proc/self/ns/pid")
    assert not _sleepers("4321")
    run = ("run", "-d", "--name", "p-box", *by, "--pid", "host", "box", "sh", "-c")
    shell.must(*run, script[:-6] + "wait")
    _until(lambda: len(_sleepers("4321")) == 2)
    assert shell.must("exec", "p-box", "readlink", "/proc/self/ns/pid").lines == done.lines[1:]
    shell.must("rm", "-f", "p-box")
    assert not _sleepers("4321")


@_ON_ONE
def test_the_life_of_one_among_the_host_s_processes(shell: CommandLine, by: list[str]) -> None:
    script = "trap 'exit 3' TERM; (sleep 4322 &); while :; do sleep 0.05; done"
    shell.must("run", "-d", "--name", "l-box", *by, "--pid", "host", "box", "sh", "-c", script)
    _until(lambda: _sleepers("4322"))
    shell.must("exec", "-d", "l-box", "sh", "-c", "exec sleep 4322")
    _until(lambda: len(_sleepers("4322")) == 2)
    shown = shell.must("top", "l-box", "-o", "pid,args").lines
    assert len([line for line in shown if line.split()[1:] == ["sleep", "4322"]]) == 2
    assert len(shown) < 10  # it is not the host's
    shell.must("pause", "l-box")
    assert "(Paused)" in shell.must("ps").out
    shell.must("unpause", "l-box")
    shell.must("stop", "l-box")
    assert shell.must("inspect", "-f", "{{.State.ExitCode}}", "l-box").out == "3\n"
    assert not _sleepers("4322")
    shell.must("start", "l-box")
    shell.must("kill", "l-box")
    assert shell.must("wait", "l-box").out == "137\n"
    assert not _sleepers("4322")
    shell.must("rm", "l-box")


@_ON_ONE
def test_who_starts_one_among_the_host_s_processes_is_killed(
    shell: CommandLine, by: list[str]
) -> None:
    """Each that is between the command and its own first process."""
    for generations in range(2 if by else 1, -1, -1):
        script = "sleep 4323; true"
        shell.must("run", "-d", "--name", "k-box", *by, "--pid", "host", "box", "sh", "-c", script)
        _until(lambda: _sleepers("4323"))
        pid = shell.must("inspect", "-f", "{{.State.Pid}}", "k-box").out.strip()
        first = Path("/proc", pid)
        for _ in range(generations):
            pid = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        os.kill(int(pid), signal.SIGKILL)
        _until(lambda first=first: not first.exists())
        assert shell.must("wait", "k-box").out == "137\n"
        # Of its supervisor nobody is left who would end the others: then they end with it.
        shell.must("rm", "-f", "k-box")
        assert not _sleepers("4323")


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _sleepers(seconds: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
        except OSError:
            continue
        if seconds.encode() in words and b"sleep" in words:
            found.append(folder.name)
    return found


def test_init_reaps_what_the_command_leaves(shell: CommandLine) -> None:
    script = "(sleep 0.05 &); sleep 0.5; cat /proc/[0-9]*/comm | grep -c sleep; "
    script += "cat /proc/1/comm; exit 7"
    done = shell.call("run", "--rm", "--init", "box", "sh", "-c", script)
    assert (done.code, done.lines) == (7, ["0", "init"])
    # Without it the shell, as the first process, would be there with the number 1.
    done = shell.must("run", "--rm", "--init", "box", "sh", "-c", "echo $$")
    assert done.lines != ["1"]


def test_init_forwards_signals_and_tells_how_it_ended(shell: CommandLine) -> None:
    # A first process does not get signals that it does not handle; here one comes through.
    shell.must("run", "-d", "--init", "--name", "i-box", "box", "sleep", "1000")
    assert json.loads(shell.must("inspect", "i-box").out)[0]["HostConfig"]["Init"] is True
    began = time.monotonic()
    shell.must("stop", "i-box")
    assert time.monotonic() - began < 5
    assert shell.must("wait", "i-box").lines == ["143"]
    shell.must("rm", "i-box")
    assert shell.call("run", "--rm", "--init", "box", "sh", "-c", "kill -9 $$").code == 137
    assert shell.fails(127, "run", "--rm", "--init", "box", "nope").err
    assert shell.fails(126, "run", "--rm", "--init", "box", "/etc").err
    assert processes_below(shell.root) == []


def test_the_stop_signal_and_its_timeout(shell: CommandLine) -> None:
    script = "trap 'echo got; exit 9' USR1; while :; do sleep 0.05; done"
    shell.must(
        "run", "-d", "--name", "s-box", "--stop-signal", "SIGUSR1", "box", "sh", "-c", script
    )
    config = json.loads(shell.must("inspect", "s-box").out)[0]["Config"]
    assert config["StopSignal"] == "SIGUSR1" and "StopTimeout" not in config
    time.sleep(0.3)
    shell.must("stop", "s-box")
    assert shell.must("wait", "s-box").lines == ["9"] and shell.must("logs", "s-box").lines == [
        "got"
    ]
    shell.must("rm", "s-box")

    deaf = "trap '' TERM; while :; do sleep 0.05; done"
    shell.must("run", "-d", "--name", "t-box", "--stop-timeout", "1", "box", "sh", "-c", deaf)
    assert json.loads(shell.must("inspect", "t-box").out)[0]["Config"]["StopTimeout"] == 1
    time.sleep(0.3)
    began = time.monotonic()
    shell.must("restart", "t-box")
    assert 0.9 < time.monotonic() - began < 6
    assert shell.must("inspect", "-f", "{{.State.Running}}", "t-box").lines == ["true"]
    began = time.monotonic()
    shell.must("stop", "t-box")
    assert 0.9 < time.monotonic() - began < 6
    assert shell.must("wait", "t-box").lines == ["137"]
    shell.must("start", "t-box")
    shell.must("stop", "-s", "KILL", "-t", "60", "t-box")
    shell.must("rm", "t-box")
    wrong = shell.fails(125, "run", "--stop-signal", "NOPE", "box", "true")
    assert "invalid signal: NOPE" in wrong.err


def test_more_limits_and_what_this_host_does_not_have(shell: CommandLine) -> None:
    flags = ("--cpu-period", "50000", "--cpu-quota", "25000", "--memory-reservation", "64m")
    shell.must("run", "-d", "--name", "l-box", *flags, "--cpuset-mems", "0", "box", "sleep", "1000")
    host = json.loads(shell.must("inspect", "l-box").out)[0]["HostConfig"]
    assert (host["CpuPeriod"], host["CpuQuota"]) == (50000, 25000)
    assert (host["MemoryReservation"], host["CpusetMems"]) == (64 << 20, "0")
    pid = int(shell.must("inspect", "-f", "{{.State.Pid}}", "l-box").out)
    assert "/fastlayers/" in Path(f"/proc/{pid}/cgroup").read_text()
    shell.must("rm", "-f", "l-box")
    for words, complaint in (
        (("--cpus", "1", "--cpu-quota", "5000"), "Nano CPUs and CPU Quota cannot both be set"),
        (("--cpu-period", "1"), "CPU cfs period can not be less than 1ms"),
        (("--memory-reservation", "1m"), "Minimum memory reservation allowed is 6MB"),
        (("-m", "10m", "--memory-reservation", "20m"), "can not be less than memory reservation"),
        (("--blkio-weight", "5"), "Range of blkio weight is from 10 to 1000"),
        (("--cpuset-mems", "x"), "Invalid value x for cpuset mems"),
    ):
        assert complaint in shell.fails(125, "run", "--rm", *words, "box", "true").err


def test_labels_of_files_and_annotations(shell: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "labels"
    file.write_text("# of a file\na=1\nb\n")
    words = ("--label-file", str(file), "-l", "a=2", "--annotation", "k=v", "--no-healthcheck")
    shell.must("create", "--name", "labelled", *words, "box", "true")
    about = json.loads(shell.must("inspect", "labelled").out)[0]
    assert about["Config"]["Labels"] == {"a": "2", "b": ""}
    assert about["HostConfig"]["Annotations"] == {"k": "v"}
    assert about["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    shell.must("rm", "labelled")
