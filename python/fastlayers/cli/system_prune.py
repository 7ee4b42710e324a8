"""`system prune`: removes stopped containers, then images that nothing uses."""

from __future__ import annotations

from fastlayers.cli import prune
from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused data",
    prune.flags(prune.all_flag()),
    arguments=(0, 0),
)


def run(call: Call) -> int:
    all = call.flags.enabled("all")
    matches = prune.matches(call)
    images = prune.ALL if all else prune.DANGLING
    prune.confirm(call, f"WARNING! This will remove:\n  - all stopped containers\n  - {images}\n")
    containers, freed = call.store.prune_containers(matches=matches)
    prune.report("Deleted Containers", containers)
    removed, freed_images = call.store.prune_images(all=all, matches=matches)
    prune.report_images(removed)
    prune.report_bytes(freed + freed_images)
    return 0
