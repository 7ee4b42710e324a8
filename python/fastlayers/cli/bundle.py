"""`bundle`: a container or an image as a folder for an OCI runtime."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.errors import NotFoundError

COMMAND = Command(
    "CONTAINER|IMAGE DIR",
    "Write an OCI runtime bundle whose root stays mounted until umount DIR/rootfs",
    arguments=(2, 2),
)


def run(call: Call) -> int:
    name, directory = call.args
    store = call.store
    found = store.try_container(name) or store.try_image(name)
    if found is None:
        raise NotFoundError(f"No such container or image: {name}")
    print(found.bundle(directory).path)  # stays when we end, until umount
    return 0
