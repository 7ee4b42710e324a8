"""`volume prune`: removes the volumes that no container has mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli import prune
from fastlayers.cli.command import Call, Command
from fastlayers.cli.filters import Filters, has_label
from fastlayers.cli.flags import Flag

if TYPE_CHECKING:
    from fastlayers.volume import Volume

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused local volumes",
    prune.flags(Flag("all", "a", "bool", "Remove all unused volumes, not just anonymous ones")),
    arguments=(0, 0),
)


def run(call: Call) -> int:
    filters = Filters(call.flags.all("filter"), ("all", "label", "label!"))
    all = call.flags.enabled("all") or bool(filters.flag("all"))
    kind = "local" if all else "anonymous local"
    if not prune.confirm(
        call, f"WARNING! This will remove {kind} volumes not used by at least one container."
    ):
        return 0

    def matches(volume: Volume) -> bool:
        refused = any(has_label(volume.labels, wanted) for wanted in filters.values("label!"))
        return not refused and filters.labels(volume.labels)

    removed, freed = call.store.prune_volumes(all=all, matches=matches)
    prune.report("Deleted Volumes", removed)
    prune.report_bytes(freed)
    return 0
