"""`snapshot create`: notes the state of a container's files."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "CONTAINER [NAME]",
    "Keep the state of a stopped container's files, not of processes (nothing is copied)",
    arguments=(1, 2),
)


def run(call: Call) -> int:
    name = call.args[1] if len(call.args) == 2 else None
    print(call.store.container(call.args[0]).checkpoint(name).id)
    return 0
