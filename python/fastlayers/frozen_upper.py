"""Frozen uppers: upper directories that nobody writes any more, shared by the containers on them.

ROOT/uppers/<id>/ holds the directory `upper`, as overlayfs left it, and `users`, with an empty file
for each container that needs it, named by the container's ID: the last one to go takes the upper
with it. containers/<id>/frozen names what a container's own upper lies on, one ID a line, base
first; without the file it lies on its image alone.

Who changes what a container lies on holds its frozen.lock exclusively, who reads from it while it
does not run holds it shared. Whoever freezes an upper holds the container's lock as well, so that
it does not run, and the store's gc lock, shared.
"""

from __future__ import annotations

import os

from fastlayers._core import copy_upper, exchange, remove_tree, sync_file_system
from fastlayers.errors import CorruptError, LimitError, NotFoundError
from fastlayers.host import (
    host_error,
    list_directory,
    make_directory,
    read_file,
    sync_directory,
    unlink,
    write_file,
)
from fastlayers.lock import FileLock
from fastlayers.oci.digest import is_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastlayers.container_record import ContainerRecord
    from fastlayers.freezer import Freezer
    from fastlayers.store import Store

FILE = "frozen"
# Overlayfs takes 500 lowers, of which an image may need many; and a commit has as many descriptors
# open as the path it is at has directories.
MOST = 100
_ID_BYTES = 16
_OVERLAY_SIGNS = ("trusted.overlay.", "user.overlay.")
_LOWERS = 500
_IMAGE_EXTRA = 2  # its missing mount points, and the upper that is about to be frozen


def directory_of(store: Store) -> str:
    """ROOT/uppers."""
    return os.path.join(store.root, "uppers")


def upper_path(store: Store, frozen: str) -> str:
    """The directory of a frozen upper."""
    return os.path.join(directory_of(store), frozen, "upper")


def read_frozen(directory: str) -> tuple[str, ...]:
    """The IDs of what a container's own upper lies on, base first."""
    path = os.path.join(directory, FILE)
    raw = read_file(path)
    if raw is None:
        return ()
    lines = raw.decode("ascii", "replace").split("\n")
    if lines.pop() or not all(map(_is_id, lines)) or not lines:
        raise CorruptError(f"{path} is damaged; what it named is in uppers/")
    return tuple(lines)


def write_frozen(directory: str, frozen: Sequence[str], *, sync: bool) -> None:
    """Replaces them."""
    path = os.path.join(directory, FILE)
    if frozen:
        write_file(path, "".join(f"{one}\n" for one in frozen).encode(), sync=sync, mode=0o600)
        return
    unlink(path)
    if sync:
        sync_directory(directory)


def _is_id(text: str) -> bool:
    return len(text) == 2 * _ID_BYTES and is_hex(text)


def stack_lock(directory: str, *, exclusive: bool) -> FileLock:
    """A container's frozen.lock, not acquired yet."""
    return FileLock(os.path.join(directory, f"{FILE}.lock"), exclusive=exclusive)


def freeze(
    container: ContainerRecord,
    freezer: Freezer | None = None,
    *,
    sync: bool,
    bounded: bool = True,
) -> tuple[str, ...]:
    """Freezes the upper of a container, which goes on with an empty one on top of it; returns all
    that it lies on now. Nothing is made where nothing has been written.

    One that runs, given with its freezer, goes on with the upper it has, and a copy of that is
    frozen (shared with it where the file system can). It is entered as a user of the copy, and
    whoever has asked for it calls `drop_unneeded` when he has noted who needs it.

    It is right at every moment, also if we die: the new upper is made in the frozen one's place,
    where it changes nothing, and then the two change places. With `bounded` LimitError if the
    container would lie on too many.
    """
    store = container.store
    frozen = read_frozen(container.directory)
    if not _has_changes(container, frozen):
        return frozen
    if bounded:
        _check_depth(container, len(frozen) + 1)
    new = _new_upper(container, freezer, sync=sync)
    if freezer is not None:
        return (*frozen, new)
    try:
        write_frozen(container.directory, (*frozen, new), sync=sync)
    except BaseException:
        drop(store, [new], container.id)
        raise
    exchange(container.upper, upper_path(store, new))
    if sync:
        sync_directory(container.directory)
        sync_directory(os.path.dirname(upper_path(store, new)))
    return (*frozen, new)


def _new_upper(container: ContainerRecord, freezer: Freezer | None, *, sync: bool) -> str:
    """Makes the directory of a frozen upper that a container is a user of: an empty one, or with a
    freezer a copy of the container's. Returns its ID."""
    new = os.urandom(_ID_BYTES).hex()
    uppers = directory_of(container.store)
    made = os.path.join(uppers, f".{new}.new")
    make_directory(uppers, 0o700)
    try:
        make_directory(os.path.join(made, "users"), 0o700)
        upper = os.path.join(made, "upper")
        empty_like(container.upper, upper)
        if freezer is not None:
            with freezer:
                copy_upper(container.upper, upper)
            if sync:
                sync_file_system(upper)
        _touch(os.path.join(made, "users", container.id))
        os.rename(made, os.path.join(uppers, new))
        if sync:
            sync_directory(uppers)
    except BaseException as error:
        remove_tree(made)
        if isinstance(error, OSError):
            raise host_error("cannot freeze the container's changes", error) from None
        raise
    return new


