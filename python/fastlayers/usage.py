"""What a store takes on the disk, by kind, and how much of it is used by nothing."""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.container_mount import VOLUME
from fastlayers.errors import FastlayersError
from fastlayers.garbage import Live
from fastlayers.host import list_directory
from fastlayers.oci.digest import chain_ids, hex_of
from fastlayers.oci.frozen import Frozen
from fastlayers.volume_store import volumes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastlayers.container import Container
    from fastlayers.image import Image
    from fastlayers.store import Store

_BLOCK_BYTES = 512


class Kind(Frozen):
    """Things of one kind. `active` are those in use; sizes are bytes, `reclaimable` of the ones
    that are not."""

    __slots__ = ("active", "count", "reclaimable", "size")

    count: int
    active: int
    size: int
    reclaimable: int

    def __init__(self, count: int, active: int, size: int, reclaimable: int) -> None:
        self._set(count=count, active=active, size=size, reclaimable=reclaimable)


class Usage(Frozen):
    """What a store takes."""

    __slots__ = ("containers", "images", "volumes")

    images: Kind
    containers: Kind
    volumes: Kind

    def __init__(self, images: Kind, containers: Kind, volumes: Kind) -> None:
        self._set(images=images, containers=containers, volumes=volumes)


def measure(store: Store) -> Usage:
    """See Store.usage."""
    containers = store.containers(all=True)
    return Usage(_images(store, containers), _containers(containers), _volumes(store, containers))


def _images(store: Store, containers: list[Container]) -> Kind:
    """Blobs and what is derived of them, as allocated. What only images without a container need
    could go."""
    images = store.images()
    used_ids = {image_id for container in containers for image_id in container.image_ids}
    used = Live(store)
    for image in images:
        if image.id in used_ids:
            used.add(image.descriptor.digest)
    for container in containers:
        used.add(container.manifest_digest)
        used.add_layers(container.diff_ids)
        for mounted in container.mounted_images.values():
            used.add(mounted.manifest_digest)
            used.add_layers(mounted.diff_ids)
    size = reclaimable = 0
    for folders, needed in (
        (("blobs", "sha256"), used.blobs),
        (("layers",), used.layers),
        (("chains",), used.chains),
        (("partial",), set[str]()),
    ):
        directory = os.path.join(store.root, *folders)
        for name in list_directory(directory):
            taken = allocated(os.path.join(directory, name))
            size += taken
            if name not in needed:
                reclaimable += taken
    active = sum(image.id in used_ids for image in images)
    return Kind(len(images), active, size, reclaimable)


def _containers(containers: list[Container]) -> Kind:
    """What containers share with their forks counts once; what only such need that do not run could
    go."""
    sizes: dict[str, int] = {}
    in_use: set[str] = set()
    active = 0
    for container in containers:
        running = container.status == "running"
        active += running
        for path in container.uppers:
            if path not in sizes:
                sizes[path] = _content(path)
            if running:
                in_use.add(path)
    reclaimable = sum(size for path, size in sizes.items() if path not in in_use)
    return Kind(len(containers), active, sum(sizes.values()), reclaimable)


def _volumes(store: Store, containers: list[Container]) -> Kind:
    count = active = size = reclaimable = 0
    used = {
        mount.source
        for container in containers
        for mount in container.mounts
        if mount.kind == VOLUME
    }
    for volume in volumes(store):
        taken = volume.size()
        count, size = count + 1, size + taken
        if volume.name in used:
            active += 1
        else:
            reclaimable += taken
    return Kind(count, active, size, reclaimable)


def _content(path: str) -> int:
    try:
        return _core.upper_size(path)
    except FastlayersError:  # removed meanwhile
        return 0


def image_usage(image: Image) -> int:
    """Bytes on the disk of what an image needs, whoever shares it: its blobs, the tables and
    indexes made of them, and unpacked trees, of which the files' contents are counted."""
    root, manifest = image.store.root, image.manifest
    blobs = {image.descriptor.digest, manifest.config.digest}
    blobs.update(layer.digest for layer in manifest.layers)
    total = sum(allocated(os.path.join(root, "blobs", "sha256", hex_of(blob))) for blob in blobs)
    made = [("layers", layer.diff_id, layer.content_size) for layer in image.layers]
    made += [("chains", chain, image.size) for chain in chain_ids(image.config.diff_ids)[-1:]]
    for folder, digest, unpacked in made:
        directory = os.path.join(root, folder, hex_of(digest))
        for name in list_directory(directory):
            total += unpacked if name == "tree" else allocated(os.path.join(directory, name))
    return total


def allocated(path: str) -> int:
    """Bytes that a file, or a folder with all that is in it, takes on the disk."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for status in _walk(path):
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        total += status.st_blocks * _BLOCK_BYTES
    return total


def _walk(path: str) -> Iterator[os.stat_result]:
    try:
        yield os.lstat(path)
        if os.path.islink(path) or not os.path.isdir(path):
            return
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
                else:
                    yield entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # it goes while we look
