"""The containers of a store: how one is made, found and removed."""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers._core import remove_tree, root_owner
from fastlayers.container import Container
from fastlayers.container_mount import VOLUME, own_volumes
from fastlayers.container_record import (
    is_id_prefix,
    new_record,
    read_record,
    write_directory,
    write_record,
)
from fastlayers.container_state import EXITED, RUNNING
from fastlayers.errors import (
    ConflictError,
    CorruptError,
    FastlayersError,
    InvalidError,
    NotFoundError,
)
from fastlayers.host import make_directory, sync_directory
from fastlayers.names import check_name
from fastlayers.oci import fields
from fastlayers.oci.digest import HEX_LENGTH
from fastlayers.oci.timestamp import to_ns
from fastlayers.process import may_have_cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastlayers.container import ContainerOptions
    from fastlayers.container_mount import Mount
    from fastlayers.image import Image
    from fastlayers.oci.fields import Json
    from fastlayers.store import Store


def containers(store: Store, all: bool) -> list[Container]:
    """See Store.containers."""
    opened = [_open(store, name) for name in store.names.ids()]
    found = [one for one in opened if one is not None and (all or one.status == RUNNING)]
    if all:
        found = [one for one in found if not _is_removed_late(one)]
    return sorted(found, key=lambda one: to_ns(one.created) or 0, reverse=True)


def _is_removed_late(container: Container) -> bool:
    """Removes one that was to remove itself, if whoever ran it died before."""
    if not container.options.auto_remove or container.status != EXITED:
        return False
    try:
        container.remove(volumes=True)
    except FastlayersError:
        return False  # another does, or it cannot be: then it is to be seen
    return True


def find(store: Store, text: str) -> Container | None:
    """See Store.try_container: a whole ID comes before names, a name before part of an ID."""
    if is_id_prefix(text) and len(text) == HEX_LENGTH:
        return _open(store, text)
    named = store.names.find(text.removeprefix("/"))
    if named is not None:
        return _open(store, named)
    if not is_id_prefix(text):
        return None
    found = [name for name in store.names.ids() if name.startswith(text)]
    if len(found) > 1:
        raise InvalidError(f"Multiple IDs found with provided prefix: {text}")
    return _open(store, found[0]) if found else None


def _open(store: Store, container_id: str) -> Container | None:
    directory = os.path.join(store.containers_directory, container_id)
    record = read_record(directory)
    return None if record is None else Container(store, directory, record)


def create_container(
    store: Store,
    image: Image,
    options: ContainerOptions,
    *,
    image_name: str,
    needs_command: bool,
    sync: bool,
) -> Container:
    """See Store.create_container."""
    # Locked, so that the image's layers stay until the record that names them can be found.
    with store.working():
        record, mounts = new_record(image, options, image_name, needs_command)
        store.prepare_chain(image.config.diff_ids, image.digest)
        return publish(store, record, mounts, options.name or "", sync)


def publish(
    store: Store,
    record: Json,
    mounts: Sequence[Mount],
    name: str,
    sync: bool,
    fill: Callable[[str], None] | None = None,
) -> Container:
    """Makes the container's directory, and has it appear with its name, and the volumes that it
    names; `fill` is called with the directory before that."""
    names = [mount.source for mount in mounts if mount.kind == VOLUME]
    if not names:
        return _publish(store, record, name, sync, fill)
    from fastlayers.volume_store import make_missing, remove_unused, volumes_lock

    own = own_volumes(mounts, str(record["id"]))
    try:
        # While the lock is held, they stay.
        with volumes_lock(store):
            make_missing(store, names, own)
            return _publish(store, record, name, sync, fill)
    except BaseException:
        remove_unused(store, own)
        raise


def _publish(
    store: Store, record: Json, name: str, sync: bool, fill: Callable[[str], None] | None
) -> Container:
    container_id = str(record["id"])
    directory = os.path.join(store.containers_directory, container_id)
    diff_ids = fields.strings(record, "diff_ids", "container config") or ()

    def complete(chosen: str) -> None:
        record["name"] = chosen
        write_record(prepared, record, sync)

    make_directory(store.containers_directory, 0o700)
    prepared = os.path.join(store.containers_directory, f".{container_id}.new")
    try:
        write_directory(prepared, root_owner(store.root, list(diff_ids)))
        if fill is not None:
            fill(prepared)
        store.names.publish(name, container_id, prepared, complete)
        if sync:
            sync_directory(store.containers_directory)
            store.names.sync()
        return Container(store, directory, record)
    except BaseException:  # an interrupt as well: then nobody knows of the container
        remove_tree(prepared)
        if os.path.isdir(directory):
            store.names.retire(str(record["name"]), container_id, prepared)
            remove_tree(prepared)
        raise


def rename_container(store: Store, container: Container, name: str) -> None:
    """See Container.rename."""
    record = read_record(container.directory)
    if record is None:
        raise NotFoundError(f"No such container: {container.name}")

    def complete(chosen: str) -> None:
        write_record(container.directory, {**record, "name": chosen}, sync=True)

    store.names.rename(container.name, check_name(name), container.id, complete)
    container.name = name


def discard_container(store: Store, container: Container, volumes: bool) -> None:
    """See Store.discard_container."""
    from fastlayers.mounted import unmount_container

    unmount_container(store, container)
    if may_have_cgroups():
        from fastlayers import cgroup

        cgroup.remove(container.id)
    grave = os.path.join(store.containers_directory, f".{container.id}.old")
    own = container.own_volumes if volumes else []
    store.names.retire(container.name, container.id, grave)
    frozen: set[str] = set()
    if any(os.path.exists(os.path.join(grave, name)) for name in ("frozen", "checkpoints.json")):
        from fastlayers import frozen_upper

        try:
            frozen = frozen_upper.needed(grave)
        except CorruptError:
            frozen = set()  # it is left to the garbage collector
    remove_tree(grave)
    if own:
        from fastlayers.volume_store import remove_unused

        remove_unused(store, own)
    if frozen:
        frozen_upper.drop(store, frozen, container.id)


def prune_containers(
    store: Store, matches: Callable[[Container], bool] | None
) -> tuple[list[str], int]:
    """See Store.prune_containers."""
    removed: list[str] = []
    freed = 0
    for container in containers(store, all=True):
        if container.status == RUNNING or (matches is not None and not matches(container)):
            continue
        try:
            sizes = {path: _core.upper_size(path) for path in container.uppers}
            container.remove()
        except (ConflictError, NotFoundError):
            continue  # it was started, or removed, meanwhile
        removed.append(container.id)
        # What its forks need has stayed.
        freed += sum(size for path, size in sizes.items() if not os.path.exists(path))
    return removed, freed
