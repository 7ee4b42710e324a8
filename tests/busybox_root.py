"""A root filesystem of a few megabytes, made of Debian's busybox-static: no network, no wait."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests import tar_write
from tests.tar_members import Member

MTIME = 1_700_000_000 * 10**9
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nmaria:x:1000:1000::/home/maria:/bin/sh\n"
GROUP = b"root:x:0:\nmaria:x:1000:\nstaff:x:50:maria\n"


def members() -> list[Member]:
    """The layer: busybox, its applets as links, and the few files that programs look for."""
    program = shutil.which("busybox")
    assert program, "busybox-static is not installed"
    content = Path(os.path.realpath(program)).read_bytes()
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)

    def directory(path: bytes, mode: int = 0o755) -> Member:
        return Member(path, "dir", mode, mtime_ns=MTIME)

    result = [directory(path) for path in (b"bin", b"etc", b"root", b"home", b"usr", b"usr/bin")]
    result += [directory(b"tmp", 0o1777)]
    result.append(Member(b"home/maria", "dir", 0o750, 1000, 1000, MTIME))
    result.append(Member(b"bin/busybox", "file", 0o755, mtime_ns=MTIME, content=content))
    for name in sorted(applets.stdout.split()):
        if name != "busybox":
            link = Member(b"bin/" + name.encode(), "symlink", 0o777, mtime_ns=MTIME)
            link.link = b"busybox"
            result.append(link)
    for path, text in ((b"etc/passwd", PASSWD), (b"etc/group", GROUP), (b"etc/plain", b"text\n")):
        result.append(Member(path, "file", 0o644, mtime_ns=MTIME, content=text))
    return result


def tar() -> bytes:
    """The layer as a tar."""
    return tar_write.plain(members())
