"""Images made of images, without running anything: compressed anew, squashed, on another base.

The same image gives the same result: what is made claims the times of what it was made from, or
that of SOURCE_DATE_EPOCH if it is set.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.container_commit import image_name
from fastlayers.errors import InvalidError
from fastlayers.oci import media_type, timestamp
from fastlayers.oci.document import Descriptor, History, ImageConfig, Manifest
from fastlayers.oci.reference import familiar
from fastlayers.transports import packed
from fastlayers.transports.input import HEAD_BYTES, compression_of
from fastlayers.transports.packing import Packing
from fastlayers.transports.registry_writer import packed_layer
from fastlayers.transports.source import reporter
from fastlayers.transports.store_writer import check_stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastlayers.image import Image
    from fastlayers.transports import Progress

# OCI image-spec, annotations.md: what an image was built on.
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_BASE_NAME = "org.opencontainers.image.base.name"


def convert(
    image: Image,
    names: Sequence[str],
    *,
    compression: str,
    level: int | None,
    progress: Progress | None,
) -> Image:
    """See Image.convert."""
    names = [image_name(name) for name in names] or list(image.names)
    if not names:
        raise InvalidError("the image has no name: say what the converted one is to be called")
    packing = Packing.of(image, compression, level)
    store = image.store
    manifest = image.manifest
    with store.working():
        store.require_layers(manifest, image.config)
        layers = [
            _convert_layer(image, layer, diff_id, packing, level is not None, progress)
            for layer, diff_id in zip(manifest.layers, image.config.diff_ids, strict=True)
        ]
        if layers == list(manifest.layers):
            return store.add_image(manifest.raw, manifest.media_type, names)
        made = Manifest.build(manifest.config, layers, annotations=manifest.annotations)
        return store.add_image(made.raw, made.media_type, names)


def _convert_layer(
    image: Image,
    layer: Descriptor,
    diff_id: str,
    packing: Packing,
    anew: bool,
    progress: Progress | None,
) -> Descriptor:
    """The layer, compressed as wanted. One that is so already stays as it is unless `anew`."""
    root = image.store.root
    compression, level = packing

    report = reporter(progress, diff_id)
    with open(_core.blob_path(root, layer.digest), "rb", buffering=0) as blob:
        found = compression_of(blob.read(HEAD_BYTES))
    foreign = media_type.stays_elsewhere(layer.media_type, layer.urls)
    if foreign or (found == compression and (not anew or compression == "none")):
        report("exists", layer.size, layer.size)
        return layer
    kind = media_type.LAYER_TYPES[compression]
    if compression == "none":
        size = os.stat(_core.blob_path(root, diff_id)).st_size
        report("exists", size, size)
        return Descriptor(kind, diff_id, size)
    known = packed.known(root, diff_id, compression, level)
    if known is not None and _core.has_blob(root, known.digest):
        report("exists", known.size, known.size)
        return Descriptor(kind, known.digest, known.size)
    report("start", 0, -1)
    reader = packed_layer(root, diff_id, packing).reader()
    reader.keep(root, lambda written: report("transfer", written, -1))
    packed.remember(root, diff_id, compression, level, reader.digest, reader.size)
    report("done", reader.size, reader.size)
    return Descriptor(kind, reader.digest, reader.size)


def squash(
    image: Image,
    names: Sequence[str],
    *,
    start: int,
    stop: int | None,
    progress: Progress | None,
) -> Image:
    """See Image.squash."""
    names = [image_name(name) for name in names]  # before the work
    config, layers = image.config, image.manifest.layers
    first, end, _ = slice(start, stop).indices(len(layers))
    if first >= end:
        raise InvalidError(
            f"no layers to squash: {image.short_id} has {len(layers)}, "
            f"and none from {start} to {'the top' if stop is None else stop}"
        )
    epoch = timestamp.source_date_epoch()
    store = image.store
    with store.working():
        store.require_layers(image.manifest, config)
        top = config.diff_ids[end - 1]
        report = reporter(progress, top)
        report("start", 0, -1)
        squashed = _core.squash_layers(
            store.root,
            list(config.diff_ids[:end]),
            first,
            -1 if epoch is None else epoch,
            lambda written: report("transfer", written, -1),
        )
        report("done", squashed.size, squashed.size)
        made = Descriptor(media_type.OCI_LAYER, squashed.digest, squashed.size)
        return _register(
            image,
            names,
            diff_ids=[*config.diff_ids[:first], squashed.diff_id, *config.diff_ids[end:]],
            layers=[*layers[:first], made, *layers[end:]],
            history=_squashed_history(config, first, end),
            annotations=image.manifest.annotations,
        )


def _squashed_history(config: ImageConfig, start: int, stop: int) -> list[History]:
    """The steps, those of the squashed layers without a layer, and one that has it."""
    steps: list[History] = []
    place = used = 0
    for step in config.history:
        if not step.empty_layer:
            used += 1
            if start < used <= stop:
                step = History(
                    step.created, step.created_by, step.author, step.comment, empty_layer=True
                )
        steps.append(step)
        if used <= stop:
            place = len(steps)
    created = steps[place - 1].created if place else config.created
    comment = f"squashed {stop - start} layers" if stop - start > 1 else "squashed 1 layer"
    steps.insert(place, History(_time(created), "", "", comment))
    return steps


def rebase(image: Image, names: Sequence[str], *, new_base: Image, old_base: Image | None) -> Image:
    """See Image.rebase."""
    names = [image_name(name) for name in names]
    old = old_base or _recorded_base(image)
    count = len(old.config.diff_ids)
    if image.config.diff_ids[:count] != old.config.diff_ids:
        raise InvalidError(
            f"{_label(image)} is not built on {_label(old)}: its lowest layers are others"
        )
    if new_base.config.platform != image.config.platform:
        raise InvalidError(
            f"{_label(new_base)} is for {new_base.config.platform}, "
            f"{_label(image)} for {image.config.platform}"
        )
    store = image.store
    diff_ids = [*new_base.config.diff_ids, *image.config.diff_ids[count:]]
    with store.working():
        store.require_layers(image.manifest, image.config)
        store.require_layers(new_base.manifest, new_base.config)
        check_stack(store, diff_ids)
        return _register(
            image,
            names,
            diff_ids=diff_ids,
            layers=[*new_base.manifest.layers, *image.manifest.layers[count:]],
            history=[*new_base.config.history, *_own_history(image.config, old.config)],
            annotations={**image.manifest.annotations, **_base_annotations(new_base)},
        )


def _recorded_base(image: Image) -> Image:
    digest = image.manifest.annotations.get(_BASE_DIGEST, "")
    found = next((other for other in image.store.images() if other.digest == digest), None)
    if found is None:
        raise InvalidError(
            f"{_label(image)} does not say which image here it was built on: name the old base"
        )
    return found


def _base_annotations(base: Image) -> dict[str, str]:
    name = {_BASE_NAME: base.names[0]} if base.names else {}
    return {_BASE_DIGEST: base.digest, **name}


def _own_history(config: ImageConfig, base: ImageConfig) -> tuple[History, ...]:
    """The steps that were made on top of a base."""
    shared = len(base.history)
    if [x.to_json() for x in config.history[:shared]] == [x.to_json() for x in base.history]:
        return config.history[shared:]
    left = len(base.diff_ids)
    for position, step in enumerate(config.history):
        if left == 0:
            return config.history[position:]
        left -= not step.empty_layer
    return ()


def _register(
    image: Image,
    names: Sequence[str],
    *,
    diff_ids: Iterable[str],
    layers: Iterable[Descriptor],
    history: Iterable[History],
    annotations: dict[str, str],
) -> Image:
    """A new image that is run as `image` is."""
    store = image.store
    config = image.config.without_making().replace(
        created=_time(image.created), diff_ids=diff_ids, history=history
    )
    _core.put_blob(store.root, config.raw)
    plain = Descriptor(media_type.OCI_CONFIG, config.digest, len(config.raw))
    manifest = Manifest.build(plain, layers, annotations=annotations)
    return store.add_image(manifest.raw, media_type.OCI_MANIFEST, names)


def _time(claimed: str) -> str:
    return claimed if timestamp.source_date_epoch() is None else timestamp.creation_time()


def _label(image: Image) -> str:
    return familiar(image.names[0]) if image.names else image.short_id
