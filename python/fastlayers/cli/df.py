"""`system df`: what the store takes on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.usage import Kind

COMMAND = Command(
    "[OPTIONS]",
    "Show disk usage",
    (format_flag(),),
    arguments=(0, 0),
)
_LISTING = Listing(
    "disk usage",
    {
        "Active": "ACTIVE",
        "Reclaimable": "RECLAIMABLE",
        "Size": "SIZE",
        "TotalCount": "TOTAL",
        "Type": "TYPE",
    },
    ("Type", "TotalCount", "Active", "Size", "Reclaimable"),
)


def run(call: Call) -> int:
    usage = call.store.usage()
    rows = (
        _row("Images", usage.images),
        _row("Containers", usage.containers),
        _row("Local Volumes", usage.volumes),
    )
    _LISTING.print(rows, call.flags.text("format"), quiet=False)
    return 0


def _row(name: str, kind: Kind) -> dict[str, object]:
    reclaimable = human.size(kind.reclaimable, 4)
    if kind.size:
        reclaimable += f" ({100 * kind.reclaimable // kind.size}%)"
    return {
        "Type": name,
        "TotalCount": str(kind.count),
        "Active": str(kind.active),
        "Size": human.size(kind.size, 4),
        "Reclaimable": reclaimable,
    }
