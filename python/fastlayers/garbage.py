"""Garbage: which blobs, layers and chains something still needs, and the removal of the rest."""

from __future__ import annotations

import os
import time

from fastlayers import _core, frozen_upper
from fastlayers._core import remove_tree
from fastlayers.container_record import mounted_images, read_record
from fastlayers.container_state import StateFile
from fastlayers.errors import CorruptError, LimitError, NotFoundError, UnsupportedError
from fastlayers.host import host_error, list_directory, unlink
from fastlayers.lock import FileLock
from fastlayers.mounted import mounted_manifests
from fastlayers.oci import digest as digests
from fastlayers.oci import document, fields
from fastlayers.oci.document import DOCUMENT_LIMIT, ImageConfig, Index
from fastlayers.volume_store import sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.store import Store

# Of a document that is damaged, missing, or none of ours, what it names is not known; any other
# error, of the disk for example, must stop the collector.
_UNREADABLE = (NotFoundError, CorruptError, LimitError, UnsupportedError)
_DEEPEST = 8
# A pull that broke off is tried again soon, or not at all.
_PARTIAL_SECONDS = 24 * 3600


class Live:
    """All that images, containers and mounts refer to, as hex digits. Not `complete` if a document
    could not be read: what it names may be anything."""

    __slots__ = ("_seen", "_store", "blobs", "chains", "complete", "layers")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: set[str] = set()
        self.complete = True
        self.blobs: set[str] = set()
        self.layers: set[str] = set()
        self.chains: set[str] = set()

    @classmethod
    def of_store(cls, store: Store) -> Live:
        """Everything alive in a store."""
        live = cls(store)
        for descriptor in store.descriptors():
            live.add(descriptor.digest)
        for name in list_directory(store.containers_directory):
            try:
                record = read_record(os.path.join(store.containers_directory, name))
                if record is not None:
                    live.add_container(record)
            except _UNREADABLE:
                live.complete = False
        for manifest in mounted_manifests(store):
            live.add(manifest)
        return live

    def add_container(self, record: fields.Json) -> None:
        """What a container needs: its images' documents, and their layers in any case."""
        diff_ids = fields.strings(record, "diff_ids", "container config") or ()
        self.add_layers(tuple(digests.validate(diff_id) for diff_id in diff_ids))
        self.add(fields.text(record, "manifest", "container config"))
        for image in mounted_images(record).values():
            self.add_layers(tuple(digests.validate(diff_id) for diff_id in image.diff_ids))
            self.add(image.manifest_digest)

    def add(self, digest: str, depth: int = 0) -> None:
        """What a manifest or an index needs."""
        if digest in self._seen or depth > _DEEPEST:
            return
        self._seen.add(digest)
        try:
            self.blobs.add(digests.hex_of(digest))
            raw = _core.read_blob(self._store.root, digest, DOCUMENT_LIMIT)
            parsed = document.parse(raw, digest=digest)
            if isinstance(parsed, Index):
                for entry in parsed.manifests:
                    # Those of other platforms were never fetched.
                    if _core.has_blob(self._store.root, entry.digest):
                        self.add(entry.digest, depth + 1)
                return
            self.blobs.add(digests.hex_of(parsed.config.digest))
            self.blobs.update(digests.hex_of(layer.digest) for layer in parsed.layers)
            raw = _core.read_blob(self._store.root, parsed.config.digest, DOCUMENT_LIMIT)
            self.add_layers(ImageConfig.parse(raw).diff_ids)
        except _UNREADABLE:
            self.complete = False

    def add_layers(self, diff_ids: tuple[str, ...]) -> None:
        """A stack of layers, and all that is derived of it."""
        hexes = [digests.hex_of(diff_id) for diff_id in diff_ids]
        self.blobs.update(hexes)
        self.layers.update(hexes)
        # All prefixes: what is derived of a stack may rest on what is derived of those below it.
        self.chains.update(digests.hex_of(chain) for chain in digests.chain_ids(diff_ids))
        self.chains.add(digests.EMPTY_CHAIN_HEX)


