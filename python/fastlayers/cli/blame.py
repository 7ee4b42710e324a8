"""`blame`: which layers, and which instructions, made a path of an image what it is."""

from __future__ import annotations

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

COMMAND = Command(
    "[OPTIONS] IMAGE PATH",
    "Show which layers and instructions changed a path of an image",
    (format_flag(), Flag("no-trunc", "", "bool", "Don't truncate output")),
    arguments=(2, 2),
    aliases=("blame",),
)
_LISTING = Listing(
    "blame",
    {
        "Added": "ADDED",
        "Change": "CHANGE",
        "CreatedBy": "CREATED BY",
        "Deleted": "DELETED",
        "Layer": "LAYER",
        "Modified": "MODIFIED",
        "Shown": "SHOWN",
        "Size": "SIZE",
    },
    ("Layer", "Change", "Added", "Modified", "Deleted", "Size", "Shown", "CreatedBy"),
)
_COMMAND_WIDTH = 45


def run(call: Call) -> int:
    from fastlayers.analysis.changes import blame

    image = call.image(call.args[0])
    full = call.flags.enabled("no-trunc")
    rows = (
        {
            "Added": step.added,
            "Change": step.change,
            "CreatedBy": command if full else human.shorten(command, _COMMAND_WIDTH),
            "Deleted": step.deleted,
            "Layer": step.index + 1,
            "Modified": step.modified,
            "Shown": human.Bytes(step.shown),
            "Size": human.Bytes(step.size),
        }
        for step in blame(image, call.args[1])
        for command in (" ".join(step.created_by.split()),)
    )
    _LISTING.print(rows, call.flags.text("format"), quiet=False)
    return 0
