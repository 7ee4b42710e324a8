"""What a tree holds: names, kinds, modes, owners, times, links, sizes and contents, as one digest.

The reference is read by Python's tarfile from the layers themselves, with the layer rules of the
OCI image-spec; what an engine made is read from the tar that it exports, or from its directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from .layout import BenchImage

Row = tuple[str, int, int, int, int, str]  # kind, mode, uid, gid, mtime, content or target
Tree = dict[str, Row]

_BUFFER_BYTES = 1 << 20
# Engines put these into a container: mount points and files of their own.
_PUT_BY_ENGINES = (
    *(".dockerenv", "run/.containerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf"),
    *("etc/mtab", "dev", "proc", "sys", "run/secrets"),
)


def _counts(path: str) -> bool:
    return path != "" and not any(
        path == own or path.startswith(own + "/") for own in _PUT_BY_ENGINES
    )


def _content(body: IO[bytes]) -> str:
    whole = hashlib.sha256()
    while data := body.read(_BUFFER_BYTES):
        whole.update(data)
    return whole.hexdigest()


def _member_row(member: tarfile.TarInfo, content: str) -> Row:
    # A directory's time changes with what engines put into it, a link has no mode.
    if member.isdir():
        return ("dir", member.mode, member.uid, member.gid, 0, "")
    if member.issym():
        return ("symlink", 0, member.uid, member.gid, int(member.mtime), member.linkname)
    kind = "file" if member.isreg() else f"special {member.type!r}"
    return (kind, member.mode, member.uid, member.gid, int(member.mtime), content)


def _lay_over(tree: Tree, members: tarfile.TarFile) -> None:
    """Applies one layer: whiteouts act on what is below only, whatever their place."""
    own: Tree = {}
    deleted: list[tuple[str, bool]] = []  # the path, and whether it stays itself
    for member in members:
        path = os.path.normpath("/" + member.name).lstrip("/")
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            deleted.append((folder, True))
        elif name.startswith(".wh."):
            deleted.append((f"{folder}/{name[4:]}".lstrip("/"), False))
        elif member.islnk():
            target = os.path.normpath("/" + member.linkname).lstrip("/")
            own[path] = own[target] if target in own else tree[target]
        else:
            body = members.extractfile(member) if member.isreg() else None
            own[path] = _member_row(member, _content(body) if body else "")
    for path, stays in deleted:
        for victim in [p for p in tree if p.startswith(path + "/") or (p == path and not stays)]:
            del tree[victim]
    for path, row in own.items():
        if path in tree and tree[path][0] == "dir" and row[0] != "dir":
            for victim in [p for p in tree if p.startswith(path + "/")]:
                del tree[victim]
    tree.update(own)


def of_layers(layers: Iterable[Path]) -> Tree:
    """The tree that a stack of layers means, base first."""
    tree: Tree = {}
    for layer in layers:
        with tarfile.open(layer) as members:
            _lay_over(tree, members)
    return tree


def of_tar(stream: IO[bytes]) -> Tree:
    """The tree in one tar, say of `docker export`."""
    tree: Tree = {}
    with tarfile.open(fileobj=stream, mode="r|") as members:
        _lay_over(tree, members)
    return tree


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, str, os.stat_result]]:
    with os.scandir(folder) as found:
        for entry in found:
            path = f"{prefix}{entry.name}"
            status = entry.stat(follow_symlinks=False)
            yield path, entry.path, status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path, path + "/")


def of_directory(root: Path) -> Tree:
    """The tree in a directory."""
    tree: Tree = {}
    for path, place, status in _walk(os.fspath(root), ""):
        kind, content, mtime = "special", "", int(status.st_mtime)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            kind, mtime = "dir", 0
        elif stat.S_ISLNK(status.st_mode):
            kind, mode, content = "symlink", 0, os.readlink(place)
        elif stat.S_ISREG(status.st_mode):
            kind = "file"
            with open(place, "rb") as body:
                content = _content(body)
        tree[path] = (kind, mode, status.st_uid, status.st_gid, mtime, content)
    return tree


def without_whiteouts(tree: Tree) -> Tree:
    """What is meant by the tree of a tool that extracts whiteouts as the files they come as."""
    marks = [path for path in tree if path.rpartition("/")[2].startswith(".wh.")]
    hidden = {f"{folder}{slash}{name[4:]}" for folder, slash, name in map(_split, marks)}
    gone = hidden.union(marks)
    return {
        path: row
        for path, row in tree.items()
        if path not in gone and not any(path.startswith(victim + "/") for victim in hidden)
    }


def _split(path: str) -> tuple[str, str, str]:
    return path.rpartition("/")


def part(tree: Tree, prefix: str) -> Tree:
    """What lies below `prefix`, under names that start there."""
    start = prefix.rstrip("/") + "/"
    return {path[len(start) :]: row for path, row in tree.items() if path.startswith(start)}


def digest(tree: Tree) -> str:
    """One digest for all that counts."""
    whole = hashlib.sha256()
    for path in sorted(filter(_counts, tree)):
        whole.update(repr((path, tree[path])).encode(errors="surrogateescape"))
    return whole.hexdigest()


def difference(expected: Tree, got: Tree) -> str:
    """The first few paths in which two trees differ, for an error message."""
    paths = sorted(filter(_counts, expected.keys() | got.keys()))
    wrong = [path for path in paths if expected.get(path) != got.get(path)]
    shown = "; ".join(f"{p}: {got.get(p)} instead of {expected.get(p)}" for p in wrong[:3])
    return f"{len(wrong)} paths differ: {shown}"


def reference(image: BenchImage) -> Tree:
    """What every engine must make of an image; kept beside it."""
    kept = image.layout / "reference.json"
    if not kept.exists():
        tree = of_layers(layer.path for layer in image.layers)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(tree))
        partial.rename(kept)
    return {path: tuple(row) for path, row in json.loads(kept.read_text()).items()}
