"""The volumes of a store: how one is made, found and removed.

ROOT/locks/volumes is held by whoever makes or removes one, and by whoever makes a container that
names one: between the look for a volume's users and its removal no user appears.
"""

from __future__ import annotations

import os

from fastlayers._core import remove_tree
from fastlayers.container_mount import VOLUME, check_volume_name
from fastlayers.errors import ConflictError, InvalidError, NotFoundError
from fastlayers.host import (
    host_error,
    list_directory,
    make_directory,
    sync_directory,
    unlink,
    write_file,
)
from fastlayers.lock import FileLock
from fastlayers.volume import (
    ANONYMOUS_LABEL,
    Volume,
    filling_path,
    new_record,
    read_volume,
    record_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from fastlayers.container import Container
    from fastlayers.store import Store

_NAME_BYTES = 32


def directory_of(store: Store) -> str:
    """ROOT/volumes."""
    return os.path.join(store.root, "volumes")


def volumes_lock(store: Store) -> FileLock:
    """The lock of all that makes or removes volumes, not acquired yet."""
    store.prepare()
    return FileLock(os.path.join(store.root, "locks", "volumes"), exclusive=True)


def volumes(store: Store) -> list[Volume]:
    """See Store.volumes."""
    directory = directory_of(store)
    names = sorted(name for name in list_directory(directory) if not name.startswith("."))
    found = (read_volume(store, directory, name) for name in names)
    return [volume for volume in found if volume is not None]


def find_volume(store: Store, name: str) -> Volume:
    """See Store.volume."""
    try:
        check_volume_name(name)
    except InvalidError:
        volume = None
    else:
        volume = read_volume(store, directory_of(store), name)
    if volume is None:
        raise NotFoundError(f"get {name[:200]}: no such volume")
    return volume


def create_volume(store: Store, name: str, labels: Mapping[str, str]) -> Volume:
    """See Store.create_volume."""
    labels = dict(labels)
    if not name:
        name = os.urandom(_NAME_BYTES).hex()
        labels[ANONYMOUS_LABEL] = ""
    check_volume_name(name)
    with volumes_lock(store):
        _make(store, name, labels)
    return find_volume(store, name)


def make_missing(store: Store, names: Iterable[str], own: Collection[str]) -> None:
    """Makes the volumes that are not there; those that are a container's `own` are anonymous. The
    caller holds the lock."""
    for name in names:
        _make(store, name, {ANONYMOUS_LABEL: ""} if name in own else {})


def _make(store: Store, name: str, labels: Mapping[str, str]) -> None:
    """A volume's directory is what makes it one: it comes last."""
    directory = directory_of(store)
    path = os.path.join(directory, name)
    if os.path.isdir(path):
        return
    make_directory(directory, 0o700)
    # What an earlier one was given, and a crash has left, would be taken for this one's.
    write_file(record_path(directory, name), new_record(labels), sync=True)
    make_directory(path)
    sync_directory(directory)


def users(store: Store) -> dict[str, list[Container]]:
    """The containers that have volumes mounted, by the names of these."""
    found: dict[str, list[Container]] = {}
    for container in store.containers(all=True):
        for mount in container.mounts:
            if mount.kind == VOLUME:
                found.setdefault(mount.source, []).append(container)
    return found


def remove_volume(store: Store, name: str) -> None:
    """See Volume.remove."""
    with volumes_lock(store):
        find_volume(store, name)
        owners = dict.fromkeys(one.id for one in users(store).get(name, ()))
        if owners:
            raise ConflictError(f"remove {name}: volume is in use - [{', '.join(owners)}]")
        grave = _bury(store, name)
    remove_tree(grave)


def remove_unused(store: Store, names: Iterable[str]) -> None:
    """Removes volumes, but for those that are gone or that a container has mounted."""
    for name in names:
        try:
            remove_volume(store, name)
        except (ConflictError, NotFoundError):
            continue


def prune_volumes(
    store: Store, *, all: bool, matches: Callable[[Volume], bool] | None
) -> tuple[list[str], int]:
    """See Store.prune_volumes."""
    removed: list[str] = []
    graves: list[str] = []
    freed = 0
    with volumes_lock(store):
        used = users(store)
        for volume in volumes(store):
            if volume.name in used or not (all or volume.is_anonymous):
                continue
            if matches is not None and not matches(volume):
                continue
            freed += volume.size()
            graves.append(_bury(store, volume.name))
            removed.append(volume.name)
    for grave in graves:
        remove_tree(grave)
    return removed, freed


def _bury(store: Store, name: str) -> str:
    """Takes a volume out of sight, in one step that is on disk when this returns."""
    directory = directory_of(store)
    grave = os.path.join(directory, f".{os.urandom(8).hex()}.old")
    try:
        os.rename(os.path.join(directory, name), grave)
        unlink(record_path(directory, name))
        unlink(filling_path(directory, name))
    except OSError as error:
        raise host_error(f"cannot remove the volume {name}", error) from None
    sync_directory(directory)
    return grave


def sweep(store: Store) -> None:
    """Removes what a crash has left of volumes that were being made or removed."""
    directory = directory_of(store)
    if not any(name.startswith(".") for name in list_directory(directory)):
        return
    with volumes_lock(store):
        for name in list_directory(directory):
            path = os.path.join(directory, name)
            if name.startswith(".") and name.endswith(".old"):
                remove_tree(path)
            elif name.startswith(".") and name.endswith(".new"):
                unlink(path)
            elif name.startswith("."):
                volume = name[1:].removesuffix(".json").removesuffix(".filling")
                if not os.path.isdir(os.path.join(directory, volume)):
                    unlink(path)
