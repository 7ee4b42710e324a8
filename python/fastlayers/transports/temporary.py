"""Images of archives and OCI layouts, to look inside: their layers are brought into stores that
this process has for itself and removes when it ends. What a process that was killed has left in
TMPDIR, the next one removes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from typing import TYPE_CHECKING

from fastlayers.errors import NotFoundError, UnsupportedError
from fastlayers.store import Store

from .carry import bring
from .location import Location

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.platform import Platform

    _Key = tuple[Location, str, tuple[int, ...]]

_PREFIX = "fastlayers-look-"
_lock = threading.Lock()
_images: dict[_Key, Image] = {}
# The process that made it, the descriptor that says that it is in use, and its path.
_folders: list[tuple[int, int, str]] = []


def image_at(location: Location, platform: Platform | None) -> Image:
    """The image at a place that is not in a store; the same one as long as the file is."""
    if location.transport == "docker":
        raise UnsupportedError(f"{location} is not looked into where it is: pull it")
    key = (location, str(platform), _version(location))
    with _lock:
        if key not in _images:
            _images[key] = _brought(location, platform)
        return _images[key]


def remove_temporary_stores() -> None:
    """Removes what this process has of them. Without it they go when the process exits."""
    with _lock:
        _images.clear()
        while _folders:
            _remove_last()


def _brought(location: Location, platform: Platform | None) -> Image:
    _remove_abandoned()
    descriptor, folder = _new_folder()
    if not _folders:
        import atexit

        atexit.register(remove_temporary_stores)
    _folders.append((os.getpid(), descriptor, folder))
    try:
        return bring(Store(folder), location, platform)
    except BaseException:
        _remove_last()
        raise


def _remove_last() -> None:
    process, descriptor, folder = _folders.pop()
    if process == os.getpid():  # and not its child
        shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)


def _new_folder() -> tuple[int, str]:
    """A folder in TMPDIR, and a descriptor with a lock on it: nobody removes it as long as that is
    open."""
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # no locks here: then it is not taken for abandoned
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.exists(folder):  # and was not taken for abandoned before it had the lock
                return descriptor, folder
            os.close(descriptor)


def _remove_abandoned() -> None:
    """Removes the folders of this user that no process has a lock on."""
    place = tempfile.gettempdir()
    for name in os.listdir(place):
        if not name.startswith(_PREFIX):
            continue
        path = os.path.join(place, name)
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _version(location: Location) -> tuple[int, ...]:
    """What changes when another image lies there."""
    path = location.path
    index = os.path.join(path, "index.json")
    try:
        status = os.stat(index if os.path.isdir(path) else path)
    except OSError:
        raise NotFoundError(f"{path}: no such image archive or layout") from None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
