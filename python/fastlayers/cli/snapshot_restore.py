"""`snapshot restore`: brings a container's files back to a snapshot."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "CONTAINER SNAPSHOT",
    "Bring the files of a stopped container back to a snapshot of it",
    arguments=(2, 2),
)


def run(call: Call) -> int:
    container, snapshot = call.args
    call.store.container(container).restore(snapshot)
    return 0
