"""`image prune`: removes images that nothing uses."""

from __future__ import annotations

from fastlayers.cli import prune
from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused images",
    prune.flags(prune.all_flag()),
    arguments=(0, 0),
)


def run(call: Call) -> int:
    all = call.flags.enabled("all")
    matches = prune.matches(call)
    if not prune.confirm(
        call, f"WARNING! This will remove {prune.ALL if all else prune.DANGLING}."
    ):
        return 0
    removed, freed = call.store.prune_images(all=all, matches=matches)
    prune.report_images(removed)
    prune.report_bytes(freed)
    return 0