def collect(store: Store) -> int:
    """Removes what nothing refers to; the caller holds the gc lock exclusively. Returns the bytes
    of the blobs that went. Derived folders go before the blobs they can be rebuilt from.

    While a document of the store cannot be read, nothing that it might name goes: fsck finds it.
    """
    live = Live.of_store(store)

    def is_garbage(name: str, alive: set[str]) -> bool:
        # A name with a dot in front is of what was begun when something died.
        return name not in alive and (live.complete or name.startswith("."))

    for folder, alive in (("chains", live.chains), ("layers", live.layers)):
        directory = os.path.join(store.root, folder)
        for name in list_directory(directory):
            if is_garbage(name, alive):
                remove_folder(directory, name)
    for name in list_directory(store.containers_directory):
        if name.startswith("."):  # being made or removed when something died
            remove_tree(os.path.join(store.containers_directory, name))
    store.names.sweep()
    sweep(store)
    if os.path.isdir(frozen_upper.directory_of(store)):
        frozen_upper.sweep(store)
    _sweep_half_written(store)
    freed = remove_partial(store, _PARTIAL_SECONDS)
    blobs = os.path.join(store.root, "blobs", "sha256")
    for name in list_directory(blobs):
        if is_garbage(name, live.blobs):
            path = os.path.join(blobs, name)
            try:
                freed += os.stat(path).st_size
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise host_error("cannot remove", error) from None
    return freed


def remove_partial(store: Store, older_than_seconds: float = 0) -> int:
    """Removes what has arrived of layers whose fetching broke off, unless somebody is at it again;
    returns the bytes freed."""
    directory = os.path.join(store.root, "partial")
    freed = 0
    for name in list_directory(directory):
        path = os.path.join(directory, name)
        lock = FileLock(path, exclusive=True)
        try:
            young = time.time() - os.stat(path).st_mtime < older_than_seconds
            if young or not lock.acquire(timeout_seconds=0):
                continue
            status = os.stat(path)
            # Meanwhile it may have become a blob, and another be begun.
            if status.st_ino == os.fstat(lock.descriptor).st_ino:
                unlink(path)
                freed += status.st_blocks * 512
        except FileNotFoundError:
            continue
        finally:
            lock.release()
    return freed


def _sweep_half_written(store: Store) -> None:
    """Removes files that had not got their names when their writers died. Whoever holds a lock is
    alive, and is the only one who writes what the lock is for."""
    with FileLock(os.path.join(store.root, "locks", "index"), exclusive=True):
        _unlink_all(store.root, _half_written(store.root))
    chains = os.path.join(store.root, "chains")
    with FileLock(os.path.join(store.root, "locks", "chains"), exclusive=True):
        for chain in list_directory(chains):
            for name in list_directory(os.path.join(chains, chain)):
                if ".tmp-" in name or name.startswith("."):
                    remove_folder(os.path.join(chains, chain), name)
    for container in list_directory(store.containers_directory):
        directory = os.path.join(store.containers_directory, container)
        names = _half_written(directory)
        lock = FileLock(StateFile(directory).lock_path, exclusive=True)
        if names and lock.acquire(timeout_seconds=0):
            _unlink_all(directory, names)
            lock.release()


def _half_written(directory: str) -> list[str]:
    """What host.write_file has begun in a directory."""
    return [name for name in list_directory(directory) if name.endswith(".new")]


def _unlink_all(directory: str, names: list[str]) -> None:
    for name in names:
        unlink(os.path.join(directory, name))


def remove_folder(directory: str, name: str) -> None:
    """Removes a derived folder, if it is there. Out of sight first: a folder under its name is
    complete, also if we die here."""
    path = os.path.join(directory, name)
    if not os.path.isdir(path) or os.path.islink(path):
        unlink(path)
        return
    grave = path
    if not name.startswith("."):
        grave = os.path.join(directory, f".{name}.{os.urandom(4).hex()}")
        os.rename(path, grave)
    remove_tree(grave)
