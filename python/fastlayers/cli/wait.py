"""`wait`, `container wait`: waits for containers to end and prints their exit codes."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each

COMMAND = Command(
    "CONTAINER [CONTAINER...]",
    "Block until one or more containers stop, then print their exit codes",
    arguments=(1, None),
    aliases=("container wait", "wait"),
)


def run(call: Call) -> int:
    def wait(name: str) -> None:
        print(call.store.container(name).wait(), flush=True)

    return 1 if each(call.args, wait) else 0
