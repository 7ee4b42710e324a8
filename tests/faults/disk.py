"""A disk whose power can be cut: a file system in a file that lies on XFS, which copies files in
one step. The copy is the disk at that instant, without what the kernel had not written yet."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = ("ext4", "xfs", "btrfs")
_MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
}
_HOLDER_BYTES = 16 << 30  # holes, but for what is written
_DISK_BYTES = 1 << 30
_PATIENCE_SECONDS = 20.0


@dataclass
class Disk:
    """A disk of a kind of file system."""

    kind: str
    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "held" / "disk"

    @contextlib.contextmanager
    def in_use(self) -> Iterator[Path]:
        """Where it is mounted while it is worked on."""
        place = self.folder / "mounted"
        with _mounted(self._file, place, "loop"):
            yield place

    def cut(self, name: str) -> Path:
        """The disk as it is at this instant."""
        copy = self.folder / "held" / name
        subprocess.run(["cp", "--reflink=always", self._file, copy], check=True)
        return copy

    @contextlib.contextmanager
    def after(self, cut: Path) -> Iterator[Path]:
        """That disk after the power came back: mounted, its journal played. Not while the disk is
        in use: file systems know one another by a name that both have."""
        place = self.folder / "after"
        with _mounted(cut, place, "loop"):
            yield place
        cut.unlink()


@contextlib.contextmanager
def disk(kind: str, folder: Path) -> Iterator[Disk]:
    """A new disk; nothing is mounted yet."""
    holder, held = folder / "holder", folder / "held"
    _make("xfs", holder, _HOLDER_BYTES)
    with _mounted(holder, held, "loop"):
        _make(kind, held / "disk", _DISK_BYTES)
        yield Disk(kind, folder)


def _make(kind: str, file: Path, size: int) -> None:
    with file.open("wb") as opened:
        opened.truncate(size)
    subprocess.run([*_MAKE[kind], file], check=True)


@contextlib.contextmanager
def _mounted(file: Path, place: Path, options: str) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    _patiently("mount", "-o", options, file, place)
    try:
        yield
    finally:
        _patiently("umount", place)


def _patiently(*command: str | Path) -> None:
    """A file system that is unmounted lets go of its file, and of its name, a little later."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while subprocess.run(command, capture_output=True).returncode != 0:
        if time.monotonic() > deadline:
            subprocess.run(command, check=True)
        time.sleep(0.1)
