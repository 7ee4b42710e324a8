"""What a run has left behind in its folder: processes and mounts. Ended, undone and named."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_PATIENCE_SECONDS = 5.0


def end_leftovers(place: Path) -> list[str]:
    """Ends the processes whose command names the folder, unmounts what is mounted in it, and says
    what that was. The folder has to be one of this session's own."""
    return [*_end_processes(place), *_unmount(place)]


def _end_processes(place: Path) -> list[str]:
    found = _processes(place)
    for pid in found:
        _kill(pid)
    end = time.monotonic() + _PATIENCE_SECONDS
    while _processes(place) and time.monotonic() < end:
        time.sleep(0.05)
    return [f"process {command}" for command in found.values()]


def _processes(place: Path) -> dict[int, str]:
    mark = os.fsencode(place) + b"/"
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if mark in command:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _unmount(place: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [line.split()[4] for line in lines]
    found = [target for target in reversed(targets) if target.startswith(f"{place}/")]
    for target in found:
        subprocess.run(["umount", "-l", target], check=True)
    return [f"mount {target}" for target in found]
