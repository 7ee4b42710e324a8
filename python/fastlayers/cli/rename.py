"""`rename`, `container rename`: gives a container another name."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.errors import FastlayersError

COMMAND = Command(
    "CONTAINER NEW_NAME",
    "Rename a container",
    arguments=(2, 2),
    aliases=("container rename", "rename"),
)


def run(call: Call) -> int:
    old, new = call.args
    try:
        call.store.container(old).rename(new)
    except FastlayersError as error:
        raise CommandError(f"failed to rename container: {error}") from None
    return 0
