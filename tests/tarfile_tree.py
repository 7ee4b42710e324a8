"""The tree in an open `tarfile`: another independent reader, for plain archives."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections import defaultdict
from decimal import Decimal

from tests.tree import Facts, Tree, with_names

_TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo",
}  # fmt: skip
_CONTROL = ("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.")
_XATTR = "SCHILY.xattr."


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _facts(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Facts:
    kind = _TYPES[member.type]
    body = archive.extractfile(member) if kind == "file" else None
    content = body.read() if body else b""
    # tarfile's own mtime is a float; the record is exact.
    mtime = Decimal(member.pax_headers.get("mtime", member.mtime))
    xattrs = {
        key[len(_XATTR) :]: value
        for key, value in member.pax_headers.items()
        if key.startswith(_XATTR) and not key[len(_XATTR) :].startswith(_CONTROL)
    }
    return Facts(
        type=kind,
        mode=0o777 if kind == "symlink" else member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        mtime_ns=int(mtime * 10**9),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest() if kind == "file" else "",
        link=_bytes(member.linkname) if kind == "symlink" else b"",
        device=(member.devmajor, member.devminor) if kind in ("char", "block") else (0, 0),
        xattrs={_bytes(key): _bytes(value) for key, value in xattrs.items()},
    )


def tree_of_tarfile(archive: tarfile.TarFile) -> Tree:
    """Every member, hard links joined with their targets; control xattrs of overlays left out."""
    found: dict[bytes, Facts] = {}
    first: dict[bytes, bytes] = {}  # name -> the name that holds the body
    names: dict[bytes, set[bytes]] = defaultdict(set)
    for member in archive:
        path = os.path.normpath(_bytes(member.name)).lstrip(b"/")
        if member.islnk():
            first[path] = first[os.path.normpath(_bytes(member.linkname)).lstrip(b"/")]
        else:
            first[path] = path
            found[path] = _facts(archive, member)
        names[first[path]].add(path)
    tree: Tree = {}
    for path, body in first.items():
        facts = found[body]
        tree[path] = with_names(_counted(facts, len(names[body])), names[body])
    return tree


def _counted(facts: Facts, count: int) -> Facts:
    from dataclasses import replace

    return replace(facts, nlink=count)
