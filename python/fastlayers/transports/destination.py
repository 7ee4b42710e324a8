"""Where an image can be copied to without a store. What is reported done is there, whole."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from fastlayers.errors import (
    ConflictError,
    DigestMismatchError,
    NotFoundError,
    UnsupportedError,
)
from fastlayers.host import host_error, make_directory, read_file, sync_directory, write_file
from fastlayers.oci.document import Descriptor, Index, Manifest
from fastlayers.oci.reference import Reference

from .archive_writer import LAYOUT, Entry, add_documents, open_output
from .oci_layout import FULL_NAME, REF_NAME, blob_path_of
from .tar_stream import TarStream

if TYPE_CHECKING:
    from .plan import Plan
    from .upload import BlobToSend

OnBytes = Callable[[int], None]


class Destination(Protocol):
    """A place that takes one image."""

    at_once: int  # layers that it takes at the same time

    def has(self, layer: Descriptor) -> str:
        """How a layer came to be there already: "exists", "mounted", or "" if it is not."""
        ...

    def put(self, layer: Descriptor, blob: BlobToSend, on_bytes: OnBytes) -> None:
        """Takes a layer, verified."""
        ...

    def finish(self, plan: Plan) -> None:
        """Takes the documents, when all layers are there, and gives the image its name."""
        ...

    def abort(self) -> None:
        """Makes what runs in other threads fail soon."""
        ...


class LayoutDestination:
    """A folder with an OCI layout, made if it is not there; other images in it stay. A context: of
    a copy that failed nothing stays, unless another one into the same folder may count on it."""

    at_once = 3

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._name = name
        self._marker = os.path.join(path, "oci-layout")
        self._made: list[str] = []  # files and folders, in their order, that nothing refers to yet
        self._lock = -1  # shared by those who copy into the folder

    def __enter__(self) -> LayoutDestination:
        path = self._path
        if os.path.isdir(path) and os.listdir(path) and not os.path.exists(self._marker):
            raise ConflictError(f"{path} is a folder with other things in it")
        for folder in ("", "blobs", os.path.join("blobs", "sha256")):
            folder = os.path.join(path, folder).rstrip("/")
            if not os.path.isdir(folder):
                make_directory(folder)
                self._made.append(folder)
        self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        if not os.path.exists(self._marker):
            write_file(self._marker, LAYOUT, sync=True)
            self._made.append(self._marker)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for path in reversed(self._made):
                    with contextlib.suppress(OSError):
                        (os.rmdir if os.path.isdir(path) else os.unlink)(path)
        except BlockingIOError:
            pass  # others are at it
        finally:
            os.close(self._lock)

    def _full(self, digest: str) -> str:
        return os.path.join(self._path, blob_path_of(digest))

    def has(self, layer: Descriptor) -> str:
        try:
            there = os.stat(self._full(layer.digest)).st_size == layer.size
        except OSError:
            there = False
        return "exists" if there else ""

    def put(self, layer: Descriptor, blob: BlobToSend, on_bytes: OnBytes) -> None:
        target = self._full(layer.digest)
        beside = f"{target}.{os.urandom(6).hex()}.new"
        try:
            with open(beside, "xb", buffering=0) as file:
                for piece in _verified(layer, blob, on_bytes):
                    view = memoryview(piece)
                    while view:
                        view = view[file.write(view) :]
                os.fsync(file.fileno())
            os.replace(beside, target)
            self._made.append(target)
            sync_directory(os.path.dirname(target))
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            if isinstance(error, OSError):
                raise host_error("cannot write", error) from None
            raise

    def finish(self, plan: Plan) -> None:
        root = plan.root
        documents = {digest: raw for digest, (_, raw) in plan.documents.items()}
        for digest, raw in {**documents, root.digest: root.raw}.items():
            if not os.path.exists(self._full(digest)):
                self._made.append(self._full(digest))
            write_file(self._full(digest), raw, sync=True)
        entry = Descriptor(root.media_type, root.digest, len(root.raw))
        if self._name:
            entry = entry.with_annotations({REF_NAME: self._name})
        path = os.path.join(self._path, "index.json")
        lock = os.open(self._marker, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = read_file(path)
            entries = [] if known is None else list(Index.parse(known).manifests)
            kept = [old for old in entries if not self._is_replaced(old, entry)]
            there = {old.digest for old in kept}
            new = [entry, *(x for x in plan.referrers.values() if x.digest not in there)]
            self._made.clear()
            write_file(path, Index.build([*kept, *new]).raw, sync=True)
        finally:
            os.close(lock)

    def _is_replaced(self, old: Descriptor, new: Descriptor) -> bool:
        name = old.annotations.get(REF_NAME, "")
        return name == self._name if self._name else not name and old.digest == new.digest

    def abort(self) -> None:
        """Nothing to wake."""


class ArchiveDestination:
    """A tar archive, written when all that it is to hold is known."""

    at_once = 1

    def __init__(self, path: str, name: str, kind: str) -> None:
        self._path = path
        self._name = name
        self._is_docker = kind == "docker-archive"
        self._waiting: list[tuple[Descriptor, BlobToSend, OnBytes]] = []
        if os.path.exists(path) and os.path.isfile(path) and os.path.getsize(path):
            raise ConflictError(f"{path} is there already; an archive is not added to")

    def has(self, layer: Descriptor) -> str:
        return ""

    def put(self, layer: Descriptor, blob: BlobToSend, on_bytes: OnBytes) -> None:
        self._waiting.append((layer, blob, on_bytes))

    def finish(self, plan: Plan) -> None:
        root = plan.root
        if self._is_docker and not isinstance(root, Manifest):
            raise UnsupportedError(
                "a docker archive holds images for one platform: leave --all out"
            )
        with open_output(self._path) as out:
            stream = TarStream(out)
            if self._is_docker:
                assert isinstance(root, Manifest)
                names = [Reference.parse(self._name)] if self._name else []
                add_documents(stream, [Entry(root, tuple(names))], docker=True)
            else:
                stream.add_bytes("oci-layout", LAYOUT)
                entry = Descriptor(root.media_type, root.digest, len(root.raw))
                if self._name:
                    name = Reference.parse(self._name)
                    full = {FULL_NAME: name.name, REF_NAME: name.tag_or_default}
                    entry = entry.with_annotations(full)
                entries = [entry, *plan.referrers.values()]
                stream.add_bytes("index.json", Index.build(entries).raw)
                stream.add_directory("blobs")
                stream.add_directory("blobs/sha256")
            for descriptor, raw in plan.documents.values():
                stream.add_bytes(blob_path_of(descriptor.digest), raw)
            stream.add_bytes(blob_path_of(root.digest), root.raw)
            for layer, blob, on_bytes in self._waiting:
                if layer.digest in plan.documents:
                    continue  # an empty config is a layer as well
                pieces = _verified(layer, blob, on_bytes)
                stream.add_pieces(blob_path_of(layer.digest), layer.size, pieces)
            stream.finish()

    def abort(self) -> None:
        """Nothing to wake."""


def _verified(layer: Descriptor, blob: BlobToSend, on_bytes: OnBytes) -> Iterator[bytes]:
    """The bytes of a layer; DigestMismatchError at their end if they are not what is said."""
    hashed = hashlib.sha256()
    taken = 0
    for piece in blob.pieces(0):
        hashed.update(piece)
        taken += len(piece)
        yield piece
        on_bytes(taken)
    found = f"sha256:{hashed.hexdigest()}"
    if (found, taken) != (layer.digest, layer.size):
        raise DigestMismatchError(
            f"layer {layer.digest} of {layer.size} bytes has {taken} bytes and the digest {found}"
        )


def missing_folder(path: str) -> None:
    """Says early that a file cannot be made."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise NotFoundError(f"{folder}: no such directory")
