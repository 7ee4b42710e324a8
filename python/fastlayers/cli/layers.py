"""`layers`: what every layer of an image added, modified, deleted and wastes."""

from __future__ import annotations

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

COMMAND = Command(
    "[OPTIONS] IMAGE",
    "Show what the layers of an image changed",
    (format_flag(), Flag("no-trunc", "", "bool", "Don't truncate output")),
    arguments=(1, 1),
    aliases=("layers",),
)
_LISTING = Listing(
    "layer",
    {
        "Added": "ADDED",
        "CreatedBy": "CREATED BY",
        "Deleted": "DELETED",
        "DiffID": "DIFF ID",
        "Layer": "LAYER",
        "Modified": "MODIFIED",
        "Size": "SIZE",
        "Wasted": "WASTED",
    },
    ("Layer", "DiffID", "Added", "Modified", "Deleted", "Size", "Wasted", "CreatedBy"),
)
_COMMAND_WIDTH = 45


def run(call: Call) -> int:
    from fastlayers.analysis.changes import layer_changes

    full = call.flags.enabled("no-trunc")
    rows = (
        {
            "Added": layer.added,
            "CreatedBy": command if full else human.shorten(command, _COMMAND_WIDTH),
            "Deleted": layer.deleted,
            "DiffID": layer.diff_id if full else layer.diff_id.partition(":")[2][:12],
            "Layer": layer.index + 1,
            "Modified": layer.modified,
            "Size": human.Bytes(layer.size),
            "Wasted": human.Bytes(layer.wasted),
        }
        for layer in layer_changes(call.image(call.args[0]))
        for command in (" ".join(layer.created_by.split()),)
    )
    _LISTING.print(rows, call.flags.text("format"), quiet=False)
    return 0
