"""Roots of containers where overlayfs takes its layers in the ways that it used to."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.engine import FORBID

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox", "strace")]

WORDS = ("run", "--rm", "box", "sh", "-c", "rm /etc/group; echo fine")
_CALL = re.compile(r"^(\d+) +fsconfig\((.*)")


class Old(CommandLine):
    """The command where `lowerdir+` is not known."""

    @property
    def environment(self) -> dict[str, str]:
        environment = super().environment
        forbidden = environment.get(FORBID)
        environment[FORBID] = f"{forbidden},overlay-append" if forbidden else "overlay-append"
        return environment


def strace(command: CommandLine, *options: str) -> subprocess.CompletedProcess[str]:
    argv = ["strace", "-f", "-qq", "-e", "trace=fsconfig", *options, *command.argv(*WORDS)]
    return subprocess.run(
        argv, env=command.environment, capture_output=True, text=True, timeout=120, check=False
    )


def number_of_first_lower(log: Path) -> int:
    """Of the fsconfig(2) calls of its thread."""
    counts: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is not None:
            counts[match[1]] += 1
            if '"lowerdir+"' in match[2]:
                return counts[match[1]]
    raise AssertionError(log.read_text(errors="replace"))


@pytest.mark.parametrize("answer", ["EOPNOTSUPP", "EINVAL", "EBADF"])
def test_a_kernel_that_takes_no_descriptors(
    shell: CommandLine, tmp_path: Path, answer: str
) -> None:
    """What Linux before 6.5, 6.7 and 6.13 says to a layer's descriptor."""
    log = tmp_path / "log"
    done = strace(shell, "-o", str(log))
    assert done.stdout == "fine\n", done.stderr
    rule = f"inject=fsconfig:error={answer}:when={number_of_first_lower(log)}"
    done = strace(shell, "-o", "/dev/null", "-e", rule)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def test_a_kernel_that_takes_all_lowers_in_one_option(shell: CommandLine) -> None:
    """Linux before 6.7. The stack is the image's and what is frozen of the container."""
    old = Old(shell.root, shell.backend)
    old.must("run", "--name=first", "box", "sh", "-c", "echo one > /one; rm -f /etc/group")
    old.must("fork", "first", "second")
    old.must("start", "-a", "second")
    old.must("commit", "second", "both")
    done = old.must("run", "--rm", "both", "sh", "-c", "cat /one; ls /etc/group || :")
    assert done.out == "one\n"
    old.must("rm", "first", "second")
