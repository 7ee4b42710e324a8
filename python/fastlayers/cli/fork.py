"""`fork`, `container fork`: makes a container that begins with the files of another one."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] CONTAINER [NAME]",
    "Create a container that begins with the files of another one",
    (
        Flag(
            "snapshot", "", "string", "Begin with a snapshot of the container", value_name="string"
        ),
    ),
    arguments=(1, 2),
    aliases=("container fork", "fork"),
)


def run(call: Call) -> int:
    name = call.args[1] if len(call.args) == 2 else None
    checkpoint = call.flags.text("snapshot") or None
    print(call.store.container(call.args[0]).fork(name, checkpoint=checkpoint).id)
    return 0
