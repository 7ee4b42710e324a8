"""The kernel's overlayfs without the engine: mounting it, and reading its upper as a layer."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator

from tests.tar_members import Member
from tests.tree import read_directory

OPAQUE = (b"trusted.overlay.opaque", b"user.overlay.opaque")


@contextlib.contextmanager
def mounted(lower: str, upper: str, work: str, target: str) -> Iterator[None]:
    """One lower, one upper, with the options that a layer format can express."""
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    options += ",redirect_dir=off,metacopy=off,index=off"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


def upper_members(upper: str) -> list[Member]:
    """An upper directory as a layer, the slow way: whiteouts, opaque marks, links by inode."""
    result: list[Member] = []
    first: dict[frozenset[bytes], bytes] = {}
    for path, facts in sorted(read_directory(upper).items()):
        directory, _, name = path.rpartition(b"/")
        # A socket cannot be in a layer; what it has replaced is gone all the same.
        if facts.type == "socket" or (facts.type == "char" and facts.device == (0, 0)):
            prefix = directory + b"/" if directory else b""
            result.append(Member(prefix + b".wh." + name, "file"))
            continue
        if facts.names in first:
            result.append(Member(path, "hardlink", link=first[facts.names]))
            continue
        if facts.names:
            first[facts.names] = path
        member = Member(path, facts.type, facts.mode, facts.uid, facts.gid, facts.mtime_ns)
        member.link, member.device = facts.link, facts.device
        member.xattrs = {k: v for k, v in facts.xattrs.items() if b"overlay" not in k}
        if facts.type == "file":
            with open(os.path.join(os.fsencode(upper), path), "rb") as file:
                member.content = file.read()
        result.append(member)
        if facts.type == "dir" and any(facts.xattrs.get(key) == b"y" for key in OPAQUE):
            result.append(Member(path + b"/.wh..wh..opq", "file"))
    return result


def is_whiteout(path: str) -> bool:
    """Whether a path in an upper is the kernel's deletion mark."""
    status = os.lstat(path)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
