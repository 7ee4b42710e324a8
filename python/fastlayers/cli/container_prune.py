"""`container prune`: removes the containers that do not run."""

from __future__ import annotations

from fastlayers.cli import prune
from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "[OPTIONS]",
    "Remove all stopped containers",
    prune.flags(),
    arguments=(0, 0),
)


def run(call: Call) -> int:
    matches = prune.matches(call)
    if not prune.confirm(call, "WARNING! This will remove all stopped containers."):
        return 0
    removed, freed = call.store.prune_containers(matches=matches)
    prune.report("Deleted Containers", removed)
    prune.report_bytes(freed)
    return 0
