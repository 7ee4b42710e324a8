"""`ls`: what is in a directory of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli import human, moment
from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import KINDS, mode_text, name_fields
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.file_reader import Entry

COMMAND = Command(
    "[OPTIONS] IMAGE [PATH]",
    "List a directory of an image",
    (format_flag(),),
    arguments=(1, 2),
    aliases=("ls",),
)
_LISTING = Listing(
    "file",
    {
        "Layer": "LAYER",
        "Mode": "MODE",
        "Modified": "MODIFIED",
        "Name": "NAME",
        "NameBase64": "NAME BASE64",
        "Owner": "OWNER",
        "Size": "SIZE",
        "Target": "TARGET",
        "TargetBase64": "TARGET BASE64",
        "Type": "TYPE",
    },
    ("Mode", "Owner", "Size", "Modified", "Layer", "Name"),
)


def run(call: Call) -> int:
    image = call.image(call.args[0])
    path = image.path(call.args[1] if len(call.args) > 1 else "/")
    if path.is_dir():
        rows = [_row(child.name, entry) for child, entry in path.entries()]
    else:
        rows = [_row(call.args[1], path.entry())]
    format = call.flags.text("format")
    if format.strip() in ("", "table"):
        for row in rows:
            if row["Target"]:
                row["Name"] = f"{row['Name']} -> {row['Target']}"
    _LISTING.print(rows, format, quiet=False)
    return 0


def _row(name: str, entry: Entry) -> dict[str, object]:
    import os

    kind = KINDS[entry.kind]
    return {
        "Layer": entry.layer + 1,
        "Mode": mode_text(kind, entry.mode),
        "Modified": moment.rfc3339(entry.mtime_ns // 1_000_000_000),
        "Owner": f"{entry.uid}:{entry.gid}",
        "Size": human.Bytes(entry.size),
        "Type": kind,
        **name_fields(name, "Name"),
        **name_fields(os.fsdecode(entry.link), "Target"),
    }
