"""`load`: finds out which kind of image file or folder it was given, and reads it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastlayers.errors import CorruptError, NotFoundError
from fastlayers.oci.reference import familiar

from .archive import Archive
from .directory import Directory
from .docker_archive import read_docker_archive
from .file_layer import Files
from .input import Source, label_of
from .legacy_archive import read_legacy_archive
from .oci_layout import read_layout
from .source import ImageSource, Progress
from .spool import open_seekable
from .store_writer import store_images

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.platform import Platform
    from fastlayers.store import Store


def load(
    store: Store,
    source: Source,
    *,
    platform: Platform | None = None,
    progress: Progress | None = None,
) -> list[tuple[str | None, Image]]:
    """Loads every image of a `docker save` archive, OCI archive or OCI layout folder.

    Returns a row for each name (as people write it), in the archive's order, and one with None for
    an image without a name. `platform` chooses among the images of an index.
    """
    store.prepare()
    with _open_files(store.root, source) as files:
        sources = read_images(files, platform)
        images = store_images(store, sources, progress)
        rows: list[tuple[str | None, Image]] = []
        for found, image in zip(sources, images, strict=True):
            rows.extend((familiar(name), image) for name in found.names)
            if not found.names:
                rows.append((None, image))
        return rows


def read_images(files: Files, platform: Platform | None) -> list[ImageSource]:
    """The images of an archive or folder of any known kind."""
    if files.exists("manifest.json"):
        return read_docker_archive(files)
    if files.exists("index.json"):
        return read_layout(files, platform)
    if files.exists("repositories"):
        return read_legacy_archive(files)
    raise CorruptError(
        f"{files.label} is not an image archive or layout: it has no manifest.json and no "
        "index.json (the tar of a root file system is taken by import)"
    )


@contextlib.contextmanager
def _open_files(root: str, source: Source) -> Iterator[Files]:
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if os.path.isdir(path):
            yield Directory(path)
            return
        if not os.path.exists(path):
            raise NotFoundError(f"{path}: no such file or directory")
    with open_seekable(root, source) as descriptor:
        yield Archive(descriptor, label_of(source))
