"""What a tree holds: names, kinds, modes, owners, times, links, attributes and contents.

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
from typing import IO, NamedTuple

from .layout import BenchImage


class Row(NamedTuple):
    """One name. Times are whole seconds: not every tar has more."""

    kind: str  # file, dir, symlink, char, block or fifo
    mode: int
    uid: int
    gid: int
    mtime: int
    content: str  # SHA-256 of a file, target of a link, number of a device
    xattrs: str = ""
    same_as: str = ""  # of a hard-linked file: the first of its names


Tree = dict[str, Row]

_BUFFER_BYTES = 1 << 20
# Engines put these into a container: mount points and files of their own.
_PUT_BY_ENGINES = (
    *(".dockerenv", "run/.containerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf"),
    *("etc/mtab", "dev", "proc", "sys", "run/secrets"),
)
# Directories whose time that changes.
_TOUCHED = ("etc", "run")
_XATTR = "SCHILY.xattr."
_KINDS = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def _counts(path: str) -> bool:
    return path != "" and not any(
        path == own or path.startswith(own + "/") for own in _PUT_BY_ENGINES
    )


def _content(body: IO[bytes]) -> str:
    whole = hashlib.sha256()
    while data := body.read(_BUFFER_BYTES):
        whole.update(data)
    return whole.hexdigest()


def _attributes(values: Iterable[tuple[str, bytes]]) -> str:
    """Those that belong to the image; others tell how an engine or the kernel keeps it."""
    counted = (x for x in values if x[0] == "security.capability" or x[0].startswith("user."))
    return " ".join(f"{name}={value.hex()}" for name, value in sorted(counted))


def _member_row(member: tarfile.TarInfo, body: IO[bytes] | None) -> Row:
    kind = _KINDS.get(member.type, "file")
    content = _content(body) if body else member.linkname
    if kind in ("char", "block"):
        content = f"{member.devmajor}:{member.devminor}"
    xattrs = _attributes(
        (name.removeprefix(_XATTR), value.encode("utf-8", "surrogateescape"))
        for name, value in member.pax_headers.items()
        if name.startswith(_XATTR)
    )
    # Old engines write the kind into the mode as well.
    mode = 0 if kind == "symlink" else stat.S_IMODE(member.mode)
    return Row(kind, mode, member.uid, member.gid, int(member.mtime), content, xattrs)


def _with_links(tree: Tree, groups: Iterable[list[str]]) -> Tree:
    """The tree with a note at all names of one file; a single name is no link."""
    for names in groups:
        if len(names) > 1:
            first = min(names)
            for path in names:
                tree[path] = tree[path]._replace(same_as=first)
    return tree


def _linked(tree: Tree) -> Tree:
    """The same for a tree in which the names of one file share their row."""
    names: dict[int, list[str]] = {}
    for path, row in tree.items():
        names.setdefault(id(row), []).append(path)
    return _with_links(tree, list(names.values()))


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
            own[path] = _member_row(member, body)
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
    return _linked(tree)


def of_tar(stream: IO[bytes]) -> Tree:
    """The tree in one tar, say of `docker export`."""
    tree: Tree = {}
    with tarfile.open(fileobj=stream, mode="r|") as members:
        _lay_over(tree, members)
    return _linked(tree)


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
    names: dict[int, list[str]] = {}
    for path, place, status in _walk(os.fspath(root), ""):
        tree[path] = _file_row(place, status)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            names.setdefault(status.st_ino, []).append(path)
    return _with_links(tree, names.values())


def _file_row(place: str, status: os.stat_result) -> Row:
    kind, content, mode = "fifo", "", stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        kind = "dir"
    elif stat.S_ISLNK(status.st_mode):
        kind, mode, content = "symlink", 0, os.readlink(place)
    elif stat.S_ISREG(status.st_mode):
        kind = "file"
        with open(place, "rb") as body:
            content = _content(body)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        kind = "char" if stat.S_ISCHR(status.st_mode) else "block"
        content = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    xattrs = _attributes(
        (name, os.getxattr(place, name, follow_symlinks=False))
        for name in os.listxattr(place, follow_symlinks=False)
    )
    return Row(kind, mode, status.st_uid, status.st_gid, int(status.st_mtime), content, xattrs)


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


def without_folder_times(tree: Tree) -> Tree:
    """For a tool that leaves alone the times of directories that were there before."""
    return {p: row._replace(mtime=0) if row.kind == "dir" else row for p, row in tree.items()}


def part(tree: Tree, prefix: str) -> Tree:
    """What lies below `prefix`, under names that start there."""
    start = prefix.rstrip("/") + "/"
    names: dict[str, list[str]] = {}
    found: Tree = {}
    for path, row in tree.items():
        if path.startswith(start):
            found[path[len(start) :]] = row._replace(same_as="")
            if row.same_as:
                names.setdefault(row.same_as, []).append(path[len(start) :])
    return _with_links(found, names.values())


def difference(expected: Tree, got: Tree) -> str:
    """The first few paths in which two trees differ, for an error message; "" if they do not."""
    paths = sorted(filter(_counts, expected.keys() | got.keys()))
    wrong = [p for p in paths if _compared(p, expected.get(p)) != _compared(p, got.get(p))]
    if not wrong:
        return ""
    shown = "; ".join(f"{p}: {got.get(p)} instead of {expected.get(p)}" for p in wrong[:3])
    return f"{len(wrong)} paths differ: {shown}"


def _compared(path: str, row: Row | None) -> Row | None:
    return row._replace(mtime=0) if row and path in _TOUCHED else row


def reference(image: BenchImage) -> Tree:
    """What every engine must make of an image; kept beside it."""
    kept = image.layout / "tree.json"
    if not kept.exists():
        tree = of_layers(layer.path for layer in image.layers)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(tree))
        partial.rename(kept)
    return {path: Row(*row) for path, row in json.loads(kept.read_text()).items()}
