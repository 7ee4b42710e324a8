"""Where a store lies during one run: an empty folder on the kind of file system asked for.

tmpfs      a folder on a RAM disk
ext4       a freshly made ext4
used-ext4  the same without a journal, on which many files were created and removed just before.
           Only without a journal does the kernel pass over every inode that was freed a short while
           ago, one by one, for each file it creates.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = ("tmpfs", "ext4", "used-ext4")
PREFIX = "fastlayers-bench-"
_EXT4_BYTES = 16 << 30
_USED_FILES = 200_000
_TOUCHED_BYTES = 6 << 30  # as much as a contestant takes; of a small machine's memory, a part
_ZEROS = bytes(1 << 20)


def file_system_of(folder: Path) -> str:
    """The kind of file system a folder is on: tmpfs, ext4, ..."""
    done = subprocess.run(
        ["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def fresh(place: str, folder: Path) -> Iterator[Path]:
    """An empty folder in `folder`, or on a new ext4 in a file there; gone at the end. SystemExit if
    that cannot be what `place` says."""
    if place == "tmpfs" and file_system_of(folder) != "tmpfs":
        raise SystemExit(f"bench: {folder} is not on a RAM disk: name one with --work")
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as name:
        if place == "tmpfs":
            _touch_memory(Path(name))
            yield Path(name)
            return
        features = ["-O", "^has_journal"] if place == "used-ext4" else []
        with _mounted_ext4(Path(name), features) as mounted:
            if place == "used-ext4":
                _use(mounted)
            os.sync()
            yield mounted


def _touch_memory(folder: Path) -> None:
    """A virtual machine fetches memory from its host when it is first written, four times slower
    than it writes it again: no contestant is to be the one that pays for the others."""
    file = folder / "touch"
    touched = min(_TOUCHED_BYTES, shutil.disk_usage(folder).free // 2)
    with file.open("wb", buffering=0) as written:
        for _ in range(touched // len(_ZEROS)):
            written.write(_ZEROS)
    file.unlink()


@contextmanager
def _mounted_ext4(folder: Path, features: list[str]) -> Iterator[Path]:
    disk, mounted = folder / "disk", folder / "mounted"
    with disk.open("wb") as file:
        file.truncate(_EXT4_BYTES)
    # The kernel would go on writing inode tables while things are measured.
    options = "lazy_itable_init=0,lazy_journal_init=0"
    subprocess.run(["mkfs.ext4", "-q", "-E", options, *features, disk], check=True)
    mounted.mkdir()
    subprocess.run(["mount", "-o", "loop", disk, mounted], check=True)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


def _use(mounted: Path) -> None:
    """Leaves the file system as one that had many files created and removed on it."""
    for number in range(_USED_FILES):
        if number % 1000 == 0:
            (mounted / str(number // 1000)).mkdir()
        (mounted / str(number // 1000) / str(number)).touch()
    for folder in list(mounted.iterdir()):
        if folder.name != "lost+found":
            subprocess.run(["rm", "-r", folder], check=True)
