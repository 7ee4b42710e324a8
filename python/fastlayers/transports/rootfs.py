"""`import`: the tar of a root file system becomes an image of one layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from fastlayers import _core
from fastlayers.errors import InvalidError
from fastlayers.oci import timestamp
from fastlayers.oci.change import apply
from fastlayers.oci.document import History, ImageConfig, RuntimeConfig
from fastlayers.oci.platform import Platform
from fastlayers.oci.reference import Reference

from .input import (
    HEAD_BYTES,
    Replay,
    Source,
    compression_of,
    each_chunk,
    label_of,
    open_path,
    read_at,
    regular_descriptor,
)
from .source import ImageSource, OnBytes, Progress
from .store_writer import store_image

if TYPE_CHECKING:
    from fastlayers._core import LayerInfo
    from fastlayers.image import Image
    from fastlayers.store import Store

# What Docker notes for everything but a URL.
_DEFAULT_MESSAGE = "Imported from -"


class RootfsLayer:
    """The tar a person named (a `LayerSource`): its digests are known when it has been read."""

    digest = ""
    size = -1
    diff_id = ""
    media_type = ""

    lacking = ""

    def __init__(self, source: Source) -> None:
        self._source = source

    def ingest(self, root: str, on_bytes: OnBytes | None) -> LayerInfo:
        """Ingests a plain, gzip or zstd file in place; anything else as a stream."""
        if not isinstance(self._source, (str, os.PathLike)):
            return self._ingest(root, self._source, on_bytes)
        with os.fdopen(open_path(os.fspath(self._source)), "rb", buffering=0) as file:
            return self._ingest(root, file, on_bytes)

    def abort(self) -> None:
        """Nothing to wake: a single layer is ingested by the thread that asked for it."""

    def _ingest(self, root: str, file: IO[bytes], on_bytes: OnBytes | None) -> LayerInfo:
        descriptor = regular_descriptor(file)
        if descriptor >= 0:
            head = read_at(descriptor, HEAD_BYTES, 0)
            if compression_of(head) in ("none", "gzip", "zstd"):
                return _core.ingest_fd(
                    root, descriptor, 0, os.fstat(descriptor).st_size, on_bytes=on_bytes
                )
        label = label_of(self._source)
        ingest = _core.Ingest(root)
        taken = 0

        def take(data: memoryview) -> None:
            nonlocal taken
            ingest.write(data)
            taken += len(data)
            if on_bytes is not None:
                on_bytes(taken)

        try:
            each_chunk(Replay(file, label), take, label)
            return ingest.finish()
        except BaseException:
            ingest.abort()
            raise


def import_rootfs(
    store: Store,
    source: Source,
    name: str | None = None,
    *,
    changes: Sequence[str] = (),
    message: str = "",
    platform: Platform | None = None,
    progress: Progress | None = None,
) -> Image:
    """Makes an image of one layer from a tar, which may be compressed.

    `changes` are Dockerfile instructions applied to its config. Without a name the image is known
    by its ID only.
    """
    names = [_full_name(name)] if name else []
    made_for = platform or Platform.host()
    created = timestamp.creation_time()
    plain = ImageConfig.build(
        architecture=made_for.architecture,
        os=made_for.os,
        variant=made_for.variant,
        created=created,
        runtime=RuntimeConfig({}),
        history=[History(created=created, comment=message or _DEFAULT_MESSAGE)],
    )
    config = apply(plain, changes)  # now: a bad instruction must not cost a long read first
    image = ImageSource(
        names[0] if names else label_of(source),
        layers=[RootfsLayer(source)],
        names=names,
        build_config=lambda diff_ids: config.replace(diff_ids=diff_ids).raw,
    )
    return store_image(store, image, progress)


def _full_name(text: str) -> str:
    reference = Reference.parse(text)
    if reference.digest:
        raise InvalidError(f"cannot import to {text}: a digest is not a name")
    return reference.name
