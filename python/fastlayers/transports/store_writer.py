"""From any source into the store: layers first, a few at once, and the image when all are there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fastlayers import _core
from fastlayers.errors import CorruptError, DigestMismatchError, LimitError, UnsupportedError
from fastlayers.oci import media_type
from fastlayers.oci.document import Descriptor, ImageConfig, Manifest

from .input import HEAD_BYTES, compression_of
from .parallel import run_all
from .source import Cancelled, Event, ImageSource, LayerSource, Progress

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store

# As many as other engines take at once: more do not make a registry faster, and two cores are full.
_LAYERS_AT_ONCE = 3


class StoredLayer(NamedTuple):
    """A layer's blob in the store."""

    digest: str
    size: int
    diff_id: str
    compression: str


def store_image(
    store: Store,
    source: ImageSource,
    progress: Progress | None = None,
    *,
    fetched: bool = False,
) -> Image:
    """Brings one image into the store; see store_images."""
    return store_images(store, [source], progress, fetched=fetched)[0]


def store_images(
    store: Store,
    sources: Sequence[ImageSource],
    progress: Progress | None = None,
    *,
    fetched: bool = False,
) -> list[Image]:
    """Brings images into the store: all of them, or on any failure none.

    After Ctrl-C, and where an image is refused, nothing of it stays. But of what is `fetched` from
    afar, layers that were complete when the registry failed or the user interrupted, and those
    that were on their way, do until they are collected: the next try goes on from there.
    """
    try:
        return _store_images(store, sources, progress)
    except (KeyboardInterrupt, CorruptError, UnsupportedError, LimitError) as error:
        if not (fetched and isinstance(error, KeyboardInterrupt)):
            store.garbage()
        raise


def _store_images(
    store: Store, sources: Sequence[ImageSource], progress: Progress | None
) -> list[Image]:
    with store.working():
        for source in sources:
            _check_layers(source)
        copy = _LayerCopy(store, progress)
        stored = copy.run([layer for source in sources for layer in source.layers])
        of_sources: list[list[StoredLayer]] = []
        for source in sources:
            of_sources.append(stored[: len(source.layers)])
            stored = stored[len(source.layers) :]
            check_stack(store, [layer.diff_id for layer in of_sources[-1]])
        return [
            _register(store, source, layers)
            for source, layers in zip(sources, of_sources, strict=True)
        ]


def check_stack(store: Store, diff_ids: list[str]) -> None:
    """Applies layers to one another, so that an image is in the store only if it can run."""
    try:
        backend = store.mount_backend
    except UnsupportedError:
        # Nothing can be mounted on this machine; the layer rules hold all the same.
        _core.merged_table(store.root, diff_ids)
    else:
        _core.prepare_chain(store.root, diff_ids, backend)


def _check_layers(source: ImageSource) -> None:
    """Gives each layer the diff_id that the config says."""
    if source.build_config is not None:
        return
    diff_ids = ImageConfig.parse(source.config).diff_ids
    if len(diff_ids) != len(source.layers):
        raise CorruptError(
            f"{source.subject} has {len(source.layers)} layers, its config names {len(diff_ids)}"
        )
    for layer, diff_id in zip(source.layers, diff_ids, strict=True):
        if layer.diff_id not in ("", diff_id):
            raise CorruptError(
                f"{source.subject}: layer {layer.diff_id} is {diff_id} in its config"
            )
        layer.diff_id = diff_id


def _register(store: Store, source: ImageSource, layers: list[StoredLayer]) -> Image:
    config = source.config
    if source.build_config is not None:
        config = source.build_config([layer.diff_id for layer in layers])
    config_digest = _core.put_blob(store.root, config)
    manifest = source.manifest
    manifest_type = source.manifest_media_type
    if manifest is None:
        manifest = _build_manifest(config_digest, len(config), layers)
        manifest_type = media_type.OCI_MANIFEST
    elif Manifest.parse(manifest).config.digest != config_digest:
        raise DigestMismatchError(
            f"{source.subject}: the config has the digest {config_digest}, the manifest names "
            f"{Manifest.parse(manifest).config.digest}"
        )
    return store.add_image(manifest, manifest_type, source.names, source.repo_digest)


def _build_manifest(config_digest: str, config_size: int, layers: list[StoredLayer]) -> bytes:
    return Manifest.build(
        Descriptor(media_type.OCI_CONFIG, config_digest, config_size),
        [
            Descriptor(media_type.LAYER_TYPES[layer.compression], layer.digest, layer.size)
            for layer in layers
        ],
    ).raw


