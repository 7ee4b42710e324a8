"""`snapshot rm`, `snapshot remove`: removes snapshots of a container."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each

COMMAND = Command(
    "CONTAINER SNAPSHOT [SNAPSHOT...]",
    "Remove snapshots of a container's files",
    arguments=(2, None),
    aliases=("snapshot rm", "snapshot remove"),
)


def run(call: Call) -> int:
    container = call.store.container(call.args[0])

    def remove(name: str) -> None:
        container.remove_checkpoint(name)
        print(name)
        sys.stdout.flush()

    return 1 if each(call.args[1:], remove) else 0
