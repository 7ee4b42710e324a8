"""`mount`: the files of an image, or of a container that does not run, in a folder."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.errors import NotFoundError, UnsupportedError

COMMAND = Command(
    "IMAGE|CONTAINER [TARGET]",
    "Mount an image (read-only) or a stopped container, and print where",
    arguments=(1, 2),
    aliases=("container mount", "image mount", "mount"),
)


def run(call: Call) -> int:
    from fastlayers import rootless

    if rootless.entered:
        raise UnsupportedError(
            "what an ordinary user mounts ends with the command: run it in fastlayers unshare sh"
        )
    name = call.args[0]
    target = call.args[1] if len(call.args) == 2 else None
    store = call.store
    group = call.path.partition(" ")[0]
    image = None if group == "container" else store.try_image(name)
    container = None if group == "image" or image else store.try_container(name)
    if image is not None:
        print(store.mount(image, target))
    elif container is not None:
        print(container.mount(target).path)  # stays when we end, until umount
    elif group == "container":
        store.container(name)  # says that there is none
    elif group == "image":
        store.image(name)
    else:
        raise NotFoundError(f"No such image or container: {name}")
    return 0
