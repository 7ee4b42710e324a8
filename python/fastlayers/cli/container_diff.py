"""`container diff`: what a container changed, added and deleted."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "CONTAINER",
    "Inspect changes to files or directories on a container's filesystem",
    arguments=(1, 1),
    aliases=("container diff",),
)


def run(call: Call) -> int:
    for kind, path in call.store.container(call.args[0]).diff():
        print(kind, path)
    return 0
