"""The mounts of a container as the launcher takes them; sources that are missing are made."""

from __future__ import annotations

import os

from fastlayers.container_mount import BIND, IMAGE, TMPFS, VOLUME, source_path
from fastlayers.host import make_directory, unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers import _core
    from fastlayers.container_mount import Mount
    from fastlayers.container_record import ContainerRecord


def plan_mounts(
    spec: _core.LaunchSpec,
    container: ContainerRecord,
    mounts: Sequence[Mount],
    *,
    tmpfs: bool = True,
) -> None:
    """Fills in a container's mounts; without `tmpfs` only those that hold something before the
    container starts."""
    spec.binds = [_bind(mount, container) for mount in mounts if mount.kind in (BIND, VOLUME)]
    if tmpfs:
        spec.tmpfs = [_tmpfs(mount) for mount in mounts if mount.kind == TMPFS]
    images = [mount for mount in mounts if mount.kind == IMAGE]
    for mount in images:
        image = container.mounted_images[mount.source]
        container.store.prepare_chain(image.diff_ids, image.manifest_digest)
    spec.images = [
        (list(container.mounted_images[mount.source].diff_ids), mount.target) for mount in images
    ]


def _bind(mount: Mount, container: ContainerRecord) -> tuple[str, str, bool, bool]:
    source = source_path(mount, container.store.root)
    if mount.kind == VOLUME:
        _prepare_volume(mount, source, container)
    elif not mount.must_exist and not os.path.exists(source):
        make_directory(source)
    return source, mount.target, mount.read_only, mount.copy_up


def _prepare_volume(mount: Mount, source: str, container: ContainerRecord) -> None:
    if not os.path.isdir(source):  # of a container that an earlier version made
        from fastlayers.volume_store import make_missing, volumes_lock

        with volumes_lock(container.store):
            make_missing(container.store, [mount.source], own=container.own_volumes)
    if not mount.copy_up:
        # What is in it now is taken as it is, although copying the image's may have broken off.
        from fastlayers.volume import filling_path

        unlink(filling_path(os.path.dirname(source), mount.source))


def _tmpfs(mount: Mount) -> tuple[str, list[tuple[str, str]], bool, bool, bool]:
    options = [(key, value) for key, value in mount.options.items() if key not in ("exec", "suid")]
    executable, set_uid = "exec" in mount.options, "suid" in mount.options
    return mount.target, options, mount.read_only, executable, set_uid
