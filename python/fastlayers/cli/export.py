"""`export`, `container export`: a container's files as a tar archive."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Export a container's filesystem as a tar archive",
    (Flag("output", "o", "string", "Write to a file, instead of STDOUT"),),
    arguments=(1, 1),
    aliases=("container export", "export"),
)


def run(call: Call) -> int:
    output = call.flags.text("output")
    if not output:
        refuse_terminal("export")
    call.store.container(call.args[0]).export(output or sys.stdout.buffer)
    return 0


def refuse_terminal(verb: str) -> None:
    """An archive does no good to a terminal."""
    if sys.stdout.isatty():
        raise CommandError(
            f"cowardly refusing to {verb} to a terminal. Use the -o flag or redirect"
        )
