"""Every system call of a command that touches the world, as something that can be aimed at.

strace counts them in one run; in another it kills the process, or refuses the call, at the one
asked for. Counts are of each thread for itself, so an instant may lie in several threads, or, where
threads take other turns the next time, in none.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.command_line import CommandLine, Done

# What changes files, names, mounts or processes.
CHANGING = (
    "write", "pwrite64", "copy_file_range", "sendfile", "ftruncate", "fallocate", "openat",
    "mkdir", "mkdirat", "rename", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "unlink", "unlinkat", "rmdir", "mknodat", "fchown", "fchmod", "utimensat", "setxattr",
    "fsetxattr", "fsync", "syncfs", "flock", "mount", "move_mount", "fsmount", "umount2",
    "clone", "clone3", "execve", "exit_group",
)  # fmt: skip
# What a file system may refuse, with what it says then.
REFUSALS = {
    "ENOSPC": ("write", "pwrite64", "copy_file_range", "fallocate", "mkdir", "linkat", "rename",
               "openat", "symlink"),
    "EIO": ("fsync", "syncfs", "write", "pwrite64", "rename", "unlink"),
}  # fmt: skip
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)")
_CREATES = ("O_CREAT", "O_TMPFILE", "O_WRONLY", "O_RDWR")


@dataclass(frozen=True)
class Instant:
    """Before the `number`th call of `call` of a thread."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} #{self.number}"


def instants(command: CommandLine, words: tuple[str, ...], log: Path) -> list[Instant]:
    """Those of one run of a command."""
    _strace(command, words, ["-o", str(log), "-e", f"trace={','.join(CHANGING)}"])
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[Instant, None] = {}
    for line in log.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        process, call, arguments = match.groups()
        counts[process, call] += 1
        # A file that is only read changes nothing.
        if call != "openat" or any(flag in arguments for flag in _CREATES):
            found[Instant(call, counts[process, call])] = None
    return list(found)


def run_killed(command: CommandLine, words: tuple[str, ...], at: Instant) -> Done:
    """Runs a command that is killed at an instant."""
    return _inject(command, words, at, "signal=SIGKILL")


def run_refused(command: CommandLine, words: tuple[str, ...], at: Instant, error: str) -> Done:
    """Runs a command one call of which is refused."""
    return _inject(command, words, at, f"error={error}")


def _inject(command: CommandLine, words: tuple[str, ...], at: Instant, what: str) -> Done:
    rule = f"inject={at.call}:{what}:when={at.number}"
    return _strace(command, words, ["-o", "/dev/null", "-e", f"trace={at.call}", "-e", rule])


def _strace(command: CommandLine, words: tuple[str, ...], options: list[str]) -> Done:
    done = subprocess.run(
        ["strace", "-f", "-qq", *options, *command.argv(*words)],
        env=command.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Done(
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


def spread(found: list[Instant], count: int) -> list[Instant]:
    """At most `count` of them, from the first to the last."""
    if len(found) <= count:
        return found
    return [found[i * (len(found) - 1) // (count - 1)] for i in range(count)]
