"""One digest for a whole tree: names, kinds, modes, owners, times, links and contents."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path

from .images import BenchImage

_Row = tuple[str, str, int, int, int, int, str]


def _digest(rows: Iterable[_Row]) -> str:
    whole = hashlib.sha256()
    for row in sorted(rows):
        whole.update(repr(row).encode())
    return whole.hexdigest()


def of_directory(root: Path) -> str:
    """The digest of what lies under `root` (the root's own attributes do not count)."""
    rows: list[_Row] = []
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = ""
            kind = "file"
            if stat.S_ISLNK(status.st_mode):
                kind, content = "link", os.readlink(path)
            elif stat.S_ISDIR(status.st_mode):
                kind = "dir"
            else:
                with open(path, "rb") as body:
                    content = hashlib.file_digest(body, "sha256").hexdigest()
            mode = 0 if kind == "link" else stat.S_IMODE(status.st_mode)
            mtime = 0 if kind == "dir" and name in _IMPLIED else int(status.st_mtime)
            rows.append(
                (
                    os.path.relpath(path, root),
                    kind,
                    mode,
                    status.st_uid,
                    status.st_gid,
                    mtime,
                    content,
                )
            )
    return _digest(rows)


# Directories that no layer has an entry for: engines choose their time.
_IMPLIED = {"srv", "node_modules"}


def of_image(image: BenchImage) -> str:
    """What every contestant must produce, read by Python's tarfile."""
    rows: dict[str, _Row] = {}
    for blob in image.layers:
        with tarfile.open(blob, "r:gz") as tar:
            for member in tar:
                for parent in reversed(Path(member.name).parents[:-1]):
                    rows.setdefault(str(parent), (str(parent), "dir", 0o755, 0, 0, 0, ""))
                kind, content = "file", ""
                if member.isdir():
                    kind = "dir"
                elif member.issym():
                    kind, content = "link", member.linkname
                else:
                    body = tar.extractfile(member)
                    assert body is not None
                    content = hashlib.sha256(body.read()).hexdigest()
                mode = 0 if kind == "link" else member.mode
                rows[member.name] = (
                    member.name,
                    kind,
                    mode,
                    member.uid,
                    member.gid,
                    int(member.mtime),
                    content,
                )
    return _digest(rows.values())
