"""Mounts that others see: of an image, read-only, or of a container that does not run.

A record in ROOT/mounts tells the garbage collector what is mounted, so that nothing is taken
away below a mount when its image is removed.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.errors import ConflictError, CorruptError, InvalidError, NotFoundError
from fastlayers.host import host_error, list_directory, make_directory, read_file, write_file
from fastlayers.oci import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastlayers.container import Container
    from fastlayers.image import Image
    from fastlayers.lock import FileLock
    from fastlayers.store import Store

_RECORD = ".json"
_COPY_LOCK = "copy.lock"
_PATIENCE_SECONDS = 30.0
_ESCAPES = ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\"))


class Mounted:
    """A mount; as a context it gives its path and is undone at the end."""

    __slots__ = ("_lock", "_store", "path")

    def __init__(self, store: Store, path: str, lock: FileLock | None = None) -> None:
        self._store = store
        self._lock = lock
        self.path = path

    def unmount(self) -> None:
        """Undoes the mount and lets go of what was held for it."""
        try:
            unmount(self._store, self.path)
        finally:
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.unmount()


def mount_image(image: Image, target: str | None) -> Mounted:
    """Mounts an image read-only. Without a target, where it is mounted already will do."""
    store = image.store
    if target is None:
        path = _own_target(store, image.short_id)
        if is_mount_point(path):
            return Mounted(store, path)
    else:
        path = _given_target(target)
    with store.working():
        store.prepare_chain(image.config.diff_ids, image.digest)
        record = _write_record(store, {"target": path, "manifest": image.digest})
        try:
            _core.mount_image(store.root, list(image.config.diff_ids), store.mount_backend, path)
        except BaseException:
            os.unlink(record)
            raise
    return Mounted(store, path)


def mount_container(container: Container, target: str | None, lock: FileLock) -> Mounted:
    """Mounts a container's root; the lock is held as long as it is mounted."""
    try:
        path = os.path.join(container.directory, "merged")
        if target is not None:
            path = _given_target(target)
        return mount_bundle(container, path, {"container": container.id}, lock)
    except BaseException:
        lock.release()
        raise


def mount_bundle(
    container: Container, path: str, owner: fields.Json, lock: FileLock | None
) -> Mounted:
    """Mounts the root of a container for a bundle; `owner` is what the record says of whom it
    keeps: the container, or the manifest of an image that it has been made of for this."""
    store = container.store
    refuse_mounted(store, container)
    record = _write_record(store, {"target": path, **owner})
    try:
        _attach_container(container, path)
    except BaseException:
        os.unlink(record)
        raise
    return Mounted(store, path, lock)


def _attach_container(container: Container, path: str) -> None:
    store = container.store
    with store.gc_lock(exclusive=False):
        store.prepare_chain(container.diff_ids, container.manifest_digest)
        _core.mount_container(
            store.root,
            list(container.diff_ids),
            store.mount_backend,
            container.directory,
            path,
            container.options.read_only,
        )


def copy_lock(container: Container, *, exclusive: bool) -> FileLock:
    """Held (not exclusively) by who copies from or to the root of a container that runs: its mount
    lasts as long, even when the container has ended."""
    from fastlayers.lock import FileLock

    return FileLock(os.path.join(container.directory, _COPY_LOCK), exclusive=exclusive)


def refuse_mounted(store: Store, container: Container) -> None:
    """ConflictError if a container's root is mounted: two mounts of one upper directory would
    spoil it. The process that mounted it may be long gone; for those who copy it waits."""
    lock = copy_lock(container, exclusive=True)
    if os.path.exists(lock.path):
        if not lock.acquire(timeout_seconds=_PATIENCE_SECONDS):
            raise ConflictError(
                f"container {container.name}: files are still copied from or to its last run"
            )
        lock.release()
    for _, document in _live_records(store):
        if document.get("container") == container.id:
            raise ConflictError(
                f"container {container.name} is mounted at {document['target']}: unmount it first"
            )


def unmount_container(store: Store, container: Container) -> None:
    """Undoes all mounts of a container and in its directory: also what a crash has left."""
    for record, document in _live_records(store):
        if document.get("container") == container.id:
            _core.unmount(str(document["target"]))
            os.unlink(record)
    inside = container.directory + "/"
    for path in reversed(mount_points()):
        if path.startswith(inside):
            _core.unmount(path)


def unmount(store: Store, target: str) -> None:
    """Undoes the topmost mount at a path; a directory that was made for it goes."""
    path = os.path.abspath(target)
    if not os.path.isdir(path):
        raise NotFoundError(f"no such directory: {target}")
    if not is_mount_point(path):
        raise InvalidError(f"nothing is mounted at {target}")
    _core.unmount(path)
    for record, document in _records(store):
        if document.get("target") == path:
            os.unlink(record)
    if os.path.dirname(path) == _directory(store):
        try:
            os.rmdir(path)
        except OSError as error:
            raise host_error("cannot remove", error) from None


def is_mount_point(path: str) -> bool:
    """Whether something is mounted at a path. The device numbers, by which it is often told, are
    the same on both sides of a bind mount."""
    return os.path.realpath(path) in mount_points()


def mount_points() -> list[str]:
    """Where things are mounted in this process's view, oldest first."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            # Blanks, tabs, newlines and backslashes in paths are written as octal numbers.
            path = line.split(b" ")[4]
            for escaped, byte in _ESCAPES:
                path = path.replace(escaped, byte)
            found.append(os.fsdecode(path))
    return found


def mounted_manifests(store: Store) -> list[str]:
    """The manifests of images that are mounted now."""
    manifests = (document.get("manifest") for _, document in _live_records(store))
    return [manifest for manifest in manifests if isinstance(manifest, str)]


def _live_records(store: Store) -> Iterator[tuple[str, fields.Json]]:
    """The records of mounts that exist; those of mounts that are gone are removed."""
    for record, document in _records(store):
        target = document.get("target")
        if isinstance(target, str) and is_mount_point(target):
            yield record, document
        else:
            os.unlink(record)


def _directory(store: Store) -> str:
    return os.path.join(store.root, "mounts")


def _own_target(store: Store, name: str) -> str:
    path = os.path.join(_directory(store), name)
    make_directory(path)
    return path


def _given_target(target: str) -> str:
    path = os.path.abspath(target)
    if not os.path.isdir(path):
        raise NotFoundError(f"cannot mount at {target}: there is no such directory")
    return path


def _write_record(store: Store, record: fields.Json) -> str:
    make_directory(_directory(store))
    path = os.path.join(_directory(store), os.urandom(8).hex() + _RECORD)
    write_file(path, fields.dump(record), sync=False)
    return path


def _records(store: Store) -> Iterator[tuple[str, fields.Json]]:
    directory = _directory(store)
    for name in list_directory(directory):
        if not name.endswith(_RECORD):
            continue
        path = os.path.join(directory, name)
        raw = read_file(path)
        if raw is not None:
            try:
                yield path, fields.parse_object(raw, path)
            except CorruptError:
                yield path, {}  # power failed while it was written: nothing is mounted any more
