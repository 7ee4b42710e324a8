"""Running a command and saying what it cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# A process of its own starts the command: a child counts the memory of its parent as its own.
_STARTER = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
cpu = usage.ru_utime + usage.ru_stime
code = os.waitstatus_to_exitcode(status)
os.write(int(sys.argv[1]), f"{code} {seconds} {cpu} {usage.ru_maxrss}".encode())
"""


@dataclass(frozen=True)
class Cost:
    """Of one command, its children included."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int  # largest resident set of any one process
    output: bytes
    disk_bytes: int = 0  # what it has left on disk, where that is asked


def run(argv: Sequence[str | Path]) -> Cost:
    """Runs `argv`; a failure is an error that shows what it printed."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as report:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _STARTER, str(writer), *map(str, argv)],
            pass_fds=(writer,),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        os.close(writer)
        words = report.read().split()
    if not words or int(words[0]) != 0:
        raise RuntimeError(f"{argv!r} failed: {done.stdout.decode(errors='replace')}")
    seconds, cpu_seconds, peak_kilobytes = float(words[1]), float(words[2]), int(words[3])
    return Cost(seconds, cpu_seconds, peak_kilobytes * 1024, done.stdout)


def total(costs: Iterable[Cost]) -> Cost:
    """Of commands that ran one after the other; the output is the last one's."""
    every = list(costs)
    return Cost(
        sum(cost.seconds for cost in every),
        sum(cost.cpu_seconds for cost in every),
        max(cost.peak_bytes for cost in every),
        every[-1].output,
    )
