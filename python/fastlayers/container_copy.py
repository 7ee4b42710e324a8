"""Copying files between containers, images and the host, by the rules of `docker cp`."""

from __future__ import annotations

import os
import time

from fastlayers import _core
from fastlayers.container_state import RUNNING
from fastlayers.errors import ConflictError, InvalidError
from fastlayers.host import host_error
from fastlayers.lock import FileLock
from fastlayers.mount_plan import plan_mounts
from fastlayers.mounted import copy_lock, refuse_mounted
from fastlayers.process import start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from fastlayers.container import Container
    from fastlayers.image import Image

    File = str | os.PathLike[str] | IO[bytes] | int
    # A spec or the open root, and what people call it.
    Place = tuple[_core.LaunchSpec | None, int, str]

_PATIENCE_SECONDS = 30.0
_LOCK_SECONDS = 0.1


def copy_out(
    container: Container, path: str, target: File, *, follow_link: bool, keep_owners: bool
) -> int:
    """See Container.copy_out."""
    return _at(container, lambda place: _out(place, path, target, follow_link, keep_owners))


def copy_in(
    container: Container, source: File, path: str, *, follow_link: bool, keep_owners: bool
) -> int:
    """See Container.copy_in."""

    def copy(place: Place) -> int:
        spec, root, name = place
        inside = _inside(path)
        if isinstance(source, (str, os.PathLike)):
            return _core.copy_in(
                spec, root, name, local(os.fspath(source)), inside,
                follow_link=follow_link, keep_owners=keep_owners,
            )  # fmt: skip
        descriptor = _descriptor(source)
        return _core.unpack_in(spec, root, name, descriptor, inside, keep_owners=keep_owners)

    return _at(container, copy)


def copy_out_of_image(
    image: Image, path: str, target: File, *, follow_link: bool, keep_owners: bool
) -> int:
    """See Image.copy_out."""
    store = image.store
    spec = _core.LaunchSpec()
    spec.root = store.root
    spec.diff_ids = list(image.config.diff_ids)
    spec.backend = store.mount_backend
    with store.gc_lock(exclusive=False):
        store.prepare_chain(image.config.diff_ids, image.digest)
        return _out((spec, -1, image.short_id), path, target, follow_link, keep_owners)


def local(path: str) -> str:
    """A path of the host made absolute; what says at its end that it is a directory stays."""
    if not path:
        raise InvalidError("the path is empty")
    ending = "/." if path.endswith("/.") or path == "." else "/" if path.endswith("/") else ""
    found = os.path.abspath(path)
    return found + ending if found != "/" else "/" + ending.lstrip("/")


def _out(place: Place, path: str, target: File, follow_link: bool, keep_owners: bool) -> int:
    spec, root, name = place
    inside = _inside(path)
    if isinstance(target, (str, os.PathLike)):
        return _core.copy_out(
            spec, root, name, inside, local(os.fspath(target)),
            follow_link=follow_link, keep_owners=keep_owners,
        )  # fmt: skip
    return _core.pack_out(spec, root, name, inside, _descriptor(target), follow_link=follow_link)


def _inside(path: str) -> str:
    if not path or "\0" in path:
        raise InvalidError(f"no path in a container: {path[:200]!r}")
    return "/" + path.lstrip("/")


def _descriptor(file: IO[bytes] | int) -> int:
    if isinstance(file, int):
        return file
    try:
        descriptor = file.fileno()
    except (AttributeError, OSError):
        raise InvalidError("a tar is copied from and to files that have a descriptor") from None
    if file.writable():
        file.flush()
    return descriptor


def _at(container: Container, copy: Callable[[Place], int]) -> int:
    """Copies where the container is: in the root of one that runs, or in one's that is mounted for
    it, while nobody can start it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    lock = FileLock(container.state_file.lock_path, exclusive=True)
    while True:
        if container.state().status == RUNNING:
            with copy_lock(container, exclusive=False):
                root = _open_root(container)
                if root is not None:
                    try:
                        return copy((None, root, container.name))
                    finally:
                        os.close(root)
        if lock.acquire(timeout_seconds=_LOCK_SECONDS):
            try:
                if container.state().status != RUNNING:
                    return _at_rest(container, copy)
            finally:
                lock.release()
        if time.monotonic() > deadline:
            raise ConflictError(
                f"container {container.name} is in use: another process is starting it or has it "
                "mounted"
            )


def _at_rest(container: Container, copy: Callable[[Place], int]) -> int:
    store = container.store
    refuse_mounted(store, container)
    with store.gc_lock(exclusive=False):
        store.prepare_chain(container.diff_ids, container.manifest_digest)
        spec = _core.LaunchSpec()
        spec.root = store.root
        spec.diff_ids = list(container.diff_ids)
        spec.backend = store.mount_backend
        spec.directory = container.directory
        spec.read_only = container.options.read_only
        spec.privileged = container.options.privileged
        plan_mounts(spec, container, container.mounts, tmpfs=False)
        return copy((spec, -1, container.name))


def _open_root(container: Container) -> int | None:
    """The root of a container that runs, with all that is mounted in it; None if it has ended."""
    state = container.state()
    if not state.pid:
        return None
    try:
        root = os.open(f"/proc/{state.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as error:
        raise host_error(f"cannot enter container {container.name}", error) from None
    # The number may have become another process's meanwhile: one that has the root of the host.
    if start_time(state.pid) != state.pid_start:
        os.close(root)
        return None
    return root
