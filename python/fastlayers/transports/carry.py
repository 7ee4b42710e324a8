"""`copy`: an image from any place to any other, without a store where neither end is one.

Documents and blobs are copied as they are, so that every digest stays what it was; but from the
store or a docker archive to a registry plain layers are compressed, as a push does.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fastlayers.errors import DigestMismatchError, InvalidError, NotFoundError, UnsupportedError
from fastlayers.oci.document import Descriptor, Manifest

from .archive import Archive
from .destination import (
    ArchiveDestination,
    Destination,
    LayoutDestination,
    missing_folder,
)
from .detect import read_images
from .directory import Directory
from .location import Location
from .origin import DockerArchiveOrigin, LayoutOrigin, Origin, StoreOrigin
from .packing import Packing, repacked
from .parallel import run_all
from .plan import Plan, add_referrers, plan_copy
from .puller import pull
from .registry_destination import RegistryDestination
from .registry_origin import RegistryOrigin
from .registry_writer import push
from .session import Session
from .source import Event
from .spool import open_seekable
from .store_writer import store_image

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.platform import Platform
    from fastlayers.store import Store

    from .file_layer import Files
    from .source import ImageSource, Progress


def copy(
    store: Store,
    source: Location,
    target: Location,
    *,
    platform: Platform | None = None,
    every_platform: bool = False,
    referrers: bool = False,
    compression: str | None = None,
    level: int | None = None,
    progress: Progress | None = None,
) -> str:
    """Copies an image; returns the digest of what now lies at the target."""
    ways = (source.transport, target.transport)
    packs = ways in (("store", "docker"), ("docker-archive", "docker"))
    if not packs and (compression, level) != (None, None):
        raise InvalidError(
            "only layers that go from the store or a docker archive to a registry are compressed: "
            "leave the compression and its level out"
        )
    if referrers:
        _check_referrers(source, target)
    if every_platform and "store" in (source.transport, target.transport):
        raise InvalidError("the store holds images for one platform: leave --all out")
    if target.transport == "store":
        return _into_store(store, source, target, platform, progress).digest
    if ways == ("store", "docker"):
        image = store.image(source.name)
        packing = Packing.of(image, compression, level)
        return push(store, image, [target.reference], packing, progress).digest
    packs_archive = Packing.of(None, compression, level) if packs else None
    with opened(store, source, platform) as origin:
        plan = plan_copy(origin, platform, every_platform)
        if referrers:
            assert isinstance(origin, RegistryOrigin | LayoutOrigin)
            add_referrers(plan, origin)
        with _named(origin), _target(target, origin.repository) as destination:
            sent = _copy_layers(origin, destination, plan, packs_archive, progress)
            if isinstance(plan.root, Manifest):
                layers = [sent.get(layer.digest, layer) for layer in plan.root.layers]
                plan.root = repacked(plan.root, layers)
            destination.finish(plan)
    return plan.root.digest


@contextlib.contextmanager
def _named(origin: Origin) -> Iterator[None]:
    """Has the error for a layer that is wrong say where it is from."""
    try:
        yield
    except DigestMismatchError as error:
        if origin.label in str(error) or str(error).startswith("registry "):
            raise
        raise DigestMismatchError(f"{origin.label}: {error}") from None


def _check_referrers(*ends: Location) -> None:
    for end in ends:
        if end.transport not in ("docker", "oci", "oci-archive"):
            what = "the store" if end.transport == "store" else "a docker archive"
            raise UnsupportedError(
                f"{what} cannot hold what refers to an image: leave --referrers out"
            )


def _into_store(
    store: Store,
    source: Location,
    target: Location,
    platform: Platform | None,
    progress: Progress | None,
) -> Image:
    store.prepare()
    name = target.reference.name
    if source.transport == "store":
        image = store.image(source.name)
        store.tag(image, name)
        return image
    if source.transport == "docker":
        return pull(store, source.reference, platform, progress, name=name)
    return bring(store, source, platform, name=name, progress=progress)


def bring(
    store: Store,
    source: Location,
    platform: Platform | None,
    *,
    name: str | None = None,
    progress: Progress | None = None,
) -> Image:
    """An image of an archive or layout into the store, under a name or those that it has there."""
    store.prepare()
    with _files(store, source) as files:
        found = _choose(source, read_images(files, platform))
        if name is not None:
            found.names = [name]
        return store_image(store, found, progress)


def _choose(source: Location, images: list[ImageSource]) -> ImageSource:
    """The image of an archive or folder that is meant."""
    if source.name:
        full = source.reference.name
        tag = f":{source.name}"  # a layout's names may be tags alone
        images = [
            x for x in images if full in x.names or any(name.endswith(tag) for name in x.names)
        ]
    if not images:
        raise NotFoundError(f"{source.path}: no image is called {source.name!r}")
    if len(images) > 1:
        names = ", ".join(name for image in images for name in image.names[:1])
        raise InvalidError(f"{source.path} has several images: say which of {names}")
    return images[0]


@contextlib.contextmanager
def _files(store: Store, location: Location) -> Iterator[Files]:
    path = location.path
    if not os.path.exists(path):
        raise NotFoundError(f"{path}: no such file or directory")
    if os.path.isdir(path):
        yield Directory(path)
        return
    store.prepare()  # a compressed archive is unpacked in it
    with open_seekable(store.root, path) as descriptor:
        yield Archive(descriptor, path)


@contextlib.contextmanager
def opened(store: Store, location: Location, platform: Platform | None) -> Iterator[Origin]:
    """The image at a location, as long as the block runs."""
    if location.transport == "docker":
        with contextlib.closing(RegistryOrigin(location.reference)) as origin:
            yield origin
    elif location.transport == "store":
        with store.working():
            yield StoreOrigin(store.image(location.name))
    else:
        with _files(store, location) as files:
            if location.transport == "docker-archive":
                yield DockerArchiveOrigin(files, location.name)
            else:
                yield LayoutOrigin(files, location.name, platform)


@contextlib.contextmanager
def _target(location: Location, repository: str) -> Iterator[Destination]:
    if location.transport == "docker":
        session = Session(location.reference.registry)
        try:
            yield RegistryDestination(session, location.reference, repository)
        finally:
            session.close()
        return
    missing_folder(location.path)
    if location.transport == "oci":
        with LayoutDestination(location.path, location.name) as layout:
            yield layout
    else:
        yield ArchiveDestination(location.path, location.name, location.transport)


def _copy_layers(
    origin: Origin,
    destination: Destination,
    plan: Plan,
    packing: Packing | None,
    progress: Progress | None,
) -> dict[str, Descriptor]:
    """Returns those that were compressed, by what they were called before."""
    cancelled = threading.Event()
    reporting = threading.Lock()

    sent: dict[str, Descriptor] = {}

    def report(kind: str, layer: Descriptor, taken: int, total: int) -> None:
        if progress is not None:
            source = origin.repository.partition("/")[2] if kind == "mounted" else ""
            with reporting:
                progress(Event(kind, layer.digest, taken, total, source))

    def job(layer: Descriptor) -> Callable[[], None]:
        def work() -> None:
            packed = None
            if packing is not None and isinstance(origin, DockerArchiveOrigin):
                packed = origin.packed(layer, packing)
            there = destination.has(layer) if packed is None else ""
            if there:
                report(there, layer, layer.size, layer.size)
                return
            blob = packed or origin.blob(layer)
            report("start", layer, 0, blob.size)
            destination.put(layer, blob, lambda taken: report("transfer", layer, taken, blob.size))
            report("done", layer, blob.size, blob.size)
            if packed is not None:
                sent[layer.digest] = packed.descriptor

        return work

    def abort() -> None:
        destination.abort()
        if isinstance(origin, RegistryOrigin):
            origin.abort()

    # The largest first: it must not be what all others wait for in the end.
    order = sorted(plan.layers.values(), key=lambda layer: -layer.size)
    if destination.at_once == 1:
        order = list(plan.layers.values())
    run_all(
        [job(layer) for layer in order],
        workers=destination.at_once,
        cancelled=cancelled,
        abort=abort,
    )
    return sent
