"""Removing directory trees that a container wrote: hostile names, modes and depths.

Nothing is followed and no path grows: directories are moved up to the top before they are
emptied, so a tree of any depth needs two descriptors. What others remove meanwhile is fine.
"""

from __future__ import annotations

import errno
import os

from fastlayers.host import host_error, unlink

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Removes a directory and all below it; one that is not there is fine."""
    try:
        top = _open(path, None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise host_error("cannot remove", error) from None
    try:
        while names := _unlink_files(top):
            for name in names:
                _remove_directory(top, name)
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise host_error(f"cannot remove {path}", error) from None
    finally:
        os.close(top)


def _open(path: str, parent: int | None) -> int:
    try:
        descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        # Its owner may have taken away its own rights (mode 0000).
        os.chmod(path, 0o700, dir_fd=parent)
        descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    mode = os.fstat(descriptor).st_mode
    if mode & 0o700 != 0o700 and os.geteuid() != 0:
        os.fchmod(descriptor, 0o700)
    return descriptor


def _unlink_files(directory: int) -> list[str]:
    """Removes everything but directories; returns their names."""
    directories = []
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if is_directory:
            directories.append(name)
            continue
        unlink(name, directory)
    return directories


def _remove_directory(top: int, name: str) -> None:
    """Moves the directories in `name` up to the top, then removes it, which is empty by then."""
    try:
        directory = _open(name, top)
    except FileNotFoundError:
        return
    try:
        if os.fstat(directory).st_dev != os.fstat(top).st_dev:
            raise OSError(errno.EBUSY, f"something is mounted on {name}")
        for child in _unlink_files(directory):
            unique = f".{os.urandom(12).hex()}"
            try:
                os.rename(child, unique, src_dir_fd=directory, dst_dir_fd=top)
            except FileNotFoundError:
                continue
            except PermissionError:
                # A directory that moves gets a new "..": it must be writable itself.
                os.chmod(child, 0o700, dir_fd=directory)
                os.rename(child, unique, src_dir_fd=directory, dst_dir_fd=top)
    finally:
        os.close(directory)
    try:
        os.rmdir(name, dir_fd=top)
    except FileNotFoundError:
        return
