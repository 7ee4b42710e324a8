"""`snapshot ls`, `snapshot list`: the snapshots of a container, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli import moment
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.checkpoint import Checkpoint

COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "List the snapshots of a container's files",
    (
        format_flag(),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("quiet", "q", "bool", "Only display snapshot IDs"),
    ),
    arguments=(1, 1),
    aliases=("snapshot ls", "snapshot list"),
)
_HEADINGS: dict[str, object] = {
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "ID": "SNAPSHOT ID",
    "Name": "NAME",
}


def run(call: Call) -> int:
    flags = call.flags
    full = flags.enabled("no-trunc")
    rows = (_row(one, full=full) for one in call.store.container(call.args[0]).checkpoints())
    Listing("snapshot", _HEADINGS, ("ID", "Name", "CreatedSince")).print(
        rows, flags.text("format"), quiet=flags.enabled("quiet")
    )
    return 0


def _row(checkpoint: Checkpoint, *, full: bool) -> dict[str, object]:
    created = moment.parse(checkpoint.created)
    return {
        "CreatedAt": moment.listed(created),
        "CreatedSince": moment.since(created),
        "ID": checkpoint.id if full else checkpoint.short_id,
        "Name": checkpoint.name,
    }
