"""Bundles: a container or an image as a folder that any OCI runtime takes (runtime-spec 1.1).

    config.json   what is to be run, and how
    init          the first process, if the container has one of the engine's
    rootfs        the root, mounted until it is unmounted: a container's own, so what is changed in
                  it is the container's; of an image a new one, whose changes lie in `upper`

A bundle of an image also holds the files that a container's directory in the store would hold, and
its volumes.
"""

from __future__ import annotations

import os
import shutil

from fastlayers import _core
from fastlayers.container import Container
from fastlayers.container_options import ContainerOptions
from fastlayers.container_record import fill_directory, new_record
from fastlayers.errors import ConflictError, UnsupportedError
from fastlayers.host import host_error, list_directory, make_directory, write_file
from fastlayers.launcher import Streams, launch_spec, network_files
from fastlayers.mounted import mount_bundle
from fastlayers.oci_bundle import Account, bundle_config, config_text, refuse_what_it_cannot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.container_mount import Mount
    from fastlayers.image import Image
    from fastlayers.lock import FileLock
    from fastlayers.mounted import Mounted

_CONFIG = "config.json"
_ROOT = "rootfs"


def bundle_container(container: Container, directory: str, lock: FileLock) -> Mounted:
    """Writes the bundle of a container that does not run; takes over its lock, which is held as
    long as the root is mounted. See Container.bundle."""
    try:
        with _Folder(directory) as folder:
            config = _config(container, folder)
            write_file(folder.config, config, sync=False)
            if container.options.init:
                program = _core.porter_program()
                write_file(os.path.join(folder.path, "init"), program, sync=False, mode=0o755)
            make_directory(folder.root)
            return mount_bundle(container, folder.root, {"container": container.id}, lock)
    except BaseException:
        lock.release()
        raise


def bundle_image(image: Image, directory: str) -> Mounted:
    """Writes the bundle of an image. See Image.bundle."""
    store = image.store
    with _Folder(directory) as folder, store.working():
        store.prepare_chain(image.config.diff_ids, image.digest)
        record, mounts = new_record(image, ContainerOptions(), "", needs_command=True)
        record["name"] = os.path.basename(folder.path)
        # Its volumes lie in the bundle, too.
        record["config"] = {**image.config.runtime.to_json(), "Volumes": None}
        binds = [_own_volume(mount, number, folder) for number, mount in enumerate(mounts)]
        # It lives in the bundle instead of the store, which knows nothing of it.
        container = Container(store, folder.path, record)
        fill_directory(
            folder.path, _core.root_owner(store.root, list(container.diff_ids)), merged=_ROOT
        )
        config = _config(container, folder, binds)
        write_file(folder.config, config, sync=False)
        return mount_bundle(container, folder.root, {"manifest": image.digest}, None)


def _own_volume(mount: Mount, number: int, folder: _Folder) -> tuple[str, str, bool, bool]:
    path = os.path.join(folder.path, "volumes", str(number))
    make_directory(path)
    return path, mount.target, mount.read_only, mount.copy_up


def _config(
    container: Container, folder: _Folder, binds: Sequence[tuple[str, str, bool, bool]] = ()
) -> bytes:
    options = container.options
    refuse_what_it_cannot(options)
    if options.network not in ("host", "none"):
        raise UnsupportedError(
            f"container {container.name} has --network {options.network}, which would have to stay "
            "for its bundle: run it with --runtime, or make it with --network host or none"
        )
    if options.limits and not _core.in_initial_user_namespace():
        raise UnsupportedError(
            f"container {container.name} has limits, and without root there are control groups for "
            "what fastlayers starts alone: run it with --runtime, or make it without"
        )
    store = container.store
    with store.gc_lock(exclusive=False):
        store.prepare_chain(container.diff_ids, container.manifest_digest)
        streams = Streams(interactive=container.interactive)
        spec = launch_spec(container, container.runtime, container.command, streams)
        spec.discard = False
        spec.binds = [*spec.binds, *binds]
        if spec.images:
            raise UnsupportedError(
                f"container {container.name} has images mounted, which would have to stay mounted "
                "for its bundle: run it with --runtime, or make it without"
            )
        network_files(container)
        account = Account(*_core.prepare_for_runtime(spec, spec.init))
    return config_text(bundle_config(container, spec, account, root=_ROOT, folder=folder.path))


class _Folder:
    """The folder of a new bundle; if making it fails, what was put into it is gone again."""

    __slots__ = ("_is_new", "path")

    def __init__(self, directory: str) -> None:
        self.path = os.path.abspath(directory)
        self._is_new = not os.path.lexists(self.path)

    @property
    def config(self) -> str:
        return os.path.join(self.path, _CONFIG)

    @property
    def root(self) -> str:
        return os.path.join(self.path, _ROOT)

    def __enter__(self) -> _Folder:
        make_directory(self.path, 0o700)
        if list_directory(self.path):
            raise ConflictError(f"{self.path} is not empty: a bundle needs a folder of its own")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A root that was not mounted in the end cannot be under it: mount_bundle has seen to that.
        merged = os.path.join(self.path, "merged")  # where the root was looked into, in private
        try:
            if os.path.isdir(merged):
                os.rmdir(merged)
            if kind is not None:
                for name in list_directory(self.path):
                    path = os.path.join(self.path, name)
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
                if self._is_new:
                    os.rmdir(self.path)
        except OSError as error:
            if kind is None:
                raise host_error("cannot make the bundle", error) from None
