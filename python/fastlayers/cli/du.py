"""`du`: what the files of an image take, by directory, by layer or by type."""

from __future__ import annotations

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import name_fields
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

_BY = ("directory", "layer", "type")


def _check_by(text: str) -> str:
    return "" if text in _BY else "must be directory, layer or type"


def _check_depth(text: str) -> str:
    return "must not be negative" if text.startswith("-") else ""


COMMAND = Command(
    "[OPTIONS] IMAGE [PATH]",
    "Show what the files of an image take",
    (
        Flag("by", "", "string", "Sum by directory, layer or type", default="directory",
             value_name="string", check=_check_by),
        format_flag(),
        Flag("max-depth", "d", "int", "Show directories down to this level", default=1,
             check=_check_depth),
    ),
    arguments=(1, 2),
    aliases=("du",),
)  # fmt: skip
_HEADINGS = {"Files": "FILES", "Name": "", "NameBase64": "NAME BASE64", "Size": "SIZE"}


def run(call: Call) -> int:
    from fastlayers.analysis.sums import disk_usage

    image = call.image(call.args[0])
    by = call.flags.text("by")
    path = call.args[1] if len(call.args) > 1 else "/"
    rows = (
        {
            "Files": usage.files,
            "Size": human.Bytes(usage.size),
            **name_fields(str(int(usage.name) + 1) if by == "layer" else usage.name, "Name"),
        }
        for usage in disk_usage(image, path, by=by, depth=call.flags.number("max-depth"))
    )
    headings = {**_HEADINGS, "Name": "PATH" if by == "directory" else by.upper()}
    listing = Listing("usage", headings, ("Size", "Files", "Name"))
    listing.print(rows, call.flags.text("format"), quiet=False)
    return 0
