"""Containers that are limited, paused, restarted, renamed and measured; nothing of it stays."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers.cgroup import Hierarchies
from fastlayers.process import has_only_version_2, own_group, stat_field
from tests.command_line import CommandLine

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture
def box(shell: CommandLine) -> Iterator[CommandLine]:
    """The store; no group of its containers is there afterwards."""
    yield shell
    names = shell.must("ps", "-aq", "--no-trunc").lines
    for name in names:
        shell.must("rm", "-f", name)
    assert [group for name in names for group in Hierarchies().existing(name)] == []


def groups(shell: CommandLine, name: str) -> list[str]:
    return Hierarchies().existing(shell.must("inspect", "-f", "{{.Id}}", name).out.strip())


def test_memory(box: CommandLine) -> None:
    eat = "x=0123456789abcdef; while :; do x=$x$x; done"
    done = box.call("run", "--name", "eater", "-m", "16m", "box", "sh", "-c", eat)
    assert done.code == 137
    state = json.loads(box.must("inspect", "-f", "{{json .State}}", "eater").out)
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
    assert box.must("inspect", "-f", "{{.HostConfig.Memory}}", "eater").out == "16777216\n"
    assert groups(box, "eater") == [], "they go when it has ended"
    assert box.must("run", "--rm", "-m", "64m", "box", "echo", "fits").out == "fits\n"
    assert box.call("run", "--name", "calm", "-m", "64m", "box", "false").code == 1
    assert box.must("inspect", "-f", "{{.State.OOMKilled}}", "calm").out == "false\n"


def test_processes(box: CommandLine) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo made all"
    assert "made all" not in box.call("run", "--rm", "--pids-limit", "4", "box", "sh", "-c",
                                      script).out  # fmt: skip
    assert "made all" in box.must("run", "--rm", "--pids-limit", "40", "box", "sh", "-c",
                                  script).out  # fmt: skip


def test_processors(box: CommandLine) -> None:
    spin = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; cat /proc/self/status"
    done = box.must("run", "--rm", "--cpuset-cpus", "0", "box", "sh", "-c", spin)
    assert "Cpus_allowed_list:\t0\n" in done.out
    name = box.must("run", "-d", "--cpus", "0.2", "box", "sh", "-c", "while :; do :; done")
    rows = box.must("stats", "--no-stream", "--format", "{{.CPUPerc}} {{.PIDs}}", name.out.strip())
    percent, processes = rows.out.split()
    assert 5 < float(percent.removesuffix("%")) < 40
    assert processes == "1"


def test_what_joins_a_container_is_limited_with_it(box: CommandLine) -> None:
    box.must("run", "-d", "--name", "small", "--pids-limit", "3", "box", "sleep", "1000")
    script = "for i in 1 2 3 4 5; do sleep 5 & done; echo made all"
    assert "made all" not in box.call("exec", "small", "sh", "-c", script).out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (["-m", "much"], "invalid size: 'much'"),
        (["--memory-swap", "1g"], "always set the Memory limit"),
        (["--cpus", "0.001"], "Range of CPUs"),
        (["--cpuset-cpus", "99999"], "Requested CPUs are not available"),
    ],
)
def test_limits_that_make_no_sense(box: CommandLine, words: list[str], error: str) -> None:
    assert error in box.fails(125, "run", *words, "box", "true").err
    assert box.must("ps", "-aq").lines == []


def test_pause(box: CommandLine) -> None:
    # Appended to, so that a look at any moment tells: one that is written anew can be seen empty.
    count_up = "while echo >> /count; do :; done"
    box.must("run", "-d", "--name", "counter", "box", "sh", "-c", count_up)
    upper = box.must("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "counter").out.strip()

    def count() -> int:
        return os.stat(os.path.join(upper, "count")).st_size

    deadline = time.monotonic() + 10
    while not os.path.exists(os.path.join(upper, "count")) and time.monotonic() < deadline:
        time.sleep(0.01)
    box.must("pause", "counter")
    before = count()
    time.sleep(0.2)
    assert count() == before
    row = box.must("ps", "--format", "{{.State}} {{.Status}}").out
    assert row.startswith("paused Up") and row.endswith("(Paused)\n")
    assert box.must("ps", "-q", "--filter", "status=paused").lines
    assert box.must("ps", "-q", "--filter", "status=running").lines == []
    state = json.loads(box.must("inspect", "-f", "{{json .State}}", "counter").out)
    assert (state["Status"], state["Paused"], state["Running"]) == ("paused", True, True)
    assert "already paused" in box.fails(1, "pause", "counter").err
    assert "is paused, unpause" in box.fails(1, "exec", "counter", "true").err
    box.must("commit", "counter", "of-paused")
    assert count() == before
    box.must("unpause", "counter")
    deadline = time.monotonic() + 10
    while count() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert count() != before
    assert "is not paused" in box.fails(1, "unpause", "counter").err
    box.must("pause", "counter")
    box.must("stop", "-t", "0", "counter")
    assert "is not running" in box.fails(1, "pause", "counter").err


def test_restart_and_rename(box: CommandLine) -> None:
    box.must("run", "-d", "--name", "first", "box", "sh", "-c", "echo up; exec sleep 1000")
    pid = box.must("inspect", "-f", "{{.State.Pid}}", "first").out
    assert box.must("restart", "-t", "0", "first").out == "first\n"
    assert box.must("inspect", "-f", "{{.State.Pid}}", "first").out != pid
    assert box.must("logs", "first").out == "up\nup\n"
    box.must("run", "-d", "--name", "other", "box", "sleep", "1000")
    assert "already in use" in box.fails(1, "rename", "first", "other").err
    assert "Invalid container name" in box.fails(1, "rename", "first", "/").err
    box.must("rename", "first", "second")
    assert box.must("ps", "--format", "{{.Names}}").lines == ["other", "second"]
    box.fails(1, "inspect", "first")
    box.must("run", "-d", "--name", "first", "box", "sleep", "1000")
    box.must("rm", "-f", "second")
    assert box.must("ps", "--format", "{{.Names}}").lines == ["first", "other"]


def shows_what_joined(shell: CommandLine, name: str, command: str) -> None:
    deadline = time.monotonic() + 10
    while command not in shell.must("top", name).out:
        assert time.monotonic() < deadline, shell.must("top", name).out
        time.sleep(0.05)


def test_what_was_executed_is_paused_as_well(box: CommandLine) -> None:
    box.must("run", "-d", "--name", "host", "box", "sleep", "1000")
    box.must("exec", "-d", "host", "sh", "-c", "while echo >> /count; do :; done")
    upper = box.must("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "host").out.strip()
    deadline = time.monotonic() + 10
    while not os.path.exists(os.path.join(upper, "count")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    box.must("pause", "host")
    before = os.stat(os.path.join(upper, "count")).st_size
    time.sleep(0.2)
    assert os.stat(os.path.join(upper, "count")).st_size == before


def test_top(box: CommandLine) -> None:
    box.must("run", "-d", "--name", "busy", "box", "sh", "-c", "sleep 1234 & sleep 1235; :")
    deadline = time.monotonic() + 10
    while len(lines := box.must("top", "busy").lines) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lines[0].split()[:2] == ["UID", "PID"]
    assert [line.endswith(("sleep 1234", "sleep 1235")) for line in lines[1:]].count(True) == 2
    assert box.must("top", "busy", "-eo", "pid,comm").lines[0].split() == ["PID", "COMMAND"]
    box.must("exec", "-d", "busy", "sleep", "1236")
    shows_what_joined(box, "busy", "sleep 1236")
    assert "PID field" in box.fails(1, "top", "busy", "-eo", "comm").err
    box.must("stop", "-t", "0", "busy")
    assert "is not running" in box.fails(1, "top", "busy").err


@pytest.fixture
def service() -> Iterator[Path]:
    """A control group of version 2 that is called like a service of systemd."""
    root = Path(Hierarchies().unified)
    if not root.name:
        pytest.skip("no cgroups of version 2 are mounted")
    group = root / f"fastlayers-test-{os.getpid()}.service"
    group.mkdir()
    yield group
    deadline = time.monotonic() + 10
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    group.rmdir()


def begin_in(group: Path, box: CommandLine, *words: str) -> str:
    enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *box.argv(*words)]
    done = subprocess.run(enter, env=box.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def group_of(pid: str) -> str:
    return own_group(f"/proc/{pid}/cgroup")


def test_what_runs_in_the_background_does_not_end_with_the_service(
    box: CommandLine, service: Path
) -> None:
    """systemd ends all that is in the group of a service when its first process has ended."""
    name = begin_in(service, box, "run", "-d", "--name=stays", "box", "sleep", "1000")
    begin_in(service, box, "exec", "-d", "stays", "sleep", "1234")
    shows_what_joined(box, "stays", "sleep 1234")
    assert (service / "cgroup.procs").read_text() == ""
    pid = box.must("inspect", "-f", "{{.State.Pid}}", "stays").out.strip()
    assert group_of(pid) == f"/fastlayers/{name}"
    supervisor = stat_field(int(pid), 1).decode()
    assert group_of(supervisor) == "/fastlayers/supervisors"
    box.must("stop", "-t", "0", "stays")
    begin_in(service, box, "start", "stays")
    assert (service / "cgroup.procs").read_text() == ""
    assert box.must("ps", "-q", "--no-trunc").out.strip() == name
    # Who waits for its end stays where the service put him, and so does what he runs.
    done = begin_in(service, box, "run", "--rm", "box", "cat", "/proc/self/cgroup")
    assert has_only_version_2() or f"0::/{service.name}" in done.splitlines()


def test_info_tells_the_version(box: CommandLine) -> None:
    version = "2" if has_only_version_2() else "1"
    assert box.must("info", "-f", "{{.CgroupDriver}} {{.CgroupVersion}}").out == (
        f"cgroupfs {version}\n"
    )
    assert f" Cgroup Version: {version}" in box.must("info").lines


def test_a_container_sees_no_group_but_its_own(box: CommandLine) -> None:
    if not has_only_version_2():
        pytest.skip("this host has control groups of version 1")
    look = "cat /proc/self/cgroup; cd /sys/fs/cgroup; cat memory.max pids.max; ls -d */; :"
    done = box.must("run", "--rm", "-m", "64m", "--pids-limit", "50", "box", "sh", "-c", look)
    assert done.lines == ["0::/", "67108864", "50"]
    box.must("run", "-d", "--name=seen", "-m", "64m", "box", "sleep", "1000")
    assert box.must("exec", "seen", "cat", "/proc/self/cgroup").out == "0::/\n"
    assert box.must("exec", "seen", "cat", "/sys/fs/cgroup/memory.max").out == "67108864\n"
    assert box.must("run", "--rm", "box", "cat", "/proc/self/cgroup").out == "0::/\n"
    refused = box.call("exec", "seen", "sh", "-c", "echo max > /sys/fs/cgroup/memory.max")
    assert "Read-only file system" in refused.err
