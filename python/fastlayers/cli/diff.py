"""`diff`: what a container changed, or what differs between two images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastlayers.cli import container_diff, human, one_line
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.entries import name_fields
from fastlayers.cli.listing import Listing, format_flag
from fastlayers.cli.packages import warn
from fastlayers.cli.template import in_utf8

if TYPE_CHECKING:
    from fastlayers.analysis.comparison import Comparison

COMMAND = Command(
    "CONTAINER | [OPTIONS] IMAGE IMAGE",
    "Inspect changes to a container's filesystem, or the differences of two images",
    (format_flag(),),
    arguments=(1, 2),
    aliases=("diff",),
)
_LISTING = Listing(
    "difference",
    {
        "Aspects": "WHAT",
        "Change": "CHANGE",
        "Name": "NAME",
        "NameBase64": "NAME BASE64",
        "New": "NEW",
        "Old": "OLD",
        "Type": "TYPE",
    },
    ("Change", "Type", "Aspects", "Old", "New", "Name"),
)
_VALUE_WIDTH = 40


def run(call: Call) -> int:
    format = call.flags.text("format")
    if len(call.args) == 1:
        if call.flags.given("format"):
            raise CommandError("--format is for the differences of two images")
        return container_diff.run(call)
    from fastlayers.analysis.comparison import compare

    old, new = (call.image(name) for name in call.args)
    found = compare(old, new)
    rows = _rows(found, full=format.strip() not in ("", "table"))
    _LISTING.print(rows, format, quiet=False)
    return warn(found.unread)


def _rows(found: Comparison, *, full: bool) -> Iterator[dict[str, object]]:
    for value in found.config:
        change = "added" if value.old is None else "removed" if value.new is None else "changed"
        yield {
            "Aspects": "",
            "Change": change,
            "New": value.new if full else _short(value.new),
            "Old": value.old if full else _short(value.old),
            "Type": "config",
            **name_fields(value.name, "Name"),
        }
    for change, steps in (("removed", found.old_history), ("added", found.new_history)):
        for step in steps:
            text = " ".join(step.split())
            yield {
                "Aspects": "",
                "Change": change,
                "New": "",
                "Old": "",
                "Type": "history",
                **name_fields(step if full else human.shorten(text, _VALUE_WIDTH), "Name"),
            }
    for package in found.packages:
        old, new = package.versions
        yield {
            "Aspects": package.type,
            "Change": package.change,
            "New": one_line(new),
            "Old": one_line(old),
            "Type": "package",
            **name_fields(package.name, "Name"),
        }
    for file in found.files:
        yield {
            "Aspects": ",".join(file.aspects),
            "Change": file.change,
            "New": "" if file.change == "removed" else human.Bytes(file.new_size),
            "Old": "" if file.change == "added" else human.Bytes(file.old_size),
            "Type": file.kind,
            **name_fields(file.path, "Name"),
        }


def _short(value: object) -> str:
    if value is None:
        return ""
    return human.shorten(in_utf8(json.dumps(value, ensure_ascii=False)), _VALUE_WIDTH)
