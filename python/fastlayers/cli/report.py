"""`report`: a page about an image, or about the differences of two, for a browser."""

from __future__ import annotations

import os
import sys

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.export import refuse_terminal
from fastlayers.cli.flags import Flag

_DEFAULT = "report.html"


def _check_output(text: str) -> str:
    return "" if text else "must name a file"


COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE]",
    "Write a page about an image, or about the differences of two",
    (
        Flag(
            "output",
            "o",
            "string",
            f'Write to this file, or "-" for STDOUT (without it: {_DEFAULT}, if there is none yet)',
            check=_check_output,
        ),
    ),
    arguments=(1, 2),
    aliases=("report",),
)


def run(call: Call) -> int:
    output = call.flags.text("output") if call.flags.given("output") else _DEFAULT
    if output == "-":
        refuse_terminal("write the page")
    elif not call.flags.given("output") and os.path.lexists(output):
        raise CommandError(f"{output} is there already: to replace it, say -o {output}")
    image, *others = (call.store.image(name) for name in call.args)
    new = others[0] if others else None
    if output == "-":
        sys.stdout.flush()
        image.report(sys.stdout.buffer, new)
    else:
        image.report(output, new)
        if os.path.isfile(output):
            print(f"Wrote {output} ({human.size(os.path.getsize(output))})")
    return 0
