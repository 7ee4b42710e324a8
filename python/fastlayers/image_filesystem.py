"""fsspec's view of images: fastlayers://IMAGE/PATH, read-only.

fsspec finds this by its entry point; nothing else imports it.

    with fsspec.open("fastlayers://debian:bookworm/etc/os-release") as file: ...
    with fsspec.open("fastlayers://docker-archive:/srv/app.tar/etc/os-release") as file: ...
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from fastlayers import transports
from fastlayers.errors import FastlayersError, InvalidError, NotFoundError
from fastlayers.image_path import ImagePath
from fastlayers.store import Store

if TYPE_CHECKING:
    from fastlayers.image import Image

_FILES = ("docker-archive", "oci", "oci-archive")
_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


class ImageFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The images of the store at `root` (None: the default one) as directories, and so what
    Image.at can be told: an archive or a layout folder, with the image's name where it has several
    (fastlayers://oci-archive:all.tar:app:1/etc).

    Where a path could begin with several images, those of the store count first, and of them the
    shortest name. As in fsspec's local file system, `info` follows symbolic links and `ls` does
    not."""

    protocol = "fastlayers"
    cachable = False  # names move to other images

    def __init__(self, root: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._store = Store(root)
        self._images: dict[str, ImagePath] = {}  # by ID: a table is opened once

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What is in a directory; of "" the names of all images."""
        path = self._strip_protocol(path)
        if not path:
            tags = [tag for image in self._store.images() for tag in image.tags or (image.id,)]
            found = [{"name": tag, "size": 0, "type": "directory"} for tag in tags]
        else:
            name, here = self._find(path)
            if here.is_dir():
                prefix = name + ("" if str(here) == "/" else str(here))
                found = [_facts(f"{prefix}/{child.name}", child) for child in here.iterdir()]
            else:
                found = [self.info(path)]
        return found if detail else [facts["name"] for facts in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Of one path: name, type, size and what os.stat has; links have `destination`."""
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "size": 0, "type": "directory"}
        here = self._find(path)[1]
        try:
            found = _facts(path, here)
            if found["type"] == "link" and here.exists():
                found.update(_facts(path, here.resolve()), islink=True)
        except (NotFoundError, InvalidError) as error:
            raise FileNotFoundError(str(error)) from None
        return found

    def modified(self, path: str) -> datetime:
        """The modification time."""
        return datetime.fromtimestamp(self.info(path)["mtime"], tz=UTC)

    def ukey(self, path: str) -> str:
        """What changes when the file does: the image's ID and the path."""
        here = self._find(self._strip_protocol(path))[1]
        return f"{here!r}"

    def _open(self, path: str, mode: str = "rb", **_: Any) -> IO[bytes]:
        if mode != "rb":
            raise OSError(f"images are read-only: mode {mode!r}")
        here = self._find(self._strip_protocol(path))[1]
        if here.is_dir():
            raise IsADirectoryError(path)
        try:
            return here.open("rb")
        except (NotFoundError, InvalidError) as error:
            raise FileNotFoundError(str(error)) from None

    def _find(self, path: str) -> tuple[str, ImagePath]:
        """The name of the image that a path begins with, and what is left."""
        parts = path.split("/")
        for find in (self._image, self._image_of_file):
            for count in range(1, len(parts) + 1):
                name = "/".join(parts[:count])
                image = find(name)
                if image is not None:
                    if image.id not in self._images:
                        self._images[image.id] = image.path()
                    below = (part for part in parts[count:] if part)
                    return name, self._images[image.id].joinpath(*below)
        raise FileNotFoundError(f"no image of the store begins {path!r}")

    def _image(self, name: str) -> Image | None:
        try:
            return self._store.try_image(name)
        except FastlayersError:
            return None

    def _image_of_file(self, name: str) -> Image | None:
        transport, _, place = name.partition(":")
        if transport not in _FILES or not place or not _is_whole(transport, place):
            return None
        try:
            return transports.image_at(self._store, name)
        except NotFoundError:
            return None  # more of the path may belong to the image's name
        except FastlayersError as error:
            raise FileNotFoundError(str(error)) from None


def _is_whole(transport: str, place: str) -> bool:
    """Whether a place begins with the path of an archive or layout, and not of a folder with it."""
    path = place.partition(":")[0]
    if transport == "oci":
        return os.path.isfile(os.path.join(path, "index.json"))
    return os.path.isfile(path)


def _facts(name: str, path: ImagePath) -> dict[str, Any]:
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    facts = {
        "name": name,
        "size": status.st_size,
        "type": _TYPES.get(kind, "other"),
        "islink": kind == stat.S_IFLNK,
        "mode": status.st_mode,
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime": status.st_mtime,
        "ino": status.st_ino,
        "nlink": status.st_nlink,
    }
    if kind == stat.S_IFLNK:
        facts["destination"] = path.readlink()
    return facts
