"""ContainerRecord: what a container was made with; but for its name it never changes.

ROOT/containers/<id>/ holds config.json (this record), state.json and lock (see container_state),
upper and work (overlayfs's), frozen, frozen.lock and checkpoints.json (what its upper lies on, see
frozen_upper and checkpoint), merged (where the root is mounted, seen by the container alone),
bundle (of its OCI runtime, if it has one, and seen by that alone), hosts, hostname,
resolv.conf and log.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.container_config import command_line, merge, require_command
from fastlayers.container_mount import (
    BIND,
    IMAGE,
    Mount,
    own_volumes,
    resolve,
    with_own_volumes,
)
from fastlayers.container_options import ContainerOptions
from fastlayers.container_state import StateFile
from fastlayers.errors import CorruptError, InvalidError, UnsupportedError
from fastlayers.host import host_error, read_file, write_file
from fastlayers.oci import fields, timestamp
from fastlayers.oci.digest import is_hex
from fastlayers.oci.frozen import Frozen
from fastlayers.oci.runtime import RuntimeConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.image import Image
    from fastlayers.oci.fields import Json
    from fastlayers.store import Store

_SHORT = 12
_ID_BYTES = 32
_FILE = "config.json"
_WHAT = "container config"
# A container may write as much as it likes into its own labels and environment.
_LIMIT_BYTES = 64 << 20


class MountedImage(Frozen):
    """An image that a container has mounted, as it was when the container was made."""

    __slots__ = ("diff_ids", "id", "manifest_digest")

    id: str
    manifest_digest: str
    diff_ids: tuple[str, ...]

    def __init__(self, id: str, manifest_digest: str, diff_ids: tuple[str, ...]) -> None:
        self._set(id=id, manifest_digest=manifest_digest, diff_ids=diff_ids)


class ContainerRecord:
    """The record of a container, and where its parts lie."""

    __slots__ = (
        "args",
        "created",
        "diff_ids",
        "directory",
        "id",
        "image_id",
        "image_name",
        "manifest_digest",
        "mounted_images",
        "name",
        "options",
        "path",
        "runtime",
        "state_file",
        "store",
    )

    def __init__(self, store: Store, directory: str, record: Json) -> None:
        self.store = store
        self.directory = directory
        self.id = fields.text(record, "id", _WHAT)
        self.name = fields.text(record, "name", _WHAT)
        self.created = fields.text(record, "created", _WHAT)  # RFC 3339
        self.image_id = fields.text(record, "image_id", _WHAT)
        self.image_name = fields.text(record, "image_name", _WHAT)  # as the user wrote it
        self.manifest_digest = fields.text(record, "manifest", _WHAT)
        self.diff_ids = fields.strings(record, "diff_ids", _WHAT) or ()
        self.runtime = RuntimeConfig(fields.mapping(record, "config", _WHAT))
        self.options = ContainerOptions.from_json(fields.mapping(record, "options", _WHAT))
        # What is mounted of other images, by the names that were asked for.
        self.mounted_images = mounted_images(record)
        self.state_file = StateFile(directory)
        words = command_line(self.runtime)
        self.path = words[0] if words else ""
        self.args = words[1:]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.short_id}>"

    @property
    def short_id(self) -> str:
        """The first 12 digits of the ID."""
        return self.id[:_SHORT]

    @property
    def hostname(self) -> str:
        """The host name inside."""
        if self.options.uts == "host":
            return os.uname().nodename
        return self.options.hostname or self.short_id

    @property
    def command(self) -> tuple[str, ...]:
        """Path and arguments; empty for a box without a main command."""
        return command_line(self.runtime)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, those of the image included."""
        return self.runtime.labels

    @property
    def tty(self) -> bool:
        """Whether it has a terminal."""
        return self.options.tty

    @property
    def interactive(self) -> bool:
        """Whether its standard input stays open."""
        return self.options.interactive

    @property
    def mounts(self) -> list[Mount]:
        """Its mounts, those of the image's VOLUMEs included."""
        return _mounts(self.id, self.options, self.runtime)

    @property
    def own_volumes(self) -> list[str]:
        """The names of the volumes that were made for it alone, and that nobody has named."""
        return own_volumes(self.mounts, self.id)

    @property
    def image_ids(self) -> set[str]:
        """The images it needs: its own, and those it has mounted."""
        return {self.image_id, *(image.id for image in self.mounted_images.values())}

    @property
    def upper(self) -> str:
        """The directory of its changes; of a fork or with checkpoints, of the latest of them."""
        return os.path.join(self.directory, "upper")

    @property
    def uppers(self) -> list[str]:
        """The directories of all its changes, the lowest first: frozen ones, which it may share
        with others, and its own."""
        if not os.path.exists(os.path.join(self.directory, "frozen")):
            return [self.upper]
        from fastlayers.frozen_upper import uppers_of

        return uppers_of(self)

    @property
    def logs_path(self) -> str:
        """The file of what it has written; may not exist yet."""
        return os.path.join(self.directory, "log")


