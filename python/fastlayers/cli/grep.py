"""`grep`: lines of the files of an image that match."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import name_fields
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastlayers.analysis.grep import Match

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
    names_only = call.flags.enabled("files-with-matches")
    rows = _rows(_first_of_each(found) if names_only else found)
    format = call.flags.text("format")
    if format:
        listed = list(rows)
        _LISTING.print(listed, format, quiet=False)
        return 0 if listed else 1
    is_found = False
    for row in rows:  # as they are found: there may be more than fit into memory
        is_found = True
        print(row["Path"] if names_only else _told(row))
    sys.stdout.flush()
    return 0 if is_found else 1


def _rows(found: Iterable[Match]) -> Iterator[dict[str, object]]:
    for match in found:
        yield {
            "Number": match.number,
            **name_fields(match.path),
            **name_fields(os.fsdecode(match.line), "Line"),
        }


def _first_of_each(found: Iterable[Match]) -> Iterator[Match]:
    """The first match of each file."""
    path = ""
    for match in found:
        if match.path != path:
            path = match.path
            yield match


def _told(row: dict[str, object]) -> str:
    """As grep prints it."""
    if not row["Number"]:
        return f"{row['Path']}: binary file matches"
    return f"{row['Path']}:{row['Number']}:{row['Line']}"
