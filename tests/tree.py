"""What a root filesystem looks like: one Facts per path, and how two such trees differ.

Every suite compares through this file: the oracle produces a tree, a mounted directory is read
into one, and `differences` names each field that is not the same.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

# The kernel adds these on its own or keeps them per host; no layer determines them.
HOST_XATTRS = (b"security.selinux", b"security.ima", b"security.evm", b"system.posix_acl")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that can be asked about one path without following it."""

    type: str  # file dir symlink char block fifo socket
    mode: int = 0o755  # permission bits, 07777; of a symlink always 0777
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0  # bytes of a file
    sha256: str = ""  # of a file's contents
    link: bytes = b""  # target of a symlink
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)
    nlink: int = 1  # names within the tree; 1 for directories
    names: frozenset[bytes] = frozenset()  # paths of the same inode, if it has several
    implied: bool = False  # a directory without an entry: owner, times and so on are defaults


Tree = dict[bytes, Facts]  # paths relative to the root, without it, b"/"-separated

_TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
    stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
}  # fmt: skip


def _walk(directory_fd: int, prefix: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """(path, descriptor of its directory, name) of everything below; no PATH_MAX applies."""
    for name in sorted(os.fsencode(text) for text in os.listdir(directory_fd)):
        path = prefix + name
        yield path, directory_fd, name
        if stat.S_ISDIR(os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            below = os.open(name, flags, dir_fd=directory_fd)
            try:
                yield from _walk(below, path + b"/")
            finally:
                os.close(below)


def _content_hash(directory_fd: int, name: bytes) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory_fd)
    with open(descriptor, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _xattrs(directory_fd: int, name: bytes) -> dict[bytes, bytes]:
    path = b"/proc/self/fd/%d/%s" % (directory_fd, name)
    found = {}
    for text in os.listxattr(path, follow_symlinks=False):
        key = os.fsencode(text)
        if key.startswith(HOST_XATTRS):
            continue
        try:
            found[key] = os.getxattr(path, key, follow_symlinks=False)
        except OSError:
            found[key] = b"listed, but cannot be read"
    return found


def read_directory(root: str) -> Tree:
    """Reads a directory tree (of a mounted image, say); links are grouped by inode."""
    found: list[tuple[bytes, Facts, tuple[int, int]]] = []
    names: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for path, parent, name in _walk(top, b""):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            kind = _TYPES[stat.S_IFMT(status.st_mode)]
            is_file, is_link, is_device = (
                kind == "file",
                kind == "symlink",
                kind in ("char", "block"),
            )
            facts = Facts(
                type=kind,
                mode=0o777 if is_link else stat.S_IMODE(status.st_mode),
                uid=status.st_uid,
                gid=status.st_gid,
                mtime_ns=status.st_mtime_ns,
                size=status.st_size if is_file else 0,
                sha256=_content_hash(parent, name) if is_file else "",
                link=os.readlink(name, dir_fd=parent) if is_link else b"",
                device=(os.major(status.st_rdev), os.minor(status.st_rdev))
                if is_device
                else (0, 0),
                xattrs=_xattrs(parent, name),
                nlink=1 if kind == "dir" else status.st_nlink,
            )
            inode = (status.st_dev, status.st_ino)
            if kind != "dir":
                names[inode].add(path)
            found.append((path, facts, inode))
    finally:
        os.close(top)
    return {path: with_names(facts, names.get(inode, set())) for path, facts, inode in found}


def with_names(facts: Facts, names: Iterable[bytes]) -> Facts:
    """The same facts, knowing the other names of the inode."""
    names = frozenset(names)
    if len(names) < 2:
        return facts
    return replace(facts, names=names)


def counted_links(tree: Tree) -> Tree:
    """The tree with `nlink` counted from the names in it, as if no other name existed."""
    return {path: replace(facts, nlink=len(facts.names) or 1) for path, facts in tree.items()}


def differences(
    expected: Tree, actual: Tree, *, ignore: Iterable[str] = (), dir_mtime: bool = True
) -> list[str]:
    """One line per path or field that differs; nothing means equal.

    `ignore` names fields of Facts to leave out. Times of implied directories never count.
    """
    lines = [f"{path!r}: missing" for path in sorted(expected.keys() - actual.keys())]
    lines += [f"{path!r}: should not be there" for path in sorted(actual.keys() - expected.keys())]
    skipped = {"implied", *ignore}
    for path in sorted(expected.keys() & actual.keys()):
        want, have = expected[path], actual[path]
        for key in want.__slots__:
            if key in skipped or getattr(want, key) == getattr(have, key):
                continue
            is_dir = want.type == "dir" == have.type
            if key == "mtime_ns" and is_dir and (want.implied or have.implied or not dir_mtime):
                continue
            lines.append(f"{path!r}: {key} is {getattr(have, key)!r}, not {getattr(want, key)!r}")
    return lines
