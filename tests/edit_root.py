"""Performs edits in a root filesystem as a process inside it would: from within a chroot.

The edits come from hypothesis and follow absolute and climbing symlinks, so they must never run
outside. What the kernel refuses is skipped, as a program would see an error and go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
import traceback
from collections.abc import Callable, Iterable

from tests.strategies import Edit
from tests.tar_members import Member

REFUSED = (
    errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EXDEV,
    errno.ELOOP, errno.EINVAL, errno.EPERM, errno.ENAMETOOLONG, errno.ENODATA, errno.ENXIO,
    errno.EBUSY, errno.ENOTSUP, errno.EFBIG, errno.EADDRINUSE, errno.EACCES,
)  # fmt: skip


def inside(root: str, work: Callable[[], None]) -> None:
    """Runs `work` in a child process whose root is `root`; its exceptions become ours."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read_end)
            os.chroot(root)
            os.chdir("/")
            os.umask(0)
            work()
            status = 0
        except BaseException:
            os.write(write_end, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        message = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"inside the root: {message or status}")


def _regular(path: bytes, flags: int) -> int:
    """Opens a regular file only: a fifo would block, a device is none of ours."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
    return os.open(path, flags | os.O_NONBLOCK, 0o644)


def _write(path: bytes, content: bytes, flags: int) -> None:
    with os.fdopen(_regular(path, os.O_WRONLY | os.O_CREAT | flags), "wb") as file:
        file.write(content)


def _copy(source: bytes, target: bytes) -> None:
    with os.fdopen(_regular(source, os.O_RDONLY), "rb") as file:
        content = file.read()
    _write(target, content, os.O_TRUNC)


def _remove(path: bytes) -> None:
    if stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _recreate(path: bytes, child: bytes) -> None:
    """What makes a kernel mark a directory opaque: away with all of it, and a new one."""
    _remove(path)
    os.mkdir(path, 0o751)
    _write(path + b"/" + child, b"new", 0)


def _socket(path: bytes) -> None:
    if len(path) > 100:
        raise OSError(errno.EINVAL, "longer than a socket's address may be")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(path)


def _perform(edit: Edit) -> None:
    path, value = edit.path, edit.value
    match edit.action:
        case "write":
            _write(path, value, os.O_TRUNC)
        case "append":
            _write(path, value, os.O_APPEND)
        case "truncate":
            os.close(_regular(path, os.O_WRONLY))
            os.truncate(path, value)
        case "symlink":
            os.symlink(value, path)
        case "chmod":
            if not stat.S_ISLNK(os.lstat(path).st_mode):
                os.chmod(path, value)
        case "chown":
            os.chown(path, *value, follow_symlinks=False)
        case "utime":
            os.utime(path, ns=(value, value), follow_symlinks=False)
        case "xattr":
            if not stat.S_ISLNK(os.lstat(path).st_mode):
                os.setxattr(path, b"trusted.edit", value, follow_symlinks=False)
        case "noxattr":
            os.removexattr(path, b"trusted.k", follow_symlinks=False)
        case "device":
            os.mknod(path, 0o640 | stat.S_IFCHR, os.makedev(*value))
        case "recreate":
            _recreate(path, value)
        case "mkdir":
            os.mkdir(path, 0o755)
        case "unlink":
            os.unlink(path)
        case "rmtree":
            _remove(path)
        case "touch":
            os.utime(path)
        case "fifo":
            os.mkfifo(path)
        case "socket":
            _socket(path)
        case "rename":
            os.rename(path, edit.other)
        case "link":
            os.link(path, edit.other, follow_symlinks=False)
        case "copy":
            _copy(path, edit.other)
        case _:
            raise ValueError(edit.action)


def perform(root: str, edits: Iterable[Edit]) -> None:
    """Performs the edits in order, each as far as the kernel allows."""

    def work() -> None:
        for edit in edits:
            try:
                _perform(edit)
            except OSError as error:
                if error.errno not in REFUSED:
                    raise
            except shutil.Error:
                pass

    inside(root, work)


def _make(member: Member) -> None:
    path = b"/" + member.path
    if member.type == "hardlink":
        os.link(b"/" + member.link, path, follow_symlinks=False)
        return
    if member.type == "dir":
        os.mkdir(path)
    elif member.type == "symlink":
        os.symlink(member.link, path)
    elif member.type == "file":
        _write(path, member.content, os.O_EXCL)
    else:
        kinds = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK}
        os.mknod(path, kinds[member.type], os.makedev(*member.device))
    os.chown(path, member.uid, member.gid, follow_symlinks=False)
    for name, value in member.xattrs.items():
        if not name.startswith((b"trusted.overlay.", b"user.overlay.", b"user.fuseoverlayfs.")):
            os.setxattr(path, name, value, follow_symlinks=False)
    if member.type != "symlink":
        os.chmod(path, member.mode)


def build(root: str, members: list[Member]) -> None:
    """Makes a plain tree (strategies.plain_trees) with ordinary system calls."""

    def work() -> None:
        for member in members:
            _make(member)
        for member in reversed(members):
            if member.type != "hardlink":
                os.utime(b"/" + member.path, ns=(member.mtime_ns,) * 2, follow_symlinks=False)

    inside(root, work)
