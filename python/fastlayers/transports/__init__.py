"""Where images come from and go to: registries, archives, layouts, root file systems.

Importing this package costs nothing; each function imports what it needs when it is called.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import IO

    from fastlayers.image import Image
    from fastlayers.oci.document import Descriptor
    from fastlayers.oci.platform import Platform
    from fastlayers.oci.reference import Reference
    from fastlayers.store import Store

    from .archive_writer import Wanted
    from .credentials import Credentials
    from .remote import RemoteImage
    from .source import Event, Progress

__all__ = [
    "Event",
    "Progress",
    "copy",
    "image_at",
    "import_rootfs",
    "load",
    "login",
    "logout",
    "look",
    "pull",
    "push",
    "save",
    "tags",
]


def __getattr__(name: str) -> object:
    if name in ("Event", "Progress"):
        from . import source

        return getattr(source, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def login(registry: str, username: str, password: str) -> str:
    """Asks a registry ("host" or "host:port"; "docker.io" is Docker Hub) whether it knows a user,
    and keeps the login where Docker's command line keeps it. Returns the path of the file if the
    password lies there as it is, "" if a credential helper has it. UnauthorizedError if it is
    refused."""
    from .credentials import Credentials, store_credentials

    credentials = Credentials(username, password)
    check_login(registry, credentials)
    return store_credentials(registry, credentials)


def check_login(registry: str, credentials: Credentials) -> None:
    """Asks a registry whether it knows a user. UnauthorizedError if it does not."""
    from .session import Session, Step

    session = Session(registry, credentials=credentials)
    try:
        session.release(session.get("/v2/", Step("log in")))
    finally:
        session.close()


def logout(registry: str) -> bool:
    """Forgets a login; whether there was one."""
    from .credentials import erase_credentials

    return erase_credentials(registry)


def pull(
    store: Store,
    name: str | Reference,
    *,
    platform: str | Platform | None = None,
    progress: Progress | None = None,
) -> Image:
    """Fetches an image from its registry, or from the first of its mirrors that can give it
    (registries.toml); layers that the store has are not sent again."""
    from fastlayers.oci.reference import Reference

    from .puller import pull as fetch

    reference = Reference.parse(name) if isinstance(name, str) else name
    return fetch(store, reference, _platform(platform), progress)


def push(
    store: Store,
    image: Image,
    names: Sequence[str | Reference],
    *,
    compression: str | None = None,
    level: int | None = None,
    progress: Progress | None = None,
) -> Descriptor:
    """Brings an image into registries under names; see Image.push."""
    from fastlayers.oci.reference import Reference

    from .packing import Packing
    from .registry_writer import push as send

    references = [Reference.parse(name) if isinstance(name, str) else name for name in names]
    packing = Packing.of(image, compression, level)
    return send(store, image, references, packing, progress)


def copy(
    store: Store,
    source: str,
    target: str,
    *,
    platform: str | Platform | None = None,
    every_platform: bool = False,
    referrers: bool = False,
    compression: str | None = None,
    level: int | None = None,
    progress: Progress | None = None,
) -> str:
    """Copies an image between two places, spelled as skopeo's users do: docker://NAME,
    docker-archive:FILE:NAME, oci:FOLDER:NAME, oci-archive:FILE:NAME, store:NAME. Nothing passes
    through the store unless it is one of them, and every digest stays what it was, but for plain
    layers that go from the store or a docker archive to a registry: they are compressed, as by
    `push`, and only there `compression` and `level` may be given (else InvalidError). Returns the
    digest of the manifest or index that now lies there.

    Of an index the image for a platform is copied (None: this machine's), or all of it. With
    `referrers` what refers to it comes along: signatures, SBOMs, attestations, and what refers to
    those (OCI distribution-spec, "Listing Referrers"); UnsupportedError where one of the places is
    a docker archive or the store, which hold none. `progress` is called with an Event for each
    step.
    """
    from . import carry
    from .location import Location

    return carry.copy(
        store,
        Location.parse(source),
        Location.parse(target),
        platform=_platform(platform),
        every_platform=every_platform,
        referrers=referrers,
        compression=compression,
        level=level,
        progress=progress,
    )


def look(store: Store, location: str, *, platform: str | Platform | None = None) -> RemoteImage:
    """What an image anywhere says of itself; its layers are not read. Places are spelled as for
    `copy`."""
    from .location import Location
    from .remote import look

    return look(store, Location.parse(location), _platform(platform))


def image_at(store: Store, location: str, *, platform: str | Platform | None = None) -> Image:
    """An image of the store, an archive or an OCI layout, to look inside; see Image.at."""
    from .location import Location

    place = Location.parse(location)
    if place.transport == "store":
        return store.image(place.name)
    from .temporary import image_at

    return image_at(place, _platform(platform))


def tags(repository: str) -> list[str]:
    """The tags of a repository of a registry ("host/path", "ubuntu"), in the registry's order; a
    mirror is asked first, if there is one."""
    from fastlayers.oci.reference import Reference

    from .hosts import Hosts
    from .registry import RegistryClient

    reference = Reference.parse(repository.removeprefix("docker://"))

    def ask(host: str) -> list[str]:
        with RegistryClient(host) as client:
            return client.tags(reference)

    return Hosts(reference.registry).ask(ask)


def load(
    store: Store,
    source: str | os.PathLike[str] | IO[bytes],
    *,
    platform: str | Platform | None = None,
    progress: Progress | None = None,
) -> list[tuple[str | None, Image]]:
    """Loads every image of a `docker save` archive, OCI archive or OCI layout folder.

    Returns a row for each name (as people write it), in the archive's order, and one with None for
    an image without a name.
    """
    from . import detect

    return detect.load(store, source, platform=_platform(platform), progress=progress)


def import_rootfs(
    store: Store,
    source: str | os.PathLike[str] | IO[bytes],
    name: str | None = None,
    *,
    changes: Sequence[str] = (),
    message: str = "",
    platform: str | Platform | None = None,
    progress: Progress | None = None,
) -> Image:
    """Makes an image of one layer from the tar of a root file system, which may be compressed."""
    from . import rootfs

    return rootfs.import_rootfs(
        store,
        source,
        name,
        changes=changes,
        message=message,
        platform=_platform(platform),
        progress=progress,
    )


def save(
    store: Store,
    images: Sequence[Wanted],
    file: str | os.PathLike[str] | IO[bytes],
    *,
    format: str = "docker",
    since: Sequence[Image] = (),
    progress: Progress | None = None,
) -> None:
    """Writes images as one archive, "docker" or "oci". See `archive_writer.save`."""
    from . import archive_writer

    archive_writer.save(store, images, file, format=format, since=since, progress=progress)


def _platform(value: str | Platform | None) -> Platform | None:
    if value is None or not isinstance(value, str):
        return value
    from fastlayers.oci.platform import Platform

    return Platform.parse(value)
