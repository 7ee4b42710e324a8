"""Runs one command of fastlayers in a process that has loaded all it needs for it, and prints what
the work itself took.

    python start.py SMALL_STORE STORE WORD...

What has to be loaded is found by running the command on a store with small images of the same
names first. Prints JSON: seconds, CPU seconds, and the bytes by which the peak of memory grew.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

from fastlayers.cli import main, prepare_process


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _run(small: str, store: str, words: list[str]) -> int:
    report = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    prepare_process()
    code = main(["--root", small, *words])
    before = _peak_bytes()
    start, cpu_start = time.perf_counter(), time.process_time()
    code = code or main(["--root", store, *words])
    figures = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
        "memory_bytes": _peak_bytes() - before,
    }
    os.write(report, json.dumps(figures).encode())
    return code


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1], sys.argv[2], sys.argv[3:]))