def _has_changes(container: ContainerRecord, frozen: Sequence[str]) -> bool:
    with os.scandir(container.upper) as entries:
        if any(True for _ in entries):
            return True
    if frozen:
        return _attributes(container.upper) != _attributes(upper_path(container.store, frozen[-1]))
    from fastlayers._core import root_owner

    container.store.prepare_chain(container.diff_ids, container.manifest_digest)
    owner, xattrs = _attributes(container.upper)
    return bool(xattrs) or owner != root_owner(container.store.root, list(container.diff_ids))


def _attributes(path: str) -> tuple[tuple[int, int, int], dict[str, bytes]]:
    """What a directory has of its own, but for what overlayfs notes in it."""
    status = os.stat(path)
    names = [name for name in os.listxattr(path) if not name.startswith(_OVERLAY_SIGNS)]
    owner = (status.st_mode & 0o7777, status.st_uid, status.st_gid)
    return owner, {name: os.getxattr(path, name) for name in names}


def empty_like(model: str, path: str) -> None:
    """Makes an empty directory with the attributes of another: an upper's root is the root."""
    try:
        os.mkdir(path, 0o700)
        imitate(model, path)
    except OSError as error:
        raise host_error("cannot make an upper directory", error) from None


def imitate(model: str, path: str) -> None:
    """Gives a directory the attributes of another."""
    (mode, uid, gid), xattrs = _attributes(model)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    for name in _attributes(path)[1].keys() - xattrs.keys():
        os.removexattr(path, name)
    for name, value in xattrs.items():
        os.setxattr(path, name, value)
    status = os.stat(model)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _check_depth(container: ContainerRecord, count: int) -> None:
    of_image = len(container.diff_ids) + _IMAGE_EXTRA
    room = _LOWERS - of_image if container.store.backend == "overlay" else MOST
    if count > min(MOST, room):
        raise LimitError(
            f"container {container.name} lies on {count - 1} frozen states already, and no more "
            "fit: commit it, and go on with a container of the new image"
        )


def use(store: Store, frozen: Iterable[str], container_id: str) -> None:
    """Enters a container as a user, of all or of none; NotFoundError if one is gone."""
    entered: list[str] = []
    try:
        for one in frozen:
            entered.append(one)
            _touch(os.path.join(directory_of(store), one, "users", container_id))
    except BaseException as error:
        drop(store, entered, container_id)
        if isinstance(error, FileNotFoundError):
            raise NotFoundError("the container or its checkpoint was removed meanwhile") from None
        if isinstance(error, OSError):
            raise host_error("cannot enter a user of a frozen upper", error) from None
        raise


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def drop(store: Store, frozen: Iterable[str], container_id: str) -> None:
    """Takes a container from the users; what has none any more goes."""
    for one in frozen:
        unlink(os.path.join(directory_of(store), one, "users", container_id))
        _remove_unused(store, one)


def drop_unneeded(container: ContainerRecord, frozen: Iterable[str]) -> None:
    """Takes a container from the users of those that it does not need any more."""
    drop(container.store, set(frozen) - needed(container.directory), container.id)


def _remove_unused(store: Store, frozen: str) -> None:
    """Removes a frozen upper unless it has users. The removal of the empty folder of users decides:
    nobody can enter it any more, and of several that try one succeeds."""
    place = os.path.join(directory_of(store), frozen)
    try:
        os.rmdir(os.path.join(place, "users"))
    except OSError:
        return  # somebody uses it, or somebody else was faster
    grave = os.path.join(directory_of(store), f".{frozen}.old")
    try:
        os.rename(place, grave)
    except OSError as error:
        raise host_error("cannot remove a frozen upper", error) from None
    remove_tree(grave)


def needed(directory: str) -> set[str]:
    """The frozen uppers that a container's directory names: for itself and for its checkpoints."""
    from fastlayers.checkpoint import read_checkpoints

    return {
        *read_frozen(directory),
        *(one for c in read_checkpoints(directory) for one in c.uppers),
    }


def uppers_of(container: ContainerRecord) -> list[str]:
    """All that a container has written, as directories, the lowest first."""
    frozen = read_frozen(container.directory)
    return [*(upper_path(container.store, one) for one in frozen), container.upper]


def frozen_ids(store: Store) -> list[str]:
    """All frozen uppers of a store."""
    return sorted(name for name in list_directory(directory_of(store)) if _is_id(name))


def users(store: Store, frozen: str) -> list[str]:
    """The IDs of the containers that are entered as users."""
    return list_directory(os.path.join(directory_of(store), frozen, "users"))


def sweep(store: Store) -> None:
    """Removes what a crash has left: half-made uppers, users that are gone or need it no more, and
    what has no users. The caller holds the gc lock exclusively, so that none is being made."""
    directory = directory_of(store)
    for name in list_directory(directory):
        if not _is_id(name):
            remove_tree(os.path.join(directory, name))
    wanted: dict[str, set[str] | None] = {}
    for frozen in frozen_ids(store):
        for user in users(store, frozen):
            if user not in wanted:
                wanted[user] = _needed_by(store, user)
            needs = wanted[user]
            if needs is not None and frozen not in needs:
                unlink(os.path.join(directory, frozen, "users", user))
        if not os.path.isdir(os.path.join(directory, frozen, "users")):
            remove_tree(os.path.join(directory, frozen))
        else:
            _remove_unused(store, frozen)


def _needed_by(store: Store, container_id: str) -> set[str] | None:
    """What a container needs; None if that cannot be read, so that nothing of it may go."""
    directory = os.path.join(store.containers_directory, container_id)
    try:
        return needed(directory) if os.path.isdir(directory) else set()
    except CorruptError:
        return None