def read_record(directory: str) -> Json | None:
    """The record in a container's directory; None if there is none."""
    path = os.path.join(directory, _FILE)
    raw = read_file(path)
    if raw is None:
        return None
    try:
        return fields.parse_object(raw, path, limit=_LIMIT_BYTES)
    except CorruptError as error:
        raise CorruptError(
            f"{error}: the container is damaged; remove {directory} to be rid of it"
        ) from None


def new_record(
    image: Image, options: ContainerOptions, image_name: str, needs_command: bool
) -> tuple[Json, list[Mount]]:
    """The record of a new container of an image, its name still missing; and its mounts."""
    if image.config.os not in ("", "linux"):
        raise UnsupportedError(
            f'image operating system "{image.config.os[:40]}" cannot be used on this platform'
        )
    if options.runtime:
        from fastlayers.oci_runtime import find_runtime, refuse_what_it_cannot

        refuse_what_it_cannot(options)
        find_runtime(options.runtime)
    runtime = merge(image.config.runtime, options)
    if needs_command:
        require_command(command_line(runtime))
    made_id = new_id()
    mounts = _mounts(made_id, options, runtime)
    _check_sources(mounts)
    settled = options.to_json()
    if options.network not in ("host", "none"):
        from fastlayers.container_network import check_network

        check_network(image.store, settled)
    record: Json = {
        "version": 1,
        "id": made_id,
        "created": timestamp.now(),
        "image_id": image.id,
        "image_name": image_name or (image.tags[0] if image.tags else image.id),
        "manifest": image.digest,
        "diff_ids": list(image.config.diff_ids),
        "config": runtime.to_json(),
        "options": settled,
        "mounted_images": [
            _mounted_image(image.store, mount.source) for mount in mounts if mount.kind == IMAGE
        ],
    }
    return record, mounts


def _mounts(container_id: str, options: ContainerOptions, runtime: RuntimeConfig) -> list[Mount]:
    return with_own_volumes(resolve(options.asked_mounts(), runtime.volumes), container_id)


def mounted_images(record: Json) -> dict[str, MountedImage]:
    """What a record says of the images that are mounted, by name."""
    return {
        fields.text(one, "name", _WHAT): MountedImage(
            fields.text(one, "id", _WHAT),
            fields.text(one, "manifest", _WHAT),
            fields.strings(one, "diff_ids", _WHAT) or (),
        )
        for one in fields.objects(record, "mounted_images", _WHAT)
    }


def _mounted_image(store: Store, name: str) -> Json:
    image = store.image(name)
    return {
        "name": name,
        "id": image.id,
        "manifest": image.digest,
        "diff_ids": list(image.config.diff_ids),
    }


def _check_sources(mounts: Sequence[Mount]) -> None:
    for mount in mounts:
        if mount.kind == BIND and mount.must_exist and not os.path.exists(mount.source):
            raise InvalidError(
                f'invalid mount config for type "bind": bind source path does not exist: '
                f"{mount.source}"
            )


def write_directory(directory: str, root_owner: tuple[int, int, int]) -> None:
    """Fills a new container directory, but for the record; `root_owner` is mode, uid and gid of
    the image's root directory, for the upper directory stands in its place."""
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        raise host_error("cannot make the container's directory", error) from None
    fill_directory(directory, root_owner)


def fill_directory(
    directory: str, root_owner: tuple[int, int, int], merged: str = "merged"
) -> None:
    """The same of a directory that is there and empty; `merged` is what the mount point of the root
    is to be called."""
    mode, uid, gid = root_owner
    try:
        for name in ("upper", "work", merged):
            os.mkdir(os.path.join(directory, name), 0o755)
        upper = os.path.join(directory, "upper")
        if (uid, gid) != (os.geteuid(), os.getegid()) and not _core.has_single_id():
            os.chown(upper, uid, gid)
        os.chmod(upper, mode)
        # There from the start: who wants to know whether the container runs looks at it.
        os.close(os.open(os.path.join(directory, "lock"), os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise host_error("cannot make the container's directory", error) from None


def write_record(directory: str, record: Json, sync: bool) -> None:
    """Writes the record; with `sync` it is on disk when this returns."""
    write_file(os.path.join(directory, _FILE), fields.dump(record), sync=sync, mode=0o600)


def new_id() -> str:
    """An ID for a container."""
    while True:
        new = os.urandom(_ID_BYTES).hex()
        # The beginning of the ID is the host name, and must not look like a number.
        if not new[:_SHORT].isdigit():
            return new


def is_id_prefix(text: str) -> bool:
    """Whether a text could be the beginning of a container's ID."""
    return is_hex(text) and len(text) <= 2 * _ID_BYTES
