"""Containers side by side, and what is left when their parents die: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.command_line import CommandLine, processes_below, store_mounts
from tests.tree import read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


def _until(condition, seconds: float = 15) -> bool:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def _image_tree(shell: CommandLine, tmp_path: Path) -> object:
    target = tmp_path / "image"
    target.mkdir(exist_ok=True)
    shell.must("mount", "box", str(target))
    try:
        return read_directory(str(target))
    finally:
        shell.must("umount", str(target))


def test_none_sees_the_changes_of_another(shell: CommandLine, tmp_path: Path) -> None:
    before = _image_tree(shell, tmp_path)
    script = (
        "echo $NAME > /mine; echo $NAME >> /etc/plain; rm /etc/group; sleep 1;"
        " cat /mine; tail -n1 /etc/plain; ls /etc | grep -c group; ls / | tr '\\n' ' '"
    )
    running = {}
    for name in ("one", "two", "three", "four"):
        words = ["run", "--rm", "-e", f"NAME={name}", "box", "sh", "-c", script]
        running[name] = shell.start(*words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    for name, process in running.items():
        out, _ = process.communicate(timeout=60)
        lines = out.decode().splitlines()
        assert lines[:3] == [name, name, "0"]
        assert lines[3].split().count("mine") == 1
    assert _image_tree(shell, tmp_path) == before


def test_mounts_are_never_in_the_namespace_of_the_caller(shell: CommandLine) -> None:
    shell.must("run", "-d", "--name=quiet", "box", "sleep", "60")
    try:
        assert store_mounts(shell.root) == []
    finally:
        shell.must("rm", "-f", "quiet")


def test_a_killed_parent_leaves_nothing(shell: CommandLine) -> None:
    parent = shell.start("run", "--name=orphan", "box", "sleep", "300", stdin=subprocess.DEVNULL)
    try:
        assert _until(lambda: "Up" in shell.call("ps").out), "it does not run"
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(30)
        assert _until(lambda: not processes_below(shell.root)), processes_below(shell.root)
        assert store_mounts(shell.root) == []
        status = shell.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "orphan").out
        assert status.strip() == "exited 137"
        shell.must("start", "orphan")  # nothing has to be repaired
    finally:
        parent.kill()
        parent.wait()
        shell.must("rm", "-f", "orphan")
    assert _until(lambda: not processes_below(shell.root))


@pytest.mark.parametrize("words", [("run", "--rm"), ("run", "-d", "--rm")])
def test_one_that_was_to_remove_itself_is_removed_by_the_next_who_looks(
    shell: CommandLine, words: tuple[str, ...]
) -> None:
    words = (*words, "-v", "/volume", "--name=orphan", "box", "sleep", "300")
    parent = shell.start(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert _until(lambda: "orphan" in shell.call("ps").out), "it does not run"
    pid = shell.must("inspect", "-f", "{{.State.Pid}}", "orphan").out.strip()
    status = Path(f"/proc/{pid}/status").read_text()
    os.kill(int(status.partition("\nPPid:\t")[2].split("\n")[0]), signal.SIGKILL)
    parent.wait(30)
    assert _until(lambda: "Up" not in shell.call("ps").out)
    assert "orphan" not in shell.must("ps", "-a").out
    assert shell.must("volume", "ls", "-q").out == ""
    assert "No such container" in shell.fails(1, "rm", "orphan").err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_passed_on(shell: CommandLine, how: signal.Signals) -> None:
    script = f"trap 'exit 9' {how.name[3:]}; echo ready; while :; do sleep 0.1; done"
    parent = shell.start("run", "--rm", "box", "sh", "-c", script, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
        os.kill(parent.pid, how)
        assert parent.wait(30) == 9
    finally:
        parent.kill()
        parent.wait()


def test_a_detached_container_outlives_its_command(shell: CommandLine) -> None:
    name = shell.must("run", "-d", "box", "sh", "-c", "echo started; sleep 1; exit 7").out.strip()
    assert len(name) == 64
    assert shell.must("wait", name).out.strip() == "7"
    assert shell.must("logs", name).out == "started\n"
    shell.must("rm", name)
    assert _until(lambda: not processes_below(shell.root))


def test_stop_gives_the_program_its_time(shell: CommandLine) -> None:
    script = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done"
    shell.must("run", "-d", "--name=polite", "box", "sh", "-c", script)
    assert _until(lambda: "Up" in shell.call("ps").out)
    time.sleep(0.3)
    shell.must("stop", "polite")
    assert shell.must("inspect", "-f", "{{.State.ExitCode}}", "polite").out.strip() == "3"
    assert shell.must("logs", "polite").out == "bye\n"
    shell.must("rm", "polite")


def test_rm_needs_force_while_it_runs(shell: CommandLine) -> None:
    shell.must("run", "-d", "--name=busy", "box", "sleep", "60")
    assert "busy" in shell.fails(1, "rm", "busy").err
    assert shell.must("rm", "-f", "busy").out.strip() == "busy"
    assert shell.must("ps", "-aq").lines == []


def test_many_at_once_all_get_their_own_name(shell: CommandLine) -> None:
    started = [
        shell.start("run", "-d", "box", "true", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for _ in range(10)
    ]
    names = [process.communicate(timeout=60)[0].decode().strip() for process in started]
    assert len(set(names)) == 10 and all(len(name) == 64 for name in names)
    for name in names:
        assert shell.must("wait", name).out.strip() == "0"
    shell.must("rm", *names)
