"""Comparing what an engine made with what it should have made."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from .. import tree

_PATIENCE_SECONDS = 5.0


class WrongAnswer(Exception):
    """An engine did something else than it was asked for."""


def check_tree(expected: tree.Tree, got: tree.Tree, what: str) -> None:
    """Raises WrongAnswer, naming the first paths that differ."""
    wrong = tree.difference(expected, got)
    if wrong:
        raise WrongAnswer(f"{what}: {wrong}")


def disk_bytes(folder: Path) -> int:
    """What a folder takes of its disk; other file systems mounted in it do not count."""
    done = subprocess.run(["du", "-sxB1", folder], capture_output=True, text=True)
    return int(done.stdout.split()[0])


def check_disk(folder: Path, limit_bytes: int, what: str) -> None:
    """Raises WrongAnswer if a folder stays larger than that; some daemons tidy up afterwards."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while (used := disk_bytes(folder)) > limit_bytes:
        if time.monotonic() > end:
            raise WrongAnswer(f"{what}: {used} bytes are still on disk")
        time.sleep(0.2)
