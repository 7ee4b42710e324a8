"""Fork: a new container that begins with what another one has changed, and shares it."""

from __future__ import annotations

import os

from fastlayers import frozen_upper
from fastlayers.checkpoint import find_checkpoint
from fastlayers.container_record import ContainerRecord, new_id, read_record
from fastlayers.container_store import publish
from fastlayers.errors import NotFoundError
from fastlayers.names import check_name
from fastlayers.oci import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.checkpoint import Checkpoint
    from fastlayers.container import Container
    from fastlayers.freezer import Freezer


def fork_container(
    container: Container,
    name: str | None,
    checkpoint: Checkpoint | str | None,
    freezer: Freezer | None,
    *,
    sync: bool,
) -> Container:
    """See Container.fork; the caller holds the container's frozen.lock and, without a checkpoint
    and a freezer, its lock."""
    record = read_record(container.directory)
    if record is None:
        raise NotFoundError(f"No such container: {container.name}")
    if name is not None:
        check_name(name)
    if checkpoint is None:
        frozen = frozen_upper.freeze(container, freezer, sync=sync)
    else:
        frozen = find_checkpoint(container, checkpoint).uppers
    store, forked_id = container.store, new_id()
    record = {**record, "id": forked_id, "created": timestamp.now()}
    try:
        frozen_upper.use(store, frozen, forked_id)
    finally:
        if freezer is not None:
            frozen_upper.drop_unneeded(container, frozen)  # the copy is for the fork alone
    try:
        mounts = ContainerRecord(store, container.directory, record).mounts
        return publish(
            store, record, mounts, name or "", sync,
            lambda made: _fill(container, frozen, made, sync),
        )  # fmt: skip
    except BaseException:
        frozen_upper.drop(store, frozen, forked_id)
        raise


def _fill(container: Container, frozen: Sequence[str], directory: str, sync: bool) -> None:
    """Lays a new container's directory on the frozen uppers."""
    if frozen:
        model = frozen_upper.upper_path(container.store, frozen[-1])
        frozen_upper.imitate(model, os.path.join(directory, "upper"))
        frozen_upper.write_frozen(directory, frozen, sync=sync)
