"""Where an image can be copied from without a store: its documents and blobs, as they lie there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from fastlayers import _core
from fastlayers.errors import DigestMismatchError, InvalidError, NotFoundError, UnsupportedError
from fastlayers.oci import document, media_type
from fastlayers.oci.digest import digest_of
from fastlayers.oci.document import DOCUMENT_LIMIT, Descriptor, Index, Manifest
from fastlayers.oci.reference import Reference
from fastlayers.oci.referrer import subject_of

from .docker_archive import full_name, read_docker_archive
from .file_layer import FileLayer, Files
from .input import HEAD_BYTES, compression_of, read_at
from .oci_layout import FULL_NAME, REF_NAME, blob_path_of, read_document
from .packing import PackedBlob, Packing
from .registry_writer import StoredBlob
from .selection import is_image, select_manifest

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.platform import Platform

    from .upload import BlobToSend

_PIECE_BYTES = 1 << 20


class Origin(Protocol):
    """One image, or the index of several."""

    label: str
    repository: str  # "host/path" in a registry, else ""

    def root(self) -> Manifest | Index:
        """The document that stands for all of it."""
        ...

    def child(self, descriptor: Descriptor) -> Manifest | Index:
        """A document that an index names, verified."""
        ...

    def small(self, descriptor: Descriptor) -> bytes:
        """A config, verified."""
        ...

    def blob(self, descriptor: Descriptor) -> BlobToSend:
        """A layer; whoever takes it verifies it."""
        ...


class ReferredOrigin(Origin, Protocol):
    """One that may have more manifests, which refer to others."""

    def referrers(self, digest: str) -> list[Descriptor]:
        """What refers to a manifest or index."""
        ...


class StoreOrigin:
    """An image of the store."""

    repository = ""

    def __init__(self, image: Image) -> None:
        self.label = image.tags[0] if image.tags else image.id
        self._image = image

    def root(self) -> Manifest | Index:
        return self._image.manifest

    def child(self, descriptor: Descriptor) -> Manifest | Index:
        raise NotFoundError(f"{self.label}: the store has no {descriptor.digest}")

    def small(self, descriptor: Descriptor) -> bytes:
        return _core.read_blob(self._image.store.root, descriptor.digest, DOCUMENT_LIMIT)

    def blob(self, descriptor: Descriptor) -> BlobToSend:
        return StoredBlob(self._image.store.root, descriptor)


class LayoutOrigin:
    """An OCI layout, in a folder or an archive. `name` is a ref.name, a tag or a full name."""

    repository = ""

    def __init__(self, files: Files, name: str, platform: Platform | None) -> None:
        self.label = f"{files.label}:{name}" if name else files.label
        self._files = files
        self._name = name
        self._platform = platform
        self._referrers: dict[str, list[Descriptor]] | None = None

    def root(self) -> Manifest | Index:
        index = Index.parse(self._files.read("index.json", DOCUMENT_LIMIT))
        found = [entry for entry in index.manifests if self._is_wanted(entry)]
        if not self._name:  # what refers to the image is not meant, unless there is nothing else
            found = [entry for entry in found if is_image(entry)] or found
        if not found:
            raise NotFoundError(f"{self._files.label}: no image is called {self._name!r}")
        if len({entry.digest for entry in found}) > 1:
            if len({_names(entry) for entry in found}) > 1:
                names = ", ".join(sorted(name for entry in found for name in _names(entry)[:1]))
                raise InvalidError(f"{self._files.label} has several images: say which of {names}")
            found = [select_manifest(found, self._platform, self._files.label)]
        return self.child(found[0])

    def _is_wanted(self, entry: Descriptor) -> bool:
        return not self._name or not {self._name, _full(self._name)}.isdisjoint(_names(entry))

    def child(self, descriptor: Descriptor) -> Manifest | Index:
        return document.parse(read_document(self._files, descriptor), descriptor.media_type)

    def small(self, descriptor: Descriptor) -> bytes:
        return read_document(self._files, descriptor)

    def blob(self, descriptor: Descriptor) -> BlobToSend:
        path = blob_path_of(descriptor.digest)
        return _FileBlob(self._files, path, descriptor.digest, descriptor.size)

    def referrers(self, digest: str) -> list[Descriptor]:
        """Those that index.json lists."""
        if self._referrers is None:
            self._referrers = {}
            index = Index.parse(self._files.read("index.json", DOCUMENT_LIMIT))
            for entry in {entry.digest: entry for entry in index.manifests}.values():
                subject = subject_of(self.child(entry)) if entry.is_document else None
                if subject is not None:
                    self._referrers.setdefault(subject.digest, []).append(entry)
        return self._referrers.get(digest, [])


def _full(name: str) -> str:
    """The name written out, as archives give it; itself, if it is none."""
    try:
        return Reference.parse(name).name
    except InvalidError:
        return name


def _names(entry: Descriptor) -> tuple[str, ...]:
    found = (entry.annotations.get(REF_NAME, ""), entry.annotations.get(FULL_NAME, ""))
    return tuple(name for name in found if name)


class _FileBlob:
    def __init__(self, files: Files, path: str, digest: str, size: int) -> None:
        self._files, self._path = files, path
        self.digest, self.size = digest, size

    def pieces(self, offset: int) -> Iterator[bytes]:
        with self._files.open(self._path) as part:
            if part.size != self.size:
                raise DigestMismatchError(
                    f"{self._files.label}: {self._path!r} has {part.size} bytes instead of "
                    f"{self.size}"
                )
            while offset < part.size:
                count = min(_PIECE_BYTES, part.size - offset)
                piece = os.pread(part.descriptor, count, part.offset + offset)
                if not piece:
                    raise DigestMismatchError(f"{self._files.label}: {self._path!r} is cut short")
                yield piece
                offset += len(piece)


class DockerArchiveOrigin:
    """An image of a `docker save` archive; one that has no manifest gets one of its own."""

    repository = ""

    def __init__(self, files: Files, name: str) -> None:
        self.label = f"{files.label}:{name}" if name else files.label
        self._files = files
        wanted = full_name(files, name) if name else ""
        sources = read_docker_archive(files)
        found = [source for source in sources if not wanted or wanted in source.names]
        if not found:
            raise NotFoundError(f"{files.label}: no image is called {name!r}")
        if len(found) > 1:
            names = ", ".join(name for source in found for name in source.names[:1])
            raise InvalidError(f"{files.label} has several images: say which of {names}")
        self._source = found[0]
        self._blobs: dict[str, BlobToSend] = {}
        self._plain: dict[str, FileLayer] = {}

    def root(self) -> Manifest | Index:
        layers = [self._layer(layer) for layer in self._source.layers]
        if self._source.manifest is not None:
            return Manifest.parse(self._source.manifest)
        raw = self._source.config
        config = Descriptor(media_type.OCI_CONFIG, digest_of(raw), len(raw))
        return Manifest.build(config, layers)

    def packed(self, descriptor: Descriptor, packing: Packing) -> PackedBlob | None:
        """A layer compressed; None if it is to be sent as it lies there."""
        layer = self._plain.get(descriptor.digest)
        if layer is None or packing.compression == "none":
            return None
        damage = f"{self._files.label}: {layer.path!r} is not the layer {layer.diff_id}"
        return PackedBlob(lambda: self._files.open(layer.path), layer.diff_id, packing, damage)

    def _layer(self, layer: object) -> Descriptor:
        assert isinstance(layer, FileLayer)
        with self._files.open(layer.path) as part:
            compression = compression_of(read_at(part.descriptor, HEAD_BYTES, part.offset))
            size = part.size
        digest = layer.digest
        if not digest and compression == "none":
            digest = layer.diff_id  # what a plain tar is called; verified when it is taken
        blob = _FileBlob(self._files, layer.path, digest, size)
        if not digest:
            hashed = hashlib.sha256()
            for piece in blob.pieces(0):
                hashed.update(piece)
            blob.digest = digest = f"sha256:{hashed.hexdigest()}"
        self._blobs[digest] = blob
        if compression == "none":
            self._plain[digest] = layer
        kind = media_type.LAYER_TYPES.get(compression)
        if kind is None:
            raise UnsupportedError(
                f"{self._files.label}: {layer.path!r} is compressed with {compression}, for which "
                "manifests have no word: load it into the store"
            )
        return Descriptor(kind, digest, size)

    def child(self, descriptor: Descriptor) -> Manifest | Index:
        raise UnsupportedError(f"{self.label}: a docker archive has no indexes")

    def small(self, descriptor: Descriptor) -> bytes:
        return self._source.config

    def blob(self, descriptor: Descriptor) -> BlobToSend:
        return self._blobs[descriptor.digest]