class _LayerCopy:
    """The layers of one operation on their way into the store."""

    def __init__(self, store: Store, progress: Progress | None) -> None:
        self._store = store
        self._root = store.root
        self._progress = progress
        self._reporting = threading.Lock()
        self._cancelled = threading.Event()
        self._pairs: set[tuple[str, str]] | None = None

    def run(self, layers: Sequence[LayerSource]) -> list[StoredLayer]:
        """Ingests what is missing, each once; returns a record for each layer, in order."""
        groups: dict[object, list[LayerSource]] = {}
        for layer in layers:
            # Two forms of one tar are taken one after the other: the second finds it done.
            groups.setdefault(layer.diff_id or id(layer), []).append(layer)
        records: dict[int, StoredLayer] = {}
        jobs: list[Callable[[], None]] = []
        # The largest first: it must not be the one that all others wait for in the end.
        for group in sorted(groups.values(), key=lambda group: -group[0].size):
            missing = [layer for layer in group if not self._take_existing(layer, records)]
            for layer in missing:
                if layer.lacking:  # before any work is done
                    raise CorruptError(layer.lacking)
            if missing:
                jobs.append(self._job(missing, records))

        def abort() -> None:
            for layer in layers:
                layer.abort()

        run_all(jobs, workers=_LAYERS_AT_ONCE, cancelled=self._cancelled, abort=abort)
        return [records[id(layer)] for layer in layers]

    def _take_existing(self, layer: LayerSource, records: dict[int, StoredLayer]) -> bool:
        record = self._existing(layer)
        if record is None:
            return False
        records[id(layer)] = record
        self._report("exists", layer, record.size, record.size)
        return True

    def _job(
        self, layers: list[LayerSource], records: dict[int, StoredLayer]
    ) -> Callable[[], None]:
        def ingest() -> None:
            done: dict[str, StoredLayer] = {}
            for layer in layers:
                record = done.get(layer.digest) or self._ingest(layer)
                done[layer.digest] = records[id(layer)] = record

        return ingest

    def _existing(self, layer: LayerSource) -> StoredLayer | None:
        """The layer, if all of it is in the store and is known to belong together."""
        info = _core.layer_info(self._root, layer.diff_id) if layer.diff_id else None
        if info is None:
            return None
        if layer.digest in ("", info.digest):
            record = StoredLayer(info.digest, info.size, info.diff_id, info.compression)
        elif _core.has_blob(self._root, layer.digest) and self._is_known(layer):
            record = self._blob_record(layer)
        else:
            return None
        if layer.size not in (-1, record.size):
            raise DigestMismatchError(
                f"layer {record.digest} has {record.size} bytes, its descriptor says {layer.size}"
            )
        return record

    def _is_known(self, layer: LayerSource) -> bool:
        """Whether an image in the store has this blob as the compressed form of this diff_id.

        Both being there proves nothing: a lying config may pair any blob with any diff_id.
        """
        if self._pairs is None:
            self._pairs = {
                (known.digest, known.diff_id)
                for image in self._store.images()
                for known in image.layers
            }
        return (layer.digest, layer.diff_id) in self._pairs

    def _blob_record(self, layer: LayerSource) -> StoredLayer:
        with open(_core.blob_path(self._root, layer.digest), "rb", buffering=0) as blob:
            compression = compression_of(blob.read(HEAD_BYTES))
            size = os.fstat(blob.fileno()).st_size
        return StoredLayer(layer.digest, size, layer.diff_id, compression)

    def _ingest(self, layer: LayerSource) -> StoredLayer:
        self._check_cancelled()
        self._report("start", layer, 0, layer.size)
        info = self._ingest_local(layer)
        if info is None:
            info = layer.ingest(self._root, lambda taken: self._on_bytes(layer, taken))
        for what, said, found in (
            ("digest", layer.digest, info.digest),
            ("diff_id", layer.diff_id, info.diff_id),
        ):
            if said not in ("", found):
                raise DigestMismatchError(f"layer {said} has the {what} {found}")
        self._report("done", layer, info.size, info.size)
        return StoredLayer(info.digest, info.size, info.diff_id, info.compression)

    def _ingest_local(self, layer: LayerSource) -> _core.LayerInfo | None:
        """Ingests from the blob in the store, if it is there; None if it is not, or is damaged."""
        if not layer.digest or not _core.has_blob(self._root, layer.digest):
            return None
        if layer.size not in (-1, os.stat(_core.blob_path(self._root, layer.digest)).st_size):
            return None
        try:
            return _core.ingest_blob(
                self._root,
                layer.digest,
                diff_id=layer.diff_id,
                on_bytes=lambda taken: self._on_bytes(layer, taken),
            )
        except CorruptError:
            # The source may have better bytes; if not, its error is the one to show.
            return None

    def _on_bytes(self, layer: LayerSource, taken: int) -> None:
        self._check_cancelled()
        self._report("transfer", layer, taken, layer.size)

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _report(self, kind: str, layer: LayerSource, current: int, total: int) -> None:
        if self._progress is not None:
            with self._reporting:
                self._progress(Event(kind, layer.digest or layer.diff_id, current, total))
