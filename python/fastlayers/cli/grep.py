"""`grep`: lines of the files of an image that match."""

from __future__ import annotations

import os
import sys

from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import name_fields
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

COMMAND = Command(
    "[OPTIONS] IMAGE PATTERN [PATH]",
    "Search the files of an image for a regular expression",
    (
        Flag("files-with-matches", "l", "bool", "Only print the paths of files that match"),
        format_flag(),
        Flag("ignore-case", "i", "bool", "Upper and lower case are the same"),
        Flag("name", "", "string", "Only files whose name matches this pattern (*, ?, [...])"),
    ),
    arguments=(2, 3),
    aliases=("grep",),
)
_LISTING = Listing(
    "match",
    {
        "Line": "LINE",
        "LineBase64": "LINE BASE64",
        "Number": "NUMBER",
        "Path": "PATH",
        "PathBase64": "PATH BASE64",
    },
    ("Path", "Number", "Line"),
)


def run(call: Call) -> int:
    from fastlayers.analysis.grep import search_contents
    from fastlayers.analysis.search import Criteria

    name, pattern, *paths = call.args
    found = search_contents(
        call.image(name),
        pattern,
        paths[0] if paths else "/",
        ignore_case=call.flags.enabled("ignore-case"),
        criteria=Criteria(name=call.flags.text("name") if call.flags.given("name") else None),
    )
    if call.flags.enabled("files-with-matches"):
        found = iter({match.path: match for match in found}.values())
    rows = [
        {
            "Number": match.number,
            **name_fields(match.path),
            **name_fields(os.fsdecode(match.line), "Line"),
        }
        for match in found
    ]
    format = call.flags.text("format")
    if format:
        _LISTING.print(rows, format, quiet=False)
    elif call.flags.enabled("files-with-matches"):
        print("".join(f"{row['Path']}\n" for row in rows), end="")
    else:
        print("".join(f"{_told(row)}\n" for row in rows), end="")
    sys.stdout.flush()
    return 0 if rows else 1


def _told(row: dict[str, object]) -> str:
    """As grep prints it."""
    if not row["Number"]:
        return f"{row['Path']}: binary file matches"
    return f"{row['Path']}:{row['Number']}:{row['Line']}"
