"""Running a command and saying what it cost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Of one command, its children included."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int  # largest resident set of any one process
    output: bytes


def run(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Cost:
    """Runs `argv`; a failure is an error that shows what it printed."""
    start = time.perf_counter()
    with subprocess.Popen(
        [os.fspath(arg) for arg in argv],
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        raise RuntimeError(f"{argv!r} failed: {output.decode(errors='replace')}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)
