"""`system prune`: removes stopped containers, then volumes and images that nothing uses."""

from __future__ import annotations

from fastlayers.cli import prune
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused data",
    prune.flags(prune.all_flag(), Flag("volumes", "", "bool", "Prune anonymous volumes")),
    arguments=(0, 0),
)


def run(call: Call) -> int:
    all = call.flags.enabled("all")
    volumes = call.flags.enabled("volumes")
    matches = prune.matches(call)
    if volumes and any(text.startswith("until=") for text in call.flags.all("filter")):
        raise CommandError('ERROR: The "until" filter is not supported with "--volumes"')
    what = ["all stopped containers"]
    if volumes:
        what.append("all anonymous volumes not used by at least one container")
    what.append(prune.ALL if all else prune.DANGLING)
    listed = "".join(f"  - {line}\n" for line in what)
    if not prune.confirm(call, f"WARNING! This will remove:\n{listed}"):
        return 0
    containers, freed = call.store.prune_containers(matches=matches)
    prune.report("Deleted Containers", containers)
    if volumes:
        pruned, freed_volumes = call.store.prune_volumes(matches=matches)
        prune.report("Deleted Volumes", pruned)
        freed += freed_volumes
    removed, freed_images = call.store.prune_images(all=all, matches=matches)
    prune.report_images(removed)
    prune.report_bytes(freed + freed_images)
    return 0
