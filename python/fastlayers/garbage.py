"""Garbage: which blobs, layers and chains something still needs, and the removal of the rest."""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers._core import remove_tree
from fastlayers.container_record import read_record
from fastlayers.errors import CorruptError, LimitError, NotFoundError, UnsupportedError
from fastlayers.host import host_error
from fastlayers.mounted import mounted_manifests
from fastlayers.oci import digest as digests
from fastlayers.oci import document, fields
from fastlayers.oci.document import DOCUMENT_LIMIT, ImageConfig, Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.store import Store

# Of a document that is damaged, or is none of ours, what it names is not known: it keeps only
# itself. Any other error, of the disk for example, must stop the collector.
_UNREADABLE = (NotFoundError, CorruptError, LimitError, UnsupportedError)
_DEEPEST = 8


class Live:
    """All that images, containers and mounts refer to, as hex digits."""

    __slots__ = ("_seen", "_store", "blobs", "chains", "layers")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: set[str] = set()
        self.blobs: set[str] = set()
        self.layers: set[str] = set()
        self.chains: set[str] = set()

    @classmethod
    def of_store(cls, store: Store) -> Live:
        """Everything alive in a store."""
        live = cls(store)
        for descriptor in store.descriptors():
            live.add(descriptor.digest)
        for name in _names(store.containers_directory):
            try:
                record = read_record(os.path.join(store.containers_directory, name))
                if record is not None:
                    live.add_container(record)
            except _UNREADABLE:
                continue
        for manifest in mounted_manifests(store):
            live.add(manifest)
        return live

    def add_container(self, record: fields.Json) -> None:
        """What a container needs: its image's documents, and its layers in any case."""
        diff_ids = fields.strings(record, "diff_ids", "container config") or ()
        self._add_layers(tuple(digests.validate(diff_id) for diff_id in diff_ids))
        self.add(fields.text(record, "manifest", "container config"))

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
                    self.add(entry.digest, depth + 1)
                return
            self.blobs.add(digests.hex_of(parsed.config.digest))
            self.blobs.update(digests.hex_of(layer.digest) for layer in parsed.layers)
            raw = _core.read_blob(self._store.root, parsed.config.digest, DOCUMENT_LIMIT)
            self._add_layers(ImageConfig.parse(raw).diff_ids)
        except _UNREADABLE:
            return

    def _add_layers(self, diff_ids: tuple[str, ...]) -> None:
        hexes = [digests.hex_of(diff_id) for diff_id in diff_ids]
        self.blobs.update(hexes)
        self.layers.update(hexes)
        # All prefixes: what is derived of a stack may rest on what is derived of those below it.
        self.chains.update(digests.hex_of(chain) for chain in digests.chain_ids(diff_ids))
        self.chains.add(digests.EMPTY_CHAIN_HEX)


def collect(store: Store) -> int:
    """Removes what nothing refers to; the caller holds the gc lock exclusively. Returns the bytes
    of the blobs that went. Derived folders go before the blobs they can be rebuilt from."""
    live = Live.of_store(store)
    for folder, alive in (("chains", live.chains), ("layers", live.layers)):
        directory = os.path.join(store.root, folder)
        for name in _names(directory):
            if name not in alive:
                _remove_folder(directory, name)
    for name in _names(store.containers_directory):
        if name.startswith("."):  # being made or removed when something died
            remove_tree(os.path.join(store.containers_directory, name))
    store.names.sweep()
    freed = 0
    blobs = os.path.join(store.root, "blobs", "sha256")
    for name in _names(blobs):
        if name not in live.blobs:
            path = os.path.join(blobs, name)
            try:
                freed += os.stat(path).st_size
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise host_error("cannot remove", error) from None
    return freed


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise host_error("cannot read", error) from None


def _remove_folder(directory: str, name: str) -> None:
    """Out of sight first: a folder under its name is complete, also if we die here."""
    path = os.path.join(directory, name)
    if not os.path.isdir(path) or os.path.islink(path):
        os.unlink(path)
        return
    grave = path
    if not name.startswith("."):
        grave = os.path.join(directory, f".{name}.{os.urandom(4).hex()}")
        os.rename(path, grave)
    remove_tree(grave)
