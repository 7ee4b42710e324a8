"""`ls`: what is in a directory of an image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastlayers.cli import human, moment, one_line
from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import KINDS, mode_text, name_fields, owner_cells
from fastlayers.cli.listing import Listing, format_flag, is_plain_table
from fastlayers.cli.table import Facts

if TYPE_CHECKING:
    from fastlayers.file_reader import Entry

COMMAND = Command(
    "[OPTIONS] IMAGE [PATH]",
    "List a directory of an image",
    (format_flag(),),
    arguments=(1, 2),
    aliases=("ls",),
)
_SECOND_NS = 1_000_000_000
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
        found = [(child.name, entry) for child, entry in path.entries()]
    else:
        found = [(call.args[1], path.entry())]
    format = call.flags.text("format")
    if is_plain_table(format):
        _print_table(found)
    else:
        _LISTING.print((_row(name, entry) for name, entry in found), format, quiet=False)
    return 0


def _print_table(found: list[tuple[str, Entry]]) -> None:
    """What few rows differ in is told once: a directory may have 20,000 of them."""
    facts = (
        (e.kind, e.mode, e.uid, e.gid, e.size, e.mtime_ns // _SECOND_NS, e.layer) for _, e in found
    )
    kind, mode, uid, gid, size, modified, layer = zip(*facts, strict=True) if found else [()] * 7
    _LISTING.print_facts(
        Facts(("Mode", "Owner"), owner_cells, kind, mode, uid, gid),
        Facts(("Size",), lambda size: (human.size(size),), size),
        Facts(("Modified",), lambda seconds: (moment.rfc3339(seconds),), modified),
        Facts(("Layer",), lambda layer: (str(layer + 1),), layer),
        last=[_told_name(name, os.fsdecode(entry.link)) for name, entry in found],
    )


def _told_name(name: str, target: str) -> str:
    return f"{one_line(name)} -> {one_line(target)}" if target else one_line(name)


def _row(name: str, entry: Entry) -> dict[str, object]:
    kind = KINDS[entry.kind]
    return {
        "Layer": entry.layer + 1,
        "Mode": mode_text(kind, entry.mode),
        "Modified": moment.rfc3339(entry.mtime_ns // _SECOND_NS),
        "Owner": f"{entry.uid}:{entry.gid}",
        "Size": human.Bytes(entry.size),
        "Type": kind,
        **name_fields(name, "Name"),
        **name_fields(os.fsdecode(entry.link), "Target"),
    }
