"""`load`, `image load`: the images of an archive or of an OCI layout folder."""

from __future__ import annotations

import sys

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command, CommandError, existing
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS]",
    "Load an image from a tar archive or STDIN",
    (
        Flag(
            "input",
            "i",
            "string",
            "Read from an archive, an OCI layout folder or - for STDIN (the default)",
        ),
        Flag("platform", "", "string", "Platform of the image, if there are several"),
        progress.FLAG,
        Flag("quiet", "q", "bool", "Suppress the load output"),
    ),
    arguments=(0, 0),
    aliases=("image load", "load"),
)


def run(call: Call) -> int:
    from fastlayers import transports

    path = call.flags.text("input")
    if path in ("", "-") and sys.stdin.isatty():
        raise CommandError("requested load from stdin, but stdin is empty")
    source = sys.stdin.buffer if path in ("", "-") else existing(path)
    kind = "none" if call.flags.enabled("quiet") else call.flags.text("progress")
    with progress.reporter(sys.stdout, words=progress.LOAD_WORDS, kind=kind, lines=False) as report:
        loaded = transports.load(
            call.store,
            source,
            platform=call.flags.text("platform") or None,
            progress=report,
        )
    say = report.say if kind == "json" else print
    for name, image in loaded:
        say(f"Loaded image: {name}" if name else f"Loaded image ID: {image.id}")
    return 0
