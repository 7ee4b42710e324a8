"""`push`: an image of the store into repositories of registries, a few layers at once.

Blobs go up as they lie in the store, so that a pulled image keeps its digests. Layers that lie
there as plain tars are compressed on the way (`packing`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fastlayers import _core
from fastlayers.errors import InvalidError
from fastlayers.oci import media_type
from fastlayers.oci.document import Descriptor, Manifest
from fastlayers.oci.reference import Reference

from . import packed
from .archive import Slice
from .input import HEAD_BYTES, compression_of, open_regular
from .packing import PackedBlob, Packing, repacked
from .parallel import run_all
from .session import Session
from .source import Event
from .upload import BlobUpload

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store

    from .source import Progress
    from .upload import BlobToSend

_LAYERS_AT_ONCE = 3
_PIECE_BYTES = 1 << 20


class StoredBlob:
    """A blob as it lies in the store (a `BlobToSend`)."""

    def __init__(self, root: str, descriptor: Descriptor) -> None:
        self._path = _core.blob_path(root, descriptor.digest)
        self.digest = descriptor.digest
        self.size = descriptor.size

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from `offset` on."""
        with open(self._path, "rb", buffering=0) as file:
            file.seek(offset)
            while piece := file.read(_PIECE_BYTES):
                yield piece


def packed_layer(root: str, diff_id: str, packing: Packing) -> PackedBlob:
    """A layer of the store as it is when it is compressed."""

    @contextlib.contextmanager
    def open_tar() -> Iterator[Slice]:
        descriptor = open_regular(_core.blob_path(root, diff_id))
        try:
            yield Slice(descriptor, 0, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    damage = f"the blob {diff_id} is damaged; run 'fastlayers fsck --repair'"
    return PackedBlob(open_tar, diff_id, packing, damage)


def push(
    store: Store,
    image: Image,
    names: Sequence[Reference],
    packing: Packing,
    progress: Progress | None = None,
) -> Descriptor:
    """Pushes an image under names, which may be of several registries; returns the descriptor of
    the manifest as it lies there. The names are set when all blobs are there."""
    if not names:
        raise InvalidError("no name to push to")
    repositories: dict[str, list[Reference]] = {}
    for name in names:
        if name.digest:
            raise InvalidError(f"cannot push to a name by digest: {name.familiar}")
        repositories.setdefault(name.repository_name, []).append(name)
    with store.working():
        for of_repository in repositories.values():
            session = Session(of_repository[0].registry)
            try:
                pushed = _Push(store, image, session, of_repository, packing, progress).run()
            finally:
                session.close()
            for name in of_repository:
                store.record_push(image, name.name, pushed.digest)
    return pushed


class _Push:
    """One image on its way into one repository."""

    def __init__(
        self,
        store: Store,
        image: Image,
        session: Session,
        names: list[Reference],
        packing: Packing,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._image = image
        self._session = session
        self._names = names
        self._repository = names[0].repository
        self._packing = packing
        self._upload = BlobUpload(session, self._repository)
        self._progress = progress
        self._reporting = threading.Lock()

    def run(self) -> Descriptor:
        """Sends what is missing, the manifest last."""
        manifest = self._image.manifest
        # Each blob once, the largest first: it must not be what all others wait for in the end.
        wanted = {
            layer.digest: (layer, diff_id)
            for layer, diff_id in zip(manifest.layers, self._image.config.diff_ids, strict=True)
        }
        order = sorted(wanted, key=lambda digest: -wanted[digest][0].size)
        jobs = [self._job(*wanted[digest]) for digest in order]
        done = run_all(
            jobs,
            workers=_LAYERS_AT_ONCE,
            cancelled=threading.Event(),
            abort=self._session.abort,
        )
        sent = dict(zip(order, done, strict=True))
        config = manifest.config
        if not self._upload.has(config.digest):
            self._upload.send(StoredBlob(self._store.root, config), "", lambda taken: None)
        return self._tag(repacked(manifest, [sent[layer.digest] for layer in manifest.layers]))

    def _job(self, layer: Descriptor, diff_id: str) -> Callable[[], Descriptor]:
        return lambda: self._send(layer, diff_id)

    def _send(self, layer: Descriptor, diff_id: str) -> Descriptor:
        """Brings one layer there; returns its descriptor for the manifest."""
        if media_type.stays_elsewhere(layer.media_type, layer.urls):
            self._report("exists", diff_id, layer.size, layer.size)  # it stays where it is
            return layer
        compression = self._packing.compression
        if compression == "none" or self._compression(layer) != "none":
            return self._send_as_it_is(layer, diff_id)
        known = packed.known(self._store.root, diff_id, compression, self._packing.level)
        if known is not None:
            there, location = self._is_there(known.digest, diff_id)
            if there:
                self._report(there, diff_id, known.size, known.size)
                return self._descriptor(known.digest, known.size)
        else:
            location = ""
        blob = packed_layer(self._store.root, diff_id, self._packing)
        self._transfer(blob, diff_id, location)
        packed.remember(
            self._store.root, diff_id, compression, self._packing.level, blob.digest, blob.size
        )
        return blob.descriptor

    def _send_as_it_is(self, layer: Descriptor, diff_id: str) -> Descriptor:
        there, location = self._is_there(layer.digest, diff_id)
        if there:
            self._report(there, diff_id, layer.size, layer.size)
        else:
            self._transfer(StoredBlob(self._store.root, layer), diff_id, location)
        return layer

    def _compression(self, layer: Descriptor) -> str:
        with open(_core.blob_path(self._store.root, layer.digest), "rb", buffering=0) as blob:
            return compression_of(blob.read(HEAD_BYTES))

    def _descriptor(self, digest: str, size: int) -> Descriptor:
        kind = media_type.LAYER_TYPES[self._packing.compression]
        return Descriptor(kind, digest, size)

    def _is_there(self, digest: str, diff_id: str) -> tuple[str, str]:
        """How a blob came to be in the repository: "exists", "mounted" or "" if it is not; and
        where it may be uploaded, if the registry has said so."""
        if self._upload.has(digest):
            return "exists", ""
        return self._upload.mount(digest, self._sources.get(diff_id, ""))

    @functools.cached_property
    def _sources(self) -> dict[str, str]:
        """For each layer another repository of this registry that an image with it came from."""
        registry = self._names[0].registry
        found: dict[str, str] = {}
        for image in self._store.images():
            for name in image.repo_digests:
                reference = Reference.parse(name)
                if reference.registry == registry and reference.repository != self._repository:
                    found.update(dict.fromkeys(image.config.diff_ids, reference.repository))
        return found

    def _transfer(self, blob: BlobToSend, diff_id: str, location: str) -> None:
        self._report("start", diff_id, 0, blob.size)
        self._upload.send(
            blob, location, lambda taken: self._report("transfer", diff_id, taken, blob.size)
        )
        self._report("done", diff_id, blob.size, blob.size)

    def _tag(self, manifest: Manifest) -> Descriptor:
        kind = manifest.media_type or media_type.OCI_MANIFEST
        for name in self._names:
            target = name.tag_or_default
            self._upload.put_manifest(target, kind, manifest.raw, name.familiar)
        return Descriptor(kind, manifest.digest, len(manifest.raw))

    def _report(self, kind: str, layer: str, current: int, total: int) -> None:
        if self._progress is not None:
            with self._reporting:
                source = self._sources.get(layer, "") if kind == "mounted" else ""
                self._progress(Event(kind, layer, current, total, source))
