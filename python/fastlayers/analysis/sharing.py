"""Which images share which layers, and what removing one would free. Needs no numpy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastlayers.garbage import Live
from fastlayers.usage import allocated

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store

    _Places = set[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SharedLayer:
    """A layer of the store, the bytes of its files, and the images that have it, by ID."""

    diff_id: str
    size: int
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageShare:
    """What an image takes on the disk, in bytes: all of it, what other images or containers need
    too, and what would be free without it."""

    image_id: str
    tags: tuple[str, ...]
    size: int
    shared: int
    freed: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """The layers, those that most images have first, and the images, those first whose removal
    would free most."""

    layers: tuple[SharedLayer, ...]
    images: tuple[ImageShare, ...]


def layer_sharing(store: Store) -> Sharing:
    """All images of a store. One that a container needs frees what the container does not."""
    images = store.images()
    needs = {image.id: _needs_of_image(store, image) for image in images}
    count: dict[tuple[str, ...], int] = {}
    for places in (*needs.values(), _needs_of_containers(store)):
        for place in places:
            count[place] = count.get(place, 0) + 1
    sizes = {place: allocated(os.path.join(store.root, *place)) for place in count}
    shares = []
    for image in images:
        places = needs[image.id]
        size = sum(sizes[place] for place in places)
        freed = sum(sizes[place] for place in places if count[place] == 1)
        shares.append(ImageShare(image.id, image.tags, size, size - freed, freed))
    return Sharing(
        tuple(sorted(_layers(images), key=lambda layer: (-len(layer.images), -layer.size))),
        tuple(sorted(shares, key=lambda share: -share.freed)),
    )


def _layers(images: list[Image]) -> list[SharedLayer]:
    owners: dict[str, dict[str, None]] = {}
    sizes: dict[str, int] = {}
    for image in images:
        for layer in image.layers:
            sizes[layer.diff_id] = layer.content_size
            owners.setdefault(layer.diff_id, {})[image.id] = None
    return [SharedLayer(diff_id, sizes[diff_id], tuple(ids)) for diff_id, ids in owners.items()]


def _needs_of_image(store: Store, image: Image) -> _Places:
    live = Live(store)
    for entry in store.catalog.entries(image.id):
        live.add(entry.digest)
    return _places(live)


def _needs_of_containers(store: Store) -> _Places:
    live = Live(store)
    for container in store.containers(all=True):
        live.add(container.manifest_digest)
        live.add_layers(container.diff_ids)
    return _places(live)


def _places(live: Live) -> _Places:
    return {
        *(("blobs", "sha256", name) for name in live.blobs),
        *(("layers", name) for name in live.layers),
        *(("chains", name) for name in live.chains),
    }
