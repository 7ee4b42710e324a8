"""`create`, `container create`: makes a container and leaves it for `start`."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.obtain import image_to_run
from fastlayers.cli.options import (
    CidFile,
    check_pull_policy,
    container_options,
    flags_with,
    warn_of,
)

COMMAND = Command(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create a new container",
    flags_with(),
    arguments=(1, None),
    aliases=("container create", "create"),
    interspersed=False,
)


def run(call: Call) -> int:
    check_pull_policy(call)
    options = container_options(call)
    with CidFile(call.flags.text("cidfile")) as cid_file:
        image = image_to_run(call, call.args[0])
        container = call.store.create_container(image, options, image_name=call.args[0])
        cid_file.write(container.id)
    warn_of(options)
    print(container.id)
    return 0
