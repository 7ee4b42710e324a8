"""`image prune`: removes images that nothing uses."""

from __future__ import annotations

from fastlayers.cli import prune
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused images",
    (
        Flag("all", "a", "bool", "Remove all unused images, not just dangling ones"),
        prune.filter_flag(),
        prune.FORCE,
    ),
    arguments=(0, 0),
)
ALL = "all images without at least one container associated to them"
DANGLING = "all dangling images"


def run(call: Call) -> int:
    all = call.flags.enabled("all")
    matches = prune.matches(call)
    prune.confirm(call, f"WARNING! This will remove {ALL if all else DANGLING}.")
    removed, freed = call.store.prune_images(all=all, matches=matches)
    prune.report_images(removed)
    prune.report_bytes(freed)
    return 0
