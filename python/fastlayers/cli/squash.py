"""`squash`: layers of an image become one."""

from __future__ import annotations

import re

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.commit import source_and_names
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] IMAGE [NAME[:TAG]...]",
    "Create a new image with layers of another squashed into one",
    (
        Flag("base", "", "string", "Squash the layers above those of this image"),
        Flag(
            "layers",
            "",
            "string",
            "Squash these, counted from the base as 1 (2-4, 3-; default all)",
            value_name="FIRST-LAST",
        ),
    ),
    arguments=(1, None),
    aliases=("squash",),
)
_RANGE = re.compile(r"([1-9][0-9]{0,5})?(-)?([1-9][0-9]{0,5})?")


def run(call: Call) -> int:
    name, names = source_and_names(call)
    start, stop = _range(call.flags.text("layers"))
    image = call.store.image(name)
    if call.flags.given("base"):
        if call.flags.given("layers"):
            raise CommandError("--base and --layers exclude each other")
        base = call.store.image(call.flags.text("base")).config.diff_ids
        start = len(base)
        if image.config.diff_ids[:start] != base:
            raise CommandError(f"{name} is not built on {call.flags.text('base')}")
    print(image.squash(*names, start=start, stop=stop).id)
    return 0


def _range(text: str) -> tuple[int, int | None]:
    """Of layers counted from 0, the end not included."""
    found = _RANGE.fullmatch(text)
    if found is None or text == "-":
        raise CommandError(f"--layers is a range of layers like 2-4 or 3-, not {text!r}")
    first, dash, last = found.groups()
    start = int(first) - 1 if first else 0
    if dash:
        return start, int(last) if last else None
    return start, int(first) if first else None
