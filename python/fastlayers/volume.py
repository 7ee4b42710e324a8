"""Volume: a place for data that belongs to no container.

Its data is the directory ROOT/volumes/<name>; what else is known of it is in the file
ROOT/volumes/.<name>.json, which one that was made by an earlier version lacks.
"""

from __future__ import annotations

import os

from fastlayers.errors import CorruptError, NotFoundError
from fastlayers.host import read_file
from fastlayers.oci import fields, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fastlayers.container import Container
    from fastlayers.store import Store

# Docker's own: that nobody gave it a name.
ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_WHAT = "volume record"


class Volume:
    """A named volume of a store; made by `Store.create_volume`, found by `Store.volume`."""

    __slots__ = ("created", "labels", "mountpoint", "name", "store")

    def __init__(
        self, store: Store, name: str, mountpoint: str, created: str, labels: Mapping[str, str]
    ) -> None:
        self.store = store
        self.name = name
        self.mountpoint = mountpoint  # the directory of its data, on the host
        self.created = created  # RFC 3339
        self.labels = dict(labels)

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"

    @property
    def is_anonymous(self) -> bool:
        """Whether its name was chosen at random, and it goes with every prune."""
        return ANONYMOUS_LABEL in self.labels

    def users(self) -> list[Container]:
        """The containers that have it mounted, running or not."""
        from fastlayers.volume_store import users

        return users(self.store).get(self.name, [])

    def size(self) -> int:
        """Bytes of the files in it."""
        from fastlayers import _core

        try:
            return _core.upper_size(self.mountpoint)
        except NotFoundError:
            return 0

    def remove(self) -> None:
        """Removes it and its data. ConflictError if a container has it mounted."""
        from fastlayers.volume_store import remove_volume

        remove_volume(self.store, self.name)

    def inspect(self) -> dict[str, Any]:
        """All about it, in the shape of `docker volume inspect`."""
        return {
            "CreatedAt": self.created,
            "Driver": "local",
            "Labels": dict(self.labels) or None,
            "Mountpoint": self.mountpoint,
            "Name": self.name,
            "Options": None,
            "Scope": "local",
        }


def record_path(directory: str, name: str) -> str:
    """Where the record of a volume lies in ROOT/volumes; no volume has a name with a dot first."""
    return os.path.join(directory, f".{name}.json")


def filling_path(directory: str, name: str) -> str:
    """A file that is there while the core fills a volume with what an image has in its place."""
    return os.path.join(directory, f".{name}.filling")


def read_volume(store: Store, directory: str, name: str) -> Volume | None:
    """The volume of that name in ROOT/volumes; None if there is none."""
    mountpoint = os.path.join(directory, name)
    if not os.path.isdir(mountpoint):
        return None
    path = record_path(directory, name)
    raw = read_file(path)
    created, labels = "", dict[str, str]()
    if raw is not None:
        try:
            record = fields.parse_object(raw, path)
            created = fields.text(record, "created", _WHAT)
            labels = fields.string_map(record, "labels", _WHAT)
        except CorruptError as error:
            raise CorruptError(
                f"{error}: the record of volume {name} is damaged; its data is not: remove {path} "
                "to have it without labels"
            ) from None
    if not created:
        try:
            created = timestamp.from_ns(os.stat(mountpoint).st_mtime_ns)
        except FileNotFoundError:
            return None
    return Volume(store, name, mountpoint, created, labels)


def new_record(labels: Mapping[str, str]) -> bytes:
    """The record of a volume that is made now."""
    document = {"version": 1, "created": timestamp.now(), "labels": dict(labels)}
    return fields.dump(document)
