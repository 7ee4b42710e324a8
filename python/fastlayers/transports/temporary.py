"""Images of archives and OCI layouts, to look inside: their layers are brought into stores that
this process has for itself and removes when it ends. A process that is killed leaves them in
TMPDIR, as fastlayers-*."""

from __future__ import annotations

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

_lock = threading.Lock()
_images: dict[_Key, Image] = {}
_folders: list[tuple[int, str]] = []  # the process that made it, and its path


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
        for process, folder in _folders:
            if process == os.getpid():  # and not its child
                shutil.rmtree(folder, ignore_errors=True)
        _folders.clear()


def _brought(location: Location, platform: Platform | None) -> Image:
    folder = tempfile.mkdtemp(prefix="fastlayers-")
    if not _folders:
        import atexit

        atexit.register(remove_temporary_stores)
    _folders.append((os.getpid(), folder))
    try:
        return bring(Store(folder), location, platform)
    except BaseException:
        _folders.pop()
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _version(location: Location) -> tuple[int, ...]:
    """What changes when another image lies there."""
    path = location.path
    index = os.path.join(path, "index.json")
    try:
        status = os.stat(index if os.path.isdir(path) else path)
    except OSError:
        raise NotFoundError(f"{path}: no such image archive or layout") from None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
