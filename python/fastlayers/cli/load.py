"""`load`, `image load`: the images of an archive or of an OCI layout folder."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command, CommandError
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
        Flag("quiet", "q", "bool", "Suppress the load output"),
    ),
    arguments=(0, 0),
    aliases=("image load", "load"),
)


def run(call: Call) -> int:
    from fastlayers import transports
    from fastlayers.cli.progress import reporter

    path = call.flags.text("input")
    if path in ("", "-") and sys.stdin.isatty():
        raise CommandError("requested load from stdin, but stdin is empty")
    source = sys.stdin.buffer if path in ("", "-") else path
    kind = "none" if call.flags.enabled("quiet") else "auto"
    with reporter(sys.stdout, kind=kind, lines=False) as progress:
        loaded = transports.load(
            call.store,
            source,
            platform=call.flags.text("platform") or None,
            progress=progress,
        )
    for name, image in loaded:
        print(f"Loaded image: {name}" if name else f"Loaded image ID: {image.id}")
    return 0
