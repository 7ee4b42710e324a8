"""Checkpoints: states of a container's file system that it can be brought back to.

containers/<id>/checkpoints.json lists them, oldest first. A checkpoint is the list of the frozen
uppers that the container lay on: to make one, or to go back to it, copies nothing.
"""

from __future__ import annotations

import os

from fastlayers import frozen_upper
from fastlayers.errors import ConflictError, InvalidError, NotFoundError
from fastlayers.host import read_file, write_file
from fastlayers.names import check_name
from fastlayers.oci import fields, timestamp
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.container_record import ContainerRecord
    from fastlayers.freezer import Freezer
    from fastlayers.oci.fields import Json

_FILE = "checkpoints.json"
_ID_BYTES = 32
_SHORT = 12
_WHAT = "checkpoints"
_LIMIT_BYTES = 64 << 20


class Checkpoint(Frozen):
    """A state of a container's file system. `name` may be empty, `created` is RFC 3339; `uppers`
    are the IDs of the frozen uppers it consists of, base first."""

    __slots__ = ("created", "id", "name", "uppers")

    id: str
    name: str
    created: str
    uppers: tuple[str, ...]

    def __init__(self, id: str, name: str, created: str, uppers: tuple[str, ...]) -> None:
        self._set(id=id, name=name, created=created, uppers=uppers)

    @property
    def short_id(self) -> str:
        """The first 12 digits of the ID."""
        return self.id[:_SHORT]

    def __repr__(self) -> str:
        return f"<Checkpoint {self.short_id} {self.name}>".replace(" >", ">")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checkpoint) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> Json:
        """The checkpoint as a JSON object."""
        return {
            "id": self.id,
            "name": self.name,
            "created": self.created,
            "uppers": list(self.uppers),
        }


def read_checkpoints(directory: str) -> list[Checkpoint]:
    """Those of a container's directory, oldest first."""
    path = os.path.join(directory, _FILE)
    raw = read_file(path)
    if raw is None:
        return []
    document = fields.parse_object(raw, path, limit=_LIMIT_BYTES)
    return [
        Checkpoint(
            fields.text(one, "id", _WHAT),
            fields.text(one, "name", _WHAT),
            fields.text(one, "created", _WHAT),
            fields.strings(one, "uppers", _WHAT) or (),
        )
        for one in fields.objects(document, "checkpoints", _WHAT)
    ]


def _write(directory: str, checkpoints: list[Checkpoint], *, sync: bool) -> None:
    document: Json = {"version": 1, "checkpoints": [one.to_json() for one in checkpoints]}
    write_file(os.path.join(directory, _FILE), fields.dump(document), sync=sync, mode=0o600)


def find_checkpoint(container: ContainerRecord, which: Checkpoint | str) -> Checkpoint:
    """The checkpoint with this ID, name or unique beginning of an ID."""
    text = which.id if isinstance(which, Checkpoint) else which
    found = read_checkpoints(container.directory)
    for key in ("id", "name"):
        for one in found:
            if text and getattr(one, key) == text:
                return one
    begun = [one for one in found if text and one.id.startswith(text)]
    if len(begun) > 1:
        raise InvalidError(f"Multiple IDs found with provided prefix: {text}")
    if not begun:
        raise NotFoundError(f"No such kept state of container {container.name}: {text[:200]}")
    return begun[0]


def create_checkpoint(
    container: ContainerRecord, name: str | None, freezer: Freezer | None, *, sync: bool
) -> Checkpoint:
    """See Container.checkpoint; the caller holds the container's locks, or of one that runs
    frozen.lock and its freezer."""
    found = read_checkpoints(container.directory)
    if name and any(one.name == check_name(name) for one in found):
        raise ConflictError(f"container {container.name} has a kept state {name} already")
    uppers = frozen_upper.freeze(container, freezer, sync=sync)
    made = Checkpoint(os.urandom(_ID_BYTES).hex(), name or "", timestamp.now(), uppers)
    try:
        _write(container.directory, [*found, made], sync=sync)
    except BaseException:
        frozen_upper.drop_unneeded(container, uppers)
        raise
    return made


def restore_checkpoint(container: ContainerRecord, checkpoint: Checkpoint, *, sync: bool) -> None:
    """See Container.restore; the caller holds the container's locks."""
    # With an empty upper, what it lies on is all there is, and is replaced in one step.
    before = frozen_upper.freeze(container, sync=sync, bounded=False)
    store, directory = container.store, container.directory
    frozen_upper.write_frozen(directory, checkpoint.uppers, sync=sync)
    if checkpoint.uppers:
        model = frozen_upper.upper_path(store, checkpoint.uppers[-1])
        frozen_upper.imitate(model, container.upper)
    else:
        _imitate_image(container)
    frozen_upper.drop_unneeded(container, before)


def _imitate_image(container: ContainerRecord) -> None:
    from fastlayers._core import root_owner

    container.store.prepare_chain(container.diff_ids, container.manifest_digest)
    mode, uid, gid = root_owner(container.store.root, list(container.diff_ids))
    os.chown(container.upper, uid, gid)
    os.chmod(container.upper, mode)


def remove_checkpoint(container: ContainerRecord, checkpoint: Checkpoint, *, sync: bool) -> None:
    """See Container.remove_checkpoint; the caller holds frozen.lock."""
    found = read_checkpoints(container.directory)
    _write(container.directory, [one for one in found if one != checkpoint], sync=sync)
    frozen_upper.drop_unneeded(container, checkpoint.uppers)
