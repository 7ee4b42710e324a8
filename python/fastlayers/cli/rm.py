"""`rm`, `container rm`, `container remove`: removes containers and what they changed."""

from __future__ import annotations

import sys

from fastlayers.cli import one_line
from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.errors import NotFoundError

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    (
        Flag("force", "f", "bool", "Force the removal of a running container (uses SIGKILL)"),
        Flag("volumes", "v", "bool", "Remove anonymous volumes too (they always are)"),
    ),
    arguments=(1, None),
    aliases=("container rm", "container remove", "rm"),
)


def run(call: Call) -> int:
    force = call.flags.enabled("force")

    def remove(name: str) -> None:
        try:
            call.store.container(name).remove(force=force)
        except NotFoundError as error:
            if not force:
                raise
            # What is to be gone is gone: said, but no failure.
            print(f"Error: {one_line(str(error))}", file=sys.stderr, flush=True)
            return
        print(name, flush=True)

    return 1 if each(call.args, remove) else 0
