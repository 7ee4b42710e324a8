"""`packages`: what is installed in an image."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastlayers.cli import one_line
from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import name_fields
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastlayers.analysis.packages import UnreadFile

COMMAND = Command(
    "[OPTIONS] IMAGE",
    "List the packages of an image: dpkg's, apk's, rpm's, Python's and npm's",
    (format_flag(),),
    arguments=(1, 1),
    aliases=("packages",),
)
_LISTING = Listing(
    "package",
    {
        "Architecture": "ARCHITECTURE",
        "Name": "NAME",
        "Path": "PATH",
        "PathBase64": "PATH BASE64",
        "Type": "TYPE",
        "Version": "VERSION",
    },
    ("Type", "Name", "Version", "Architecture", "Path"),
)


def run(call: Call) -> int:
    from fastlayers.analysis.packages import find_packages

    found = find_packages(call.image(call.args[0]))
    rows = (
        {
            "Architecture": one_line(package.architecture),
            "Name": one_line(package.name),
            "Type": package.type,
            "Version": one_line(package.version),
            **name_fields(package.path),
        }
        for package in found.packages
    )
    _LISTING.print(rows, call.flags.text("format"), quiet=False)
    return warn(found.unread)


def warn(unread: Iterable[UnreadFile]) -> int:
    """Says which files were not read, after everything that was printed; the exit code."""
    sys.stdout.flush()
    code = 0
    for file in unread:
        print(one_line(f"Warning: packages of {file.path}: {file.reason}"), file=sys.stderr)
        code = 1
    return code
