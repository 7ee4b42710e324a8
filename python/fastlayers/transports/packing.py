"""Layers that lie somewhere as plain tars, compressed while they are sent to a registry.

The manifest then names the compressed blobs; the config, and so the image ID, stays what it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fastlayers import _core
from fastlayers.errors import InvalidError
from fastlayers.oci import media_type
from fastlayers.oci.document import Descriptor, Manifest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fastlayers.image import Image

    from .archive import Slice

# A quarter larger than what other engines send, and written ten times as fast.
DEFAULT_LEVELS = {"gzip": 2, "zstd": 3, "none": 0}


class Packing(NamedTuple):
    """How layers that are plain tars are compressed: "gzip", "zstd" or "none"."""

    compression: str
    level: int

    @classmethod
    def of(cls, image: Image | None, compression: str | None, level: int | None) -> Packing:
        """Checked. None is the compression's usual level; and gzip, but for an image of the store
        that a registry has like this: it goes on as it is, unless a level is wanted."""
        if compression == "none" and level is not None:
            raise InvalidError("what is not compressed has no level of compression")
        if compression is None and level is not None:
            compression = "gzip"
        if compression is None:
            names = image.repo_digests if image is not None else ()
            known = image is not None and any(name.endswith(f"@{image.digest}") for name in names)
            compression = "none" if known else "gzip"
        if compression not in DEFAULT_LEVELS:
            raise InvalidError(f"unknown compression {compression!r}: it is gzip, zstd or none")
        return cls(compression, DEFAULT_LEVELS[compression] if level is None else level)


class PackedBlob:
    """A plain tar, compressed while it is sent (a `BlobToSend`)."""

    def __init__(
        self,
        open_tar: Callable[[], AbstractContextManager[Slice]],
        diff_id: str,
        packing: Packing,
        damage: str,
    ) -> None:
        """`damage` is what is said where the tar is not what its diff_id says."""
        self._open_tar = open_tar
        self._diff_id = diff_id
        self._packing = packing
        self._damage = damage
        self.digest = ""
        self.size = -1

    def reader(self) -> _core.CompressedReader:
        """Reads it from its start."""
        with self._open_tar() as part:
            return _core.CompressedReader(
                part.descriptor,
                part.offset,
                part.size,
                expected=self._diff_id,
                damage=self._damage,
                compression=self._packing.compression,
                level=self._packing.level,
                threads=os.cpu_count() or 1,
            )

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from `offset` on: the same bytes each time, so what is before it is dropped."""
        reader = self.reader()
        skip = offset
        while piece := reader.read():
            if skip >= len(piece):
                skip -= len(piece)
                continue
            yield piece[skip:] if skip else piece
            skip = 0
        self.digest, self.size = reader.digest, reader.size

    @property
    def descriptor(self) -> Descriptor:
        """What a manifest says of it, when all has been read."""
        return Descriptor(media_type.LAYER_TYPES[self._packing.compression], self.digest, self.size)


def repacked(manifest: Manifest, layers: Sequence[Descriptor]) -> Manifest:
    """The manifest of the same image with its layers as they were sent; itself if that is as they
    lay there."""
    if list(layers) == list(manifest.layers):
        return manifest
    config = manifest.config
    return Manifest.build(Descriptor(media_type.OCI_CONFIG, config.digest, config.size), layers)
