"""Commit: what a container changed becomes a layer on top of its image."""

from __future__ import annotations

from fastlayers import _core
from fastlayers.container_state import RUNNING
from fastlayers.errors import InvalidError
from fastlayers.oci import change, media_type, timestamp
from fastlayers.oci.document import Descriptor, History, ImageConfig, Manifest
from fastlayers.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.container import Container
    from fastlayers.image import Image


def commit(
    container: Container,
    name: str | None,
    *,
    message: str,
    author: str,
    changes: Sequence[str],
    pause: bool,
) -> Image:
    """Makes the image; see Container.commit."""
    names = [] if name is None else [image_name(name)]
    # Before anything is written: a bad instruction must leave nothing behind.
    runtime = change.apply_to_runtime(container.runtime, changes)
    store = container.store
    with store.working():
        manifest, config = store.documents(container.manifest_digest)
        layer = _write_layer(container, pause)
        created = timestamp.creation_time()
        step = History(created, " ".join(container.command), author, message)
        committed = config.without_making().replace(
            created=created,
            author=author,
            runtime=runtime,
            diff_ids=(*config.diff_ids, layer.diff_id),
            history=(*config.history, step),
        )
        raw = _manifest(manifest, committed, layer).raw
        _core.put_blob(store.root, committed.raw)
        return store.add_image(raw, media_type.OCI_MANIFEST, names)


def _write_layer(container: Container, pause: bool) -> _core.LayerInfo:
    epoch = timestamp.source_date_epoch()
    store = container.store
    store.prepare_chain(container.diff_ids, container.manifest_digest)

    def write() -> _core.LayerInfo:
        with container.steady():
            return _core.commit_upper(
                store.root,
                list(container.diff_ids),
                container.uppers,
                -1 if epoch is None else epoch,
            )

    state = container.state()
    if not pause or state.status != RUNNING:
        return write()
    from fastlayers.freezer import Freezer

    with Freezer(None if state.paused else state.pid):
        return write()


def _manifest(base: Manifest, config: ImageConfig, layer: _core.LayerInfo) -> Manifest:
    return Manifest.build(
        Descriptor(media_type.OCI_CONFIG, config.digest, len(config.raw)),
        [*base.layers, Descriptor(media_type.OCI_LAYER, layer.diff_id, layer.tar_size)],
    )


def image_name(name: str) -> str:
    """The full form of a name for a new image; InvalidError if an image cannot be called so."""
    reference = Reference.parse(name)
    if reference.digest is not None:
        raise InvalidError(f"cannot create a tag with a digest reference: {name}")
    return reference.name
