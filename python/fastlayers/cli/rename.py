"""`rename`, `container rename`: gives a container another name."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "CONTAINER NEW_NAME",
    "Rename a container",
    arguments=(2, 2),
    aliases=("container rename", "rename"),
)


def run(call: Call) -> int:
    old, new = call.args
    call.store.container(old).rename(new)
    return 0
